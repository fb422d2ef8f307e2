"""The results: kept as JSON, told as Markdown.

Boundary: arithmetic and text; measures nothing. A table is measured as a whole in one run, so its ratios are of one run; a later run
replaces whole tables. Next: acceptance.py has the table of targets, docs/benchmarks.md holds what comes out.
"""

from __future__ import annotations

import json
import statistics
from pathlib import Path
from typing import Any

import acceptance
from engines import ROOT

RESULTS = ROOT / "bench/results/results.json"
BEGIN, END = "<!-- begin of what bench/run writes -->", "<!-- end of what bench/run writes -->"
TITLES = {
    "true": "The command `true`",
    "list": "`docker ps` with 50 containers on the host, and `mcp list`",
    "restart": "Restart of five containers per host",
    "graceful": "Restart of five containers per host that each take a second to end",
    "keys": "Ways to log in, `mcp exec true`",
}
LIMITS = {
    "true": "What limits: each login costs sshd about 28 ms of CPU on the same cores, which bounds everybody's wall time; judge by client CPU. Clients that start "
    "OpenSSH pay for a process and, with its default key exchange (sntrup761), for about 100 ms more per login.",
    "list": "What limits: a start of docker's client (about 20 ms) and the engine's answer (15 ms) per host, on the same cores, beside sshd's 28 ms. The client's share "
    "is the handshake and, with `docker ps`, the decryption and printing of about 40 KB per host.",
    "restart": "What limits: the engines. A restart is about 0.3 s of CPU in dockerd, containerd and runc, whoever asks for it, and all engines share "
    "these cores: with several hosts at once wall time is the sum of that work, and the floor says how low it can be. `mcp` looks before and after, and its wall includes "
    "the settle time where that is not 0.",
    "graceful": "What limits: the five seconds that a serial `docker restart` of five waits are hidden as soon as the cores are busy with other hosts' restarts.",
    "keys": "What limits: a login through an agent waits for the agent's own signature, which is its CPU and not the client's; an RSA signature costs more than an "
    "ed25519 one; a passphrase costs one decryption (bcrypt) per run, whatever the number of hosts.",
}


def load() -> dict[str, Any]:
    if RESULTS.exists():
        return dict(json.loads(RESULTS.read_text()))
    return {"machine": {}, "tables": {}}


def save(results: dict[str, Any]) -> None:
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(results, indent=1) + "\n")


def median(samples: list[dict[str, Any]], key: str) -> float:
    return float(statistics.median(sample[key] for sample in samples))


def render(results: dict[str, Any]) -> str:
    """The whole report."""
    tables, machine = results["tables"], results["machine"]
    dates = sorted(table["date"] for table in tables.values())
    parts = []
    if dates:
        parts.append(f"Measured from {dates[0]} to {dates[-1]} UTC.\n")
        parts.append(_markdown(["", ""], [[key, value] for key, value in machine.items()]))
    parts.append("## Targets\n\n" + _markdown(["figure", "to reach", "seen", ""], acceptance.rows(tables)))
    for name, title in TITLES.items():
        some = sorted((table for key, table in tables.items() if key.partition("/")[0] == name), key=lambda table: table["hosts"])
        if some:
            parts.append(f"## {title}\n\n{LIMITS[name]}")
        for table in some:
            body = _keys(table) if name == "keys" else _comparison(table)
            parts.append(f"### {_hosts(table['hosts'])}\n\n{body}{_provenance(table, machine)}")
    if table := tables.get("trips/1"):
        parts.append(_trips(table) + _provenance(table, machine))
    if table := tables.get("throughput/1"):
        parts.append(_throughput(table) + _provenance(table, machine))
    return "\n\n".join(part.strip() for part in parts) + "\n"


def write_docs(path: Path, text: str) -> None:
    """Puts the report between the markers; what is around them is written by hand."""
    before, _, rest = path.read_text().partition(BEGIN)
    after = rest.partition(END)[2]
    path.write_text(f"{before}{BEGIN}\n\n{text}\n{END}{after}")


def _hosts(count: int) -> str:
    return "1 host" if count == 1 else f"{count} hosts"


