"""Observations become verdicts, verdicts a table, and the table the files that people and gates read."""
