"""What all parts share: the hosts, the engines once they are needed, the clean places clients run in.

Boundary: owns everything that is started and ends it. Next: compare.py, keys.py, round_trips.py, throughput.py use it.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from engines import Engines
from fleet import Host, Keys, Sshd, hosts, known_hosts
from measure import Sample
from peers import Tool, all_tools
from peers.mcp import Abilities
from processes import BenchError, check, say
from sessions import Log
from share import Share

CONTAINERS_ON_AN_ENGINE = 50
PREFIX = "mcp-bench-"


@dataclass(frozen=True)
class Options:
    """What was asked for on the command line."""

    parts: list[str]
    hosts: list[int] | None  # None: each part's own numbers
    rounds: int
    tools: set[str] | None
    forks: int
    every_round: bool


class Bench:
    """Everything that runs for a bench; `close` takes it away again."""

    def __init__(self, options: Options, binary: Path, engines: int) -> None:
        self.options = options
        self.abilities = Abilities.of(binary)
        # Sockets are inside: their paths must be short.
        sweep()
        self.directory = Path(tempfile.mkdtemp(prefix=f"{PREFIX}{os.getpid()}-", dir="/tmp"))
        self.engines: Engines | None = None
        self.sshd: Sshd | None = None
        self.share = Share()
        self.keys = Keys(self.directory / "keys")
        self.engine_count = engines or 1
        self.made = 0
        self.addresses: set[str] = set()
        self.wants_engines = engines > 0

    def start(self) -> None:
        """What `close` ends."""
        check(["ip", "link", "set", "lo", "up"])
        if self.wants_engines:
            group = self.share.engines
            self.engines = Engines(self.directory / "rig", self.engine_count, group.launcher() if group else ())
            self.share.of_rig(self.directory / "rig")
            self.engines.populate()
        group = self.share.sshd
        self.sshd = Sshd(self.directory / "sshd", self.keys, self.engines.sockets if self.engines else [], group.launcher() if group else None)
        self.log = Log(self.sshd.log)

    def hosts(self, count: int) -> list[Host]:
        """The first `count` hosts, their addresses the loopback's own (see sessions.py)."""
        made = hosts(count, self.engine_count)
        new = [host.address for host in made if host.address not in self.addresses]
        if new:
            check(["ip", "-batch", "-"], stdin="".join(f"addr add {address}/32 dev lo\n" for address in new).encode())
            self.addresses.update(new)
        return made

    def known(self, some: list[Host]) -> Path:
        assert self.sshd
        return known_hosts(self.directory / f"known_hosts-{len(some)}", [host.address for host in some], self.sshd.host_key)

    def place(self, name: str) -> Path:
        """A directory that a tool keeps from round to round."""
        path = self.directory / "work" / name
        path.mkdir(parents=True, exist_ok=True)
        return path

    def empty_home(self) -> Path:
        """A home that nothing was in before."""
        self.made += 1
        home = self.directory / f"h{self.made}"
        home.mkdir()
        return home

    def tools(self, work: str) -> list[Tool]:
        chosen = [tool for tool in all_tools(self.abilities) if work in tool.works]
        asked = self.options.tools
        # `mcp` stands for all its rows, as `ansible` does for its.
        return chosen if asked is None else [tool for tool in chosen if tool.key in asked or tool.key.split("-")[0] in asked]

    def quiet(self) -> None:
        """Waits until sshd has no session left, so that the end of one run is not in the next one's time."""
        assert self.sshd
        pid = self.sshd.process.pid
        children = Path(f"/proc/{pid}/task/{pid}/children")
        deadline = time.monotonic() + 10
        # Some kernels do not have that file.
        while children.exists() and children.read_text().strip() and time.monotonic() < deadline:
            time.sleep(0.05)
        if self.sshd.process.poll() is not None:
            raise BenchError("sshd has ended")

    def close(self) -> None:
        if self.sshd:
            self.sshd.close()
        self.keys.close()
        if self.engines:
            self.engines.close()
        self.share.close()
        if os.environ.get("BENCH_KEEP"):
            say(f"kept: {self.directory}")
        else:
            shutil.rmtree(self.directory, ignore_errors=True)


def sweep() -> None:
    """What a killed bench could not take away: directories and empty cgroups that carry the id of a process that is gone."""
    for path in [*Path("/tmp").glob(f"{PREFIX}*-*"), *Path("/sys/fs/cgroup").glob(f"*/{PREFIX}*-*"), *Path("/sys/fs/cgroup").glob(f"{PREFIX}*-*")]:
        pid = path.name.removeprefix(PREFIX).partition("-")[0]
        if not pid.isdigit() or Path(f"/proc/{pid}").exists() or not path.is_dir():
            continue
        if path.is_relative_to("/tmp"):
            shutil.rmtree(path, ignore_errors=True)
        else:
            # Not while there is a process in it.
            with suppress(OSError):
                path.rmdir()


def figures(sample: Sample) -> dict[str, float | int | None]:
    """A sample as the results keep it."""
    return {
        "wall": round(sample.wall, 4),
        "cpu": round(sample.cpu, 6),
        "own_cpu": round(sample.own_cpu, 6),
        "rss": sample.rss,
        "exit": sample.exit,
    }



