"""HLS: files of some seconds each, and playlists of them."""
import pytest
from livekit import api

import hls
from analyser import analyse
from service import SMALL

COMPLETE = "EGRESS_COMPLETE"


def lively(server, publish, room, **camera):
    publisher = publish(server)
    publisher.join("alice", room, tag=3)
    publisher.video = publisher.camera("alice", **camera)
    publisher.audio = publisher.microphone("alice", tone_hz=550)
    return publisher


def start(egress, room, *, segments, files=(), images=(), advanced=SMALL, identity="alice"):
    return egress.call("start_participant_egress", api.ParticipantEgressRequest(
        room_name=room, identity=identity, segment_outputs=[segments],
        file_outputs=[api.EncodedFileOutput(filepath=str(path)) for path in files],
        image_outputs=list(images), advanced=advanced))


def expect_whole(playlist, seconds, audio=True, video=True):
    """Each segment can be decoded alone, begins with a key frame, and lasts as long as the playlist
    says; all but the last last as long as they are meant to."""
    for segment in playlist.segments:
        assert not hls.decode_errors(segment.path)
        if video:
            assert hls.packets(segment.path, "v")[0][1]
    for segment in playlist.segments[:-1]:
        assert segment.duration == pytest.approx(seconds, abs=0.03 if not video else 0.001)
    starts = [hls.packets(segment.path, "v" if video else "a")[0][0] for segment in playlist.segments]
    for n, segment in enumerate(playlist.segments[:-1]):
        assert starts[n + 1] - starts[n] == pytest.approx(segment.duration, abs=0.03)
        gap = playlist.segments[n + 1].at - segment.at
        assert gap.total_seconds() == pytest.approx(segment.duration, abs=0.002)
    if audio and video:
        # Sound goes to the segment of its time.
        for segment, at in zip(playlist.segments[1:], starts[1:]):
            assert abs(hls.packets(segment.path, "a")[0][0] - at) < 0.03


def test_file_segments_and_images_of_one_encode(fleet, publish, room, tmp_path):
    fleet = fleet()
    publisher = lively(fleet.server, publish, room)
    info = start(fleet.egress, room, files=[tmp_path / "out.mp4"],
                 segments=api.SegmentedFileOutput(
                     filename_prefix=str(tmp_path / "hls" / "seg"), playlist_name="",
                     live_playlist_name="", segment_duration=2),
                 images=[api.ImageOutput(filename_prefix=str(tmp_path / "shots" / "shot"),
                                         capture_interval=1, width=160)])
    fleet.hooks.wait_active(info.egress_id)
    publisher.wait_media(7)
    fleet.egress.stop(info.egress_id)
    ended = fleet.hooks.wait_ended(info.egress_id)
    assert ended["status"] == COMPLETE and "error" not in ended, ended

    playlist = hls.read(tmp_path / "hls" / "seg.m3u8")
    assert playlist.ended and playlist.target == 2 and playlist.sequence == 0
    files = sorted((tmp_path / "hls").glob("*.ts"))
    assert [segment.path for segment in playlist.segments] == files
    assert [path.name for path in files] == [f"seg_{n:05d}.ts" for n in range(len(files))]
    assert len(files) >= 3
    expect_whole(playlist, 2)

    result = ended["segmentResults"][0]
    assert result["playlistName"] == result["playlistLocation"] == str(playlist.path)
    assert int(result["segmentCount"]) == len(files)
    assert int(result["size"]) == sum(path.stat().st_size for path in files)
    assert int(result["duration"]) / 1e9 == pytest.approx(playlist.duration, abs=0.01)
    assert int(ended["startedAt"]) <= int(result["startedAt"]) < int(result["endedAt"])
    assert "segments" not in ended and "file" not in ended  # there are several

    # The very same pictures and sound, once as a file and once in pieces.
    joined = analyse(playlist.join(tmp_path / "joined.ts"))
    joined.expect_codecs("h264", "aac")
    joined.expect_constant_rate(30)
    joined.expect_moving()
    joined.expect_tags(3)
    joined.expect_av_offset()
    joined.expect_even_beeps()
    whole = analyse(tmp_path / "out.mp4")
    whole.expect_finished_mp4()
    whole.expect_av_offset()
    assert len(joined.video.pts) == len(whole.video.pts)
    assert (joined.video.counter == whole.video.counter).all()

    shots = sorted((tmp_path / "shots").iterdir())
    assert [path.name for path in shots] == [f"shot_{n:05d}.jpeg" for n in range(len(shots))]
    assert len(shots) >= 7
    images = ended["imageResults"][0]
    assert int(images["imageCount"]) == len(shots)
    assert images["filenamePrefix"] == str(tmp_path / "shots" / "shot")
    assert int(images["startedAt"]) < int(images["endedAt"])
