"""HLS: files of some seconds each, and playlists of them."""
import os
import pty
import signal
import subprocess

import pytest
from livekit import api

import hls
from analyser import analyse
from server import API_KEY, API_SECRET
from service import SMALL
from waiting import wait_until

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
    last = playlist.segments[-1]
    is_last_silent = audio and not hls.packets(last.path, "a")
    if is_last_silent:
        # The end came before the next block of sound began, which is sooner than the next picture does.
        assert len(hls.packets(last.path, "v")) == 1
    for segment in playlist.segments:
        if not is_last_silent or segment is not last:
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
            assert (is_last_silent and segment is last) or abs(hls.packets(segment.path, "a")[0][0] - at) < 0.03


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


def playlist_with(path, n, event=True):
    """A playlist that is being written, as soon as it has come to its n-th segment."""
    def look():
        if not path.exists():
            return None
        playlist = hls.read(path, event)
        return playlist if playlist.sequence + len(playlist.segments) >= n else None
    return wait_until(look, f"{n}th segment")


def test_live_playlist_while_it_runs(fleet, publish, room, tmp_path):
    fleet = fleet(live_playlist_segments=3)
    publisher = lively(fleet.server, publish, room)
    folder = tmp_path / "hls"
    info = start(fleet.egress, room, segments=api.SegmentedFileOutput(
        playlist_name=f"{folder}/all.m3u8", live_playlist_name="live", filename_prefix="seg/s",
        segment_duration=1))
    assert info.segment_results[0].playlist_name == f"{folder}/all"
    publisher.wait_event("sending", participant="alice")
    for n in range(1, 7):
        live = playlist_with(folder / "live.m3u8", n, event=False)
        whole = hls.read(folder / "all.m3u8")
        assert not live.ended and not whole.ended
        assert len(live.segments) <= 3 and live.sequence == max(0, n - 3) == n - len(live.segments)
        assert len(whole.segments) >= n - 1  # the other one is written first, or next
        newest = live.segments[-1]
        assert newest.path == folder / "seg" / f"s_{n - 1:05d}.ts"
        assert not hls.decode_errors(newest.path)
        assert hls.packets(newest.path, "v")[0][1]
    fleet.egress.stop(info.egress_id)
    ended = fleet.hooks.wait_ended(info.egress_id)
    assert ended["status"] == COMPLETE
    live, whole = hls.read(folder / "live.m3u8", event=False), hls.read(folder / "all.m3u8")
    assert live.ended and whole.ended
    assert live.segments == whole.segments[-3:] and live.sequence == len(whole.segments) - 3
    expect_whole(whole, 1)
    result = ended["segmentResults"][0]
    assert result["livePlaylistName"] == result["livePlaylistLocation"] == str(live.path)
    assert ended["segments"] == result  # what old clients read


def test_track_composite_named_by_time(fleet, publish, room, tmp_path):
    fleet = fleet()
    publisher = lively(fleet.server, publish, room, codec="vp8")
    info = fleet.egress.call("start_track_composite_egress", api.TrackCompositeEgressRequest(
        room_name=room, audio_track_id=publisher.audio, video_track_id=publisher.video,
        segment_outputs=[api.SegmentedFileOutput(
            filename_prefix=str(tmp_path / "{room_name}"), segment_duration=2,
            filename_suffix=api.SegmentedFileSuffix.TIMESTAMP)], advanced=SMALL))
    playlist_with(tmp_path / f"{room}.m3u8", 3)
    fleet.egress.stop(info.egress_id)
    assert fleet.hooks.wait_ended(info.egress_id)["status"] == COMPLETE
    playlist = hls.read(tmp_path / f"{room}.m3u8")
    for segment in playlist.segments:
        milliseconds = segment.at.strftime("%Y%m%d%H%M%S%f")[:-3]
        assert segment.path.name == f"{room}_{milliseconds}.ts"
    expect_whole(playlist, 2)
    joined = analyse(playlist.join(tmp_path / "joined.ts"))
    joined.expect_constant_rate(30)
    joined.expect_av_offset()
    joined.expect_even_beeps()
    joined.expect_ends_together()
    # The first picture was captured when the playlist says: pictures repeat every 20 seconds.
    first = joined.video.counter[joined.video.readable[0]] / 30
    shown = playlist.segments[0].at.timestamp() + joined.video.pts[joined.video.readable[0]] - \
        joined.video.pts[0]
    assert abs((shown - first + 10) % 20 - 10) < 0.1


