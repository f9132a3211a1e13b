"""Files that go to a store: nothing that was recorded is lost, whatever breaks."""
import contextlib
import json
import os
import random
import signal
import threading
import time

import pytest
from livekit import api

from analyser import analyse
from service import CHEAP, SMALL, expect_refused, results
from stores import FaultProxy, Moto, fetch, location, s3, s3_config, spool, spooled_files
from waiting import wait_until


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


class Watch:
    """Looks at a playlist in the store, over and over: whatever it names is stored by then."""

    def __init__(self, moto, folder: str, name: str):
        self.seen = []        # how many segments each of its forms has named
        self.missing = []
        self._moto, self._folder, self._name = moto, folder, name
        self._is_over = threading.Event()
        self._client = moto.client("s3")
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self):
        last = None
        while not self._is_over.wait(0.05):
            try:
                text = self._client.get_object(
                    Bucket="recordings", Key=f"{self._folder}/{self._name}")["Body"].read().decode()
            except self._client.exceptions.NoSuchKey:
                continue
            if text == last:
                continue
            last = text
            names = [line for line in text.splitlines() if not line.startswith("#")]
            stored = [entry["Key"] for entry in self._client.list_objects_v2(
                Bucket="recordings", Prefix=self._folder)["Contents"]]
            self.missing += [name for name in names if f"{self._folder}/{name}" not in stored]
            self.seen.append(len(names))

    def close(self):
        self._is_over.set()
        self._thread.join()


def segments_of(moto, folder: str, playlist: str) -> list:
    """The keys that a playlist names; it is ended."""
    text = moto.content(f"{folder}/{playlist}").decode()
    assert text.endswith("#EXT-X-ENDLIST\n"), text
    return [f"{folder}/{line}" for line in text.splitlines() if not line.startswith("#")]


def joined(moto, keys, path):
    path.write_bytes(b"".join(moto.content(key) for key in keys))
    return analyse(path)


def hls(key: str, store, **options) -> api.SegmentedFileOutput:
    return api.SegmentedFileOutput(**{"filename_prefix": f"{key}/seg", "playlist_name": "list.m3u8",
                                      "live_playlist_name": "live.m3u8", "segment_duration": 1,
                                      "s3": store} | options)


def test_segments_and_images(fleet, lively, room, moto, key, tmp_path):
    """Segments are there before any playlist that names them; what is stored does not stay on the
    disk."""
    fleet = fleet()
    publisher = lively(fleet.server)
    with contextlib.closing(Watch(moto, key, "list.m3u8")) as watch:
        egress_id = start(fleet, room, segments=[hls(key, s3(moto))], images=[
            api.ImageOutput(filename_prefix=f"{key}/image", capture_interval=1, s3=s3(moto))])
        fleet.hooks.wait_active(egress_id)
        publisher.wait_media(5)
        assert len(spooled_files(fleet.service, egress_id)) < 10
        ended = stop(fleet, egress_id)
    assert ended["status"] == "EGRESS_COMPLETE", ended
    assert not watch.missing and len(set(watch.seen)) > 3, watch.seen
    [segments] = ended["segmentResults"]
    assert segments["playlistLocation"] == location(moto, f"{key}/list.m3u8")
    assert segments["livePlaylistLocation"] == location(moto, f"{key}/live.m3u8")
    keys = segments_of(moto, key, "list.m3u8")
    assert len(keys) == int(segments["segmentCount"]) == len(
        [name for name in moto.keys(key) if name.endswith(".ts")])
    assert int(segments["size"]) == sum(len(moto.content(name)) for name in keys)
    joined(moto, keys, tmp_path / "all.ts").expect_kinds("shown")
    images = [name for name in moto.keys(key) if "image_" in name]
    assert len(images) == int(ended["imageResults"][0]["imageCount"]) >= 5
    wait_until(lambda: not spool(fleet.service), "the spool is empty")


