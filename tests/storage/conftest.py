"""Fixtures: a moto that checks signatures, and a client to look at what is in it."""
import contextlib
import os
import pathlib
import sys

import pytest

HERE = pathlib.Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent / "e2e"), str(HERE.parent)]

from fault_proxy import FaultProxy  # noqa: E402
from moto_server import Moto  # noqa: E402
from store_tool import StoreTool  # noqa: E402


def pytest_configure(config):
    if "EGRESS" not in os.environ:
        raise pytest.UsageError("EGRESS is not set; scripts/env sets it to the program beside the tests' ones")


@pytest.fixture(scope="session")
def moto(tmp_path_factory):
    """For all tests: their keys keep them apart."""
    server = Moto(tmp_path_factory.mktemp("moto"))
    yield server
    server.close()


@pytest.fixture
def store(tmp_path):
    """store(storage, environment={}) -> StoreTool"""
    with contextlib.ExitStack() as stack:
        log = stack.enter_context(open(tmp_path / "store-tool.log", "ab"))

        def start(storage, environment=None):
            return stack.enter_context(contextlib.closing(StoreTool(storage, environment or {}, log)))
        yield start


@pytest.fixture
def proxy(moto):
    with contextlib.closing(FaultProxy(moto.port)) as made:
        yield made


@pytest.fixture
def small(tmp_path):
    """A file that goes in one piece."""
    path = tmp_path / "small"
    path.write_bytes(b"what is in it\0" * 1000)
    return path


@pytest.fixture
def large(tmp_path):
    """A file of three parts."""
    path = tmp_path / "large"
    path.write_bytes(bytes(range(256)) * 4096 * 11 + b"the end")
    return path
