"""Measures a client: wall time, CPU and memory of all the processes it starts, those it leaves behind included.

Boundary: knows nothing of tools or hosts. CPU comes from a cgroup of its own (version 1 or 2), so that children, ControlMasters and
daemons count and sshd and docker do not; where no cgroup is to be had, from the resource usage of the bench's children with the bench as
their reaper. Next: peers/ says what is run.
"""

from __future__ import annotations

import os
import re
import resource
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from processes import LIBC, reap

PR_SET_CHILD_SUBREAPER = 36  # prctl(2)
PAGE = os.sysconf("SC_PAGE_SIZE")
TICK = 1 / os.sysconf("SC_CLK_TCK")
# What a client leaves in the background goes on for a moment after it: that work is the client's too.
AFTERGLOW = 0.25
HIGH_WATER = re.compile(r"VmHWM:\s+(\d+) kB")
# Up to so many processes each is asked for its own peak, too.
FEW = 4


@dataclass
class Sample:
    """One run of a client."""

    wall: float  # seconds
    cpu: float  # seconds, user and system, of all processes
    own_cpu: float  # seconds, by getrusage: of the client and the children it waited for
    rss: int  # bytes, the highest sum of resident sets; pages that processes share count in each
    exit: int  # 128 + signal when a signal ended it, 124 at the deadline
    stdout: Path
    stderr: Path
    first_byte: float | None = None  # seconds from the start to the first byte on stdout


class Cgroup:
    """A cgroup below the root of its hierarchy, made by the bench and removed by it."""

    def __init__(self, hierarchy: Path, name: str, version: int) -> None:
        self.path = hierarchy / name
        self.version = version
        self.path.mkdir()

    @staticmethod
    def hierarchy() -> tuple[Path, int] | None:
        """Where CPU time is accounted and the bench may make a group; nowhere, if BENCH_CPU says so."""
        if os.environ.get("BENCH_CPU") == "getrusage":
            return None
        for root, version in ((Path("/sys/fs/cgroup/cpuacct"), 1), (Path("/sys/fs/cgroup/cpu,cpuacct"), 1), (Path("/sys/fs/cgroup"), 2)):
            counter = root / ("cpuacct.usage" if version == 1 else "cgroup.controllers")
            if counter.exists() and os.access(root, os.W_OK):
                return root, version
        return None

    def launcher(self) -> list[str]:
        """Words before a command that is to be in the group: a shell that goes in and becomes the command, because a fork of the bench would
        bring a millisecond of its own with it."""
        return ["/bin/sh", "-c", 'echo 0 >"$0" && exec "$@"', str(self.path / "cgroup.procs")]

    def usage(self) -> float:
        return self.used(self.path, self.version)

    @staticmethod
    def used(path: Path, version: int) -> float:
        """Seconds of CPU of any cgroup and those below it."""
        if version == 1:
            return int((path / "cpuacct.usage").read_text()) / 1e9
        return int((path / "cpu.stat").read_text().split()[1]) / 1e6

    def processes(self) -> list[int]:
        return [int(word) for word in (self.path / "cgroup.procs").read_text().split()]

    def close(self) -> None:
        for _ in range(200):
            with suppress(OSError):
                self.path.rmdir()
                return
            time.sleep(0.02)


class Reaper:
    """The same without cgroups: orphans come to the bench, which adds up the children it waited for and those that live."""

    def __init__(self) -> None:
        LIBC.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
        # sshd and its like, with all they will ever start.
        self.others: set[int] = set()
        self.others = set(self._descendants())
        self.began = self._reaped()

    def launcher(self) -> list[str]:
        return []

    @staticmethod
    def _reaped() -> float:
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        return used.ru_utime + used.ru_stime

    def _descendants(self) -> list[int]:
        children: dict[int, list[int]] = {}
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                with suppress(OSError, IndexError):
                    parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
                    children.setdefault(parent, []).append(int(entry.name))
        found, waiting = [], [os.getpid()]
        while waiting:
            below = [pid for pid in children.get(waiting.pop(), []) if pid not in self.others]
            found += below
            waiting += below
        return found

    def processes(self) -> list[int]:
        return self._descendants()

    def usage(self) -> float:
        total = self._reaped() - self.began
        for pid in self.processes():
            with suppress(OSError, IndexError):
                fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
                total += sum(int(field) for field in fields[11:15]) * TICK
        return total

    def close(self) -> None:
        return


