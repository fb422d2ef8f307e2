"""A line with a delay: two network namespaces, a TUN device in each, and a process that carries packets from one to the other.

Boundary: packets and time; it looks into none. The kernel has a TCP connection on each side, so handshake, Nagle's algorithm and delayed
acknowledgements are real, as they would not be through a proxy. Nothing has a name outside: namespaces and devices end with the
processes that hold them. Next: parts/round_trips.py measures over it.

usage: delay_line.py MILLISECONDS_ONE_WAY NEAR_PID FAR_PID    (carries until it is ended; says "ready" when both ends are up)
"""

from __future__ import annotations

import fcntl
import os
import select
import struct
import subprocess
import sys
import time
from collections import deque
from pathlib import Path

from processes import LIBC, check, daemon, end, wait_until

NEAR, FAR = "10.99.0.1", "10.99.0.2"
# <linux/if_tun.h>
TUNSETIFF = 0x400454CA
IFF_TUN, IFF_NO_PI = 0x0001, 0x1000
CLONE_NEWNET = 0x40000000


class Line:
    """Two ends and what is between them; the delay can be changed by starting the carrier anew."""

    def __init__(self, directory: Path) -> None:
        directory.mkdir()
        self.directory = directory
        self.ends: list[subprocess.Popen[bytes]] = []
        self.carrier: subprocess.Popen[bytes] | None = None
        for name in ("near", "far"):
            # A namespace lives as long as a process in it.
            self.ends.append(daemon(["unshare", "--net", "--", "sleep", "infinity"], directory / name))
        ours = os.readlink("/proc/self/ns/net")
        wait_until("namespaces", 5, lambda: all(os.readlink(f"/proc/{holder.pid}/ns/net") != ours for holder in self.ends))
        for holder in self.ends:
            check([*self._inside(holder), "ip", "link", "set", "lo", "up"])

    @staticmethod
    def _inside(holder: subprocess.Popen[bytes]) -> list[str]:
        return ["nsenter", f"--net=/proc/{holder.pid}/ns/net", "--"]

    @property
    def near(self) -> list[str]:
        """Words before a command that is to run at the near end."""
        return self._inside(self.ends[0])

    @property
    def far(self) -> list[str]:
        return self._inside(self.ends[1])

    def set_delay(self, milliseconds: float) -> None:
        """One way."""
        if self.carrier:
            end(self.carrier)
        log = self.directory / f"carrier-{milliseconds:g}"
        log.unlink(missing_ok=True)
        words = [sys.executable, __file__, f"{milliseconds:g}", *(str(holder.pid) for holder in self.ends)]
        self.carrier = daemon(words, log)
        wait_until("the delay line", 10, lambda: "ready" in log.read_text())

    def close(self) -> None:
        for process in [self.carrier, *self.ends]:
            if process:
                end(process)


def _device(pid: int) -> int:
    """A TUN device in the network namespace of that process. It is gone when its descriptor is closed."""
    with open(f"/proc/{pid}/ns/net", "rb") as namespace:
        if LIBC.setns(namespace.fileno(), CLONE_NEWNET) != 0:
            raise OSError("setns")
    device = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(device, TUNSETIFF, struct.pack("16sH22x", b"line", IFF_TUN | IFF_NO_PI))
    return device


def _carry(delay: float, near: int, far: int) -> None:
    """Every packet leaves `delay` seconds after it came; order is kept."""
    other = {near: far, far: near}
    waiting: deque[tuple[float, int, bytes]] = deque()
    while True:
        pause = max(0.0, waiting[0][0] - time.monotonic()) if waiting else None
        for device in select.select([near, far], [], [], pause)[0]:
            while True:
                try:
                    packet = os.read(device, 65536)
                except BlockingIOError:
                    break
                waiting.append((time.monotonic() + delay, other[device], packet))
        while waiting and waiting[0][0] <= time.monotonic():
            _, target, packet = waiting.popleft()
            try:
                os.write(target, packet)
            except OSError:
                # A full queue drops, as a line would.
                continue


def main() -> None:
    delay, near_pid, far_pid = float(sys.argv[1]) / 1000, int(sys.argv[2]), int(sys.argv[3])
    devices = []
    for pid, own, peer in ((near_pid, NEAR, FAR), (far_pid, FAR, NEAR)):
        devices.append(_device(pid))
        # This process is in that namespace now, and so are its children.
        check(["ip", "addr", "add", own, "peer", peer, "dev", "line"])
        check(["ip", "link", "set", "line", "mtu", "1500", "up"])
    print("ready", flush=True)
    _carry(delay, *devices)


if __name__ == "__main__":
    main()
