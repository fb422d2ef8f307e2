"""What the hosts pay: CPU time of the docker engines, and of sshd with all that it starts there (shells, docker's client).

Boundary: cgroups that engines and sshd are started in; the clients' own are measure.py's. Where no cgroup is to be had nothing is counted.
Next: parts/compare.py reads it around each run of a restart.
"""

from __future__ import annotations

import os
from pathlib import Path

from measure import Cgroup


class Share:
    """One cgroup for all engines, one for sshd. Containers are in cgroups of the rig's, whose names tell which rig's."""

    def __init__(self) -> None:
        self.where = Cgroup.hierarchy()
        made = [Cgroup(self.where[0], f"mcp-bench-{os.getpid()}-{name}", self.where[1]) for name in ("engines", "sshd")] if self.where else []
        self.engines, self.sshd = made or (None, None)
        self.slot: str | None = None

    def of_rig(self, directory: Path) -> None:
        """The rig in `directory`, whose containers count as the engines' work: runc does half of a start inside their cgroups."""
        settings = dict(line.split("=", 1) for line in (directory / "rig").read_text().splitlines())
        self.slot = settings["SLOT"]

    def usage(self) -> dict[str, float]:
        """Seconds of CPU so far, by the name of a figure."""
        if not self.where or not self.engines or not self.sshd:
            return {}
        root, version = self.where
        containers = sum(Cgroup.used(path, version) for path in root.glob(f"mcp-rig-{self.slot}-*"))
        return {"engines_cpu": self.engines.usage() + containers, "sshd_cpu": self.sshd.usage()}

    def close(self) -> None:
        for group in (self.engines, self.sshd):
            if group:
                group.close()