class Account:
    """All runs of one tool in one round share an account: what a first run leaves behind is still the tool's in the second."""

    made = 0

    def __init__(self) -> None:
        Account.made += 1
        where = Cgroup.hierarchy()
        self.group = Cgroup(where[0], f"mcp-bench-{os.getpid()}-{Account.made}", where[1]) if where else Reaper()

    @staticmethod
    def kind() -> str:
        where = Cgroup.hierarchy()
        return f"cgroup version {where[1]}" if where else "getrusage"

    def __enter__(self) -> Account:
        return self

    def __exit__(self, *_: object) -> None:
        """Ends what was left behind, by id, and only what is in this account."""
        for number, pause in ((signal.SIGTERM, 1.0), (signal.SIGKILL, 2.0)):
            deadline = time.monotonic() + pause
            for pid in self.group.processes():
                with suppress(ProcessLookupError):
                    os.kill(pid, number)
            while time.monotonic() < deadline and (left := self.group.processes()):
                for pid in left:
                    reap(pid)
                time.sleep(0.02)
        self.group.close()

    def resident(self) -> int:
        """Bytes: the sum of what is resident now, or the most that any one of a few processes has had."""
        total = highest = 0
        processes = self.group.processes()
        for pid in processes:
            with suppress(OSError, ValueError):
                total += int(Path(f"/proc/{pid}/statm").read_bytes().split()[1]) * PAGE
            if len(processes) <= FEW:
                with suppress(OSError):
                    status = Path(f"/proc/{pid}/status").read_text()
                    highest = max(highest, int(found[1]) * 1024 if (found := HIGH_WATER.search(status)) else 0)
        return max(total, highest)

    def run(
        self,
        argv: list[str],
        *,
        env: Mapping[str, str],
        cwd: Path,
        out: Path,
        timeout: float,
        stdin: Path | None = None,
        discard: bool = False,
        first_byte: bool = False,
        terminal: Callable[[], None] | None = None,
    ) -> Sample:
        """Runs a client. Its stdout and stderr go to files beside `out`, or nowhere with `discard`; with `first_byte` stdout is a pipe
        that is read at once. `terminal` is called in the child and may give it a controlling terminal."""
        group = self.group
        stdout, stderr = out.with_suffix(".out"), out.with_suffix(".err")

        files: dict[str, Any] = {
            "stdin": stdin.open("rb") if stdin else subprocess.DEVNULL,
            "stdout": subprocess.PIPE if first_byte else (Path("/dev/null") if discard else stdout).open("wb"),
            "stderr": (Path("/dev/null") if discard else stderr).open("wb"),
        }
        before = group.usage()
        began = time.monotonic()
        process = subprocess.Popen(
            [*group.launcher(), *argv], env=dict(env), cwd=cwd, preexec_fn=terminal, start_new_session=True, bufsize=0, **files
        )
        for file in files.values():
            if not isinstance(file, int):
                file.close()
        first: list[float] = []
        reader: threading.Thread | None = None
        if first_byte:
            reader = threading.Thread(target=_read, args=(process.stdout, stdout, began, first), daemon=True)
            reader.start()
        status, used, peak, ended = self._watch(process.pid, began, timeout)
        process.returncode = status
        if reader:
            reader.join(1)
        time.sleep(AFTERGLOW)
        return Sample(
            wall=ended - began,
            cpu=group.usage() - before,
            own_cpu=used.ru_utime + used.ru_stime,
            # A child begins as a copy of the bench, and the kernel never forgets that it was as large.
            rss=max(peak, used.ru_maxrss * 1024 if used.ru_maxrss > own_peak() else 0),
            exit=status,
            stdout=stdout,
            stderr=stderr,
            first_byte=first[0] if first else None,
        )

    def _watch(self, pid: int, began: float, timeout: float) -> tuple[int, resource.struct_rusage, int, float]:
        """Waits for the client, looking at its memory meanwhile; at the deadline all of the account is killed."""
        peak, late = 0, False
        done = threading.Event()
        result: list[tuple[int, resource.struct_rusage, float]] = []

        def wait() -> None:
            # On the way out of an interrupt somebody else may have reaped it; then nobody asks for the result.
            with suppress(ChildProcessError):
                _, status, used = os.wait4(pid, 0)
                result.append((status, used, time.monotonic()))
            done.set()

        waiter = threading.Thread(target=wait)
        waiter.start()
        pause = 0.01
        while not done.wait(pause):
            looked = time.monotonic()
            peak = max(peak, self.resident())
            # Looking takes at most a twentieth of one core, however many processes there are.
            pause = max(0.01, (time.monotonic() - looked) * 20)
            if looked - began > timeout and not late:
                late = True
                for other in self.group.processes():
                    with suppress(ProcessLookupError):
                        os.kill(other, signal.SIGKILL)
        waiter.join()
        status, used, ended = result[0]
        code = os.waitstatus_to_exitcode(status)
        return 124 if late else code if code >= 0 else 128 - code, used, max(peak, self.resident()), ended


def own_peak() -> int:
    """KiB, with what a sample may miss."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def _read(pipe: Any, target: Path, began: float, first: list[float]) -> None:
    """Keeps what comes, and when the first of it came."""
    with target.open("wb") as file:
        while block := pipe.read(65536):
            if not first:
                first.append(time.monotonic() - began)
            file.write(block)
