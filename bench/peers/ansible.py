"""Ansible's `raw` module, its cheapest: cold, and then over the masters that its own default (ControlPersist) leaves, with pipelining."""

from __future__ import annotations

from fleet import PORT
from peers.base import CURVE, EVERYTHING, VENV, Job, Run, Tool


def tools() -> list[Tool]:
    """With OpenSSH's default key exchange, as people run it, and with curve25519 named."""

    def made(row: str, label: str, kex: str | None) -> Tool:
        def runs(job: Job) -> list[Run]:
            lines = "".join(f"{host.name} ansible_host={host.address}\n" for host in job.hosts)
            inventory = job.file("inventory.ini", f"{lines}[all:vars]\nansible_port={PORT}\nansible_user=root\n")
            options = " ".join(f"-o {key}={value}" for key, value in job.ssh_options(kex).items() if key not in ("Port", "User"))
            config = f"""[defaults]
forks = {job.forks}
inventory = {inventory}
host_key_checking = True
retry_files_enabled = False
private_key_file = {job.key}
timeout = 60

[ssh_connection]
ssh_common_args = -F none {options}
control_path_dir = {job.home}/cp
"""
            configured = job.file("ansible.cfg", config)
            # Double braces are Ansible's own templates; arguments that begin with one brace would be JSON.
            command = job.command.replace("{{", "{% raw %}{{").replace("}}", "}}{% endraw %}")
            argv = [str(VENV / "ansible"), "all", "-m", "raw", "-a", command]
            env = {"ANSIBLE_CONFIG": str(configured), "PATH": f"{VENV}:/usr/local/bin:/usr/bin:/bin"}
            return [
                Run(row, f"{label}, cold", argv, env),
                Run(f"{row}-warm", f"{label}, warm ControlPersist and pipelining", argv, env | {"ANSIBLE_PIPELINING": "True"}),
            ]

        return Tool(row, EVERYTHING, runs, slow=True)

    return [made("ansible-curve", "ansible raw, curve25519", CURVE), made("ansible", "ansible raw, OpenSSH's default KEX", None)]
