"""pyinfra: paramiko and gevent; `exec` is its way to run one command."""

from __future__ import annotations

from fleet import PORT
from peers.base import EVERYTHING, VENV, Job, Run, Tool


def tools() -> list[Tool]:
    """One way."""

    def runs(job: Job) -> list[Run]:
        data = {
            "ssh_port": PORT,
            "ssh_user": "root",
            "ssh_key": str(job.key),
            "ssh_known_hosts_file": str(job.known_hosts),
            "ssh_strict_host_key_checking": "yes",
            "ssh_allow_agent": False,
            "ssh_look_for_keys": False,
        }
        inventory = job.file("inventory.py", f"fleet = ({[host.address for host in job.hosts]!r}, {data!r})\n")
        # Without -vvv no answer is shown.
        argv = [str(VENV / "pyinfra"), "-vvv", "-y", "--parallel", str(job.forks), str(inventory), "exec", "--", job.command]
        return [Run("pyinfra", "pyinfra exec", argv)]

    return [Tool("pyinfra", EVERYTHING, runs)]
