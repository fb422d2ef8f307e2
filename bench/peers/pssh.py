"""pssh, of Debian's package, where it is called parallel-ssh: a Python program that starts an ssh per host."""

from __future__ import annotations

from peers.base import CURVE, EVERYTHING, Job, Run, Tool


def tools() -> list[Tool]:
    """With OpenSSH's default key exchange, as people run it, and with curve25519 named."""

    def made(row: str, label: str, kex: str | None, slow: bool) -> Tool:
        def runs(job: Job) -> list[Run]:
            argv = ["/usr/bin/parallel-ssh", "-h", str(job.lines()), "-p", str(job.forks), "-t", "0", "-i", "-x", "-F none -n -T"]
            for key, value in job.ssh_options(kex).items():
                argv += ["-O", f"{key}={value}"]
            return [Run(row, label, [*argv, job.command])]

        return Tool(row, EVERYTHING, runs, slow)

    return [
        made("pssh-curve", "pssh, curve25519", CURVE, False),
        made("pssh", "pssh, OpenSSH's default KEX", None, True),
    ]
