"""mcp itself: `exec` for a command, `list` and `restart` for what it has verbs for."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path

from fleet import PORT, SLOTS, names_of
from peers.base import Job, Run, Tool


@dataclass(frozen=True)
class Abilities:
    """The binary and what its help says it can do."""

    binary: Path
    persist: frozenset[str]  # the verbs that keep sessions, and have --no-persist

    @staticmethod
    def of(binary: Path) -> Abilities:
        verbs = set()
        for verb in ("exec", "list", "restart"):
            told = subprocess.run([str(binary), verb, "--help"], stdout=subprocess.PIPE, check=False).stdout
            if b"--no-persist" in told:
                verbs.add(verb)
        return Abilities(binary, frozenset(verbs))


def workspace(job: Job) -> Path:
    """The files of a fleet with these hosts; five servers on each. What mcp itself wrote there before stays."""
    lines = ["version: 1", "ssh_config: none", "defaults:", "  user: root", f"  port: {PORT}"]
    lines += [f"  identity_file: {job.key}", f"  known_hosts: {job.known_hosts}", "  connect_timeout: 60s", "hosts:"]
    for host in job.hosts:
        lines.append(f"  {host.name}: {{address: {host.address}, groups: [slot-{host.slot}]}}")
    slots = sorted({host.slot for host in job.hosts})
    lines.append("groups:")
    lines += [f"  slot-{slot}: {{}}" for slot in slots]
    job.file("hosts.yaml", "\n".join(lines) + "\n")
    if job.container:
        lines = ["version: 1", "servers:"]
        # A list may ask for the same five names everywhere; who restarts must have five of its own on each host.
        placed = [(slot, f"'@slot-{slot}'") for slot in slots] if job.work == "restart" else [(0, "all")]
        for slot, host_pattern in placed:
            for name in names_of(slot % SLOTS):
                lines += [f"  {name}:", f"    command: {job.container(name)}", f"    host: {host_pattern}"]
        job.file("servers.yaml", "\n".join(lines) + "\n")
    return job.directory


def tools(abilities: Abilities) -> list[Tool]:
    """`mcp` starts cold; `mcp-kept` keeps its sessions for a second run."""

    def start(job: Job, verb: str, forks: int | None, *, keep: bool = False) -> list[str]:
        argv = [str(abilities.binary), "-C", str(workspace(job)), verb]
        argv += ["--forks", str(forks)] if forks else []
        return argv + (["--no-persist"] if verb in abilities.persist and not keep else [])

    def once(row: str, label: str, verb: str, words: list[str], forks: bool = True) -> Tool:
        def runs(job: Job) -> list[Run]:
            return [Run(row, label, [*start(job, verb, job.forks if forks else None), *_words(words, job)])]

        works = {"exec": {"true", "ps"}, "list": {"ps"}, "restart": {"restart"}}[verb]
        return Tool(row, frozenset(works), runs)

    def twice(row: str, label: str, verb: str, words: list[str]) -> Tool:
        def runs(job: Job) -> list[Run]:
            argv = [*start(job, verb, job.forks, keep=True), *_words(words, job)]
            return [
                Run(f"{row}-first", f"{label}, first run, keeps its sessions", argv),
                Run(f"{row}-warm", f"{label}, warm second run", argv),
            ]

        works = {"exec": {"true", "ps"}, "list": {"ps"}}[verb]
        return Tool(row, frozenset(works), runs)

    exec_words = ["all", "--", "{command}"]
    made = [
        once("mcp", "`mcp exec`", "exec", exec_words),
        once("mcp-forks", "`mcp exec`, its default of 100 forks", "exec", exec_words, forks=False),
        once("mcp-list", "`mcp list`, 5 servers per host", "list", []),
        once("mcp-restart", "`mcp restart --all` (waits 1 s to see that all stay up)", "restart", ["--all"]),
        once("mcp-restart-0", "`mcp restart --all --settle 0`", "restart", ["--all", "--settle", "0"]),
    ]
    if "exec" in abilities.persist:
        made.insert(2, twice("mcp-kept", "`mcp exec`", "exec", exec_words))
    if "list" in abilities.persist:
        made.append(twice("mcp-list-kept", "`mcp list`", "list", []))
    return made


def _words(words: list[str], job: Job) -> list[str]:
    return [job.command if word == "{command}" else word for word in words]
