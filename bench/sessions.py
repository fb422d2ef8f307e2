"""What sshd says of its sessions: which hosts a tool has logged in to, and on which it has begun a command.

Boundary: reads sshd's log (LogLevel VERBOSE) and nothing else. A tool's own word is not enough: a host counts as served when its sshd has
begun a session for it. Each host's address is the loopback's own, so a connection to it comes from it, too, and the log's "from" names the
host; ports would not, because clients use one port towards several addresses. Next: measure.py says what it cost.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

ACCEPTED = re.compile(r"Accepted \S+ for \S+ from \S+ port \d+")
SESSION = re.compile(r"Starting session: (?:shell|command|subsystem)\b.* from (\S+) port \d+")


@dataclass
class Seen:
    """Since the last look."""

    accepted: int = 0  # logins
    execs: int = 0  # sessions begun
    served: set[str] = field(default_factory=set)  # addresses of hosts that began one


class Log:
    """Reads on from where it was."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.offset = 0

    def look(self) -> Seen:
        with self.path.open("rb") as file:
            file.seek(self.offset)
            text = file.read()
        # A line that is being written is read the next time.
        text = text[: text.rfind(b"\n") + 1]
        self.offset += len(text)
        seen = Seen()
        for line in text.decode(errors="replace").splitlines():
            if ACCEPTED.search(line):
                seen.accepted += 1
            elif found := SESSION.search(line):
                seen.execs += 1
                seen.served.add(found[1])
        return seen
