"""Builds of OpenSSL and Python without the versions below the floor: recipes, sources, build, checks."""
