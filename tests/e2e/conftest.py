"""Fixtures: every test has a livekit-server, a publisher and a folder of its own."""
import contextlib
import os
import pathlib
import subprocess
import sys
import tempfile
import uuid

import pytest

HERE = pathlib.Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent)]

from pages import Pages  # noqa: E402
from publisher import Publisher  # noqa: E402
from receivers import RtmpServer, SrtReceiver  # noqa: E402
from recorder import Recorder  # noqa: E402
from rooms import Room  # noqa: E402
from server import Ports, Server  # noqa: E402
from service import Egress, Listener, Redis, Service  # noqa: E402
from stage import WebStage, web_config, wrap_egress  # noqa: E402


def pytest_configure(config):
    missing = [name for name in ("EGRESS", "LIVEKIT_SERVER", "PUBLISHER", "EGRESS_NETNS")
               if name not in os.environ]
    if missing:
        raise pytest.UsageError(
            f"{', '.join(missing)} not set: run ./test e2e, which provides servers and network")


@pytest.fixture(scope="session")
def ports(worker_id):
    return Ports(0 if worker_id == "master" else int(worker_id.removeprefix("gw")))


@pytest.fixture(scope="session")
def shared_server(ports, tmp_path_factory):
    """For tests that do nothing to the server; rooms keep them apart."""
    server = Server(tmp_path_factory.mktemp("server"), ports)
    yield server
    server.stop()


@pytest.fixture
def own_server(ports, tmp_path):
    """For tests that kill, restart or configure it."""
    with contextlib.ExitStack() as stack:
        def start(**config):
            server = Server(tmp_path, ports, **config)
            stack.callback(server.stop)
            return server
        yield start


@pytest.fixture
def room():
    return f"room-{uuid.uuid4().hex[:8]}"


@pytest.fixture
def publish(tmp_path):
    """publish(server) -> Publisher"""
    with contextlib.ExitStack() as stack:
        def start(server):
            return stack.enter_context(contextlib.closing(Publisher(server, tmp_path)))
        yield start


@pytest.fixture
def record(tmp_path):
    """record(server, options...) -> Recorder"""
    with contextlib.ExitStack() as stack:
        def start(server, *options, **settings):
            return stack.enter_context(
                contextlib.closing(Recorder(server, tmp_path, *options, **settings)))
        yield start


@pytest.fixture
def rtmp(ports, tmp_path):
    """rtmp(...) -> RtmpServer"""
    with contextlib.ExitStack() as stack:
        yield lambda **options: stack.enter_context(
            contextlib.closing(RtmpServer(tmp_path, ports, **options)))


@pytest.fixture
def srt(tmp_path):
    """srt(url) -> SrtReceiver"""
    with contextlib.ExitStack() as stack:
        yield lambda url, **options: stack.enter_context(
            contextlib.closing(SrtReceiver(tmp_path, url, **options)))


@pytest.fixture
def small_disk(tmp_path):
    """small_disk(megabytes) -> a folder that is a file system of that size"""
    with contextlib.ExitStack() as stack:
        def make(megabytes):
            folder = tmp_path / "disk"
            folder.mkdir()
            subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", folder],
                           check=True)
            stack.callback(subprocess.run, ["umount", "--lazy", folder], check=True)
            return folder
        yield make


@pytest.fixture
def fleet(ports, tmp_path):
    """Redis, livekit-server, one egress service and a listener for livekit-server's webhooks:
    fleet(...) starts them and returns an object that has them all; arguments are the service's
    configuration."""
    class Fleet:
        def __init__(self, stack, **config):
            self._stack = stack
            self.hooks = stack.enter_context(contextlib.closing(Listener(ports)))
            self.redis = stack.enter_context(contextlib.closing(Redis(tmp_path, ports)))
            self.server = Server(tmp_path, ports, redis={"address": self.redis.address},
                                 webhook={"api_key": "devkey", "urls": [self.hooks.url]})
            stack.callback(self.server.stop)
            self.egress = Egress(self.server.url)
            self.service = self.add_service(**config)

        def add_service(self, name="service", **config):
            return self._stack.enter_context(contextlib.closing(
                Service(tmp_path, ports, self.server, redis=self.redis, name=name, **config)))

    with contextlib.ExitStack() as stack:
        yield lambda **config: Fleet(stack, **config)


@pytest.fixture
def standalone(ports, tmp_path, shared_server):
    """A service without Redis, beside a livekit-server that knows nothing of it."""
    class Standalone:
        def __init__(self, stack, **config):
            self.hooks = stack.enter_context(contextlib.closing(Listener(ports)))
            self.server = shared_server
            self.service = stack.enter_context(contextlib.closing(
                Service(tmp_path, ports, shared_server,
                        **{"webhook": {"urls": [self.hooks.url]}} | config)))
            self.egress = Egress(self.service.url)

    with contextlib.ExitStack() as stack:
        yield lambda **config: Standalone(stack, **config)


@pytest.fixture
def pages(ports):
    """A server of web pages."""
    with contextlib.closing(Pages(ports)) as server:
        yield server


@pytest.fixture
def ordinary_user(tmp_path, monkeypatch):
    """Services run as one, who may read root's files all the same. Before `runs`."""
    path = tmp_path / "egress-as-user"
    path.write_text("#!/bin/sh\nexec unshare --user --map-user=1000 --map-group=1000 "
                    f"'{os.environ['EGRESS']}' \"$@\"\n")
    path.chmod(0o755)
    monkeypatch.setenv("EGRESS", str(path))


@pytest.fixture
def runs(tmp_path, monkeypatch):
    """The folder in which services and recorders keep what their browsers need while they run. Its
    path is short, as those of sockets must be."""
    with tempfile.TemporaryDirectory(prefix="runs-", dir="/tmp") as folder:
        monkeypatch.setenv("TMPDIR", folder)
        monkeypatch.setenv("EGRESS", wrap_egress(tmp_path))
        yield pathlib.Path(folder)


@pytest.fixture
def web(standalone, pages, runs):
    """web(display, config...) -> a service that records web pages"""
    def start(display="wayland", also=(), **config):
        return WebStage(standalone(**web_config(display, [pages, *also], **config)), pages, runs)
    return start


@pytest.fixture
def rooms(fleet, publish, room, runs, tmp_path):
    """rooms(display, config...) -> Room"""
    def start(display="wayland", **config):
        service = fleet(display=display, **config)
        return Room(service, publish(service.server), room, tmp_path / "out.mp4")
    return start
