"""Finds the Pythons of this machine, asks each what it is, and makes the environments of its clients.

locate.py finds Candidates by looking at files. identify.py starts a candidate, which returns its Identity.
describe.py makes the Interpreter of both, as every report names it. environments.py makes a ClientVenv for
each requirement. prepared.py does all of that for one candidate; its result is Prepared.
"""
