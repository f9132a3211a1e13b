"""A bad network for one program: run it behind a link that loses, delays or cuts on command.

    with Link() as link:
        subprocess.Popen([*link.wrapper, "egress", "record", …])
        link.wait_up()
        link.loss(0.05, protocol="udp")
        link.cut()
        link.heal()

The program itself takes the place of the wrapper, so that signals and its exit code are its own.
What holds from its first packet on is given to the link: Link(first=["loss 1 udp"]).
"""
import json
import os
import shutil
import socket
import sys
import tempfile

from waiting import wait_until


class Link:
    def __init__(self, seed=1, first=()):
        self._folder = tempfile.mkdtemp(prefix="link-")
        self._control = os.path.join(self._folder, "control")
        self.wrapper = [sys.executable, os.path.dirname(os.path.abspath(__file__)),
                        "--control", self._control, "--seed", str(seed),
                        *(part for command in first for part in ("--first", command))]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        shutil.rmtree(self._folder, ignore_errors=True)

    def wait_up(self, timeout=10):
        """Until the program is being started. Commands need not wait for it."""
        wait_until(lambda: os.path.exists(self._control), "the link is up", timeout)

    def tell(self, *words) -> dict:
        """Sends a command; when it returns, the command holds. Returns what stats returns."""
        self.wait_up()
        return tell(self._control, *words)

    def loss(self, fraction, protocol="all", direction="both") -> dict:
        """Loses packets at random: of udp, tcp or all; down (to the program), up, or both. With a
        port, as udp:3478, those from and to it."""
        return self.tell("loss", fraction, protocol, direction)

    def delay(self, ms, jitter_ms=0) -> dict:
        """Delays packets, each by up to jitter_ms more, so that they overtake each other."""
        return self.tell("delay", ms, jitter_ms)

    def cut(self) -> dict:
        """Nothing passes any more, and nobody is told."""
        return self.tell("cut")

    def heal(self) -> dict:
        """Everything is good again."""
        return self.tell("heal")

    def stats(self) -> dict:
        """Packets by what happened to them: down_passed, down_lost, up_passed, up_lost."""
        return self.tell("stats")


def tell(control, *words) -> dict:
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(10)
        client.connect(control)
        client.sendall((" ".join(map(str, words)) + "\n").encode())
        reply = json.loads(client.makefile().readline())
    if "error" in reply:
        raise ValueError(reply["error"])
    return reply
