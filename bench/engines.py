"""Docker engines for the work with containers: private ones of the project's rig, with fifty containers each.

Boundary: engines and containers; which host has which is fleet.py's. The image is one static program, compiled here and imported. How
long a container takes to end on TERM is in a file that it reads then, so the same containers serve both kinds of restart.
"""

from __future__ import annotations

import os
import shlex
import subprocess
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

from fleet import SLOTS, names_of
from processes import BenchError, check, die_with_parent, end, say

ROOT = Path(__file__).resolve().parent.parent
IMAGE = "bench:1"


class Engines:
    """As many engines as asked for, ended with this object or with the bench, however that ends."""

    def __init__(self, directory: Path, count: int, launcher: Sequence[str] = ()) -> None:
        self.directory = directory
        self.count = count
        self.delay = directory.parent / "delay"
        self.set_delay(0)
        say(f"starting {count} docker engines")
        rig = [*launcher, str(ROOT / "tests/rig/rig.sh"), "up", "--dir", str(directory), "--hosts", str(count), "--machines", str(count), "--tie"]
        environment = {key: value for key, value in os.environ.items() if not key.startswith("RIG_")}
        # The rig lives as long as the writing end of this pipe.
        reading, self.tie = os.pipe()
        with open(reading, "rb") as tie:
            done = subprocess.run(rig, stdin=tie, stdout=subprocess.PIPE, env=environment, preexec_fn=die_with_parent, check=False)
        if done.returncode != 0:
            raise BenchError("the docker engines did not start")
        self.sockets = [directory / f"machine-{number + 1}" / "docker.sock" for number in range(count)]

    def docker(self, engine: int, *words: str, stdin: bytes | None = None) -> str:
        return check(["docker", "-H", f"unix://{self.sockets[engine]}", *words], stdin=stdin)

    def version(self) -> str:
        return self.docker(0, "version", "--format", "{{.Client.Version}} and engine {{.Server.Version}}").strip()

    def set_delay(self, milliseconds: int) -> None:
        """How long every container takes to end. The file stays the same one, because containers have it mounted."""
        self.delay.write_text(f"{milliseconds}\n")

    def run_command(self, name: str) -> str:
        """What makes a container, as a user would register it."""
        return f"docker run -d --name {name} -v {shlex.quote(str(self.delay))}:/delay:ro {IMAGE}"

    def populate(self) -> None:
        """Fifty running containers on every engine."""
        program = self.directory.parent / "graceful"
        check(["cc", "-static", "-O2", "-o", str(program), str(ROOT / "bench/graceful.c")])
        archive = subprocess.run(["tar", "-C", str(program.parent), "-c", program.name], stdout=subprocess.PIPE, check=True).stdout
        names = [name for slot in range(SLOTS) for name in names_of(slot)]
        say(f"starting {len(names)} containers on each engine")

        def fill(engine: int) -> None:
            self.docker(engine, "import", "-c", 'ENTRYPOINT ["/graceful"]', "-", IMAGE, stdin=archive)
            socket = f"unix://{self.sockets[engine]}"
            script = "".join(f"{self.run_command(name)} >/dev/null || exit 1\n" for name in names)
            check(["sh", "-c", script], env={"PATH": os.environ["PATH"], "DOCKER_HOST": socket, "HOME": "/nonexistent"})

        with ThreadPoolExecutor(self.count) as pool:
            list(pool.map(fill, range(self.count)))

    def started_since(self, moment: datetime, wanted: dict[int, set[str]]) -> int:
        """How many of the wanted containers (by engine) run and were started after `moment`."""
        count = 0
        for engine, names in wanted.items():
            asked = ["container", "inspect", "--format", "{{.State.Running}} {{.State.StartedAt}}", *sorted(names)]
            for line in self.docker(engine, *asked).splitlines():
                running, started = line.split()
                # Up to nine digits of a second, of which a datetime holds six.
                second, _, fraction = started.rstrip("Z").partition(".")
                at = datetime.fromisoformat(second).replace(tzinfo=UTC, microsecond=int(fraction[:6].ljust(6, "0")))
                count += running == "true" and at >= moment
        return count

    def close(self) -> None:
        # Waits until all is gone; the pipe afterwards, because it would have the rig go while it is being asked to.
        down = subprocess.Popen(
            [str(ROOT / "tests/rig/rig.sh"), "down", "--dir", str(self.directory)], stdin=subprocess.DEVNULL, start_new_session=True
        )
        try:
            down.wait(120)
        except subprocess.TimeoutExpired:
            end(down)
        os.close(self.tie)
