"""The options of each session: what follows `--` on the command line, with a parser for each session."""

from __future__ import annotations

import argparse
import os
import platform
import re
import shutil
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from interpreters.clients import (
    EVERY,
    GROUPS,
    INSTALLER,
    chosen,
    clients,
    default_clients,
    pin,
    specifiers,
)
from interpreters.errors import FloorError
from interpreters.hardening.recipes import FLOORS as HARDEN_FLOORS
from interpreters.hardening.recipes import read_recipes
from interpreters.places import read_kinds
from interpreters.programs import LIMITS, USUAL_LIMIT
from reports.files import KEPT_RUNS
from runs.choosing import CHOOSING, ONLY, Option, a_folder, a_path
from servers.conditions import Condition
from servers.protocols import FLOORS, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from reports.formats.format import AwsAccount


MANY = 200
"""Environments as found that the bench makes, unless it is told another number."""

FEWEST, MOST = 10, 900
"""A tenth of these is measured apart, and a search ends after a thousand Pythons."""


class OptionError(FloorError):
    """Sessions that were asked for together cannot share an option; the message says which and why."""


@dataclass(frozen=True)
class Shard:
    """One of so many parts of a list."""

    number: int
    """From 1 on."""
    of: int

    def __str__(self) -> str:
        """Return it as the user wrote it."""
        return f"{self.number}/{self.of}"


