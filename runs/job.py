"""What every session has at hand: its options, its cache, the interpreters, and who measures them."""

from __future__ import annotations

import contextlib
import hashlib
import os
import platform
import sys
import time
import tomllib
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING

from interpreters.clients import (
    INSTALLER,
    Client,
    ClientKey,
    clients,
    default_clients,
    requirements,
    specifiers,
    variants,
)
from interpreters.deployed.bundles import FoundBundles, find_bundles
from interpreters.deployed.found import find_environments
from interpreters.deployed.running import RunningPythons, find_running
from interpreters.deployed.sites import sites, with_clients
from interpreters.environments import AT_ONCE, Installer
from interpreters.interpreter import PROGRAM
from interpreters.locate import NOTHING, Discovery, SelectionError, leads_to, python_of, select
from interpreters.log import LOG
from interpreters.own_clients import OwnClient, own_clients
from interpreters.prepared import EnvironmentMaker, distinct, forget, prepare_and_hold, prepare_candidate
from interpreters.process_environment import runners, sanitized_environment
from interpreters.processes import side_by_side
from interpreters.programs import (
    identify_program,
    locate_programs,
    missing_command,
    programs_of,
    read_programs,
)
from interpreters.scratch import scratch_folder
from interpreters.sent import Parcels
from interpreters.unaltered import unaltered
from runs.own_environment import find_uv
from runs.task import ROOT, Task, refuse
from servers.catalogue import Role, read_catalogue
from servers.progress import counted
from servers.protocols import Protocol
from servers.resources import ResourceError, link_problem, make_room_for, own_problem, writing_problem

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from interpreters.locate import Candidate
    from interpreters.prepared import Prepared
    from interpreters.programs import Program
    from reports.verdicts.observations import RunRequest
    from reports.verdicts.policy import Policy
    from reports.verdicts.scope import LeftOut
    from runs.campaign import Settings
    from runs.measure import RunStart
    from runs.spending import Spending
    from runs.spool import Spool
    from runs.unfinished import Unfinished
    from servers.conditions import Condition

_OPTIONS = {"Python": "interpreter PATH", "environment": "environment DIR"}

PIPES = 8
"""Open files for an installer that runs: what leads to it and back, and locks while it makes something."""

WORTH_SAYING = 1.0
"""Seconds after which it is said that an interpreter's environments are there: they had to be made."""


