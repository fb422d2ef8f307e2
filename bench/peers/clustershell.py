"""ClusterShell's clush: one Python process that starts an ssh per host."""

from __future__ import annotations

from peers.base import CURVE, EVERYTHING, VENV, Job, Run, Tool


def tools() -> list[Tool]:
    """With OpenSSH's default key exchange, as people run it, and with curve25519 named."""

    def made(row: str, label: str, kex: str | None, slow: bool) -> Tool:
        def runs(job: Job) -> list[Run]:
            options = "-F none " + " ".join(f"-o {key}={value}" for key, value in job.ssh_options(kex).items())
            argv = [str(VENV / "clush"), "-n", "-f", str(job.forks), "-S", "--hostfile", str(job.lines()), "-l", "root", "-o", options]
            return [Run(row, label, [*argv, job.command])]

        return Tool(row, EVERYTHING, runs, slow)

    return [
        made("clush-curve", "clush, curve25519", CURVE, False),
        made("clush", "clush, OpenSSH's default KEX", None, True),
    ]
