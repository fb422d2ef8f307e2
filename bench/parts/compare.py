"""The same work through every tool: `true`, `docker ps`, the restart of five containers per host.

Boundary: rounds, checks and limits in time; what is run is peers/'s, what it costs measure.py's. In a round every tool has its turn, so
that a slow minute of the machine is everybody's. Next: report.py makes tables of it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from fleet import Host, clean_environment, names_of
from measure import Account, Sample
from parts.bench import CONTAINERS_ON_AN_ENGINE, Bench, figures
from peers import Job, Tool
from processes import say
from sessions import Seen

PS = "docker ps -a --no-trunc --format '{{json .}}'"
ONE_CALL = "docker restart $NAMES"
SIDE_BY_SIDE = 'for c in $NAMES; do docker restart "$c" & done; wait'
# The tools whose restart is measured in every round; the engines need most of the time, whoever asks them.
RESTART_ROUNDS = {"mcp-restart", "mcp-restart-0", "parallel-ssh", "ssh", "floor"}
NAME = re.compile(rb'"Names": ?"c\d\d"')
RUNNING = re.compile(rb"^c\d\d +h\d+ +running", re.MULTILINE)


@dataclass(frozen=True)
class Piece:
    """A tool with one form of the work."""

    tool: Tool
    command: str
    suffix: str = ""  # of the row's key
    words: str = ""  # of its label


def table(bench: Bench, work: str, count: int, delay: int = 0) -> dict[str, Any]:
    """All rounds of one table: rows in the order of the tools, each with its samples, or with the reason why there are none."""
    hosts = bench.hosts(count)
    if bench.engines:
        bench.engines.set_delay(delay)
    rows: dict[str, dict[str, Any]] = {}
    pieces = list(_pieces(bench, work, delay))
    for piece in pieces:
        if count > 1:
            _warm_up(bench, piece, work)
    for number in range(bench.options.rounds):
        for piece in pieces:
            limit, reason = _rounds(bench, piece, work, count, delay)
            if limit == 0:
                key = piece.tool.key + piece.suffix
                rows.setdefault(key, {"label": piece.tool.key + piece.words, "samples": [], "skipped": reason})
            if number < limit:
                say(f"{work}{f' ({delay} ms to end)' if delay else ''}, {count} hosts, round {number + 1}: {piece.tool.key}{piece.words}")
                for row, label, sample in _measure(bench, piece, work, hosts):
                    kept = rows.setdefault(row, {"label": label, "samples": []})
                    kept["samples"].append(sample)
                    if number + 1 == limit < bench.options.rounds:
                        kept["note"] = reason
    return {"work": work, "hosts": count, "delay": delay, "forks": bench.options.forks, "rows": rows}


def _pieces(bench: Bench, work: str, delay: int) -> Iterator[Piece]:
    for tool in bench.tools(work):
        if work != "restart":
            yield Piece(tool, "true" if work == "true" else PS)
        elif tool.key.startswith("mcp"):
            yield Piece(tool, "")
        else:
            if tool.key in RESTART_ROUNDS:
                yield Piece(tool, ONE_CALL, "/one", ": one `docker restart` of five")
            if tool.key in RESTART_ROUNDS or not delay:
                yield Piece(tool, SIDE_BY_SIDE, "/side", ": five side by side")


def _rounds(bench: Bench, piece: Piece, work: str, count: int, delay: int) -> tuple[int, str]:
    """How many rounds a piece gets, and why not all."""
    asked, ours, slow = bench.options.rounds, piece.tool.key.startswith("mcp"), piece.tool.slow
    if bench.options.every_round or ours:
        return asked, ""
    if work == "restart":
        if piece.tool.key in RESTART_ROUNDS:
            return asked, ""
        # Ansible's own work shows; that of the default key exchange is in the other tables.
        if slow and piece.tool.key != "ansible":
            return 0, "its key exchange is in the other tables"
        return 1, "one round: the engines' work is the same for all"
    if count > 200:
        return (0, "left out above 200 hosts, for its time or its memory") if slow else (1, "one round: slow with so many hosts")
    if count >= 200 and (slow or work == "ps"):
        return 1, "one round: slow with so many hosts"
    return asked, ""


def _job(bench: Bench, piece: Piece, work: str, hosts: list[Host], home: Path) -> Job:
    place = bench.place(f"{work}-{len(hosts)}-{piece.tool.key}{piece.suffix.replace('/', '-')}")
    container = bench.engines.run_command if bench.engines and work != "true" else None
    sockets = bench.engines.sockets if bench.engines else ()
    return Job(work, piece.command, hosts, bench.keys.plain, bench.known(hosts), place, home, bench.options.forks, container, sockets)


def _warm_up(bench: Bench, piece: Piece, work: str) -> None:
    """Once with one host and not measured: files are in memory, Python's bytecode is written."""
    home = bench.empty_home()
    job = _job(bench, replace(piece, command="true"), "true" if work == "restart" else work, bench.hosts(1), home)
    with Account() as account:
        for run in piece.tool.runs(job) if "restart" not in piece.tool.key else []:
            account.run(run.argv, env=clean_environment(home, run.env), cwd=home, out=job.directory / "warm-up", timeout=60)


def _measure(bench: Bench, piece: Piece, work: str, hosts: list[Host]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    home = bench.empty_home()
    job = _job(bench, piece, work, hosts, home)
    addresses = {host.address for host in hosts}
    timeout = 60 + len(hosts) * (3.0 if work == "restart" else 0.6)
    bench.quiet()
    with Account() as account:
        for run in piece.tool.runs(job):
            bench.log.look()
            began, before = datetime.now(UTC), bench.share.usage()
            out = job.directory / run.row
            sample = account.run(run.argv, env=clean_environment(home, run.env), cwd=home, out=out, timeout=timeout, stdin=run.stdin)
            paid = {figure: round(used - before[figure], 4) for figure, used in bench.share.usage().items()}
            seen = bench.log.look()
            served = _served(bench, work, hosts, addresses, sample, seen, began, run.row)
            lost = len(hosts) - served
            if lost or sample.exit:
                said = sample.stderr.read_text(errors="replace").strip().splitlines()[-3:]
                say(f"  {run.row}: exit code {sample.exit}, {lost} of {len(hosts)} hosts lost: {' | '.join(said)[:400]}")
            yield (
                run.row + piece.suffix,
                run.label + piece.words,
                {**figures(sample), **paid, "lost": lost, "logins": seen.accepted, "execs": seen.execs},
            )


def _served(
    bench: Bench, work: str, hosts: list[Host], addresses: set[str], sample: Sample, seen: Seen, began: datetime, row: str
) -> int:
    """On how many hosts the work was done: by sshd's log, and by what came of it."""
    # The floor goes by no sshd.
    served = len(hosts) if row == "floor" else len(seen.served & addresses)
    if work == "ps":
        # pyinfra answers on stderr.
        said = sample.stdout.read_bytes() + sample.stderr.read_bytes()
        each = len(names_of(0)) if row.startswith("mcp-list") else CONTAINERS_ON_AN_ENGINE
        return min(served, len((RUNNING if row.startswith("mcp-list") else NAME).findall(said)) // each)
    if work == "restart" and bench.engines:
        wanted: dict[int, set[str]] = {}
        for host in hosts:
            wanted.setdefault(host.engine, set()).update(names_of(host.slot))
        return min(served, bench.engines.started_since(began, wanted) // len(names_of(0)))
    return served
