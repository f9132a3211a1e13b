"""A service that records pages, and what it leaves behind."""
import os
import pathlib

from livekit import api

from pages import Pages
from processes import below
from server import ADDRESS
from waiting import wait_until

# A name that leads into a private network, wherever the service looks names up.
PRIVATE_NAME = "public.example"

# With a /dev/shm of the service's own: what is left there is left by it.
WRAPPER = """#!/bin/sh
exec unshare --mount sh -ec 'mount -t tmpfs tmpfs /dev/shm; mount --bind "$1" /etc/hosts; shift; exec "$@"' \\
    sh '{hosts}' '{egress}' "$@"
"""


def wrap_egress(folder: pathlib.Path) -> str:
    hosts = folder / "hosts"
    hosts.write_text(f"127.0.0.1 localhost\n{ADDRESS} {PRIVATE_NAME}\n")
    path = folder / "egress-with-own-shm"
    path.write_text(WRAPPER.format(hosts=hosts, egress=os.environ["EGRESS"]))
    path.chmod(0o755)
    return str(path)


class Watched:
    """What runs for an egress, as it is when this is made."""

    def __init__(self, service, egress_id: str):
        self.pid = service.egress_pid(egress_id)
        self.running = below(self.pid)

    def wait_gone(self):
        wait_until(lambda: not [one for one in self.running if one.is_there()],
                   "everything that an egress has started is gone")


class WebStage:
    """A service of its own, without Redis, and a web server that it may reach."""

    def __init__(self, standalone, pages: Pages, runs: pathlib.Path):
        self.pages = pages
        self.service = standalone.service
        self.egress = standalone.egress
        self.hooks = standalone.hooks
        self._runs = runs

    def start(self, url, path, **options) -> str:
        """Records a page; returns the egress's id when it does."""
        info = self.egress.web(url, path, **options)
        self.hooks.wait_active(info.egress_id)
        return info.egress_id

    def stop(self, egress_id: str, status="EGRESS_COMPLETE") -> dict:
        """Its report, when it has ended."""
        self.egress.stop(egress_id)
        ended = self.hooks.wait_ended(egress_id)
        assert ended["status"] == status, ended
        return ended

    def wait_failed(self, egress_id: str) -> dict:
        ended = self.hooks.wait_ended(egress_id)
        assert ended["status"] == "EGRESS_FAILED", ended
        assert ended["details"] == "End reason: Failure"
        return ended

    def refuse(self, url, path, **options) -> dict:
        """The report of an egress that must fail."""
        return self.wait_failed(self.egress.web(url, path, **options).egress_id)

    def left_overs(self) -> list:
        """Files of egresses, on the disk and in shared memory."""
        shared = pathlib.Path(f"/proc/{self.service.process.popen.pid}/root/dev/shm")
        return [*self._runs.iterdir(), *shared.iterdir()]

    def watch(self, egress_id: str) -> Watched:
        return Watched(self.service, egress_id)

    def expect_nothing_left(self, *watched: Watched):
        for one in watched:
            one.wait_gone()
        wait_until(lambda: not self.left_overs(), "no files are left")


def web_config(display: str, pages, **config) -> dict:
    return {"display": display, "web_allow": [f"{ADDRESS}:{one.port}" for one in pages]} | config


def web_source(url, path, **options) -> api.StartEgressRequest:
    """The same of the second generation."""
    return api.StartEgressRequest(
        web=api.WebSource(url=url), outputs=[api.Output(file=api.FileOutput(filepath=str(path)))],
        **options)