def test_store_is_down(fleet, lively, room, moto, faults, key, tmp_path):
    """For a while, with everything that can go wrong: it is tried until it works."""
    fleet = fleet(storage=s3_config(moto, faults.url))
    publisher = lively(fleet.server)
    faults.fail(503, times=8)
    faults.cut_request(1000, times=2, skip=2)
    faults.cut_answer(0, times=2, skip=3)
    egress_id = start(fleet, room, segments=[hls(key, None)], files=[
        api.EncodedFileOutput(filepath=f"{key}/out.mp4")], images=[
        api.ImageOutput(filename_prefix=f"{key}/newest", capture_interval=1,
                        filename_suffix=api.ImageFileSuffix.IMAGE_SUFFIX_NONE_OVERWRITE)])
    fleet.hooks.wait_active(egress_id)
    publisher.wait_media(3)
    fleet.service.wait_log("storage does not take what is uploaded, trying again")
    ended = stop(fleet, egress_id)
    assert ended["status"] == "EGRESS_COMPLETE" and not ended.get("backupStorageUsed"), ended
    assert ended["fileResults"][0]["location"] == location(moto, f"{key}/out.mp4", faults.url)
    analyse(fetch(moto, f"{key}/out.mp4", tmp_path)).expect_finished_mp4()
    joined(moto, segments_of(moto, key, "list.m3u8"), tmp_path / "all.ts").expect_kinds("shown")
    assert moto.content(f"{key}/newest.jpeg").startswith(b"\xff\xd8")
    wait_until(lambda: not spool(fleet.service), "the spool is empty")


def test_backup_takes_over(fleet, lively, room, moto, faults, key, tmp_path):
    faults.fail(503, times=None)
    fleet = fleet(storage=s3_config(moto, faults.url, max_retries=2),
                  backup=s3_config(moto))
    publisher = lively(fleet.server)
    egress_id = start(fleet, room, files=[api.EncodedFileOutput(filepath=f"{key}/out.mp4")])
    fleet.hooks.wait_active(egress_id)
    publisher.wait_media(1)
    ended = stop(fleet, egress_id)
    assert ended["status"] == "EGRESS_COMPLETE" and ended["backupStorageUsed"], ended
    labels = {"type": "video/mp4", "custom_endpoint": "true"}
    counted = [(name, own["status"], value) for name, own, value in fleet.service.metrics()
               if name == "livekit_egress_pipeline_uploads" and labels.items() <= own.items()]
    assert sorted(counted) == [("livekit_egress_pipeline_uploads", "failure", 1),
                               ("livekit_egress_pipeline_uploads", "success", 1)]
    assert [value for name, own, value in fleet.service.metrics()
            if name == "livekit_egress_backup_storage_writes" and
            own["output_type"] == "video/mp4"] == [1]
    assert ended["fileResults"][0]["location"] == location(moto, f"{key}/out.mp4")
    analyse(fetch(moto, f"{key}/out.mp4", tmp_path)).expect_finished_mp4()


def test_refused_and_repaired(fleet, lively, room, moto, key, tmp_path):
    """Wrong keys: it fails, and says so; the file is kept, and uploaded when the service is started with
    better ones. It has ended once."""
    fleet = fleet(storage=s3_config(moto, secret="wrong"))
    publisher = lively(fleet.server)
    egress_id = start(fleet, room, files=[api.EncodedFileOutput(filepath=f"{key}/out.mp4")])
    fleet.hooks.wait_active(egress_id)
    publisher.wait_media(1)
    ended = stop(fleet, egress_id)
    assert ended["status"] == "EGRESS_FAILED" and ended["errorCode"] == 400, ended
    assert ended["error"].startswith("S3 upload failed: "), ended["error"]
    assert ended["details"] == "End reason: StopEgress API"
    assert ended["fileResults"][0].get("location", "") == ""
    line = fleet.service.wait_log("upload failed; the next start of the service tries again")
    assert line["folder"].endswith(f"spool/{egress_id}")
    assert spooled_files(fleet.service, egress_id) == [f"0/{key}/out.mp4"]
    fleet.service.signal(signal.SIGTERM)
    fleet.service.process.wait()
    fleet.service.config["storage"] = s3_config(moto)
    fleet.service.start()
    wait_until(lambda: not spool(fleet.service), "the spool is empty")
    analyse(fetch(moto, f"{key}/out.mp4", tmp_path)).expect_finished_mp4()
    assert one_end(fleet, egress_id)


