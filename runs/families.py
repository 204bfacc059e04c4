"""Tells which environments the measurement of one holds for, once that is made: by what was loaded for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from interpreters.deployed.same import Counted, told_apart

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from runs.campaign import ProbedInterpreter
    from runs.probe import ProbeTask
    from servers.conditions import Condition


def families(interpreters: Mapping[str, Sequence[ProbeTask]]) -> list[dict[str, Sequence[ProbeTask]]]:
    """Return the interpreters, those together that are alike before anything is measured."""
    found: dict[tuple[str, str], dict[str, Sequence[ProbeTask]]] = {}
    for name, tasks in interpreters.items():
        alike = tasks[0].alike
        found.setdefault((alike, "" if alike else name), {})[name] = tasks
    return list(found.values())


def told_by_the_first(
    family: Mapping[str, Sequence[ProbeTask]], probed: ProbedInterpreter, conditions: Iterable[Condition]
) -> list[list[str]]:
    """Return the names of a family, together where what counts is the same, of which the first was measured.

    It is in the first group: alone where its measurement was disturbed, which would not hold for others. All
    counts where nobody knows what was loaded, or a client is the user's own, which may read anything.
    """
    if any(result.problem or result.strangers or result.left for result in probed.all_results):
        first, *others = family
        return [[first], others]
    folders = {name: tasks[0].environment for name, tasks in family.items()}
    return told_apart(folders, _counted(probed, conditions))


def _counted(probed: ProbedInterpreter, conditions: Iterable[Condition]) -> Counted | None:
    task = probed.tasks[0]
    results = [probed.results.get(condition, {}).get(task.python) for condition in conditions]
    loaded = [path for result in results for path in (result and result.loaded) or ()]
    if task.sources or not all(result and result.loaded for result in results):
        return None
    sought = {name for result in results if result for name in result.sought}
    sought.update(name for names in task.modules.values() for name in names)
    identity = probed.identity_of(task.python) or {}
    try:
        return Counted.of(task.environment, loaded, sought, map(str, identity["start_up"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None
