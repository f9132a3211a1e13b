"""Tracks by id, transcoded or as they are sent."""
import pytest

from analyser import analyse

SMALL = ("--width", "320", "--height", "180", "--video-bitrate", "500")


def test_track_composite(shared_server, publish, record, room):
    """One's picture with another's sound."""
    publisher = publish(shared_server)
    publisher.join("alice", room, tag=3)
    publisher.join("bob", room, tag=4)
    video = publisher.camera("alice", "vp8")
    publisher.microphone("alice", tone_hz=500)
    publisher.camera("bob")
    audio = publisher.microphone("bob", tone_hz=700)
    recorder = record(shared_server, "--audio-track", audio, "--video-track", video,
                      "--duration", "5s", *SMALL, room=room)
    assert recorder.wait() == 0, recorder.error_lines
    recording = analyse(recorder.path)
    recording.expect_codecs("h264", "aac")
    recording.expect_finished_mp4()
    recording.expect_tags(3)
    recording.expect_tones(700, start=1)
    recording.expect_kinds("shown")
    recording.expect_av_offset()


@pytest.mark.parametrize("codec, output, container", [
    ("h264", "out.mp4", "mp4"), ("vp8", "out.webm", "webm"), ("vp9", "out.webm", "webm")])
def test_video_track_as_it_is(shared_server, publish, record, room, codec, output, container):
    publisher = publish(shared_server)
    publisher.join("alice", room, tag=3)
    track = publisher.camera("alice", codec)
    recorder = record(shared_server, "--track", track, "--duration", "4s", room=room, output=output)
    assert recorder.wait() == 0, recorder.error_lines
    recording = analyse(recorder.path)
    assert container in recording.container
    recording.expect_codecs(codec, None)
    recording.expect_size(320, 180)
    recording.expect_kinds("shown")
    recording.expect_dropped(0)
    recording.expect_duplicated(0)
    recording.expect_duration(4, within=0.15)


@pytest.mark.parametrize("output", ["out.ogg", "out.mp4"])
def test_audio_track_as_it_is(shared_server, publish, record, room, output):
    """In the format that its codec asks for, which is told if another was named."""
    publisher = publish(shared_server)
    publisher.join("alice", room)
    track = publisher.microphone("alice", tone_hz=610)
    recorder = record(shared_server, "--track", track, "--duration", "4s", room=room, output=output)
    path = recorder.path.with_name("out.ogg")
    if output != "out.ogg":
        recorder.wait_log("the file is named by the format that the codecs need", path=str(path))
    assert recorder.wait() == 0, recorder.error_lines
    recording = analyse(path)
    assert "ogg" in recording.container
    assert not recorder.path.with_name("out.mp4").exists()
    recording.expect_codecs(None, "opus")
    recording.expect_tones(610, start=1)
    recording.expect_no_gaps()
    recording.expect_duration(4, within=0.15)


def test_format_and_name_follow_the_track(shared_server, publish, record, room):
    """No extension: what the track's codec needs; placeholders are filled in."""
    publisher = publish(shared_server)
    publisher.join("alice", room)
    track = publisher.camera("alice", "vp8")
    recorder = record(shared_server, "--track", track, "--duration", "2s", room=room,
                      output="{room_name}-{publisher_identity}-{track_source}-{track_type}")
    assert recorder.wait() == 0, recorder.error_lines
    path = recorder.path.parent / f"{room}-alice-camera-video.webm"
    analyse(path).expect_codecs("vp8", None)


@pytest.mark.parametrize("video, output", [("h264", "out.mp4"), ("vp8", "out.webm"),
                                           ("vp9", "out.webm")])
def test_passthrough_of_both(shared_server, publish, record, room, video, output):
    publisher = publish(shared_server)
    publisher.join("alice", room, tag=3)
    publisher.camera("alice", video)
    publisher.microphone("alice", tone_hz=550)
    recorder = record(shared_server, "--participant", "alice", "--passthrough", "--duration", "5s",
                      room=room, output=output)
    assert recorder.wait() == 0, recorder.error_lines
    recording = analyse(recorder.path)
    recording.expect_codecs(video, "opus")
    recording.expect_kinds("shown")
    recording.expect_dropped(0)
    recording.expect_duplicated(0)
    recording.expect_no_gaps()
    recording.expect_no_clicks()
    recording.expect_tones(550, start=1)
    recording.expect_av_offset()
    recording.expect_ends_together(within=0.1)