@dataclass(frozen=True)
class Job(Task):
    """One session at work on interpreters: its cache, what there is to measure, and who measures that."""

    @cached_property
    def cache(self) -> Path:
        """The folder, readable by us alone, for all that is kept between and during runs.

        Raises ResourceError where it cannot be that.
        """
        try:
            cache = self.session.cache_dir.absolute()
        except (FileExistsError, NotADirectoryError) as error:
            msg = f"{Path(error.filename).absolute()} is no folder: remove it"
            raise ResourceError(msg) from error
        refuse(link_problem(cache, ROOT) or own_problem(cache) or writing_problem(cache))
        cache.mkdir(parents=True, exist_ok=True)
        cache.chmod(0o700)
        return cache

    @cached_property
    def policy(self) -> Policy:
        """The policy in force; raises TableError if it cannot be read."""
        from reports.verdicts.policy import read_policy

        return read_policy()

    @property
    def floor(self) -> Protocol:
        """The floor that was asked for, or the policy's."""
        policy = self.policy  # read first: one that cannot be read is said before anything is measured
        return self.option("floor") or policy.floor or Protocol.TLSV1_2

    @property
    def host(self) -> str:
        """What the report calls this machine."""
        return str(self.option("host") or platform.node())

    @cached_property
    def sweep(self) -> dict[ClientKey, Client]:
        """The clients to measure in what we make, those on botocore once for each version asked for."""
        known = clients()
        wanted = [known[name] for name in self.options.clients or default_clients()]
        wanted += [own.client for own in self.own_clients]
        makeable = [client for client in wanted if not client.needs_environment]
        return variants(makeable, specifiers(self.options.botocore), specifiers(self.options.urllib3))

    @cached_property
    def found_clients(self) -> dict[ClientKey, Client]:
        """The clients to measure in environments as found, where they are installed: each has one version."""
        known = clients().values()
        everyone = [client.id for client in known if not client.reference and client.requirement != INSTALLER]
        wanted = self.options.clients or everyone
        own = [own.client for own in self.own_clients]
        return variants([*(client for client in known if client.id in wanted), *own])

    @cached_property
    def own_clients(self) -> tuple[OwnClient, ...]:
        """The clients of the user's own files; raises ClientFileError."""
        return own_clients(self.option("client", []))

    @cached_property
    def known_programs(self) -> tuple[Program, ...]:
        """The programs that can be measured, if programs are to be, and those of the user's commands.

        Raises TableError for one that makes no sense, and SelectionError for a command that is not there.
        """
        return (*self._tabled, *self._commanded)

    @cached_property
    def _tabled(self) -> tuple[Program, ...]:
        return read_programs() if self.option("programs") else ()

    @property
    def programs_there(self) -> tuple[Program, ...]:
        """The programs that are looked for in places: those that need no folder of this machine."""
        tabled = (program for program in self._tabled if not program.folder)
        return (*tabled, *(replace(program, folder="") for program in self.commands))

    @property
    def measures_made(self) -> bool:
        """Whether interpreters are measured, in environments that are made for that."""
        return not self.option("found")

    @property
    def measures_found(self) -> bool:
        """Whether environments are looked for; truth and bench are about interpreters alone."""
        return self.option("made") is False

    @cached_property
    def environments(self) -> Discovery:
        """The environments on this machine that nobody had to name, and where they were looked for.

        Looked for here, and not when nox loads the sessions, because few sessions want them. This tool's own
        are left out, and the environment that runs the tool: nothing is deployed from those.
        """
        if not self.measures_found or self.plan.problem:
            return NOTHING
        plan, called_from, own = self.plan, Path(self.session.invoked_from), (ROOT, *runners(os.environ))
        return find_environments(self.discovery.candidates, os.environ, called_from, plan.searched, own)

    @property
    def discovery(self) -> Discovery:
        """The interpreters on this machine, and where they were looked for."""
        return self.plan.discovery or NOTHING

    @cached_property
    def interpreters(self) -> tuple[Candidate, ...]:
        """The interpreters on this machine, and those given."""
        return tuple(found for found in self.discovery.candidates if not found.as_found)

    @cached_property
    def bundles(self) -> FoundBundles:
        """The zipapps and frozen programs on this machine, and the zipapps that were given."""
        given = [path for path in self.option("environment", []) if path.is_file()]
        return find_bundles(os.environ, given, only_given=not self.measures_found)

    @cached_property
    def running(self) -> RunningPythons:
        """The Pythons that run now, if those are to be measured."""
        if not self.option("running"):
            return RunningPythons()
        return find_running(self.env, (*self.discovery.candidates, *self.environments.candidates))

    @cached_property
    def _commanded(self) -> tuple[Program, ...]:
        """The programs that the user's own commands start."""
        if problem := missing_command(self.commands, self.option("command", []), os.environ):
            raise SelectionError(problem)
        return self.commands

    @cached_property
    def commands(self) -> tuple[Program, ...]:
        """The programs that the user's own commands start, wherever they are; raises TableError."""
        if not (commands := self.option("command", [])):
            return ()
        folder, taken = Path(self.session.invoked_from), [program.id for program in self._tabled]
        return programs_of(commands, folder, self.options.command_limit, taken)

    @cached_property
    def found(self) -> tuple[Candidate, ...]:
        """All that there is to measure on this machine; processes and programs only if they were asked for.

        What the user named is measured in either half.
        """
        return (
            *(self.interpreters if self.measures_made else ()),
            *(given for given in self.discovery.candidates if given.as_found),
            *self.environments.candidates,
            *self.bundles.candidates,
            *(sites(self.interpreters) if self.measures_found else ()),
            *self.running.candidates,
            *locate_programs(self.known_programs, os.environ),
        )

    @cached_property
    def selected(self) -> tuple[Candidate, ...]:
        """The interpreters, and the programs, to measure; raises SelectionError if there is none."""
        if self.plan.problem:
            raise SelectionError(self.plan.problem)
        selected = select(self.found, self.options.only)
        if not selected:
            what = "Python" if self.measures_made else "environment"
            msg = f"no {what} was found on this machine: give one with --{_OPTIONS[what]}"
            raise SelectionError(msg)
        return selected

    def refuse_senseless(self) -> None:
        """Raise what is wrong with the options before a run begins: none that broke off is left behind."""
        _ = self.sweep, self.selected

    @property
    def chosen(self) -> tuple[Candidate, ...]:
        """The interpreters among those selected."""
        return tuple(candidate for candidate in self.selected if candidate.source != PROGRAM)

    @cached_property
    def uv(self) -> str:
        """The uv that came with the tool's own dependencies."""
        return find_uv() or str(Path(sys.executable).with_name("uv"))

    @cached_property
    def env(self) -> dict[str, str]:
        """What everything measured is run in under the ambient condition."""
        return sanitized_environment(os.environ, self.cache / "home")

    @cached_property
    def installer(self) -> Installer:
        """Who makes environments, and from what."""
        find_links, build = self.option("find_links"), self.option("build", default=False)
        anew = self.option("fresh", default=False)
        return Installer(self.uv, self.cache, Path(sys.executable), find_links, build, anew)

    @cached_property
    def parcels(self) -> Parcels | None:
        """What travels to interpreters of places, if that was asked for."""
        if not self.option("newest"):
            return None
        return Parcels(
            self.installer, os.environ, self.held.enter_context(scratch_folder(self.cache, "sent-"))
        )

    @property
    def maker(self) -> EnvironmentMaker:
        """With what environments are made beside those of the clients."""
        return EnvironmentMaker(self.installer, os.environ, self.held)

    def prepare(self, candidate: Candidate, required: Mapping[ClientKey, str]) -> Prepared:
        """Return an interpreter with its environments, made again if that was asked for."""
        if self.option("fresh"):
            forget(candidate, self.cache)
        prepare = partial(prepare_candidate, candidate, required, self.installer, os.environ)
        return prepare_and_hold(prepare, self.held)

    def prepared(self, names: Sequence[str] = ()) -> list[Prepared]:
        """Return the interpreters chosen, prepared side by side for these clients, or those asked for.

        Interpreters' own packages come last, since by then each interpreter has said what it is; those
        without a client are left out.
        """
        known = clients()
        required = requirements({ClientKey(name): known[name] for name in names} or self.sweep)
        # Each environment is locked until the run ends.
        make_room_for(len(self.chosen) * len(set(required.values())) + AT_ONCE * PIPES)
        with counted(len(self.chosen), "prepared") as tally:

            def prepare(candidate: Candidate) -> Prepared:
                began = time.monotonic()
                with tally.at_work(f"the environments of {candidate.id}"):
                    prepared = self.prepare(candidate, required)
                took = time.monotonic() - began
                why = "cannot be measured" if prepared.interpreter.unavailable else "at once"
                tally.done(f"{candidate.id} in {took:.0f} s" if took > WORTH_SAYING else "", why)
                return prepared

            others = [candidate for candidate in self.chosen if not candidate.site]
            done = side_by_side(prepare, others, AT_ONCE)
            if not (own := [candidate for candidate in self.chosen if candidate.site]):
                return done
            packages = side_by_side(prepare, own)
            return [*done, *with_clients(packages, self.interpreters, self.found_clients.values())]

    def settings(
        self, conditions: tuple[Condition, ...], roles: Sequence[Role] = (), floor: Protocol | None = None
    ) -> Settings:
        """Return with which servers, and how, the session measures."""
        from runs.campaign import Settings
        from runs.visits import RememberedVisits

        usual = tuple(Role) if self.option("attacks") else (Role.LADDER, Role.PAGE)
        catalogue = read_catalogue().only(*(roles or usual))
        openssl = self.option("openssl")
        return Settings(
            catalogue,
            floor or self.floor,
            conditions,
            self.cache,
            self.env,
            openssl,
            self._spool,
            self.spending,
            visits=RememberedVisits(self.cache / "visits", fresh=bool(self.option("fresh"))),
        )

    @cached_property
    def spending(self) -> Spending:
        """What the session spends."""
        from runs.spending import Spending

        return Spending()

    @cached_property
    def _spool(self) -> Spool:
        """Where what is observed is kept until the session ends."""
        from runs.spool import spool

        return self.held.enter_context(spool(self.cache))

    @contextlib.contextmanager
    def unfinished(self, start: RunStart, settings: Settings) -> Iterator[Unfinished]:
        """Keep what is measured in a run until that ends well, and give what it goes on with (--resume)."""
        from runs.own_files import checkout_of
        from runs.unfinished import interpreters_of, unfinished

        options = (start.request, settings.openssl, sorted(settings.env.items()), start.scope.narrowed)
        question = {
            "checkout": checkout_of(ROOT, ("interpreters", "servers", "probes", "runs", "reports/verdicts")),
            "options": hashlib.sha256(repr(options).encode(errors="surrogateescape")).hexdigest(),
            "interpreters": interpreters_of(start),
        }
        with unfinished(self.cache, self.run_id, question, resume=self.options.resume) as kept:
            if kept.run_id:
                LOG.info("going on with %s, which had measured %d", kept.run_id, len(kept.earlier))
            yield kept

    def request(self, settings: Settings) -> RunRequest:
        """Return what this run was asked to measure."""
        from reports.verdicts.observations import RequestedClient, RequestedInterpreter, RunRequest

        return RunRequest(
            clients=tuple(map(str, self.sweep)),
            found_clients=tuple(map(str, self.found_clients)),
            conditions=settings.conditions,
            floor=settings.floor,
            attacks=bool(settings.catalogue.only(Role.ATTACK).servers),
            only=tuple(self.options.only),
            interpreters=tuple(
                RequestedInterpreter(str(path), str(led))
                for paths, leads in (
                    (self.options.interpreter, leads_to),
                    (self.options.environment, _leads_to),
                )
                for path, led in zip(paths, map(leads, paths), strict=True)
            ),
            botocore=self.options.botocore,
            urllib3=self.options.urllib3,
            programs=self.option("programs", default=False),
            running=self.option("running", default=False),
            made=self.measures_made,
            found=self.measures_found,
            commands=tuple(program.id for program in self.commands),
            client_files=tuple(RequestedClient(str(own.path), own.sha256) for own in self.own_clients),
        )

    def start(self, settings: Settings) -> RunStart:
        """Return a run of the interpreters and programs selected, which are made ready to be measured."""
        from reports.verdicts.scope import LeftOut
        from runs.provenance import frozen_programs, not_chosen, same_twice

        everyone = self.prepared()
        prepared = unaltered(distinct(everyone), self.env, self.cache / "processes.json")
        introduced = (
            identify_program(candidate, self.known_programs, self.env)
            for candidate in self.selected
            if candidate.source == PROGRAM
        )
        unchosen = not_chosen(self.found, self.selected, self.options.only)
        start = self.start_of(self.request(settings), prepared, unchosen)
        outside = (LeftOut(found.id, found.path, found.reason) for found in self.running.outside)
        frozen = frozen_programs(self.bundles.frozen, self.selected)
        left_out = (*start.scope.left_out, *same_twice(everyone), *outside, *frozen)
        return replace(
            start, scope=replace(start.scope, left_out=left_out), programs=tuple(filter(None, introduced))
        )

    def start_of(
        self, request: RunRequest, prepared: Sequence[Prepared], unchosen: Sequence[LeftOut] = ()
    ) -> RunStart:
        """Return a run of these interpreters; `unchosen` is what --only leaves out."""
        from runs.measure import RunStart
        from runs.provenance import survey

        looked = (*self.discovery.looked, *self.running.looked)
        scope = survey(ROOT, request, unchosen, looked, os.environ)
        halves = {
            "--made looked for no environment": self.option("made"),
            "--found left out the made environments": self.option("found"),
        }
        narrowed = (*scope.narrowed, *(words for words, given in halves.items() if given))
        for_found = tuple(dict.fromkeys((*self.environments.looked, *self.bundles.looked)))
        scope = replace(scope, narrowed=narrowed, environments_looked=for_found)
        return RunStart(
            self.run_id, self.host, tool(), request, scope, tuple(prepared), self.env, own=self.own_clients
        )


def _leads_to(environment: Path) -> Path:
    """Return what an environment that the user gave is found under: its Python, or a zipapp's real path."""
    return Path(os.path.realpath(environment)) if environment.is_file() else python_of(environment)


def tool() -> str:
    """Return the tool's name and version."""
    with (ROOT / "pyproject.toml").open("rb") as file:
        return f"tls-floor-matrix {tomllib.load(file)['project']['version']}"
