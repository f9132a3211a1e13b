"""The manifest: what happened during an egress, beside its files."""
import json
import pathlib

import pytest
from livekit import api

from service import SMALL
from stores import location, s3
from test_service import lively
from test_storage import key, moto  # noqa: F401

COMPLETE = "EGRESS_COMPLETE"


def events(entry) -> list:
    return [event["type"] for event in entry["events"]]


def by_source(manifest) -> dict:
    return {track["source"]: track for track in manifest["timeline"]["tracks"]}


def finish(fleet, info) -> dict:
    fleet.egress.stop(info.egress_id)
    ended = fleet.hooks.wait_ended(info.egress_id)
    assert ended["status"] == COMPLETE, ended
    return ended


def test_participant(fleet, publish, room, tmp_path):
    fleet = fleet()
    publisher = lively(fleet, publish, room)
    publisher.join("bob", room, tag=4)
    info = fleet.egress.participant(room, "alice", tmp_path / "made" / "out.mp4", advanced=SMALL)
    fleet.hooks.wait_active(info.egress_id)
    publisher.wait_media(2)
    publisher.call("mute", "alice", track="microphone")
    publisher.wait_media(2)
    publisher.call("unmute", "alice", track="microphone")
    publisher.call("unpublish", "alice", track="camera")
    fleet.service.wait_log("track gone", egressID=info.egress_id)
    publisher.wait_media(1)
    ended = finish(fleet, info)
    path = tmp_path / "made" / f"{info.egress_id}.json"
    assert ended["manifestLocation"] == str(path)
    manifest = json.loads(path.read_text())
    assert manifest["egress_id"] == info.egress_id
    assert manifest["room_name"] == room and manifest["room_id"] == info.room_id
    assert manifest["publisher_identity"] == "alice"
    assert manifest["files"] == [{"filename": str(tmp_path / "made" / "out.mp4"),
                                  "location": str(tmp_path / "made" / "out.mp4")}]
    assert manifest["started_at"] == int(ended["startedAt"])
    assert int(ended["startedAt"]) < manifest["ended_at"] <= int(ended["endedAt"])
    tracks = by_source(manifest)
    assert set(tracks) == {"camera", "microphone"}
    assert events(tracks["microphone"]) == ["published", "muted", "unmuted"]
    assert events(tracks["camera"]) == ["published", "unpublished"]
    assert tracks["camera"]["track_id"] == publisher.video
    muted, unmuted = tracks["microphone"]["events"][1:]
    assert muted["time_ns"] / 1e9 == pytest.approx(2, abs=1)
    assert (unmuted["time_ns"] - muted["time_ns"]) / 1e9 == pytest.approx(2, abs=0.5)
    timeline = manifest["timeline"]
    assert all(event["at"] - event["time_ns"] == pytest.approx(timeline["zero_at"], abs=5e6)
               for track in tracks.values() for event in track["events"])
    assert {p["identity"] for p in timeline["participants"]} == {"alice", "bob"}
    assert timeline["duration_ns"] == timeline["events"][-1]["time_ns"]
    assert events(timeline) == ["ending"]


def test_gap(fleet, publish, room, tmp_path):
    """Somebody who is not muted, and of whom nothing comes."""
    fleet = fleet()
    publisher = lively(fleet, publish, room)
    info = fleet.egress.participant(room, "alice", tmp_path / "out.mp4", advanced=SMALL)
    fleet.hooks.wait_active(info.egress_id)
    publisher.wait_media(1)
    publisher.call("stall", "alice", track="camera", ms=30000)
    publisher.wait_media(4)
    finish(fleet, info)
    manifest = json.loads((tmp_path / f"{info.egress_id}.json").read_text())
    tracks = by_source(manifest)
    assert events(tracks["camera"]) == ["published", "gap"]
    assert events(tracks["microphone"]) == ["published"]
    assert tracks["camera"]["events"][1]["duration_ns"] / 1e9 == pytest.approx(4, abs=1)


def test_series_and_disabled(fleet, publish, room, tmp_path):
    """Segments and images are listed, beside the first output that wants a manifest."""
    fleet = fleet()
    publisher = lively(fleet, publish, room)
    info = fleet.egress.call("start_participant_egress", api.ParticipantEgressRequest(
        room_name=room, identity="alice", advanced=SMALL,
        file_outputs=[api.EncodedFileOutput(filepath=str(tmp_path / "file" / "out.mp4"),
                                            disable_manifest=True)],
        segment_outputs=[api.SegmentedFileOutput(playlist_name=str(tmp_path / "hls" / "list"),
                                                 segment_duration=1)],
        image_outputs=[api.ImageOutput(filename_prefix=str(tmp_path / "shots" / "x"),
                                       capture_interval=1)]))
    fleet.hooks.wait_active(info.egress_id)
    publisher.wait_media(4)
    finish(fleet, info)
    assert not list((tmp_path / "file").glob("*.json"))
    assert not list((tmp_path / "shots").glob("*.json"))
    manifest = json.loads((tmp_path / "hls" / f"{info.egress_id}.json").read_text())
    playlist, = manifest["playlists"]
    assert playlist["location"] == str(tmp_path / "hls" / "list.m3u8")
    assert [pathlib.Path(segment["location"]) for segment in playlist["segments"]] == sorted(
        (tmp_path / "hls").glob("*.ts"))
    assert [pathlib.Path(image["location"]) for image in manifest["images"]] == sorted(
        (tmp_path / "shots").iterdir())


def test_stored(fleet, publish, room, moto, key):  # noqa: F811
    """It is the last that comes into the store, and knows where the others are."""
    fleet = fleet()
    publisher = lively(fleet, publish, room)
    info = fleet.egress.call("start_participant_egress", api.ParticipantEgressRequest(
        room_name=room, identity="alice", advanced=SMALL,
        file_outputs=[api.EncodedFileOutput(filepath=f"{key}/out.mp4", s3=s3(moto))],
        segment_outputs=[api.SegmentedFileOutput(playlist_name=f"{key}/hls/list",
                                                 segment_duration=1, s3=s3(moto))]))
    fleet.hooks.wait_active(info.egress_id)
    publisher.wait_media(3)
    ended = finish(fleet, info)
    assert ended["manifestLocation"] == location(moto, f"{key}/{info.egress_id}.json")
    manifest = json.loads(moto.content(f"{key}/{info.egress_id}.json"))
    assert manifest["files"] == [{"filename": f"{key}/out.mp4",
                                  "location": location(moto, f"{key}/out.mp4")}]
    playlist, = manifest["playlists"]
    assert playlist["location"] == location(moto, f"{key}/hls/list.m3u8")
    assert len(playlist["segments"]) == int(ended["segmentResults"][0]["segmentCount"])
    assert playlist["segments"][0] == {"filename": f"{key}/hls/list_00000.ts",
                                       "location": location(moto, f"{key}/hls/list_00000.ts")}


@pytest.mark.parametrize("options, wanted", [((), False), (("--manifest",), True)])
def test_command_line(shared_server, publish, record, room, tmp_path, options, wanted):
    publisher = publish(shared_server)
    publisher.join("alice", room, tag=3)
    publisher.microphone("alice")
    recorder = record(shared_server, "--participant", "alice", "--duration", "2s", *options,
                      room=room, output="out.ogg")
    assert recorder.wait() == 0, recorder.error_lines
    manifests = list(tmp_path.glob("EG_*.json"))
    assert len(manifests) == wanted
    for path in manifests:
        assert by_source(json.loads(path.read_text()))["microphone"]["codec"] == "Opus"
