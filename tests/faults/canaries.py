"""Credentials in the environment and in the home of whoever measures: strace shows who opens or gets them."""

from __future__ import annotations

import functools
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

from tests.faults.fault import Family, Fault, NotInjectableError
from tests.faults.ground import need
from tests.faults.promises import broken

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tests.faults.ground import Ground

SECRET = "CANARY8b1f"  # noqa: S105  it is none
"""What every secret that is planted holds, and no program has of its own."""

VARIABLES = (
    *("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_WEB_IDENTITY_TOKEN_FILE"),
    *("AWS_CONTAINER_AUTHORIZATION_TOKEN", "GITHUB_TOKEN", "VAULT_TOKEN", "DATABASE_URL", "OPENAI_API_KEY"),
    *("KUBECONFIG", "GOOGLE_APPLICATION_CREDENTIALS", "AZURE_CLIENT_SECRET", "DOCKER_AUTH_CONFIG"),
)
HOME_FILES = (
    *(".aws/credentials", ".aws/config", ".ssh/id_rsa", ".config/gh/hosts.yml", ".docker/config.json"),
    *(".kube/config", ".boto", ".pgpass", ".git-credentials", ".config/gcloud/credentials.db"),
)
"""Where secrets are: none of these is an installer's business, as .netrc and pip.conf are."""

SESSIONS: dict[str, tuple[str, ...]] = {
    "matrix": ("matrix", "--", "{two}"),
    "default-clients": ("matrix", "--", "--made", "{ids}"),
    "fresh": ("matrix", "--", "--made", "--fresh", "--clients", "urllib3", "{ids}"),
    "programs": ("matrix", "--", "{two}", "--programs", "--only", "program_*"),
    "found": ("matrix", "--", "--found", "--clients", "ssl", "{ids}"),
    "running": ("matrix", "--", "--running", "--clients", "ssl", "{ids}"),
    "attacks": ("matrix", "--", "{two}", "--attacks"),
    "remedy": ("remedy", "--", "{two}"),
    "truth": ("truth", "--", "{ids}"),
    "gate": ("gate",),
}
"""The sessions that are watched, each twice: with secrets in the environment, and in the home too."""

CONNECT = re.compile(
    r'(?:connect|sendto|sendmsg)\(\d+.*?sin6?_port=.*?(?:inet_addr\("|inet_pton\(AF_INET6, ")([^"]+)'
)
NOX = re.compile(r'execve\("[^"]*", \["[^"]*", ("-m", "nox",|"self", "version")')
"""What may have the whole environment: nox, which the user starts, and which asks uv for its version."""
LOOPBACK = re.compile(r"127\.|::1$|::ffff:127\.|0\.0\.0\.0$|::$")


def _watched(name: str, ground: Ground) -> Iterator[str]:
    strace, home, log = need("strace"), ground.folder / "canaries", ground.folder / "strace"
    for file in HOME_FILES:
        path = home / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"[default]\naws_secret_access_key = {SECRET}\n")
    shutil.rmtree(log, ignore_errors=True)
    log.mkdir()
    tried = subprocess.run([strace, "-o", "/dev/null", "true"], capture_output=True, check=False)
    if tried.returncode:
        msg = "nothing can be watched by strace here"
        raise NotInjectableError(msg)
    ids = ground.words[3:]
    words = [
        part for word in SESSIONS[name] for part in {"{two}": ground.words, "{ids}": ids}.get(word, (word,))
    ]
    watch = ("-f", "-ff", "-v", "-s", "100000", "-e", "trace=network,openat,open,execve", "-e", "signal=none")
    secrets = {variable: f"{SECRET}-{variable}" for variable in VARIABLES}
    # Where uv keeps what it has, so that nothing need be asked for.
    kept = {
        "HOME": str(home),
        "UV_CACHE_DIR": os.environ.get("UV_CACHE_DIR", str(Path.home() / ".cache" / "uv")),
    }
    before = (strace, *watch, "-o", str(log / "of"))
    kept |= {"UV_OFFLINE": "1", "PYENV_ROOT": str(Path.home() / ".pyenv")}
    after = ground.session(*words, before=before, variables={**kept, **secrets})
    # The others measure other clients, or nothing.
    yield from broken(after, ground.expected()) if name in ("matrix", "attacks", "programs") else []
    traces = list(log.iterdir())
    if not any("openat(" in path.read_text(errors="replace") for path in traces):
        msg = "strace saw no file that was opened"
        raise RuntimeError(msg)
    yield from _seen(traces, home)


def _seen(traces: Sequence[Path], home: Path) -> Iterator[str]:
    """Say what the processes of a session opened, got or reached that they should not have."""
    for trace in traces:
        text = trace.read_text(errors="replace")
        started = next((line for line in text.splitlines() if line.startswith("execve(")), "")
        program = started.split('"')[1] if '"' in started else "a process"
        for line in text.splitlines():
            if line.startswith("execve(") and SECRET in line and line.endswith("= 0"):
                if not NOX.match(line):
                    yield f"{line.split(chr(34))[1]} gets a secret of the environment: {line[:120]}"
            elif line.startswith("open") and any(f'"{home / file}"' in line for file in HOME_FILES):
                yield f"{program} opens {line[:160]}"
            elif (found := CONNECT.search(line)) and not LOOPBACK.match(found[1]):
                yield f"{program} reaches {found[1]}: {line[:160]}"


def _inject(name: str, ground: Ground) -> Sequence[str]:
    return sorted(set(_watched(name, ground)))


FAMILY = Family(
    "canaries",
    "no file of credentials is opened, no process but nox itself gets one, and no packet leaves loopback",
    tuple(
        Fault(
            f"{name}-{number}",
            f"credentials in the environment and in the home, in {name}, run {number}, under strace",
            functools.partial(_inject, name),
        )
        for name in SESSIONS
        for number in (1, 2)
    ),
)
