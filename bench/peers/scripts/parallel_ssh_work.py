"""Runs a command on hosts with parallel-ssh and prints each answer; ends with 1 when any host failed.

usage: parallel_ssh_work.py HOSTS_FILE PORT KEY POOL COMMAND
"""

from __future__ import annotations

import sys
from pathlib import Path

from pssh.clients import ParallelSSHClient


def main() -> int:
    hosts, port, key, pool, command = sys.argv[1:]
    client = ParallelSSHClient(
        Path(hosts).read_text().split(),
        user="root",
        port=int(port),
        pkey=key,
        pool_size=int(pool),
        allow_agent=False,
        identity_auth=False,
        timeout=60,
    )
    failed = 0
    answers = client.run_command(command, stop_on_errors=False)
    client.join(answers)
    for answer in answers:
        if answer.exception is None:
            for line in answer.stdout:
                print(f"{answer.host}: {line}")
            if answer.exit_code is None:
                # Joined, and yet its channel was not at its end: that comes with the output.
                client.join([answer])
        if answer.exception is not None or answer.exit_code != 0:
            failed += 1
            print(f"{answer.host}: {answer.exception or answer.exit_code}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
