"""The service behind an unmodified livekit-server, driven by LiveKit's own client."""
import pytest
from livekit import api

from analyser import analyse
from service import SMALL

LIFE = [("egress_started", "EGRESS_STARTING"), ("egress_updated", "EGRESS_ACTIVE"),
        ("egress_updated", "EGRESS_ENDING"), ("egress_ended", "EGRESS_COMPLETE")]


def lively(fleet, publish, room, **camera):
    publisher = publish(fleet.server)
    publisher.join("alice", room, tag=3)
    publisher.video = publisher.camera("alice", **camera)
    publisher.audio = publisher.microphone("alice", tone_hz=550)
    return publisher


def test_participant_through_its_whole_life(fleet, publish, room, tmp_path):
    fleet = fleet()
    publisher = lively(fleet, publish, room)
    path = tmp_path / "out.mp4"
    info = fleet.egress.participant(room, "alice", path, advanced=SMALL)
    assert info.status == api.EgressStatus.EGRESS_STARTING
    assert info.room_name == room and info.room_id.startswith("RM_")
    assert info.participant.identity == "alice"
    fleet.hooks.wait_active(info.egress_id)
    assert [e.egress_id for e in fleet.egress.list(room_name=room, active=True)] == [info.egress_id]
    publisher.wait_media(4)
    stopping = fleet.egress.stop(info.egress_id)
    assert stopping.status == api.EgressStatus.EGRESS_ENDING
    ended = fleet.hooks.wait_ended(info.egress_id)
    assert fleet.hooks.statuses(info.egress_id) == LIFE
    assert ended["details"] == "End reason: StopEgress API"
    assert "error" not in ended and "errorCode" not in ended
    file = ended["fileResults"][0]
    assert file["filename"] == file["location"] == str(path)
    assert int(file["size"]) == path.stat().st_size
    assert ended["file"] == file
    assert int(ended["startedAt"]) <= int(file["startedAt"]) < int(file["endedAt"]) <= int(ended["endedAt"])
    assert not fleet.egress.list(room_name=room, active=True)

    recording = analyse(path)
    recording.expect_finished_mp4()
    recording.expect_codecs("h264", "aac")
    recording.expect_tags(3)
    recording.expect_tones(550, start=1)
    recording.expect_av_offset()
    assert recording.duration == pytest.approx(int(file["duration"]) / 1e9, abs=0.05)


@pytest.mark.parametrize("codec, extension", [("h264", "mp4"), ("vp8", "webm"), ("vp9", "webm")])
def test_video_track(fleet, publish, room, tmp_path, codec, extension):
    """As it is sent, in the container that its codec needs, whatever name was asked for; in a folder
    that is made for it."""
    fleet = fleet()
    publisher = lively(fleet, publish, room, codec=codec)
    info = fleet.egress.track(room, publisher.video, tmp_path / "made" / "{room_name}" / "out.mov")
    fleet.hooks.wait_active(info.egress_id)
    publisher.wait_media(3)
    fleet.egress.stop(info.egress_id)
    location = fleet.hooks.wait_ended(info.egress_id)["fileResults"][0]["location"]
    assert location.endswith(extension)
    recording = analyse(location)
    recording.expect_codecs(codec, None)
    recording.expect_kinds("shown")
    recording.expect_dropped(0)


@pytest.mark.parametrize("codec, coded", [("opus", "opus"), ("pcmu", "opus"), ("pcma", "opus")])
def test_audio_track(fleet, publish, room, tmp_path, codec, coded):
    fleet = fleet()
    publisher = publish(fleet.server)
    publisher.join("alice", room)
    track = publisher.microphone("alice", codec, tone_hz=610)
    info = fleet.egress.track(room, track, tmp_path / "out.ogg")
    fleet.hooks.wait_active(info.egress_id)
    publisher.wait_media(3)
    fleet.egress.stop(info.egress_id)
    fleet.hooks.wait_ended(info.egress_id)
    recording = analyse(tmp_path / "out.ogg")
    recording.expect_codecs(None, coded)
    recording.expect_tones(610, start=1)
    recording.expect_no_gaps()


def test_track_composite_ends_with_its_tracks(fleet, publish, room, tmp_path):
    fleet = fleet()
    publisher = lively(fleet, publish, room)
    info = fleet.egress.call("start_track_composite_egress", api.TrackCompositeEgressRequest(
        room_name=room, audio_track_id=publisher.audio, video_track_id=publisher.video,
        file_outputs=[api.EncodedFileOutput(filepath=str(tmp_path / "out.mp4"))], advanced=SMALL))
    fleet.hooks.wait_active(info.egress_id)
    publisher.wait_media(3)
    publisher.call("leave", "alice")
    ended = fleet.hooks.wait_ended(info.egress_id)
    assert ended["status"] == "EGRESS_COMPLETE"
    assert ended["details"] == "End reason: Source closed"
    recording = analyse(tmp_path / "out.mp4")
    recording.expect_tags(3)
    recording.expect_av_offset()


def test_internal_calls_are_measured(fleet, publish, room, tmp_path):
    """What livekit-server asked of the service, and the service of it, is in the metrics."""
    fleet = fleet()
    publisher = lively(fleet, publish, room)
    info = fleet.egress.track(room, publisher.audio, tmp_path / "out.ogg")
    fleet.hooks.wait_active(info.egress_id)
    fleet.egress.stop(info.egress_id)
    metrics = fleet.service.metrics()

    def rows(name, **wanted):
        return [(labels, value) for found, labels, value in metrics
                if found == f"livekit_psrpc_{name}" and wanted.items() <= labels.items()]

    def only(name, **wanted):
        [(_, value)] = rows(name, **wanted)
        return value

    for method, role in (("StartEgress", "server"), ("StopEgress", "server"), ("CreateEgress", "client")):
        assert only("request_time_ms_count", method=method, role=role, kind="rpc") == 1
        buckets = rows("request_time_ms_bucket", method=method, role=role)
        assert [labels["le"] for labels, _ in buckets] == [
            "10", "50", "100", "300", "500", "1000", "1500", "2000", "5000", "10000", "+Inf"]
        counts = [value for _, value in buckets]
        assert counts == sorted(counts) and counts[-1] == 1, counts
        assert only("request_time_ms_sum", method=method) > 0
        assert only("bytes_total", method=method, direction="tx") > len(info.egress_id)
        if role == "server":
            assert only("requests_received_total", method=method) == 1
            assert only("requests_expired_total", method=method) == 0
            assert only("claim_total", method=method, outcome="granted") == 1
            assert only("claim_wait_time_ms_count", method=method, outcome="granted") == 1
    assert rows("error_total") == []