def _markdown(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"


def _provenance(table: dict[str, Any], machine: dict[str, str]) -> str:
    """Said of a table that another binary made than the newest one."""
    said = f"\n{table['date']} UTC, load {table['load']:.1f} afterwards"
    return said + (f", mcp {table['binary']}.\n" if table["binary"] != machine.get("mcp") else ".\n")


def _comparison(table: dict[str, Any]) -> str:
    """Wall, client CPU per host, memory, losses, ratios to the first row of mcp's."""
    rows, hosts = table["rows"], table["hosts"]
    base = next((row["samples"] for key, row in rows.items() if key.startswith("mcp") and row["samples"]), None)
    # Results of an earlier bench do not have it.
    paid = table["work"] == "restart" and all("engines_cpu" in sample for row in rows.values() for sample in row["samples"])
    body, notes = [], []
    for row in rows.values():
        samples = row["samples"]
        if not samples:
            notes.append(f"{row['label']}: {row.get('skipped', 'not measured')}")
            continue
        wall, cpu = median(samples, "wall"), median(samples, "cpu")
        ratios = [f"{wall / median(base, 'wall'):.1f}", f"{cpu / median(base, 'cpu'):.1f}"] if base else ["-", "-"]
        lost = max(sample["lost"] for sample in samples)
        ended = sorted({str(sample["exit"]) for sample in samples if sample["exit"]})
        failed = str(lost) + (f" (exit {', '.join(ended)})" if ended else "")
        body.append(
            [
                row["label"],
                f"{wall:.2f}",
                ratios[0],
                f"{cpu / hosts * 1000:.2f}",
                ratios[1],
                f"{max(sample['rss'] for sample in samples) / 1e6:.0f}",
                failed,
                f"{median(samples, 'logins'):.0f} / {median(samples, 'execs'):.0f}",
                str(len(samples)),
                *([f"{median(samples, 'engines_cpu'):.1f}", f"{median(samples, 'sshd_cpu'):.1f}"] if paid else []),
            ]
        )
    head = ["tool", "wall s", "× mcp", "client CPU ms per host", "× mcp", "peak RSS MB", "hosts lost", "logins / execs", "rounds"]
    head += ["engines' CPU s", "CPU s of sshd, shells and docker's client"] if paid else []
    text = _markdown(head, body)
    return text + (f"\nLeft out: {'; '.join(notes)}.\n" if notes else "")


def _keys(table: dict[str, Any]) -> str:
    body = []
    for key, row in table["rows"].items():
        samples, hosts = row["samples"], table["hosts"]
        cpu = median(samples, "cpu")
        note = ""
        if key == "locked":
            asked = max(sample["asked"] for sample in samples)
            note = f"{(cpu - table['decryption']) / hosts * 1000:.2f} without the one decryption of {table['decryption'] * 1000:.0f} ms; asked {asked} time(s)"
        if key == "agent":
            note = f"the agent itself: {median(samples, 'agent_cpu') / hosts * 1000:.2f} ms per host"
        lost = max(sample["lost"] for sample in samples)
        body.append([row["label"], f"{median(samples, 'wall'):.2f}", f"{cpu / hosts * 1000:.2f}", str(lost), note])
    return _markdown(["key", "wall s", "client CPU ms per host", "hosts lost", ""], body)


def _trips(table: dict[str, Any]) -> str:
    body = []
    for row in table["rows"].values():
        times = [f"{statistics.median(row['times'][rtt]) * 1000:.0f}" for rtt in ("50", "200")]
        body.append([row["label"], *times, f"{row['trips']:.2f}"])
    text = (
        "## Round trips to the first output\n\nA delay line between two network namespaces; the slope between both delays counts, so that what does not wait for the "
        "line is not in it. What limits: the protocol. TCP is 1, versions and key exchange 4, login 2, channel 2, exec 1; two on a session that is there already, when "
        "channel and exec wait for each other.\n\n"
    )
    return text + _markdown(["client", "ms at a round trip of 50 ms", "ms at 200 ms", "round trips"], body)


def _throughput(table: dict[str, Any]) -> str:
    body = []
    for row in table["rows"].values():
        rss = max(sample["rss"] for sample in row["samples"]) / 1e6
        cpu = median(row["samples"], "cpu")
        body.append([row["label"], f"{row['rate']:.0f}", f"{row['whole_rate']:.0f}", f"{cpu:.2f}", f"{rss:.0f}"])
    text = (
        "## 100 MB of output from one host\n\n50 MB on stdout and 50 MB on stderr, in turns of one megabyte; every byte was counted once before. What limits: "
        "the cipher, on both sides, each with one core: AES-GCM for `mcp`, chacha20-poly1305 for `ssh`, each its own first choice.\n\n"
    )
    return text + _markdown(["client", "MB/s", "MB/s with connecting", "client CPU s", "peak RSS MB"], body)
