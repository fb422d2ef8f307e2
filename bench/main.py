"""The bench: reads the command line, runs the parts, keeps the results and writes the report.

Boundary: order of things only. Started by bench/run, as root, in a network namespace of its own. Next: parts/.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import report
from engines import ROOT
from machine import describe
from parts import compare, keys, round_trips, throughput
from parts.bench import Bench, Options
from processes import BenchError, say

# Part: what it is, and with how many hosts it is done when nothing is said.
PARTS: dict[str, tuple[str, list[int]]] = {
    "true": ("the command `true`", [1, 10, 50, 200, 1000]),
    "list": ("`docker ps` with 50 containers, and `mcp list`", [50, 200]),
    "restart": ("restart of five containers per host that end at once", [50]),
    "graceful": ("the same with containers that take a second to end", [2, 10]),
    "keys": ("logging in with a passphrase, an agent, an RSA key", [200]),
    "trips": ("round trips to the first output, over a delay line", [1]),
    "throughput": ("100 MB of output from one host", [1]),
}
# What the table of targets needs: part, hosts, tools.
ACCEPTANCE: list[tuple[str, list[int], set[str] | None]] = [
    ("true", [200, 1000], {"mcp", "parallel-ssh"}),
    ("keys", [200], None),
    ("list", [50, 200], {"mcp"}),
    ("trips", [1], None),
    ("throughput", [1], None),
    ("restart", [50], {"mcp", "parallel-ssh", "ssh", "floor"}),
]


def main() -> int:
    parser = argparse.ArgumentParser(prog="bench/run", description="Measures mcp beside its peers; the report goes to stdout.")
    parser.add_argument("--only", metavar="PARTS", help=f"some of {','.join(PARTS)}")
    parser.add_argument("--hosts", metavar="NUMBERS", help="numbers of hosts instead of each part's own, such as 10,50")
    parser.add_argument("--rounds", type=int, default=3, help="rounds of each figure, whose median counts (3)")
    parser.add_argument("--tools", metavar="NAMES", help="only these: a row's key or its first word, such as mcp,ssh,ansible")
    parser.add_argument("--forks", type=int, default=50, help="hosts at once, of every tool (50)")
    parser.add_argument("--every-round", action="store_true", help="all rounds for slow tools too: hours")
    parser.add_argument("--acceptance", action="store_true", help="only what the table of targets needs")
    parser.add_argument("--docs", action="store_true", help="write the report into docs/benchmarks.md")
    parser.add_argument("--report", action="store_true", help="measure nothing: the report of the results that are there")
    asked = parser.parse_args()

    results = report.load()
    if asked.report:
        return _finish(results, asked.docs)
    names = asked.only.split(",") if asked.only else list(PARTS)
    if unknown := [name for name in names if name not in PARTS]:
        parser.error(f"there is no part {unknown[0]}; there are {', '.join(PARTS)}")
    numbers = [int(word) for word in asked.hosts.split(",")] if asked.hosts else None
    tools = set(asked.tools.split(",")) if asked.tools else None
    plan = [(name, numbers or PARTS[name][1], tools) for name in names]
    if asked.acceptance:
        plan = [(name, numbers or counts, tools or some) for name, counts, some in ACCEPTANCE if name in names]

    # Also where a shell has it ignored, as it does in the background.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    signal.signal(signal.SIGHUP, lambda *_: sys.exit(129))
    binary = Path(os.environ["MCP_BIN"])
    bench = None
    began = time.monotonic()
    try:
        dockers = [counts for name, counts, _ in plan if name in ("list", "restart", "graceful")]
        engines = 0 if not dockers else 1 if max(map(max, dockers)) <= 10 else 5
        options = Options(names, numbers, asked.rounds, tools, asked.forks, asked.every_round)
        bench = Bench(options, binary, engines)
        bench.start()
        # What is not asked for this time, such as docker's version, stays from the last time.
        results["machine"] |= describe(bench)
        for name, counts, some in plan:
            bench.options = Options(names, numbers, asked.rounds, some, asked.forks, asked.every_round)
            for key, table in _tables(bench, name, counts):
                table |= {"date": time.strftime("%Y-%m-%d %H:%M", time.gmtime()), "binary": results["machine"]["mcp"], "load": os.getloadavg()[0]}
                results["tables"][key] = table
                report.save(results)
    except BenchError as error:
        say(f"error: {error}")
        return 1
    except KeyboardInterrupt:
        say("interrupted; what was measured so far is kept")
        return 130
    finally:
        # What is being taken away is not to be interrupted half-way.
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        if bench:
            bench.close()
    say(f"measured for {(time.monotonic() - began) / 60:.1f} minutes")
    return _finish(results, asked.docs)


def _tables(bench: Bench, name: str, counts: list[int]) -> list[tuple[str, dict[str, Any]]] | Any:
    """One table after the other, each with its key in the results."""
    several: dict[str, Callable[[int], dict[str, Any]]] = {
        "true": lambda count: compare.table(bench, "true", count),
        "list": lambda count: compare.table(bench, "ps", count),
        "restart": lambda count: compare.table(bench, "restart", min(count, 50)),
        "graceful": lambda count: compare.table(bench, "restart", min(count, 50), delay=1000),
        "keys": lambda count: keys.table(bench, count),
        "trips": lambda _: round_trips.table(bench),
        "throughput": lambda _: throughput.table(bench),
    }
    for count in counts if name not in ("trips", "throughput") else [1]:
        yield f"{name}/{count}", several[name](count)


def _finish(results: dict[str, Any], docs: bool) -> int:
    text = report.render(results)
    print(text)
    if docs:
        report.write_docs(ROOT / "docs/benchmarks.md", text)
        say("written: docs/benchmarks.md")
    return 0


if __name__ == "__main__":
    sys.exit(main())