def test_sound_alone(fleet, publish, room, tmp_path):
    fleet = fleet()
    publisher = publish(fleet.server)
    publisher.join("alice", room)
    publisher.microphone("alice", tone_hz=550)
    info = fleet.egress.call("start_room_composite_egress", api.RoomCompositeEgressRequest(
        room_name=room, audio_only=True, segment_outputs=[api.SegmentedFileOutput(
            playlist_name=str(tmp_path / "sound.m3u8"), segment_duration=2)]))
    playlist_with(tmp_path / "sound.m3u8", 3)
    fleet.egress.stop(info.egress_id)
    assert fleet.hooks.wait_ended(info.egress_id)["status"] == COMPLETE
    playlist = hls.read(tmp_path / "sound.m3u8")
    expect_whole(playlist, 2, video=False)
    joined = analyse(playlist.join(tmp_path / "joined.ts"))
    joined.expect_codecs(None, "aac")
    joined.expect_tones(550, start=1)
    joined.expect_even_beeps()


def test_as_it_is_sent(fleet, publish, room, tmp_path):
    """Without transcoding: cut at the key frames that come, two a second."""
    fleet = fleet()
    publisher = lively(fleet.server, publish, room, codec="h264", width=1280, height=720)
    info = fleet.egress.call("start_track_composite_egress", api.TrackCompositeEgressRequest(
        room_name=room, video_track_id=publisher.video, preset=8,
        segment_outputs=[api.SegmentedFileOutput(
            playlist_name=str(tmp_path / "sent.m3u8"), segment_duration=2)]))
    playlist_with(tmp_path / "sent.m3u8", 3)
    fleet.egress.stop(info.egress_id)
    assert fleet.hooks.wait_ended(info.egress_id)["status"] == COMPLETE
    playlist = hls.read(tmp_path / "sent.m3u8")
    for segment in playlist.segments:
        assert not hls.decode_errors(segment.path)
        assert hls.packets(segment.path, "v")[0][1]
    for segment in playlist.segments[:-1]:
        assert 1.4 < segment.duration < 2.6
    joined = analyse(playlist.join(tmp_path / "joined.ts"))
    joined.expect_codecs("h264", None)
    joined.expect_size(1280, 720)
    joined.expect_in_order()
    joined.expect_moving()


def test_full_disk_of_one_of_two_outputs(fleet, publish, room, tmp_path, small_disk):
    fleet = fleet(min_free_disk=0)
    publisher = lively(fleet.server, publish, room, busy=True)
    disk = small_disk(1)
    info = start(fleet.egress, room, files=[tmp_path / "out.mp4"],
                 advanced=api.EncodingOptions(width=640, height=360, video_bitrate=1500),
                 segments=api.SegmentedFileOutput(playlist_name=f"{disk}/list.m3u8",
                                                  segment_duration=1))
    fleet.service.wait_log("output has failed", egressID=info.egress_id)
    publisher.wait_media(3)
    fleet.egress.stop(info.egress_id)
    ended = fleet.hooks.wait_ended(info.egress_id)
    assert ended["status"] == COMPLETE, ended
    assert "No space left on device" in ended["error"] and "segments before are kept" in ended["error"]
    assert ended["errorCode"] == 429
    recording = analyse(tmp_path / "out.mp4")
    recording.expect_finished_mp4()
    playlist = hls.read(disk / "list.m3u8")
    assert playlist.ended and len(playlist.segments) >= 2
    result = ended["segmentResults"][0]
    assert int(result["segmentCount"]) == len(playlist.segments) == len(list(disk.glob("*.ts")))
    assert int(result["endedAt"]) < int(ended["fileResults"][0]["endedAt"])
    expect_whole(playlist, 1)
    assert recording.duration > playlist.duration + 2.5


def test_nearly_full_disk_of_one_of_two_outputs(fleet, publish, room, tmp_path, small_disk):
    """The file is finished while there is room for that; the segments, on another disk, go on."""
    fleet = fleet(min_free_disk=30_000_000)
    publisher = lively(fleet.server, publish, room)
    disk = small_disk(60)
    info = start(fleet.egress, room, files=[disk / "out.mp4"],
                 segments=api.SegmentedFileOutput(playlist_name=f"{tmp_path}/list.m3u8", segment_duration=1))
    fleet.hooks.wait_active(info.egress_id)
    publisher.wait_media(1)
    (disk / "filler").write_bytes(bytes(40_000_000))
    fleet.service.wait_log("output has failed", egressID=info.egress_id)
    publisher.wait_media(3)
    fleet.egress.stop(info.egress_id)
    ended = fleet.hooks.wait_ended(info.egress_id)
    assert ended["status"] == COMPLETE, ended
    assert f"the disk of {disk}" in ended["error"] and "is nearly full" in ended["error"]
    assert ended["errorCode"] == 429
    recording = analyse(disk / "out.mp4")
    recording.expect_finished_mp4()
    playlist = hls.read(tmp_path / "list.m3u8")
    assert playlist.ended
    expect_whole(playlist, 1)
    assert int(ended["fileResults"][0]["endedAt"]) < int(ended["segmentResults"][0]["endedAt"])
    assert playlist.duration > recording.duration + 2.5