# Something dies.

def test_process_killed_while_recording(fleet, lively, room, moto, key, tmp_path):
    """What it has left is finished, uploaded, and reported where it is."""
    fleet = fleet(storage=s3_config(moto))
    publisher = lively(fleet.server)
    egress_id = start(fleet, room, segments=[hls(key, None)], files=[
        api.EncodedFileOutput(filepath=f"{key}/out.mp4")])
    fleet.hooks.wait_active(egress_id)
    publisher.wait_media(4)
    os.kill(fleet.service.egress_pid(egress_id), signal.SIGKILL)
    ended = fleet.hooks.wait_ended(egress_id)
    assert ended["status"] == "EGRESS_FAILED" and ended["errorCode"] == 500, ended
    assert ended["error"] == "egress process was killed by signal 9 (Killed)"
    file, segments = ended["fileResults"][0], ended["segmentResults"][0]
    assert file["location"] == location(moto, f"{key}/out.mp4")
    recording = analyse(fetch(moto, f"{key}/out.mp4", tmp_path))
    recording.expect_finished_mp4()
    recording.expect_kinds("shown")
    assert recording.duration > 3, recording.report()
    assert int(file["duration"]) / 1e9 == pytest.approx(recording.duration, abs=0.1)
    assert int(file["size"]) == len(moto.content(f"{key}/out.mp4"))
    keys = segments_of(moto, key, "list.m3u8")
    assert len(keys) == int(segments["segmentCount"]) >= 3
    joined(moto, keys, tmp_path / "all.ts").expect_kinds("shown")
    assert ended["manifestLocation"] == location(moto, f"{key}/{egress_id}.json")
    manifest = json.loads(moto.content(f"{key}/{egress_id}.json"))
    assert manifest["files"] == [{"filename": f"{key}/out.mp4", "location": file["location"]}]
    [playlist] = manifest["playlists"]
    assert [segment["filename"] for segment in playlist["segments"]] == keys
    assert manifest["error"] == ended["error"] and manifest["publisher_identity"] == "alice"
    assert {track["source"] for track in manifest["timeline"]["tracks"]} == {"microphone", "camera"}
    wait_until(lambda: not spool(fleet.service), "the spool is empty")
    assert one_end(fleet, egress_id)


def test_process_killed_while_uploading(fleet, lively, room, moto, faults, key, tmp_path):
    """Then all was recorded: the egress is complete when it is uploaded."""
    fleet = fleet(storage=s3_config(moto, faults.url))
    publisher = lively(fleet.server)
    faults.hang(times=1)
    egress_id = start(fleet, room, files=[api.EncodedFileOutput(filepath=f"{key}/out.mp4")])
    fleet.hooks.wait_active(egress_id)
    publisher.wait_media(2)
    fleet.egress.stop(egress_id)
    wait_until(lambda: spooled_files(fleet.service, egress_id) == [f"0/{key}/out.mp4"], "recorded")
    time.sleep(0.2)    # until it is being uploaded, or not: it must not matter
    os.kill(fleet.service.egress_pid(egress_id), signal.SIGKILL)
    ended = fleet.hooks.wait_ended(egress_id)
    assert ended["status"] == "EGRESS_COMPLETE", ended
    assert ended["details"] == "End reason: StopEgress API"
    assert ended["fileResults"][0]["location"] == location(moto, f"{key}/out.mp4", faults.url)
    analyse(fetch(moto, f"{key}/out.mp4", tmp_path)).expect_finished_mp4()
    manifest = json.loads(moto.content(f"{key}/{egress_id}.json"))
    assert ended["manifestLocation"] == location(moto, f"{key}/{egress_id}.json", faults.url)
    assert manifest["timeline"]["events"][-1]["type"] == "ending" and "error" not in manifest
    wait_until(lambda: not spool(fleet.service), "the spool is empty")
    assert one_end(fleet, egress_id)


