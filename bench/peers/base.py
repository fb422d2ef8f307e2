"""The words of peers: a job for a tool, and the runs of the tool that do it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from fleet import PORT, Host

CURVE = "curve25519-sha256"
VENV = Path(sys.executable).parent
SCRIPTS = Path(__file__).resolve().parent / "scripts"


@dataclass(frozen=True)
class Job:
    """A piece of work: a shell command on each of these hosts, or what `work` names for a tool that has its own verb for it."""

    work: str  # true, ps, restart
    command: str
    hosts: list[Host]
    key: Path
    known_hosts: Path
    directory: Path  # of this tool, kept from round to round
    home: Path  # empty but for what the tool itself writes
    forks: int
    container: Callable[[str], str] | None = None  # the string that makes a container
    sockets: Sequence[Path] = ()  # of the engines

    def file(self, name: str, text: str) -> Path:
        """A file of the tool's own, written anew."""
        path = self.directory / name
        path.write_text(text)
        return path

    def lines(self) -> Path:
        """The addresses, one a line."""
        return self.file("hosts", "".join(f"{host.address}\n" for host in self.hosts))

    def ssh_options(self, kex: str | None) -> dict[str, str]:
        """What OpenSSH has to be told for a fair start: no configuration of the user's, one key, strict host keys."""
        options = {
            "Port": str(PORT),
            "User": "root",
            "IdentityFile": str(self.key),
            "IdentitiesOnly": "yes",
            "IdentityAgent": "none",
            "UserKnownHostsFile": str(self.known_hosts),
            "GlobalKnownHostsFile": "/dev/null",
            "StrictHostKeyChecking": "yes",
            "BatchMode": "yes",
            "ConnectTimeout": "60",
        }
        return options | ({"KexAlgorithms": kex} if kex else {})


@dataclass(frozen=True)
class Run:
    """One start of a client; the runs of a tool follow each other and may use what the one before left behind."""

    row: str  # key of the row in the results
    label: str  # as the tables call it
    argv: list[str]
    env: Mapping[str, str] = field(default_factory=dict)
    stdin: Path | None = None


@dataclass(frozen=True)
class Tool:
    """A way to do jobs. `slow` ones get fewer rounds, and none with many hosts."""

    key: str  # for --tools
    works: frozenset[str]
    runs: Callable[[Job], list[Run]]
    slow: bool = False


EVERYTHING = frozenset({"true", "ps", "restart"})
