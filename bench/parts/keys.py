"""Logging in by other ways than a plain ed25519 file: with a passphrase typed on a terminal, through an agent, with an RSA key.

Boundary: mcp alone, `exec true`. What one decryption of the key costs is measured with one host, where nothing else differs.
"""

from __future__ import annotations

import fcntl
import os
import pty
import select
import statistics
import termios
import threading
from pathlib import Path
from typing import Any

from fleet import PASSPHRASE, Host, clean_environment
from measure import Account, Sample
from parts.bench import Bench, figures
from peers import Job, mcp
from processes import say


class Terminal:
    """A terminal of the client's own, on which the passphrase is typed as often as it is asked for."""

    def __init__(self) -> None:
        self.master, self.slave = pty.openpty()
        self.asked = 0
        self.done = threading.Event()
        self.typist = threading.Thread(target=self._type)
        self.typist.start()

    def give(self) -> None:
        """In the child: becomes its controlling terminal, which is what /dev/tty opens."""
        fcntl.ioctl(self.slave, termios.TIOCSCTTY, 0)

    def _type(self) -> None:
        said = b""
        while not self.done.is_set():
            if select.select([self.master], [], [], 0.05)[0]:
                try:
                    said += os.read(self.master, 4096)
                except OSError:
                    return
                if b"assphrase" in said:
                    said = b""
                    self.asked += 1
                    os.write(self.master, PASSPHRASE.encode() + b"\n")

    def close(self) -> None:
        self.done.set()
        self.typist.join()
        os.close(self.master)
        os.close(self.slave)


def table(bench: Bench, count: int) -> dict[str, Any]:
    """Rows for each way, and what one decryption costs."""
    bench.keys.start_agent()
    hosts, one = bench.hosts(count), bench.hosts(1)
    rows: dict[str, dict[str, Any]] = {
        "plain": {"label": "ed25519 file", "samples": []},
        "locked": {"label": "ed25519 file with a passphrase, typed", "samples": []},
        "agent": {"label": "ed25519 in an agent", "samples": []},
        "rsa": {"label": "RSA 3072 file", "samples": []},
    }
    single: dict[str, list[float]] = {"plain": [], "locked": []}
    for number in range(bench.options.rounds):
        for row, kept in rows.items():
            say(f"keys, {count} hosts, round {number + 1}: {row}")
            kept["samples"].append(_run(bench, row, hosts))
        for row, seen in single.items():
            seen.append(float(_run(bench, row, one)["cpu"]))
    decryption = statistics.median(single["locked"]) - statistics.median(single["plain"])
    return {"hosts": count, "rows": rows, "decryption": decryption, "forks": bench.options.forks}


def _run(bench: Bench, row: str, hosts: list[Host]) -> dict[str, Any]:
    keys, home = bench.keys, bench.empty_home()
    file = {"plain": keys.plain, "locked": keys.locked, "rsa": keys.rsa, "agent": keys.plain.with_suffix(".pub")}[row]
    job = Job("true", "true", hosts, file, bench.known(hosts), bench.place(f"keys-{len(hosts)}-{row}"), home, bench.options.forks)
    cold = next(tool for tool in mcp.tools(bench.abilities) if tool.key == "mcp")
    run = cold.runs(job)[0]
    env = clean_environment(home, {"SSH_AUTH_SOCK": str(keys.socket)} if row == "agent" else {})
    terminal = Terminal() if row == "locked" else None
    bench.quiet()
    bench.log.look()
    agent_before = _agent_cpu(bench)
    try:
        with Account() as account:
            sample: Sample = account.run(
                run.argv, env=env, cwd=home, out=job.directory / row, timeout=300, terminal=terminal.give if terminal else None
            )
    finally:
        if terminal:
            terminal.close()
    seen = bench.log.look()
    lost = len(hosts) - len(seen.served & {host.address for host in hosts})
    if lost or sample.exit:
        said = sample.stderr.read_text(errors="replace").strip()[-300:]
        say(f"  {row}: exit code {sample.exit}, {lost} hosts lost: {said}")
    more = {"asked": terminal.asked} if terminal else {"agent_cpu": _agent_cpu(bench) - agent_before} if row == "agent" else {}
    return {**figures(sample), "lost": lost, "logins": seen.accepted, "execs": seen.execs, **more}


def _agent_cpu(bench: Bench) -> float:
    """Seconds, of the agent's one thread (schedstat is in nanoseconds)."""
    assert bench.keys.agent
    return int(Path(f"/proc/{bench.keys.agent.pid}/schedstat").read_text().split()[0]) / 1e9
