"""Fixtures: every test has a livekit-server, a publisher and a folder of its own."""
import contextlib
import os
import pathlib
import subprocess
import sys
import uuid

import pytest

HERE = pathlib.Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent)]

from publisher import Publisher  # noqa: E402
from recorder import Recorder  # noqa: E402
from server import Ports, Server  # noqa: E402


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
