"""No peer but the floor: the same restarts told to the engines by docker's client on this machine, without ssh."""

from __future__ import annotations

import shlex

from fleet import names_of
from peers.base import Job, Run, Tool


def tools() -> list[Tool]:
    """All hosts at once, as the peers do it. What it costs, any tool that restarts containers with docker's client costs."""

    def runs(job: Job) -> list[Run]:
        def of_host(engine: int, slot: int) -> str:
            return f"( export DOCKER_HOST=unix://{job.sockets[engine]} NAMES={shlex.quote(' '.join(names_of(slot)))}; {job.command} ) &\n"

        script = job.file("floor.sh", "".join(of_host(host.engine, host.slot) for host in job.hosts) + "wait\n")
        return [Run("floor", "the floor: docker's client here, no ssh", ["sh", str(script)])]

    return [Tool("floor", frozenset({"restart"}), runs)]