def test_service_killed(fleet, lively, room, moto, key, tmp_path):
    """Its processes go on by themselves; one that dies too is gone on with by the next service. Each is
    reported once."""
    fleet = fleet(storage=s3_config(moto))
    publisher = lively(fleet.server)
    names = ("alone", "dead")
    ids = {name: start(fleet, room, files=[
        api.EncodedFileOutput(filepath=f"{key}/{name}.mp4")]) for name in names}
    for egress_id in ids.values():
        fleet.hooks.wait_active(egress_id)
    publisher.wait_media(2)
    dead = fleet.service.egress_pid(ids["dead"])
    os.kill(dead, signal.SIGSTOP)
    fleet.service.kill()
    os.kill(dead, signal.SIGKILL)
    wait_until(lambda: f"{key}/alone.mp4" in moto.keys(key), "it is uploaded without a service")
    assert f"{key}/dead.mp4" not in moto.keys(key)
    fleet.service.start()
    ends = {name: fleet.hooks.wait_ended(egress_id) for name, egress_id in ids.items()}
    for name in names:
        assert ends[name]["status"] == "EGRESS_FAILED", ends[name]
        assert ends[name]["fileResults"][0]["location"] == location(moto, f"{key}/{name}.mp4")
        recording = analyse(fetch(moto, f"{key}/{name}.mp4", tmp_path))
        recording.expect_finished_mp4()
        recording.expect_kinds("shown")
    assert ends["dead"]["error"] == "egress service died while this egress was running"
    wait_until(lambda: not spool(fleet.service), "the spool is empty")
    fleet.service.kill()
    fleet.service.start()
    for egress_id in ids.values():
        assert one_end(fleet, egress_id)


def test_service_killed_while_uploading(fleet, lively, room, moto, faults, key, tmp_path):
    """Both are killed with the store away: the egress had been recorded, and ends so."""
    fleet = fleet(storage=s3_config(moto, faults.url))
    publisher = lively(fleet.server)
    faults.fail(503, times=3)
    faults.hang(times=1)
    egress_id = start(fleet, room, files=[api.EncodedFileOutput(filepath=f"{key}/out.mp4")])
    fleet.hooks.wait_active(egress_id)
    publisher.wait_media(2)
    fleet.egress.stop(egress_id)
    fleet.service.wait_log("storage does not take what is uploaded, trying again")
    pid = fleet.service.egress_pid(egress_id)
    fleet.service.kill()
    os.kill(pid, signal.SIGKILL)
    fleet.service.start()
    ended = fleet.hooks.wait_ended(egress_id)
    assert ended["status"] == "EGRESS_COMPLETE", ended
    analyse(fetch(moto, f"{key}/out.mp4", tmp_path)).expect_finished_mp4()
    wait_until(lambda: not spool(fleet.service), "the spool is empty")
    assert one_end(fleet, egress_id)


def test_slow_store_holds_up_nobody(fleet, lively, room, moto, faults, key, tmp_path):
    """What has been recorded, and only waits for its store, takes no place from others."""
    faults.fail(503, times=None)
    cost = {"max_cpu_utilization": 0.01, "participant_cpu_cost": 0.5}
    fleet = fleet(storage=s3_config(moto, faults.url), cpu_cost=CHEAP | cost)
    publisher = lively(fleet.server)
    first = start(fleet, room, files=[api.EncodedFileOutput(filepath=f"{key}/first.mp4")])
    fleet.hooks.wait_active(first)
    publisher.wait_media(1)
    expect_refused("resource_exhausted", 429, "not enough CPU: needs 0.50 cores, free ",
                   fleet.egress.participant, room, "alice", f"{key}/refused.mp4")
    fleet.egress.stop(first)
    fleet.service.wait_log("storage does not take what is uploaded, trying again")
    second = start(fleet, room, files=[api.EncodedFileOutput(filepath=f"{key}/second.mp4")])
    fleet.hooks.wait_active(second)
    assert fleet.hooks.statuses(first)[-1][1] == "EGRESS_ENDING"
    wait_until(lambda: ("livekit_egress_segments_uploads_channel_size", first, 1.0) in [
        (name, labels.get("egress_id"), value) for name, labels, value in fleet.service.metrics()],
        "it is seen what waits")
    faults.mend()
    assert fleet.hooks.wait_ended(first)["status"] == "EGRESS_COMPLETE"
    assert stop(fleet, second)["status"] == "EGRESS_COMPLETE"


