"""Processes of the bench: started to die with it, ended by id.

Boundary: starting and ending, and the clean environment of clients. Next: measure.py counts what they use.
"""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO, Any

LIBC = ctypes.CDLL(None, use_errno=True)
PR_SET_PDEATHSIG = 1  # prctl(2)


def say(text: str) -> None:
    """The story goes to stderr; stdout is for the report."""
    print(f"bench: {text}", file=sys.stderr, flush=True)


class BenchError(Exception):
    """The bench itself cannot go on; a tool that fails is a figure, not an error."""


def die_with_parent() -> None:
    """For `preexec_fn`: killed when the bench is, even by SIGKILL."""
    LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def daemon(argv: list[str], log: Path, env: Mapping[str, str] | None = None) -> subprocess.Popen[bytes]:
    """Starts a server in the foreground, its words to `log`."""
    with log.open("ab") as out:
        return subprocess.Popen(
            argv, stdin=subprocess.DEVNULL, stdout=out, stderr=out, env=env, preexec_fn=die_with_parent, start_new_session=True
        )


def end(process: subprocess.Popen[Any]) -> None:
    """TERM, then KILL, and reaped."""
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def check(argv: list[str], stdin: bytes | IO[bytes] | None = None, env: Mapping[str, str] | None = None) -> str:
    """Runs a command of the set-up and returns what it said; a failure ends the bench with its words."""
    given: dict[str, Any] = {"input": stdin} if isinstance(stdin, bytes) else {"stdin": stdin or subprocess.DEVNULL}
    done: subprocess.CompletedProcess[bytes] = subprocess.run(argv, capture_output=True, env=env, check=False, **given)
    if done.returncode != 0:
        said = (done.stderr or done.stdout).decode(errors="replace").strip()
        raise BenchError(f"{' '.join(argv)[:200]}: exit code {done.returncode}: {said[-2000:]}")
    return done.stdout.decode(errors="replace")


def wait_until(what: str, seconds: float, condition: Callable[[], bool]) -> None:
    """Waits for a condition, at most so long."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise BenchError(f"{what}: not within {seconds:g} s")
        time.sleep(0.02)


def reap(pid: int) -> None:
    """Takes the exit status of a child that nobody waits for."""
    try:
        os.waitpid(pid, os.WNOHANG)
    except ChildProcessError:
        pass
