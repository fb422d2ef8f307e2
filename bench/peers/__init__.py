"""The tools that are compared: how each is told to do a piece of work.

Boundary: command lines and the files they need; nothing is run here. Each tool is given the form its own manual would, at the same
parallelism, with host keys checked where it can. Next: base.py has the words, one file per tool beside it.
"""

from __future__ import annotations

from peers import ansible, clustershell, fabric, floor, mcp, openssh, parallel_ssh, pssh, pyinfra
from peers.base import Job, Run, Tool

__all__ = ["Job", "Run", "Tool", "all_tools"]


def all_tools(programs: mcp.Abilities) -> list[Tool]:
    """In the order of the tables, mcp first."""
    return [
        *mcp.tools(programs),
        *parallel_ssh.tools(),
        *pyinfra.tools(),
        *fabric.tools(),
        *openssh.tools(),
        *pssh.tools(),
        *clustershell.tools(),
        *ansible.tools(),
        *floor.tools(),
    ]
