"""Round trips until the first byte of a command's output is at the client, cold and warm.

Boundary: the line is delay_line.py's. The time to the first byte is taken at round trips of 50 and of 200 ms; the slope between them
counts round trips, because everything that does not wait for the line is the same in both.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from delay_line import FAR, Line
from fleet import PORT, Host, Sshd, clean_environment, known_hosts
from measure import Account
from parts.bench import Bench
from peers import Job
from peers.base import CURVE, SCRIPTS
from peers.mcp import workspace
from peers.openssh import ssh
from processes import BenchError, say

# Milliseconds, there and back.
RTTS = (50, 200)
COMMAND = "echo x; sleep 0.5"
# One run differs little from the next: the line is the same, and the slope takes off what the machine does.
TIMES = 5


def table(bench: Bench) -> dict[str, Any]:
    """Rows with the time to the first byte at each delay."""
    line = Line(bench.directory / "line")
    sshd = None
    try:
        line.set_delay(RTTS[0] / 2)
        sshd = Sshd(bench.directory / "far", bench.keys, [], prefix=line.far)
        known = known_hosts(bench.directory / "known_far", [FAR], sshd.host_key)
        rows: dict[str, dict[str, Any]] = {}
        for rtt in RTTS:
            line.set_delay(rtt / 2)
            for row, label, measure in _clients(bench, line, known):
                if bench.options.tools and not {row, row.split("-")[0], label} & bench.options.tools:
                    continue
                say(f"round trips, {rtt} ms: {row}")
                kept = rows.setdefault(row, {"label": label, "times": {}})
                kept["times"][str(rtt)] = [measure() for _ in range(TIMES)]
    finally:
        if sshd:
            sshd.close()
        line.close()
    for kept in rows.values():
        first, second = (statistics.median(kept["times"][str(rtt)]) for rtt in RTTS)
        kept["trips"] = (second - first) / (RTTS[1] - RTTS[0]) * 1000
    return {"rows": rows}


def _clients(bench: Bench, line: Line, known: Path) -> list[tuple[str, str, Callable[[], float]]]:
    """Each with a function that takes one measure, in seconds."""
    host = Host("far", FAR, 0, 0)
    job = Job("true", COMMAND, [host], bench.keys.plain, known, bench.place("trips"), bench.directory, 1)
    mcp = [str(bench.abilities.binary), "-C", str(workspace(job)), "exec", host.name]
    keeps = "exec" in bench.abilities.persist

    def openssh(kex: str | None, *, kept: bool = False) -> Callable[[], list[str]]:
        def words() -> list[str]:
            master = {"ControlMaster": "auto", "ControlPersist": "60", "ControlPath": str(bench.directory / "%C")}
            return [*ssh(job, kex, master if kept else None), FAR, COMMAND]

        return words

    def once(words: Callable[[], list[str]], prime: bool = False) -> Callable[[], float]:
        def measure() -> float:
            home = bench.empty_home()
            with Account() as account:
                if prime:
                    account.run([*line.near, *words()], env=clean_environment(home), cwd=home, out=job.directory / "prime", timeout=60)
                sample = account.run(
                    [*line.near, *words()], env=clean_environment(home), cwd=home, out=job.directory / "run", timeout=60, first_byte=True
                )
            if sample.exit or sample.first_byte is None or sample.stdout.read_bytes().strip() != b"x":
                said = sample.stderr.read_text(errors="replace").strip()[-500:]
                raise BenchError(f"over the delay line: {words()[0]}: exit code {sample.exit}: {said}")
            return sample.first_byte

        return measure

    def library(kept: bool) -> Callable[[], float]:
        def measure() -> float:
            words = [sys.executable, str(SCRIPTS / "parallel_ssh_first_byte.py"), FAR, str(PORT), str(bench.keys.plain), COMMAND]
            return _second_answer([*line.near, *words], clean_environment(bench.empty_home()), kept)

        return measure

    cold = [*mcp, *(["--no-persist"] if keeps else []), "--", COMMAND]
    made = [("mcp", "`mcp exec`, cold", once(lambda: cold))]
    if keeps:
        made.append(("mcp-warm", "`mcp exec`, warm", once(lambda: [*mcp, "--", COMMAND], prime=True)))
    return [
        *made,
        ("ssh", "`ssh`, cold, curve25519", once(openssh(CURVE))),
        ("ssh-default", "`ssh`, cold, its default KEX", once(openssh(None))),
        ("ssh-warm", "`ssh` over a warm ControlMaster", once(openssh(CURVE, kept=True), prime=True)),
        ("parallel-ssh", "parallel-ssh, cold", library(False)),
        ("parallel-ssh-warm", "parallel-ssh, second command of one client", library(True)),
    ]


def _second_answer(argv: list[str], env: dict[str, str], kept: bool) -> float:
    """The script answers each line on its standard input with one run of the command: the first is cold, the second warm."""
    with subprocess.Popen(argv, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, bufsize=0) as process:
        assert process.stdin and process.stdout and process.stderr
        try:
            taken = 0.0
            if process.stdout.readline() != b"ready\n":
                raise BenchError(f"parallel-ssh over the delay line: {process.stderr.read().decode(errors='replace')[-500:]}")
            for _ in range(2 if kept else 1):
                began = time.monotonic()
                process.stdin.write(b"go\n")
                if process.stdout.read(1) != b"x":
                    raise BenchError(f"parallel-ssh over the delay line: {process.stderr.read().decode(errors='replace')[-500:]}")
                taken = time.monotonic() - began
                while (said := process.stdout.readline()) != b"ready\n":
                    if not said:
                        break
            return taken
        finally:
            process.kill()
