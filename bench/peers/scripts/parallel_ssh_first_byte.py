"""Runs a command with one parallel-ssh client whenever a line comes on standard input, and passes its output on as it comes.

usage: parallel_ssh_first_byte.py HOST PORT KEY COMMAND    (says "ready" before the first run and after each)
"""

from __future__ import annotations

import sys

from pssh.clients import ParallelSSHClient


def main() -> None:
    host, port, key, command = sys.argv[1:]
    client = ParallelSSHClient([host], user="root", port=int(port), pkey=key, allow_agent=False, identity_auth=False, timeout=60)
    print("ready", flush=True)
    while sys.stdin.readline():
        for answer in client.run_command(command):
            for line in answer.stdout:
                print(line, flush=True)
        print("ready", flush=True)


if __name__ == "__main__":
    main()
