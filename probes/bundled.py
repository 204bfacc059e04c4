"""Passenger script: runs another script, or the folder of one, inside a zipapp, as Python itself would run it.

Its arguments are the zipapp that has to be put on the path, or `-` where the zipapp is there already because
its own code started us (pex, shiv); then the script, and the script's arguments.
"""

import runpy
import sys


def main():
    """Run the script that the arguments name."""
    archive, script = sys.argv[1:3]
    # Such code starts us as an interactive Python starts, with the current folder on the path.
    sys.path[:] = [folder for folder in sys.path if folder]
    if archive != "-":
        # As for `python ARCHIVE`: in the place of the folder of this script.
        sys.path[0] = archive
    del sys.argv[:2]
    runpy.run_path(script, run_name="__main__")


if __name__ == "__main__":
    main()
