"""Runs a command on hosts with fabric and prints each answer; ends with 1 when any host failed.

usage: fabric_work.py HOSTS_FILE PORT KEY POOL COMMAND
"""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from fabric import Connection
from fabric.config import Config


def main() -> int:
    hosts, port, key, pool, command = sys.argv[1:]
    config = Config(lazy=True, overrides={"load_ssh_configs": False})

    def work(host: str) -> tuple[str, str | None, str]:
        login = {"key_filename": key, "allow_agent": False, "look_for_keys": False, "banner_timeout": 60, "auth_timeout": 60}
        try:
            with Connection(host, user="root", port=int(port), config=config, connect_timeout=60, connect_kwargs=login) as connection:
                return host, connection.run(command, hide=True, in_stream=False).stdout, ""
        except Exception as error:
            return host, None, str(error)

    failed = 0
    with ThreadPoolExecutor(int(pool)) as workers:
        for host, said, error in workers.map(work, Path(hosts).read_text().split()):
            if said is None:
                failed += 1
                print(f"{host}: {error}", file=sys.stderr)
                continue
            for line in said.splitlines():
                print(f"{host}: {line}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
