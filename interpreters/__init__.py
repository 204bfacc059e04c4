"""Which Pythons there are on this machine, what each is, and how each gets its environment."""
