"""Files that go to a store: nothing that was recorded is lost, whatever breaks."""
import contextlib
import os
import signal
import threading
import time

import pytest
from livekit import api

from analyser import analyse
from process import Deadline
from service import SMALL
from stores import FaultProxy, Moto, fetch, location, s3, s3_config, spool, spooled_files


@pytest.fixture(scope="session")
def moto(tmp_path_factory):
    with contextlib.closing(Moto(tmp_path_factory.mktemp("moto"))) as server:
        yield server


@pytest.fixture
def faults(moto):
    with contextlib.closing(FaultProxy(moto.port)) as proxy:
        yield proxy


@pytest.fixture
def key(request):
    """A folder in the store for each test."""
    return f"{request.node.name}/{time.time_ns()}"


def wait_until(condition, what: str, timeout=60):
    """For what nobody tells of."""
    deadline = time.monotonic() + timeout
    while not condition():
        if time.monotonic() > deadline:
            raise Deadline(f"{what}: not within {timeout} s")
        time.sleep(0.02)


@pytest.fixture
def lively(publish, room):
    def start(server, **camera):
        publisher = publish(server)
        publisher.join("alice", room, tag=3)
        publisher.video = publisher.camera("alice", **camera)
        publisher.audio = publisher.microphone("alice", tone_hz=550)
        return publisher
    return start


def start(fleet, room, *, files=(), segments=(), images=(), **options):
    return fleet.egress.call("start_participant_egress", api.ParticipantEgressRequest(
        room_name=room, identity="alice", file_outputs=list(files),
        segment_outputs=list(segments), image_outputs=list(images),
        **{"advanced": SMALL} | options)).egress_id


def stop(fleet, egress_id: str) -> dict:
    fleet.egress.stop(egress_id)
    return fleet.hooks.wait_ended(egress_id)


def one_end(fleet, egress_id: str) -> bool:
    return len([s for s in fleet.hooks.statuses(egress_id) if s[0] == "egress_ended"]) == 1


def test_file(fleet, lively, room, moto, key, tmp_path):
    """It is in the store when the egress is complete, under the name that was asked for, and nowhere
    else."""
    fleet = fleet()
    publisher = lively(fleet.server)
    egress_id = start(fleet, room, files=[
        api.EncodedFileOutput(filepath=f"{key}/out.mp4", s3=s3(moto))])
    fleet.hooks.wait_active(egress_id)
    publisher.wait_media(2)
    ended = stop(fleet, egress_id)
    assert ended["status"] == "EGRESS_COMPLETE", ended
    [file] = ended["fileResults"]
    assert file["filename"] == f"{key}/out.mp4"
    assert file["location"] == location(moto, f"{key}/out.mp4")
    path = fetch(moto, f"{key}/out.mp4", tmp_path)
    assert int(file["size"]) == path.stat().st_size
    recording = analyse(path)
    recording.expect_finished_mp4()
    recording.expect_kinds("shown")
    recording.expect_av_offset()
    wait_until(lambda: not spool(fleet.service), "the spool is empty")
    assert moto.s3.head_object(Bucket="recordings", Key=f"{key}/out.mp4")["ContentType"] == "video/mp4"
