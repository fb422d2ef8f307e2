"""The table of targets: what was to be reached, and what was seen.

Boundary: picks figures out of the results. A figure that was not measured says so. Next: report.py prints it first.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable
from typing import Any

Tables = dict[str, Any]


class Missing(Exception):
    """Not measured."""


def rows(tables: Tables) -> list[list[str]]:
    """Figure, target, seen, verdict."""
    made: list[tuple[str, str, Callable[[Tables], tuple[str, bool]]]] = [
        ("client CPU per host, `mcp exec true`, cold, ed25519, 200 hosts", "≤ 1.6 ms", lambda t: _cpu(t, "true/200", "mcp", 1.6)),
        ("the same, 1000 hosts", "≤ 1.6 ms", lambda t: _cpu(t, "true/1000", "mcp", 1.6)),
        ("the same with a passphrase, 200 hosts, without its one decryption", "≤ 1.8 ms", _passphrase),
        ("client CPU per host, `mcp list`, 5 servers each, cold, 200 hosts", "≤ 2.5 ms", lambda t: _cpu(t, "list/200", "mcp-list", 2.5)),
        ("1000 hosts: lost hosts, peak RSS", "0, ≤ 60 MB", _thousand),
        ("round trips to the first output, cold", "≤ 10", lambda t: _trips(t, "mcp", 10)),
        ("round trips to the first output, warm", "2", lambda t: _trips(t, "mcp-warm", 2)),
        ("client CPU per host, warm `mcp list`, 50 hosts", "≤ 0.5 ms", lambda t: _cpu(t, "list/50", "mcp-list-kept-warm", 0.5)),
        ("`mcp restart --all`, 50 hosts with 5 each, wall beside the best peer", "≤ 0.7 ×", lambda t: _restart(t, "restart/50")),
        ("the same, 10 hosts, each container takes a second to end", "", lambda t: _restart(t, "graceful/10")),
        ("the same, 2 hosts", "", lambda t: _restart(t, "graceful/2")),
        ("100 MB of stdout and stderr from one host", "≥ 150 MB/s, no deadlock", _throughput),
    ]
    table = []
    for figure, target, seen in made:
        try:
            said, reached = seen(tables)
            table.append([figure, target, said, ("reached" if reached else "**not reached**") if target else ""])
        except Missing:
            table.append([figure, target, "not measured", ""])
    return table


def _table(tables: Tables, key: str) -> Any:
    if key not in tables:
        raise Missing
    return tables[key]


def _samples(tables: Tables, key: str, row: str) -> list[dict[str, Any]]:
    samples = _table(tables, key)["rows"].get(row, {}).get("samples")
    if not samples:
        raise Missing
    return list(samples)


def _median(samples: Iterable[dict[str, Any]], figure: str) -> float:
    return float(statistics.median(sample[figure] for sample in samples))


def _cpu(tables: Tables, key: str, row: str, limit: float) -> tuple[str, bool]:
    """Of the row, and of the best that is not mcp's in the same table."""
    table = _table(tables, key)
    each = _median(_samples(tables, key, row), "cpu") / table["hosts"] * 1000
    peers = [
        (_median(other["samples"], "cpu") / table["hosts"] * 1000, other["label"])
        for name, other in table["rows"].items()
        if not name.startswith("mcp") and other["samples"] and name.endswith("-warm") == row.endswith("-warm")
    ]
    best = f" (best peer: {min(peers)[0]:.1f}, {min(peers)[1]})" if peers else ""
    return f"{each:.2f} ms{best}", each <= limit


def _passphrase(tables: Tables) -> tuple[str, bool]:
    table = _table(tables, "keys/200")
    whole = _median(_samples(tables, "keys/200", "locked"), "cpu")
    each = (whole - table["decryption"]) / table["hosts"] * 1000
    return f"{each:.2f} ms, and one decryption of {table['decryption'] * 1000:.0f} ms", each <= 1.8


def _thousand(tables: Tables) -> tuple[str, bool]:
    said, well = [], True
    for row, words in (("mcp", "cold"), ("mcp-forks", "100 forks"), ("mcp-kept-first", "with the process that keeps the sessions")):
        try:
            samples = _samples(tables, "true/1000", row)
        except Missing:
            continue
        lost, rss = max(sample["lost"] for sample in samples), max(sample["rss"] for sample in samples) / 1e6
        said.append(f"{lost}, {rss:.0f} MB ({words})")
        # The target is about the run; what keeps a thousand sessions afterwards is said beside it.
        well &= lost == 0 and (rss <= 60 or row == "mcp-kept-first")
    if not said:
        raise Missing
    return "; ".join(said), well


def _trips(tables: Tables, row: str, limit: float) -> tuple[str, bool]:
    table = _table(tables, "trips/1")
    if row not in table["rows"]:
        raise Missing
    trips = table["rows"][row]["trips"]
    peers = [
        (other["trips"], other["label"])
        for name, other in table["rows"].items()
        if not name.startswith("mcp") and name.endswith("-warm") == row.endswith("-warm")
    ]
    best = f" (best peer: {min(peers)[0]:.1f}, {min(peers)[1]})" if peers else ""
    # A tenth of a round trip is what the machine's own time differs between two medians.
    return f"{trips:.2f}{best}", trips <= limit + 0.1


def _restart(tables: Tables, key: str) -> tuple[str, bool]:
    table = _table(tables, key)
    ours = _median(_samples(tables, key, "mcp-restart"), "wall")
    peers = [
        (_median(other["samples"], "wall"), other["label"])
        for name, other in table["rows"].items()
        if not name.startswith(("mcp", "floor")) and other["samples"] and not any(sample["lost"] or sample["exit"] for sample in other["samples"])
    ]
    if not peers:
        raise Missing
    wall, label = min(peers)
    # One `docker restart` of five names is what people write; side by side is what mcp does itself.
    serial = [peer for peer in peers if "one `docker restart`" in peer[1]]
    best = f"; {ours / min(serial)[0]:.2f} × the best with one call, {min(serial)[0]:.1f} s" if serial else ""
    try:
        without = f"; {_median(_samples(tables, key, 'mcp-restart-0'), 'wall') / wall:.2f} × with `--settle 0`"
    except Missing:
        without = ""
    floors = [_median(other["samples"], "wall") for name, other in table["rows"].items() if name.startswith("floor") and other["samples"]]
    # What no tool can go below here, because the engines' work is the same for all.
    floor = f"; without ssh {min(floors) / wall:.2f} ×" if floors else ""
    return f"{ours / wall:.2f} × ({ours:.1f} s; {wall:.1f} s of {label}{best}{without}{floor})", ours / wall <= 0.7


def _throughput(tables: Tables) -> tuple[str, bool]:
    row = _table(tables, "throughput/1")["rows"].get("mcp")
    if not row:
        raise Missing
    rss = max(sample["rss"] for sample in row["samples"]) / 1e6
    ssh = _table(tables, "throughput/1")["rows"].get("ssh")
    beside = f" (`ssh`: {ssh['rate']:.0f})" if ssh else ""
    return f"{row['rate']:.0f} MB/s, {row['whole_rate']:.0f} with connecting, {rss:.0f} MB of RSS{beside}", row["rate"] >= 150
