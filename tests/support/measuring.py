"""Measures plain `ssl` in interpreters as a run does, for tests that disturb it; also as a program.

`python measuring.py FOLDER PYTHON...` prints, as JSON, the verdict, the offer and the reason of each.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

ROOT = Path(__file__).parent.parent.parent
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

from interpreters.clients import ClientKey  # noqa: E402
from interpreters.log import shown  # noqa: E402
from interpreters.process_environment import sanitized_environment  # noqa: E402
from runs.campaign import CampaignResult, Settings, run_campaign  # noqa: E402
from runs.probe import ProbeTask  # noqa: E402
from servers.catalogue import Catalogue, read_catalogue  # noqa: E402
from servers.conditions import Condition  # noqa: E402
from servers.protocols import Protocol  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Sequence

    from reports.verdicts.judge import Judgement

FLOOR = Protocol.TLSV1_2
SSL = ClientKey("ssl")
FEW = ("open", "tls1_2", "tls1_3", "tls1_1_rsa", "tls1_0_rsa", "max_tls1_1_ecdhe")
"""Servers enough for any verdict."""


@dataclass(frozen=True)
class MeasuredCampaign:
    """What a campaign came to, and what it said while it ran."""

    campaign: CampaignResult
    judgements: tuple[Judgement, ...]
    """One for each interpreter, in order."""
    said: tuple[str, ...]


def measure(folder: Path, pythons: Sequence[Path], catalogue: Catalogue | None = None) -> MeasuredCampaign:
    """Measure `ssl` in each interpreter, on those few servers unless others are given."""
    whole = read_catalogue()
    few = catalogue or Catalogue(tuple(whole[name] for name in FEW), whole.sha256)
    environment = sanitized_environment(os.environ, folder)
    tasks = [ProbeTask(str(number), python, environment, (SSL,)) for number, python in enumerate(pythons)]
    settings = Settings(few, FLOOR, (Condition.AMBIENT,), folder, os.environ)
    said: list[str] = []
    with shown(said.append):
        campaign = asyncio.run(run_campaign(tasks, settings))
    judgements = tuple(
        campaign.interpreters[task.interpreter].judged.judgement(SSL, Condition.AMBIENT, FLOOR)
        for task in tasks
    )
    return MeasuredCampaign(campaign, judgements, tuple(said))


if __name__ == "__main__":
    done = measure(Path(sys.argv[1]), [Path(python) for python in sys.argv[2:]])
    told = [(one.verdict, one.offer, one.reason) for one in done.judgements]
    print(json.dumps(told))  # noqa: T201  a program talks to its user
