"""What is deployed on this machine: environments as found, interpreters' own packages, zipapps, what runs.

found.py, sites.py, bundles.py and running.py find it; same.py tells which is the same byte for byte;
copies.py and pins.py say what a copy of an environment is made of, managers.py which tool manages it.
"""