class _SessionParser(argparse.ArgumentParser):
    """A parser that says what is wrong in one sentence rather than in all its usage."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message}; see {self.prog} --help\n")


def _names(known: Sequence[str]) -> Callable[[str], tuple[str, ...]]:
    """Return an argparse type for a comma-separated choice from `known`, or all, in the order of `known`."""

    def parse(text: str) -> tuple[str, ...]:
        wanted = list(known) if text == "all" else [word.strip() for word in text.split(",")]
        if unknown := [name for name in wanted if name not in known]:
            msg = f"there is no {unknown[0]!r}; there are {', '.join(known)}"
            raise argparse.ArgumentTypeError(msg)
        return tuple(name for name in known if name in wanted)

    return parse


def _clients(text: str) -> tuple[str, ...]:
    """Return the clients that names and groups mean, as an argparse type."""
    try:
        return chosen(text, clients().values())
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _positive(text: str) -> int:
    """Return a whole number of 1 or more, as an argparse type."""
    if not text.isdecimal() or int(text) < 1:
        msg = f"{text!r} is not a whole number of 1 or more"
        raise argparse.ArgumentTypeError(msg)
    return int(text)


def _environments(text: str) -> int:
    """Return how many environments the bench makes, as an argparse type."""
    if not text.isdecimal() or int(text) not in range(FEWEST, MOST + 1):
        msg = f"{text!r} is not a number of environments from {FEWEST} to {MOST}"
        raise argparse.ArgumentTypeError(msg)
    return int(text)


def _seconds(text: str) -> int:
    """Return how long a command may take, as an argparse type."""
    if not text.isdecimal() or int(text) not in LIMITS:
        msg = f"{text!r} is not a number of seconds from {LIMITS[0]} to {LIMITS[-1]}"
        raise argparse.ArgumentTypeError(msg)
    return int(text)


def _floor(known: Sequence[str]) -> Callable[[str], Protocol]:
    """Return an argparse type for a floor among `known`."""

    def parse(text: str) -> Protocol:
        if text not in known:
            msg = f"there is no floor {text!r}; there are {', '.join(known)}"
            raise argparse.ArgumentTypeError(msg)
        return Protocol(text)

    return parse


def _list(text: str) -> Path:
    """Return a file to read, or the standard input as it is, as an argparse type."""
    return Path(text) if text == "-" else a_path(text)


def _aws_account(text: str) -> AwsAccount:
    """Return the account and region that are named, as an argparse type."""
    from reports.formats.format import AwsAccount

    found = re.fullmatch(r"(\d{12})/([a-z]{2}(?:-[a-z]+)+-\d)", text)
    if not found:
        msg = f"{text!r} is no account of twelve digits and region, such as 123456789012/eu-central-1"
        raise argparse.ArgumentTypeError(msg)
    return AwsAccount(*found.groups())


def _shard(text: str) -> Shard:
    """Return which part of how many is meant, as an argparse type."""
    found = re.fullmatch(r"([1-9]\d{0,5})/([1-9]\d{0,5})", text)
    shard = Shard(*map(int, found.groups())) if found else None
    if shard is None or shard.number > shard.of:
        msg = f"{text!r} is no part of several, such as 2/4 for the second of four"
        raise argparse.ArgumentTypeError(msg)
    return shard


def _program(text: str) -> Path:
    """Return a program that can be run, as an argparse type: one on PATH if it is a bare name."""
    found = shutil.which(text)
    if found is None:
        msg = f"there is no program {text!r} that can be run"
        raise argparse.ArgumentTypeError(msg)
    return Path(found).absolute()


ENVIRONMENTS = Option(
    "--environments",
    f"environments as found that are made and measured, {FEWEST} to {MOST}",
    {"type": _environments, "default": MANY, "metavar": "N"},
    "200 unless you say another number",
)
SCALE = Option(
    "--scale",
    "copies of an interpreter that are made and measured too",
    {"type": _positive, "default": 0, "metavar": "N"},
    "default: none",
)
BASELINE = Option(
    "--baseline",
    "measure an earlier build of this tool on the same copies, by its commit",
    {"default": "", "metavar": "COMMIT"},
)
DRY_RUN = Option("--dry-run", "only say what would be removed, with its size", {"action": "store_true"})
ALL_TESTS = Option(
    "--tests", "run all tests too, and those of the earlier build: an hour and more", {"action": "store_true"}
)
MADE = Option(
    "--made", "only in environments that are made for that; none is looked for", {"action": "store_true"}
)
FOUND = Option("--found", "only environments that are there already; none is made", {"action": "store_true"})
HALVES = (MADE, FOUND)

_CLIENTS = [client.id for client in clients().values() if not client.reference]
CLIENTS = Option(
    "--clients",
    f"the clients to measure, or groups of clients ({', '.join(GROUPS)}, {EVERY}), comma-separated;"
    f" the clients are {', '.join(_CLIENTS)}",
    {"type": _clients, "default": (), "metavar": "NAMES"},
    f"default: {','.join(default_clients())};"
    f" in environments that were found, all that are there but {INSTALLER}",
)
FURTHER = replace(CLIENTS, meaning="say what each of these clients adds to a run", details="default: none")
CLIENT = Option(
    "--client",
    "measure this client file of your own too; may be repeated",
    {"type": a_path, "action": "append", "default": [], "metavar": "FILE"},
)


def _versions(text: str) -> str:
    """Return versions and specifiers as they were written, if each is one, as an argparse type."""
    from packaging.specifiers import InvalidSpecifier, SpecifierSet

    for specifier in specifiers(text):
        try:
            SpecifierSet(pin(specifier))
        except InvalidSpecifier:
            msg = f"{specifier!r} is no version and no specifier, such as 1.34.0 or '<1.40'"
            raise argparse.ArgumentTypeError(msg) from None
    return text


BOTOCORE = Option(
    "--botocore",
    "a version or specifier, such as 1.34.0 or '<1.40'; of several, comma-separated, each in turn",
    {"type": _versions, "default": "", "metavar": "SPEC"},
    "default: the newest that can be installed",
)
URLLIB3 = Option(
    "--urllib3",
    "the same, of the urllib3 beside botocore",
    {"type": _versions, "default": "", "metavar": "SPEC"},
    "default: what botocore asks for",
)
FIND_LINKS = Option(
    "--find-links", "install from this folder of wheels, no index", {"type": a_folder, "metavar": "DIR"}
)
BUILD = Option("--build", "build from source what has no wheel; slow", {"action": "store_true"})
FRESH = Option("--fresh", "make the environments again, and remember nothing", {"action": "store_true"})
PREPARING = (*CHOOSING, CLIENTS, BOTOCORE, URLLIB3, FIND_LINKS, BUILD, FRESH)

FLOOR = Option(
    "--floor",
    "the lowest version that is allowed",
    {"type": _floor(FLOORS), "metavar": "VERSION"},
    f"one of {', '.join(FLOORS)}; default: what policy.toml says, or TLSv1.2",
)
OPENSSL = Option(
    "--openssl",
    "serve with this openssl",
    {"type": _program, "metavar": "PATH"},
    "default: Python's own, and the first on PATH for the AWS page's servers",
)
HOST = Option(
    "--host",
    "call this machine so",
    {"default": platform.node(), "metavar": "NAME"},
    f"default: {platform.node()}",
)
KEEP = Option(
    "--keep",
    "how many runs reports/history keeps",
    {"type": _positive, "default": KEPT_RUNS, "metavar": "N"},
    f"default: {KEPT_RUNS}",
)
PORT = Option(
    "--port",
    "the first server's port; the others follow in the order of the catalogue",
    {"type": _positive, "metavar": "N"},
    "default: whichever ports are free",
)
ALL_EVIDENCE = Option("--all-evidence", "write captures however large they are", {"action": "store_true"})
ATTACKS = Option(
    "--attacks", "meet the servers that tamper with the negotiation too", {"action": "store_true"}
)
SECURITYHUB = Option(
    "--securityhub",
    "write securityhub.json, findings for this AWS account and region, such as 123456789012/eu-central-1",
    {"type": _aws_account, "metavar": "ACCOUNT/REGION"},
)
MEASURING = (*PREPARING, FLOOR, OPENSSL, HOST, KEEP, ALL_EVIDENCE, SECURITYHUB)

PLACE = Option(
    "--place",
    "measure what is in this place, and not this machine, which is the place local; may be repeated",
    {"action": "append", "default": [], "metavar": "KIND:NAME"},
    f"such as {', '.join(f'{kind.word}:{kind.name}' for kind in read_kinds())}",
)

PLACES = Option(
    "--places",
    "measure the places of this file, one a line or as Ansible, kubectl or podman print; may be repeated",
    {"type": _list, "action": "append", "default": [], "metavar": "FILE"},
    "- is the standard input",
)
SHARD = Option(
    "--shard",
    "measure the Nth of M parts of all these places, so that M jobs measure them all",
    {"type": _shard, "metavar": "N/M"},
    "merge joins the parts",
)
AT_ONCE = Option(
    "--at-once",
    "measure so many places side by side",
    {"type": _positive, "default": 40, "metavar": "N"},
    "default: 40",
)
RESUME = Option(
    "--resume",
    "go on with the last run that broke off, or asked the same places: measure only what that did not",
    {"action": "store_true"},
)

SEND_NEWEST = Option(
    "--newest",
    "send the newest botocore to Pythons of places that have none, for the measurement alone",
    {"action": "store_true"},
)

RUNNING = Option(
    "--running", "measure each Python that runs now, under its own variables", {"action": "store_true"}
)

MATRIX = (
    *MEASURING,
    PLACE,
    PLACES,
    SHARD,
    AT_ONCE,
    RESUME,
    SEND_NEWEST,
    CLIENT,
    RUNNING,
    *HALVES,
    Option(
        "--conditions",
        f"the OpenSSL configurations to measure under, comma-separated, or all: {', '.join(Condition)}",
        {"type": _names(list(Condition)), "default": (Condition.AMBIENT,), "metavar": "NAMES"},
        f"default: {Condition.AMBIENT}",
    ),
    Option(
        "--programs",
        "measure other programs on PATH too: probes/programs.toml, and a programs.toml of your own",
        {"action": "store_true"},
    ),
    Option(
        "--command",
        "run this for each server too, with {url} {host} {port} {cafile} filled in; may be repeated",
        {"action": "append", "default": [], "metavar": "'PROGRAM ...'"},
    ),
    Option(
        "--command-limit",
        "the seconds that a --command may take for a server",
        {"type": _seconds, "default": USUAL_LIMIT, "metavar": "N"},
        f"default: {USUAL_LIMIT}",
    ),
    ATTACKS,
)

HARDEN = (
    Option(
        "--recipe",
        "the pair of interpreters/hardening/builds.toml with this id: see below",
        {"default": "", "metavar": "ID"},
        "default: the one for this system, or the first",
    ),
    Option("--openssl", "the recipe with this OpenSSL, such as 3.0", {"default": "", "metavar": "VERSION"}),
    Option("--python", "the recipe with this Python, such as 3.11", {"default": "", "metavar": "VERSION"}),
    replace(
        FLOOR,
        settings={"type": _floor(list(HARDEN_FLOORS)), "default": Protocol.TLSV1_2, "metavar": "VERSION"},
        details=f"one of {', '.join(HARDEN_FLOORS)}; default: TLSv1.2",
    ),
    Option(
        "--prefix",
        "the folder that gets both prefixes",
        {"type": a_path, "metavar": "DIR"},
        "default: /opt, or your data folder if /opt is not writable",
    ),
    Option(
        "--jobs",
        "compile so many files at once",
        {"type": _positive, "default": os.cpu_count() or 1, "metavar": "N"},
        "default: one for each processor",
    ),
    Option("--openssl-source", "an archive of its source, or a .dsc", {"type": a_path, "metavar": "FILE"}),
    Option("--python-source", "the same for Python", {"type": a_path, "metavar": "FILE"}),
    FIND_LINKS,
    Option(
        "--quick",
        "not optimized, without the openssl program and Python's own tests: to try the build",
        {"action": "store_true"},
    ),
    Option("--fresh", "build again, in place of an earlier build of ours", {"action": "store_true"}),
)

MERGE = (
    Option(
        "folders", "a run's folder, or one that holds some", {"nargs": "*", "type": a_path, "metavar": "DIR"}
    ),
    Option(
        "--expect",
        "say that this machine is missing if it did not report; may be repeated",
        {"action": "append", "default": [], "metavar": "HOST"},
    ),
    Option(
        "--expect-places",
        "the same for all places of this file, as matrix takes it; may be repeated",
        {"type": _list, "action": "append", "default": [], "metavar": "FILE"},
        "- is the standard input",
    ),
    KEEP,
    SECURITYHUB,
)

COMPARE = (
    Option(
        "runs",
        "the older run, then the newer; each is a run's id, its folder or its matrix.json",
        {"nargs": "*", "metavar": "RUN"},
        "one alone is compared with the latest; default: the last two",
    ),
)

PACK = (
    Option(
        "run",
        "the run to pack: its id or its folder",
        {"nargs": "?", "default": "", "metavar": "RUN"},
        "default: the latest",
    ),
    Option(
        "--key",
        "sign the pack with this SSH key, by ssh-keygen -Y sign",
        {"type": a_path, "metavar": "FILE"},
        "default: it is not signed",
    ),
)

VERIFY = (
    Option(
        "pack",
        "the pack, or a run's folder",
        {"nargs": "?", "type": a_path, "metavar": "PACK"},
        "default: the latest run",
    ),
    Option(
        "--allowed",
        "the signers that may have signed it, as ssh-keygen's ALLOWED SIGNERS are written",
        {"type": a_path, "metavar": "FILE"},
        "default: whoever signed",
    ),
    Option(
        "--signer",
        "the identity in that file that has to have signed",
        {"default": "", "metavar": "NAME"},
        "default: auditor",
    ),
)

TICKET = (
    Option(
        "ids",
        "ids of interpreters, environments or programs of the latest run, or globs of these",
        {"nargs": "*", "metavar": "ID"},
    ),
)

FAULTS = (
    Option(
        "--fault",
        "inject the faults that match alone, such as 'signals/*'; may be repeated",
        {"action": "append", "default": [], "metavar": "GLOB"},
    ),
    Option("--write", "write the table of docs/security.md", {"action": "store_true"}),
)

SESSIONS: Mapping[str, tuple[Option, ...]] = {
    "matrix": MATRIX,
    "gate": (),
    "remedy": (*MEASURING, CLIENT, RUNNING, *HALVES, ATTACKS),
    "harden": HARDEN,
    "compare": COMPARE,
    "merge": MERGE,
    "ticket": TICKET,
    "pack": PACK,
    "verify": VERIFY,
    "serve": (FLOOR, OPENSSL, PORT),
    "truth": MEASURING,
    "clean": (DRY_RUN,),
    "bench": (ONLY, ENVIRONMENTS, SCALE, BASELINE, ALL_TESTS, FURTHER),
    "tests": (),
    "faults": FAULTS,
    "lint": (),
    "venv": PREPARING,
}
"""The options of each session; of `tests` none, because pytest gets every word."""

PASSED_ON = "tests"
"""The session whose words are another program's."""