def test_uploads_left_to_the_next_start(fleet, lively, room, moto, faults, key, tmp_path):
    """A service that drains waits for uploads, but does not insist; for recordings it does."""
    faults.fail(503, times=None)
    fleet = fleet(storage=s3_config(moto, faults.url))
    publisher = lively(fleet.server)
    egress_id = start(fleet, room, files=[api.EncodedFileOutput(filepath=f"{key}/out.mp4")])
    fleet.hooks.wait_active(egress_id)
    publisher.wait_media(1)
    for _ in range(2):
        fleet.service.signal(signal.SIGTERM)
    publisher.wait_media(1)
    pid = fleet.service.egress_pid(egress_id)
    fleet.egress.stop(egress_id)
    fleet.service.wait_log("storage does not take what is uploaded, trying again")
    fleet.service.signal(signal.SIGTERM)
    assert fleet.service.process.wait(10) == 0
    fleet.service.wait_log("uploads are left to the next start")
    os.kill(pid, signal.SIGKILL)    # as whoever stops a container does
    assert spooled_files(fleet.service, egress_id) == [f"0/{key}/out.mp4"]
    faults.mend()
    fleet.service.start()
    ended = fleet.hooks.wait_ended(egress_id)
    assert ended["status"] == "EGRESS_COMPLETE", ended
    analyse(fetch(moto, f"{key}/out.mp4", tmp_path)).expect_finished_mp4()
    assert one_end(fleet, egress_id)


def test_two_services_share_a_spool(fleet, lively, room, moto, key, tmp_path):
    """The second, started while an egress of the first runs, leaves it alone; when the first has died for
    good, it takes over."""
    shared = {"storage": s3_config(moto), "spool_dir": str(tmp_path / "state" / "spool")}
    fleet = fleet(**shared)
    publisher = lively(fleet.server)
    egress_id = start(fleet, room, files=[api.EncodedFileOutput(filepath=f"{key}/out.mp4")])
    fleet.hooks.wait_active(egress_id)
    other = fleet.add_service(name="other", **shared)
    publisher.wait_media(2)
    pid = fleet.service.egress_pid(egress_id)
    assert spool(fleet.service) == [egress_id]
    os.kill(pid, signal.SIGSTOP)
    fleet.service.kill()
    os.kill(pid, signal.SIGKILL)
    assert spool(fleet.service) == [egress_id]
    other.kill()
    other.start()
    ended = fleet.hooks.wait_ended(egress_id)
    assert ended["error"] == "egress service died while this egress was running"
    assert ended["fileResults"][0]["location"] == location(moto, f"{key}/out.mp4")
    fleet.service.start()
    assert not spool(fleet.service) and one_end(fleet, egress_id)


