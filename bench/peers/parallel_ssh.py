"""parallel-ssh: gevent over libssh2, the library mcp uses; a program of ten lines with its own client."""

from __future__ import annotations

import sys

from fleet import PORT
from peers.base import EVERYTHING, SCRIPTS, Job, Run, Tool


def tools() -> list[Tool]:
    """One way. It does not look at host keys."""

    def runs(job: Job) -> list[Run]:
        argv = [sys.executable, str(SCRIPTS / "parallel_ssh_work.py"), str(job.lines()), str(PORT), str(job.key), str(job.forks), job.command]
        return [Run("parallel-ssh", "parallel-ssh", argv)]

    return [Tool("parallel-ssh", EVERYTHING, runs)]