EPILOGS = {
    "gate": "policy.toml says what the gate asks; python -m reports.gate FOLDER decides about another run.",
}
"""What the help of a session says at its end."""


def parse(name: str, sessions: Sequence[str], words: Sequence[str], summary: str) -> argparse.Namespace:
    """Return a session's own options among the words that follow `--`, which all `asked` sessions share.

    Paths are meant in the current folder. Exits, as nothing else in a session does: with 0 after the help,
    which `summary` opens, and with 2 and one sentence for a word that no session of the command knows, or a
    value that is none. Raises OptionError for an option by which two of the sessions mean different things.
    """
    others = [other for other in sessions if other != name]
    if PASSED_ON in sessions:
        _refuse_shared(sessions, words)
        words = []
    own = {option.name: option for option in SESSIONS[name]}
    theirs = {option.name: option for other in others for option in SESSIONS[other]}
    for other in others:
        _refuse_clash(name, other, [option.name for option in own.values() if option.among(words)])
    parser = _SessionParser(
        f"nox -s {name} --",
        description=summary,
        epilog=_epilog(name),
        allow_abbrev=False,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    for option in own.values():
        option.add_to(parser)
    for option in theirs.values():
        if option.name not in own:
            replace(option, meaning=argparse.SUPPRESS, details="").add_to(parser)
    found = vars(parser.parse_intermixed_args(words))
    _refuse_together(parser, found, words)
    for other in others:
        _refuse_clash(
            name, other, [option.name for option in own.values() if option.positional and found[option.dest]]
        )
    return argparse.Namespace(**{option.dest: found[option.dest] for option in own.values()})


def _refuse_together(parser: argparse.ArgumentParser, found: Mapping[str, Any], words: Sequence[str]) -> None:
    """Refuse options of which one excludes the other, or needs it."""
    if found.get("made") and found.get("found"):
        parser.error("--made and --found exclude each other; without either, both halves are measured")
    for about in (SEND_NEWEST, SHARD, AT_ONCE):
        if about.dest in found and about.among(words) and not (found["place"] or found["places"]):
            parser.error(f"{about.name} is about places: name some with --place or --places")
    if found.get("signer") and not found["allowed"]:
        parser.error("--signer is a name in the file of --allowed: give that too")
    if found.get("newest") and (found["botocore"] or found["urllib3"]):
        what = "the newest botocore with what that requires"
        parser.error(f"--newest sends {what}: leave out --botocore and --urllib3")


def _epilog(name: str) -> str:
    """Return what a session's help says at its end."""
    if name == "harden":
        recipes = [
            f"  {recipe.id}: OpenSSL {recipe.openssl.version}, Python {recipe.python.version}"
            for recipe in read_recipes()
        ]
        return "\n".join(["recipes:", *recipes])
    return EPILOGS.get(name, "")


def _refuse_shared(sessions: Sequence[str], words: Sequence[str]) -> None:
    """Refuse words of which some would be another session's, and all go to pytest."""
    for other in sessions:
        for option in SESSIONS[other]:
            if option.among(words):
                msg = (
                    f"{PASSED_ON} hands every word to pytest, and {option.name} is an option of {other}:"
                    " ask for one session at a time"
                )
                raise OptionError(msg)


def _refuse_clash(name: str, other: str, given: Sequence[str]) -> None:
    """Refuse what was given of one session's options if it means something else to another session.

    Words without an option are everybody's who takes such words.
    """
    for mine in SESSIONS[name]:
        for theirs in SESSIONS[other]:
            same = mine.name == theirs.name or (mine.positional and theirs.positional)
            if mine.name in given and same and mine.meaning != theirs.meaning:
                what = "a word without an option" if mine.positional else mine.name
                msg = (
                    f"{what} means one thing to {name} ({mine.meaning}) and another to {other}"
                    f" ({theirs.meaning}): ask for one session at a time"
                )
                raise OptionError(msg)
