"""Asks the programs of another place what they are."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from interpreters.clients import PROBES
from interpreters.describe import describe, describe_program
from interpreters.identify import IdentifyError, answer_there
from interpreters.interpreter import program_id
from interpreters.places import Passenger
from interpreters.programs import ANSWER_LIMIT, InstalledProgram, introduced

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from interpreters.locate import Candidate
    from interpreters.programs import Program

SCRIPT = PROBES / "said.py"
MARK = "TLS-FLOOR-SAID "

OUTPUT_LIMIT = 16 * 1024
"""Characters that are read of what a program says of itself, as said.py prints them."""

NO_PYTHON = (
    "the Python of this place does not say where it is, so that none there can run the program's probe"
)


def identify_programs_there(
    python: Path | None, candidates: Sequence[Candidate], programs: Iterable[Program]
) -> tuple[InstalledProgram, ...]:
    """Return what programs of one place say of themselves, or why they cannot, asked by a Python there.

    Another program of the same name is left out, as by identify_program.
    """
    known = {program_id(program.id): program for program in programs}
    if python is None:
        return tuple(
            InstalledProgram(describe(each, unavailable=each.unavailable or NO_PYTHON), known[each.id])
            for each in candidates
        )
    answers = _ask(python, [each for each in candidates if not each.unavailable], known)
    identified = (_identified(each, known[each.id], answers.get(each.id, {})) for each in candidates)
    return tuple(replace(found, python=python) for found in identified if found is not None)


def _identified(candidate: Candidate, program: Program, answer: Mapping[str, Any]) -> InstalledProgram | None:
    if candidate.unavailable:
        return InstalledProgram(describe(candidate, unavailable=candidate.unavailable), program)
    if not program.ask:
        return InstalledProgram(describe_program(candidate, "", ""), program)
    if problem := answer["problem"]:
        return InstalledProgram(describe(candidate, unavailable=f"{candidate.path} {problem}"), program)
    return introduced(candidate, program, answer["status"], answer["output"])


def _ask(
    python: Path, candidates: Sequence[Candidate], known: Mapping[str, Program]
) -> dict[str, dict[str, Any]]:
    """Return by id what each program said, or the problem; what makes no sense is one for all."""
    answering = [each for each in candidates if known[each.id].ask]
    if not answering:
        return {}
    wanted = [{"words": [str(each.path), *known[each.id].ask], "limit": ANSWER_LIMIT} for each in answering]
    arguments, files = (SCRIPT, "{folder}/programs.json"), {"programs.json": json.dumps(wanted)}
    passenger = Passenger(python, arguments, files, limit=2 * ANSWER_LIMIT * len(answering))
    try:
        found = list(_answers(answer_there(answering[0].place, passenger, MARK)))
        return dict(zip((each.id for each in answering), found, strict=True))
    except IdentifyError as error:
        problem = f"could not be asked what it is: {error}"
    except (KeyError, TypeError, ValueError) as error:
        problem = f"could not be asked what it is: the answer makes no sense: {str(error)[:200]}"
    return {each.id: {"problem": problem} for each in answering}


def _answers(facts: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Check what a place says; raises KeyError, TypeError or ValueError for what makes no sense."""
    for each in facts["said"]:
        status, output, problem = each["status"], each["output"], each["problem"]
        if not isinstance(output, str) or not isinstance(problem, str):
            msg = "what a program said is no text"
            raise TypeError(msg)
        if not problem and type(status) is not int:
            msg = f"{status!r} is no exit status"
            raise TypeError(msg)
        yield {"status": status, "output": output[:OUTPUT_LIMIT], "problem": problem[:200]}
