"""What the figures were measured on: machine, versions, how.

Boundary: asks and tells, measures nothing. Next: report.py prints it above the tables.
"""

from __future__ import annotations

import hashlib
import os
import platform
import re
import subprocess
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from engines import ROOT
from measure import Account

if TYPE_CHECKING:
    from parts.bench import Bench

PACKAGES = ["ansible-core", "pyinfra", "parallel-ssh", "ssh2-python", "fabric", "paramiko", "ClusterShell"]


def _said(*argv: str) -> str:
    """The first line of what a command says, or a dash."""
    try:
        done = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False, cwd=ROOT)
    except OSError:
        return "-"
    return done.stdout.decode(errors="replace").strip().split("\n")[0] if done.returncode == 0 else "-"


def describe(bench: Bench) -> dict[str, str]:
    """By name, in the order of the report."""
    model = re.search(r"model name\s*: (.+)", Path("/proc/cpuinfo").read_text())
    memory = re.search(r"MemTotal:\s+(\d+)", Path("/proc/meminfo").read_text())
    release = re.search(r'PRETTY_NAME="(.+)"', Path("/etc/os-release").read_text())
    binary = bench.abilities.binary
    digest = hashlib.sha256(binary.read_bytes()).hexdigest()[:12]
    described = {
        "machine": f"{os.cpu_count()} cores ({model[1] if model else platform.machine()}), {int(memory[1]) / 1048576:.0f} GiB" if memory else "-",
        "system": f"{release[1] if release else '-'}, kernel {platform.release()}",
        "mcp": f"{_said(str(binary), '--version').removeprefix('mcp ')}, commit {_said('git', 'rev-parse', '--short', 'HEAD')}, binary {digest}",
        "OpenSSH": _said("ssh", "-V").split(",")[0].removeprefix("OpenSSH_"),
        "pssh": _said("/usr/bin/parallel-ssh", "--version"),
        "Python": platform.python_version(),
        "CPU counted by": Account.kind(),
        "at once": f"{bench.options.forks} hosts",
    }
    described |= {package: version(package) for package in PACKAGES}
    if bench.engines:
        described["docker"] = bench.engines.version()
    return described