def test_killed(fleet, publish, room, tmp_path):
    """The process dies: what is there can be played, players wait for no more, and the report says
    how much it is."""
    fleet = fleet()
    lively(fleet.server, publish, room)
    info = start(fleet.egress, room, segments=api.SegmentedFileOutput(
        playlist_name=str(tmp_path / "list.m3u8"), segment_duration=1))
    playlist_with(tmp_path / "list.m3u8", 3)
    os.kill(fleet.service.egress_pid(info.egress_id), signal.SIGKILL)
    ended = fleet.hooks.wait_ended(info.egress_id)
    assert ended["status"] == "EGRESS_FAILED"
    playlist = hls.read(tmp_path / "list.m3u8")
    assert playlist.ended
    expect_whole(playlist, 1)
    expect_reported(ended, playlist)
    assert list(tmp_path.glob("*.recording.ts"))
    assert all(segment.path.name in {f"list_{n:05d}.ts" for n in range(20)}
               for segment in playlist.segments)


def expect_reported(ended, playlist):
    [result] = ended["segmentResults"]
    assert ended["status"] == "EGRESS_FAILED"
    assert result["playlistLocation"] == str(playlist.path)
    assert int(result["segmentCount"]) == len(playlist.segments)
    assert int(result["duration"]) == pytest.approx(playlist.duration * 1e9, abs=1e6)
    assert int(result["size"]) == sum(segment.path.stat().st_size for segment in playlist.segments)


def test_service_killed(fleet, publish, room, tmp_path):
    """Of two egresses of segments alone one finishes without a service, the other is killed; the next
    service ends the playlist of the latter, and reports both as they are."""
    fleet = fleet()
    lively(fleet.server, publish, room)
    ids = {name: start(fleet.egress, room, segments=api.SegmentedFileOutput(
        playlist_name=str(tmp_path / name / "list.m3u8"), segment_duration=1)).egress_id
        for name in ("alone", "dead")}
    for name in ids:
        playlist_with(tmp_path / name / "list.m3u8", 2)
    pid = fleet.service.egress_pid(ids["dead"])
    os.kill(pid, signal.SIGSTOP)
    fleet.service.kill()
    os.kill(pid, signal.SIGKILL)
    fleet.service.start()
    for name, egress_id in ids.items():
        ended = fleet.hooks.wait_ended(egress_id)
        playlist = hls.read(tmp_path / name / "list.m3u8")
        assert playlist.ended, name
        expect_whole(playlist, 1)
        expect_reported(ended, playlist)


def test_several_outputs_of_the_command_line(shared_server, publish, record, room, tmp_path):
    publisher = lively(shared_server, publish, room)
    for folder in ("hls", "shots"):
        (tmp_path / folder).mkdir()
    recorder = record(shared_server, "--participant", "alice", "--width", "640", "--height", "360",
                      "-o", tmp_path / "hls" / "list.m3u8", "-o", tmp_path / "shots" / "%05d.png",
                      "--image-interval", "1s", room=room)
    recorder.wait_active()
    publisher.wait_media(5)
    assert recorder.stop() == 0
    analyse(recorder.path).expect_finished_mp4()
    playlist = hls.read(tmp_path / "hls" / "list.m3u8")
    assert playlist.ended
    expect_whole(playlist, 4)
    shots = sorted(path.name for path in (tmp_path / "shots").iterdir())
    assert len(shots) >= 5 and shots == [f"{n:05d}.png" for n in range(len(shots))]


def test_lines_of_a_terminal(shared_server, publish, room, tmp_path):
    """Each output has its own."""
    lively(shared_server, publish, room)
    environment = os.environ | {"LIVEKIT_URL": shared_server.url, "LIVEKIT_API_KEY": API_KEY,
                                "LIVEKIT_API_SECRET": API_SECRET, "TERM": "xterm"}
    (tmp_path / "shots").mkdir()
    ours, theirs = pty.openpty()
    with subprocess.Popen([os.environ["EGRESS"], "record", "--room", room, "--participant", "alice", "-o", "out.mp4",
                           "-o", "list.m3u8", "-o", "shots/%05d.jpg", "--duration", "60s"],
                          cwd=tmp_path, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=theirs) as child:
        os.close(theirs)
        shown = b""
        wanted = [b"  out.mp4: recording", b"  list.m3u8: recording", b"  shots/\xe2\x80\xa6: recording"]
        while not all(line in shown for line in wanted):  # or an error when it has ended
            shown += os.read(ours, 4096)
        child.send_signal(signal.SIGINT)
        printed = child.stdout.read().decode()
    os.close(ours)
    assert child.returncode == 0
    assert [line.split("  ")[0] for line in printed.splitlines()] == ["out.mp4", "list.m3u8", "shots/…"]
