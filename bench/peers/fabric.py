"""Fabric: paramiko and threads; a program of its own `Connection`s under a pool, because its ThreadingGroup has no bound."""

from __future__ import annotations

import sys

from fleet import PORT
from peers.base import EVERYTHING, SCRIPTS, Job, Run, Tool


def tools() -> list[Tool]:
    """One way."""

    def runs(job: Job) -> list[Run]:
        argv = [sys.executable, str(SCRIPTS / "fabric_work.py"), str(job.lines()), str(PORT), str(job.key), str(job.forks), job.command]
        return [Run("fabric", "fabric", argv)]

    return [Tool("fabric", EVERYTHING, runs)]