def test_passthrough_over_mute(shared_server, publish, record, room):
    """A muted microphone is silence in the file, and what follows is where it belongs."""
    publisher = publish(shared_server)
    publisher.join("alice", room, tag=3)
    publisher.camera("alice")
    publisher.microphone("alice", tone_hz=550)
    recorder = record(shared_server, "--participant", "alice", "--passthrough", room=room)
    recorder.wait_active()
    publisher.wait_media(2)
    publisher.call("mute", "alice", track="microphone")
    publisher.wait_media(2)
    publisher.call("unmute", "alice", track="microphone")
    publisher.wait_media(3)
    assert recorder.stop() == 0, recorder.error_lines
    recording = analyse(recorder.path)
    recording.expect_codecs("h264", "opus")
    recording.expect_kinds("shown")
    recording.expect_av_offset()
    assert any(gap.end - gap.start > 1.5 for gap in recording.sound.gaps), recording.report()


def test_passthrough_of_a_microphone_muted_at_first(shared_server, publish, record, room):
    """People join muted: when they speak, it is in the file."""
    publisher = publish(shared_server)
    publisher.join("alice", room, tag=3)
    publisher.microphone("alice", tone_hz=550)
    publisher.call("mute", "alice", track="microphone")
    publisher.camera("alice")
    recorder = record(shared_server, "--participant", "alice", "--passthrough", room=room)
    recorder.wait_active()
    publisher.wait_media(1)
    publisher.call("unmute", "alice", track="microphone")
    publisher.wait_media(4)
    assert recorder.stop() == 0, recorder.error_lines
    recording = analyse(recorder.path)
    recording.expect_codecs("h264", "opus")
    recording.expect_kinds("shown")
    recording.expect_av_offset(at_least=3)


@pytest.mark.parametrize("output, codec", [("out.ogg", "opus"), ("out.mp3", "mp3")])
def test_sound_only_formats(shared_server, publish, record, room, output, codec):
    publisher = publish(shared_server)
    publisher.join("alice", room)
    publisher.camera("alice")
    publisher.microphone("alice", tone_hz=480)
    recorder = record(shared_server, "--participant", "alice", "--duration", "4s", room=room,
                      output=output)
    assert recorder.wait() == 0, recorder.error_lines
    recording = analyse(recorder.path)
    recording.expect_codecs(None, codec)
    recording.expect_tones(480, start=1)
    recording.expect_no_gaps()
    recording.expect_duration(4, within=0.1)


def test_webm_transcoded(shared_server, publish, record, room):
    publisher = publish(shared_server)
    publisher.join("alice", room, tag=3)
    publisher.camera("alice")
    publisher.microphone("alice")
    recorder = record(shared_server, "--participant", "alice", "--duration", "4s", *SMALL, room=room,
                      output="out.webm")
    assert recorder.wait() == 0, recorder.error_lines
    recording = analyse(recorder.path)
    recording.expect_codecs("vp8", "opus")
    recording.expect_kinds("shown")
    recording.expect_av_offset()


def test_track_unpublished_ends_it(shared_server, publish, record, room):
    publisher = publish(shared_server)
    publisher.join("alice", room, tag=3)
    track = publisher.camera("alice")
    recorder = record(shared_server, "--track", track, room=room)
    recorder.wait_active()
    publisher.wait_media(2)
    publisher.call("unpublish", "alice", track="camera")
    assert recorder.wait() == 0, recorder.error_lines
    recording = analyse(recorder.path)
    recording.expect_finished_mp4()
    recording.expect_kinds("shown")
    recording.expect_size(320, 180)


def test_telephone_track(shared_server, publish, record, room):
    """No container takes G.711 as it is: its sound is encoded to Opus."""
    publisher = publish(shared_server)
    publisher.join("sip", room)
    track = publisher.microphone("sip", "pcmu", tone_hz=640)
    recorder = record(shared_server, "--track", track, "--duration", "4s", room=room,
                      output="out.ogg")
    assert recorder.wait() == 0, recorder.error_lines
    recording = analyse(recorder.path)
    recording.expect_codecs(None, "opus")
    recording.expect_tones(640, start=1)


def test_simulcast_is_recorded_at_its_highest(shared_server, publish, record, room):
    publisher = publish(shared_server)
    publisher.join("alice", room, tag=3)
    publisher.camera("alice", "vp8", width=640, height=360, simulcast=3)
    publisher.microphone("alice")
    recorder = record(shared_server, "--participant", "alice", "--passthrough", "--duration", "4s",
                      room=room, output="out.webm")
    assert recorder.wait() == 0, recorder.error_lines
    recording = analyse(recorder.path)
    recording.expect_codecs("vp8", "opus")
    assert recording.video.sizes[-1] == (640, 360), recording.report()
