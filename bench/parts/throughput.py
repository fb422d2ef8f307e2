"""A hundred megabytes from one host, half of it on stdout and half on stderr, in turns of a megabyte.

Boundary: mcp and ssh alone. What is measured goes nowhere, as `>/dev/null 2>&1` does; once, before that, both streams are counted.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable
from typing import Any

from fleet import clean_environment
from measure import Account, Sample
from parts.bench import Bench, figures
from peers import Job
from peers.base import CURVE
from peers.mcp import workspace
from peers.openssh import ssh
from processes import BenchError, say

MEGABYTES = 50  # of each stream
LINE = b"0123456789 abcdefghijklmnopqrstuvwxyz ABCDEFGHIJKLMNOPQRSTUVWXYZ 0123456789 abcdefghijklmnopqrstuvw\n"


def table(bench: Bench) -> dict[str, Any]:
    """Rows of mcp and ssh, each with what the same run costs with `true` instead."""
    block = bench.directory / "megabyte"
    block.write_bytes(LINE * (1_000_000 // len(LINE)))
    command = f"i=0; while [ $i -lt {MEGABYTES} ]; do cat {block}; cat {block} >&2; i=$((i+1)); done"
    hosts = bench.hosts(1)
    job = Job("true", command, hosts, bench.keys.plain, bench.known(hosts), bench.place("throughput"), bench.empty_home(), 1)
    mcp = [str(bench.abilities.binary), "-C", str(workspace(job)), "exec", hosts[0].name]
    mcp += ["--no-persist"] if "exec" in bench.abilities.persist else []
    clients: dict[str, tuple[str, Callable[[str], list[str]]]] = {
        "mcp": ("`mcp exec`", lambda words: [*mcp, "--", words]),
        "ssh": ("`ssh`, curve25519", lambda words: [*ssh(job, CURVE), hosts[0].address, words]),
    }
    rows: dict[str, dict[str, Any]] = {}

    def run(row: str, words: str, discard: bool) -> Sample:
        bench.quiet()
        home = bench.empty_home()
        with Account() as account:
            out = job.directory / row
            return account.run(clients[row][1](words), env=clean_environment(home), cwd=home, out=out, timeout=120, discard=discard)

    for row, (label, _) in clients.items():
        sample = run(row, command, False)
        sizes = [path.stat().st_size for path in (sample.stdout, sample.stderr)]
        if sample.exit != 0 or sizes[0] != MEGABYTES * 1_000_000 or sizes[1] < MEGABYTES * 1_000_000:
            raise BenchError(f"{row}: exit code {sample.exit}, {sizes[0]} bytes of stdout and {sizes[1]} of stderr came")
        rows[row] = {"label": label, "samples": []}
        sample.stdout.unlink()
        sample.stderr.unlink()
    for number in range(max(bench.options.rounds, 3)):
        for row, kept in rows.items():
            say(f"throughput, round {number + 1}: {row}")
            nothing, all_of_it = run(row, "true", True), run(row, command, True)
            kept["samples"].append({**figures(all_of_it), "connect": nothing.wall})
    for kept in rows.values():
        connect = statistics.median(sample["connect"] for sample in kept["samples"])
        wall = statistics.median(sample["wall"] for sample in kept["samples"])
        kept["rate"] = 2 * MEGABYTES / (wall - connect)
        kept["whole_rate"] = 2 * MEGABYTES / wall
    return {"hosts": 1, "rows": rows}