def kill_at_random(fleet, room, store, key, dice):
    """One egress, of which something dies some time; returns its id, and how much it had recorded by
    then."""
    victim = dice.choice(["process", "service", "both"])
    egress_id = start(fleet, room, segments=[hls(key, store)], files=[
        api.EncodedFileOutput(filepath=f"{key}/out.mp4", s3=store)])
    fleet.hooks.wait_active(egress_id)
    began = time.monotonic()
    is_stopped = dice.random() < 0.5
    time.sleep(dice.uniform(0, 4))
    if is_stopped:
        fleet.egress.stop(egress_id)
        ended_recording = time.monotonic()
        time.sleep(dice.uniform(0, 1.5))
    else:
        ended_recording = time.monotonic()
    try:
        pid = fleet.service.egress_pid(egress_id)
    except AssertionError:
        pid = None    # it was faster
    if victim != "process":
        fleet.service.kill()
    if victim != "service" and pid is not None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    if victim != "process":
        fleet.service.start()
    print(f"{egress_id}: {victim} killed, stopped {is_stopped}, {time.monotonic() - began:.1f} s")
    return egress_id, ended_recording - began


def test_killed_at_random(fleet, lively, room, moto, faults, key, tmp_path):
    """tests/kill makes more rounds of it. Every egress ends once; what it had recorded, but for a second and a
    half, is in the store and can be played; nothing is left on the disk."""
    rounds = int(os.environ.get("KILL_ROUNDS", "3"))
    seed = int(os.environ.get("KILL_SEED", time.time_ns()))
    dice = random.Random(seed)
    print(f"KILL_SEED={seed}")
    fleet = fleet()
    publisher = lively(fleet.server)
    publisher.wait_media(1)
    for n in range(rounds):
        own = f"{key}/{n}"
        if dice.random() < 0.5:
            faults.fail(503, times=dice.randrange(4), when=lambda request: own in request.target)
        egress_id, seconds = kill_at_random(fleet, room, s3(moto, faults.url), own, dice)
        ended = fleet.hooks.wait_ended(egress_id, timeout=120)
        assert ended["status"] in ("EGRESS_COMPLETE", "EGRESS_FAILED"), ended
        wait_until(lambda: not spool(fleet.service), "the spool is empty", timeout=120)
        if seconds > 2:
            recording = analyse(fetch(moto, f"{own}/out.mp4", tmp_path))
            recording.expect_finished_mp4()
            assert recording.duration > seconds - 1.5, recording.report()
            assert ended["fileResults"][0]["location"] == location(moto, f"{own}/out.mp4", faults.url)
            keys = segments_of(moto, own, "list.m3u8")
            assert keys and set(keys) <= set(moto.keys(own)), keys
            joined(moto, keys, tmp_path / "all.ts").expect_kinds("shown")
        assert one_end(fleet, egress_id)


# A disk becomes full.

def fill(path, megabytes: int):
    with open(path, "wb") as file:
        file.write(bytes(megabytes * 1_000_000))


def test_duplicate_identity(fleet, lively, room, moto, key, tmp_path):
    """Another process has taken over this egress, and uploads to the same name: what is there stays
    as it is, and nothing is left that the next service could upload. What is on this machine is
    finished."""
    fleet = fleet()
    publisher = lively(fleet.server)
    name = f"{key}/out.mp4"
    egress_id = start(fleet, room, files=[api.EncodedFileOutput(filepath=name, s3=s3(moto))],
                      segments=[api.SegmentedFileOutput(filename_prefix=str(tmp_path / "seg"),
                                                        playlist_name="list.m3u8")])
    fleet.hooks.wait_active(egress_id)
    publisher.wait_media(2)
    moto.s3.put_object(Bucket="recordings", Key=name, Body=b"the other's")
    publisher.join("other", room, identity=egress_id)
    wait_until(lambda: results(fleet.service) == {("participant", "duplicate_identity"): 1},
               "it ends as a duplicate")
    assert not spool(fleet.service)
    assert (tmp_path / "list.m3u8").read_text().endswith("#EXT-X-ENDLIST\n")
    fleet.service.kill()
    fleet.service.start()
    assert moto.content(name) == b"the other's"
    assert [status for _, status in fleet.hooks.statuses(egress_id)] == [
        "EGRESS_STARTING", "EGRESS_ACTIVE"]


