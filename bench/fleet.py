"""The hosts: one sshd of the bench's own, on as many loopback addresses as are asked for.

Boundary: sshd, keys and who is where; engines.py has what docker work needs. The bench runs in a network namespace of its own, so the
addresses are nobody else's. A host's address says where it belongs, 127.(10 + engine).(slot).(copy + 1), so that sshd can tell by network
which engine and which containers it has. Next: sessions.py reads sshd's log, peers/ make inventories of the hosts.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from processes import BenchError, check, daemon, end, wait_until

PORT = 2200
SLOTS = 10  # groups of five containers on an engine
PER_SLOT = 5
PASSPHRASE = "correct horse battery staple"


@dataclass(frozen=True)
class Host:
    """One host: its name, its address, and which engine and five containers are its own."""

    name: str
    address: str
    engine: int
    slot: int


def hosts(count: int, engines: int) -> list[Host]:
    """The first `count` hosts; neighbours are on different engines, and from host `engines * SLOTS` on containers are shared."""
    made = []
    for number in range(count):
        engine, slot, copy = number % engines, number // engines % SLOTS, number // (engines * SLOTS)
        if copy >= 254:
            raise BenchError(f"{count} hosts are too many for {engines} engines: a network has 254 addresses")
        address = f"127.{10 + engine}.{slot}.{copy + 1}"
        made.append(Host(f"h{number + 1:04}", address, engine, slot))
    return made


def names_of(slot: int) -> list[str]:
    """The containers of a slot."""
    return [f"c{slot * PER_SLOT + number + 1:02}" for number in range(PER_SLOT)]


class Keys:
    """The client's keys, all let in: ed25519, ed25519 with a passphrase, RSA; and an agent that holds the first."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        directory.mkdir(mode=0o700)
        self.plain = self._make("ed25519", "ed25519", "")
        self.locked = self._make("locked", "ed25519", PASSPHRASE)
        self.rsa = self._make("rsa", "rsa", "")
        self.authorized = directory / "authorized_keys"
        self.authorized.write_text("".join(key.with_suffix(".pub").read_text() for key in (self.plain, self.locked, self.rsa)))
        self.socket = directory / "agent"
        self.agent: subprocess.Popen[bytes] | None = None

    def _make(self, name: str, kind: str, passphrase: str) -> Path:
        key = self.directory / name
        check(["ssh-keygen", "-q", "-t", kind, "-N", passphrase, "-C", f"bench {name}", "-f", str(key)])
        return key

    def start_agent(self) -> None:
        if self.agent:
            return
        self.agent = daemon(["ssh-agent", "-D", "-a", str(self.socket)], self.directory / "agent.log")
        wait_until("ssh-agent", 5, self.socket.exists)
        check(["ssh-add", "-q", str(self.plain)], env={**os.environ, "SSH_AUTH_SOCK": str(self.socket)})

    def close(self) -> None:
        if self.agent:
            end(self.agent)


class Sshd:
    """A listener in the foreground, on all addresses of the network namespace it is started in."""

    def __init__(self, directory: Path, keys: Keys, sockets: list[Path], prefix: list[str] | None = None) -> None:
        self.directory = directory
        directory.mkdir()
        home = directory / "home"
        home.mkdir()
        self.log = directory / "sshd.log"
        self.log.touch()
        check(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "bench", "-f", str(directory / "host_key")])
        self.host_key = " ".join((directory / "host_key.pub").read_text().split()[:2])
        Path("/run/sshd").mkdir(exist_ok=True)
        # 9.8 and newer would lock out a client that connects so often.
        optional = ["PerSourcePenalties no"]
        config = directory / "sshd_config"
        path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
        program = "/usr/sbin/sshd"
        while True:
            lines = [
                f"Port {PORT}",
                "ListenAddress 0.0.0.0",
                f"HostKey {directory / 'host_key'}",
                f"AuthorizedKeysFile {keys.authorized}",
                "PermitRootLogin yes",
                "PasswordAuthentication no",
                "KbdInteractiveAuthentication no",
                "UsePAM no",
                "StrictModes no",
                "UseDNS no",
                "PrintMotd no",
                "PidFile none",
                "MaxStartups 5000",
                "MaxSessions 1000",
                "LoginGraceTime 300",
                "LogLevel VERBOSE",
                *optional,
                f"SetEnv HOME={home} PATH={path}",
            ]
            for engine, docker in enumerate(sockets):
                for slot in range(SLOTS):
                    lines.append(f"Match LocalAddress 127.{10 + engine}.{slot}.0/24")
                    lines.append(f'  SetEnv HOME={home} PATH={path} DOCKER_HOST=unix://{docker} "NAMES={" ".join(names_of(slot))}"')
            config.write_text("\n".join(lines) + "\n")
            if not optional or subprocess.run([program, "-t", "-f", str(config)], stderr=subprocess.DEVNULL, check=False).returncode == 0:
                break
            optional = []
        self.process = daemon([*(prefix or []), program, "-D", "-f", str(config), "-E", str(self.log)], directory / "sshd.said")
        wait_until("sshd", 10, lambda: "Server listening" in self.log.read_text(errors="replace"))

    def close(self) -> None:
        end(self.process)


def known_hosts(path: Path, addresses: list[str], host_key: str) -> Path:
    """One line per host, as `ssh-keyscan` would write it."""
    path.write_text("".join(f"[{address}]:{PORT} {host_key}\n" for address in addresses))
    return path


def clean_environment(home: Path, more: Mapping[str, str] | None = None) -> dict[str, str]:
    """Nothing of the caller's but the PATH: an empty home, a runtime directory, no agent."""
    home.mkdir(parents=True, exist_ok=True)
    runtime = home / "run"
    runtime.mkdir(mode=0o700, exist_ok=True)
    kept = {"PATH": os.environ["PATH"], "HOME": str(home), "XDG_RUNTIME_DIR": str(runtime), "LANG": "C.UTF-8", "TERM": "dumb"}
    return {**kept, **(more or {})}
