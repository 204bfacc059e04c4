"""Builds pairs of OpenSSL and Python without the versions below the floor.

recipes.py and request.py say what to build; harden.py installs the pair that pair.py builds. components.py
has what OpenSSL and Python each need, build.py the folder and the phases, checks.py the proof.
"""