@pytest.mark.parametrize("fails, status, error", [
    (False, "EGRESS_LIMIT_REACHED", "Session limit reached"),
    (True, "EGRESS_FAILED", "is nearly full"),
])
def test_disk_nearly_full(fleet, lively, room, moto, small_disk, key, tmp_path, fails, status, error):
    """Egresses are ended before there is no room to finish their files, those that go to a store too; the
    next request is refused in so many words."""
    disk = small_disk(60)
    fleet = fleet(spool_dir=str(disk / "spool"), min_free_disk=30_000_000, fail_on_full_disk=fails)
    publisher = lively(fleet.server)
    stored = start(fleet, room, files=[
        api.EncodedFileOutput(filepath=f"{key}/out.mp4", s3=s3(moto))])
    local = start(fleet, room, files=[api.EncodedFileOutput(filepath=f"{disk}/out.mp4")])
    for egress_id in (stored, local):
        fleet.hooks.wait_active(egress_id)
    publisher.wait_media(1)
    fill(disk / "filler", 40)
    for egress_id in (stored, local):
        ended = fleet.hooks.wait_ended(egress_id)
        assert ended["status"] == status and error in ended["error"], ended
    for path in (disk / "out.mp4", fetch(moto, f"{key}/out.mp4", tmp_path)):
        recording = analyse(path)
        recording.expect_finished_mp4()
        recording.expect_kinds("shown")
    for path, text in ((f"{disk}/next.mp4", f"the disk of {disk} is nearly full"),
                       ("next.mp4", f"the disk of {disk}/spool is nearly full")):
        options = {} if path[0] == "/" else {"s3": s3(moto)}
        expect_refused("resource_exhausted", 429, text, start, fleet, room,
                       files=[api.EncodedFileOutput(filepath=path, **options)])
    (disk / "filler").unlink()
    again = start(fleet, room, files=[api.EncodedFileOutput(filepath=f"{disk}/next.mp4")])
    fleet.hooks.wait_active(again)
    assert stop(fleet, again)["status"] == "EGRESS_COMPLETE"


# From the command line.

@pytest.fixture
def stored_recorder(record, tmp_path, monkeypatch, moto):
    """stored_recorder(server, url, options...) -> a recorder that has its spool below tmp_path"""
    def start_recorder(server, url, *options, secret=None, **more):
        monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "xdg"))
        monkeypatch.delenv("STATE_DIRECTORY", raising=False)
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", moto.access_key)
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", secret or moto.secret)
        monkeypatch.setenv("AWS_ENDPOINT_URL", moto.url)
        monkeypatch.setenv("AWS_REGION", "us-east-1")
        return record(server, *options, "-o", url, output=None, **more)
    start_recorder.spool = tmp_path / "xdg" / "egress" / "spool"
    return start_recorder


def test_command_line(shared_server, lively, stored_recorder, room, moto, key, tmp_path):
    """A recorder that may not upload says where the file is; the next one uploads it beside its own."""
    publisher = lively(shared_server)
    options = ("--participant", "alice", "--width", "320", "--height", "180")
    first = stored_recorder(shared_server, f"s3://recordings/{key}/first.mp4?path_style=true", *options,
                            room=room, name="first", secret="wrong")
    first.wait_active()
    publisher.wait_media(1)
    assert first.stop() == 5
    [folder] = [path for path in stored_recorder.spool.iterdir() if path.is_dir()]
    assert any(str(folder) in line and "kept" in line for line in first.error_lines)
    assert any("S3 upload failed" in line for line in first.error_lines)

    second = stored_recorder(shared_server, f"s3://recordings/{key}/second.mp4?path_style=true", *options,
                             room=room, name="second")
    second.wait_active()
    wait_until(lambda: moto.keys(f"{key}/first"), "the left-over is uploaded")
    publisher.wait_media(1)
    assert second.stop() == 0
    for name in ("first", "second"):
        analyse(fetch(moto, f"{key}/{name}.mp4", tmp_path)).expect_finished_mp4()
    assert not [path for path in stored_recorder.spool.iterdir() if path.is_dir()]
