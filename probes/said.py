"""Passenger script: asks programs of the place what they are, and prints what each said.

Its argument is a file of JSON: a list of programs, each with `words`, the command that asks it, and `limit`, the
seconds that it may take. It prints one marked line of JSON: `said`, for each program `status` (negative: the signal it died
of), `output`, both of its streams, and in `problem` why it had to be ended, or cannot be run.
"""

from __future__ import print_function

import json
import sys

# Start-up code of the interpreter may have imported a module of its own by this name.
sys.modules.pop("program", None)

import program

MARK = "TLS-FLOOR-SAID "

OUTPUT_LIMIT = 16 * 1024
"""Characters that are kept of what a program says of itself."""


def ask(words, limit):
    """Return what one program said."""
    found = {"status": None, "output": "", "problem": ""}
    try:
        status, problem, said, complained = program.ProgramClient({"request": ""}).run(words, {}, limit)
    except EnvironmentError as error:
        return dict(found, problem="cannot be run: %s" % (error.strerror or error))
    return dict(found, status=status, output=(said + complained)[:OUTPUT_LIMIT], problem=problem)


def main():
    """Ask each, and print the line."""
    with open(sys.argv[1]) as file:
        wanted = json.load(file)
    print("\n" + MARK + json.dumps({"said": [ask(each["words"], each["limit"]) for each in wanted]}))


if __name__ == "__main__":
    main()
