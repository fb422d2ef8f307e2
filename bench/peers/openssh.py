"""OpenSSH's client: one process per host from `xargs -P`, cold, and with a ControlMaster that stays."""

from __future__ import annotations

from peers.base import CURVE, EVERYTHING, Job, Run, Tool


def ssh(job: Job, kex: str | None, more: dict[str, str] | None = None) -> list[str]:
    """`ssh` and its options, without a host."""
    argv = ["ssh", "-F", "none", "-n", "-T", "-o", "LogLevel=ERROR"]
    for key, value in (job.ssh_options(kex) | (more or {})).items():
        argv += ["-o", f"{key}={value}"]
    return argv


def tools() -> list[Tool]:
    """Always with curve25519 named: the default key exchange is in the rows of those who use ssh as it is."""

    def xargs(job: Job, more: dict[str, str] | None = None) -> list[str]:
        return ["xargs", "-a", str(job.lines()), "-P", str(job.forks), "-I{}", *ssh(job, CURVE, more), "{}", job.command]

    def cold(job: Job) -> list[Run]:
        return [Run("ssh", "`xargs -P ssh`, curve25519", xargs(job))]

    def kept(job: Job) -> list[Run]:
        argv = xargs(job, {"ControlMaster": "auto", "ControlPersist": "60", "ControlPath": str(job.home / "%C")})
        return [
            Run("ssh-mux-first", "`xargs -P ssh`, curve25519, first run with ControlPersist", argv),
            Run("ssh-mux-warm", "`xargs -P ssh`, warm ControlMasters", argv),
        ]

    return [Tool("ssh", EVERYTHING, cold), Tool("ssh-mux", frozenset({"true", "ps"}), kept, slow=True)]
