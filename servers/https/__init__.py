"""The HTTPS server that most entries of the catalogue run on: a process of its own, standard library only."""
