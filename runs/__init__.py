"""What each session does: its options, what nox must know beforehand, and the session itself."""
