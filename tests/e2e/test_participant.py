"""A participant recorded to one file, whatever it does with its tracks."""
import pytest

from analyser import analyse

SMALL = ("--width", "320", "--height", "180", "--video-bitrate", "500")


def check(recording, tag, tone):
    """What holds for every recording of one lively participant."""
    recording.expect_codecs("h264", "aac")
    recording.expect_finished_mp4()
    recording.expect_constant_rate(30)
    recording.expect_all_readable()
    recording.expect_in_order()
    recording.expect_ends_together()
    recording.expect_no_clicks()
    recording.expect_tags(tag)
    recording.expect_av_offset()


@pytest.mark.parametrize("video", ["h264", "vp8", "vp9"])
def test_video_codec(shared_server, publish, record, room, video):
    publisher = publish(shared_server)
    publisher.join("alice", room, tag=3)
    publisher.camera("alice", video)
    publisher.microphone("alice", tone_hz=550)
    recorder = record(shared_server, "--participant", "alice", "--duration", "6s", *SMALL, room=room)
    assert recorder.wait() == 0, recorder.error_lines
    recording = analyse(recorder.path)
    check(recording, tag=3, tone=550)
    recording.expect_duration(6, within=0.04)
    recording.expect_size(320, 180)
    recording.expect_kinds("shown")
    recording.expect_dropped(1)
    recording.expect_duplicated(1)
    recording.expect_no_gaps()
    recording.expect_tones(550, start=1)
    recording.expect_colours()


@pytest.mark.parametrize("output, options, video, audio", [
    ("out.mkv", (), "h264", "opus"),
    ("out.mkv", ("--video-codec", "vp8", "--audio-codec", "aac"), "vp8", "aac"),
    ("out.webm", ("--video-codec", "vp9"), "vp9", "opus"),
    ("out.mp4", ("--h264-encoder", "openh264", "--rate-control", "quality"), "h264", "aac"),
    ("out.mp4", ("--encoder-preset", "faster", "--rate-control", "constant"), "h264", "aac"),
    ("out.wav", (), None, "pcm_s16le")])
def test_format(shared_server, publish, record, room, output, options, video, audio):
    publisher = publish(shared_server)
    publisher.join("alice", room, tag=3)
    publisher.camera("alice", "vp8")
    publisher.microphone("alice", tone_hz=550)
    recorder = record(shared_server, "--participant", "alice", "--duration", "5s", *SMALL, *options, room=room,
                      output=output)
    assert recorder.wait() == 0, recorder.error_lines
    recording = analyse(recorder.path)
    recording.expect_codecs(video, audio)
    recording.expect_duration(5, within=0.07)
    recording.expect_no_clicks()
    recording.expect_tones(550, start=1)
    if video:
        recording.expect_constant_rate(30)
        recording.expect_in_order()
        recording.expect_tags(3)
        recording.expect_av_offset()


@pytest.mark.parametrize("audio", ["pcmu", "pcma"])
def test_telephone_codec(shared_server, publish, record, room, audio):
    publisher = publish(shared_server)
    publisher.join("sip", room, tag=5)
    publisher.camera("sip")
    publisher.microphone("sip", audio, tone_hz=660)
    recorder = record(shared_server, "--participant", "sip", "--duration", "5s", *SMALL, room=room)
    assert recorder.wait() == 0, recorder.error_lines
    recording = analyse(recorder.path)
    check(recording, tag=5, tone=660)
    recording.expect_no_gaps()
    recording.expect_tones(660, start=1)


def test_hd_preset_letterboxes_nothing_of_its_shape(shared_server, publish, record, room):
    """The default, 1280x720 at 30, of a source of another size and the same shape."""
    publisher = publish(shared_server)
    publisher.join("alice", room, tag=1)
    publisher.camera("alice", width=640, height=360)
    publisher.microphone("alice")
    recorder = record(shared_server, "--participant", "alice", "--duration", "5s", room=room)
    assert recorder.wait() == 0, recorder.error_lines
    recording = analyse(recorder.path)
    check(recording, tag=1, tone=440)
    recording.expect_size(1280, 720)
    recording.expect_kinds("shown")


@pytest.mark.parametrize("width, height", [(240, 320), (322, 242), (426, 240)])
def test_other_shapes_are_letterboxed(shared_server, publish, record, room, width, height):
    publisher = publish(shared_server)
    publisher.join("alice", room, tag=2)
    publisher.camera("alice", "vp8", width=width, height=height)
    publisher.microphone("alice")
    recorder = record(shared_server, "--participant", "alice", "--duration", "4s", *SMALL, room=room)
    assert recorder.wait() == 0, recorder.error_lines
    recording = analyse(recorder.path)
    recording.expect_size(320, 180)
    recording.expect_kinds("shown")
    recording.expect_tags(2)



def test_few_pictures_a_second(shared_server, publish, record, room):
    """An encoder that looks ahead puts its first picture out long after the first sound."""
    publisher = publish(shared_server)
    publisher.join("alice", room, tag=3)
    publisher.camera("alice")
    publisher.microphone("alice", tone_hz=500)
    recorder = record(shared_server, "--participant", "alice", "--framerate", "5", "--duration", "6s",
                      *SMALL, room=room)
    assert recorder.wait() == 0, recorder.error_lines
    recording = analyse(recorder.path)
    recording.expect_finished_mp4()
    recording.expect_constant_rate(5)
    recording.expect_tags(3)
    assert recording.video.start == 0, recording.report()
    recording.expect_ends_together()


def test_late_camera(shared_server, publish, record, room):
    """Sound alone first: black until the camera comes, and in sync from its first picture."""
    publisher = publish(shared_server)
    publisher.join("alice", room, tag=4)
    publisher.microphone("alice", tone_hz=500)
    recorder = record(shared_server, "--participant", "alice", *SMALL, room=room)
    recorder.wait_active()
    publisher.wait_media(2)
    publisher.camera("alice", "vp8")
    publisher.wait_media(4)
    assert recorder.stop() == 0, recorder.error_lines
    recording = analyse(recorder.path)
    check(recording, tag=4, tone=500)
    recording.expect_kinds("black", "shown")
    recording.expect_no_gaps()


def test_late_microphone(shared_server, publish, record, room):
    publisher = publish(shared_server)
    publisher.join("alice", room, tag=4)
    publisher.camera("alice")
    recorder = record(shared_server, "--participant", "alice", *SMALL, room=room)
    recorder.wait_active()
    publisher.wait_media(2)
    publisher.microphone("alice", tone_hz=500)
    publisher.wait_media(4)
    assert recorder.stop() == 0, recorder.error_lines
    recording = analyse(recorder.path)
    check(recording, tag=4, tone=500)
    recording.expect_kinds("shown")
    recording.expect_silent(recording.start + 0.2, recording.start + 1.5)


def test_participant_comes_after_the_recorder(shared_server, publish, record, room):
    publisher = publish(shared_server)
    publisher.join("bob", room, tag=9)
    recorder = record(shared_server, "--participant", "alice", *SMALL, room=room)
    recorder.wait_log("joined room")
    publisher.join("alice", room, tag=6)
    publisher.camera("alice")
    publisher.microphone("alice", tone_hz=600)
    recorder.wait_active()
    publisher.wait_media(4)
    assert recorder.stop() == 0, recorder.error_lines
    recording = analyse(recorder.path)
    check(recording, tag=6, tone=600)
    recording.expect_kinds("shown")


def test_audio_only_participant_is_black(shared_server, publish, record, room):
    publisher = publish(shared_server)
    publisher.join("alice", room)
    publisher.microphone("alice", tone_hz=700)
    recorder = record(shared_server, "--participant", "alice", "--duration", "4s", *SMALL, room=room)
    assert recorder.wait() == 0, recorder.error_lines
    recording = analyse(recorder.path)
    recording.expect_codecs("h264", "aac")
    recording.expect_finished_mp4()
    recording.expect_kinds("black")
    recording.expect_no_gaps()
    recording.expect_tones(700, start=1)


def test_mute_and_unmute(shared_server, publish, record, room):
    publisher = publish(shared_server)
    publisher.join("alice", room, tag=7)
    publisher.camera("alice")
    publisher.microphone("alice", tone_hz=800)
    recorder = record(shared_server, "--participant", "alice", *SMALL, room=room)
    recorder.wait_active()
    publisher.wait_media(2)
    publisher.call("mute", "alice", track="camera")
    publisher.call("mute", "alice", track="microphone")
    publisher.wait_media(3)
    publisher.call("unmute", "alice", track="camera")
    publisher.call("unmute", "alice", track="microphone")
    publisher.wait_media(4)
    assert recorder.stop() == 0, recorder.error_lines
    recording = analyse(recorder.path)
    check(recording, tag=7, tone=800)
    shown = [s for s in recording.video.spans() if s.kind != "frozen"]
    assert [s.kind for s in shown] == ["shown", "black", "shown"], recording.report()
    black = shown[1]
    assert black.end - black.start > 2, recording.report()
    recording.expect_silent(black.start + 0.5, black.end - 0.5)


@pytest.mark.parametrize("first, second", [("h264", "vp8"), ("vp8", "vp9"), ("vp9", "h264")])
def test_republish_with_another_codec(shared_server, publish, record, room, first, second):
    publisher = publish(shared_server)
    publisher.join("alice", room, tag=8)
    publisher.camera("alice", first)
    publisher.microphone("alice", tone_hz=900)
    recorder = record(shared_server, "--participant", "alice", *SMALL, room=room)
    recorder.wait_active()
    publisher.wait_media(2)
    publisher.call("unpublish", "alice", track="camera")
    recorder.wait_log("track gone")
    publisher.camera("alice", second, track="camera2", width=640, height=360)
    publisher.wait_media(4)
    assert recorder.stop() == 0, recorder.error_lines
    recording = analyse(recorder.path)
    check(recording, tag=8, tone=900)
    kinds = [s.kind for s in recording.video.spans() if s.kind != "frozen"]
    assert kinds == ["shown", "black", "shown"], recording.report()
    recording.expect_no_gaps()


def test_participant_leaves(shared_server, publish, record, room):
    """The recording ends by itself when the participant goes."""
    publisher = publish(shared_server)
    publisher.join("alice", room, tag=3)
    publisher.camera("alice")
    publisher.microphone("alice")
    recorder = record(shared_server, "--participant", "alice", *SMALL, room=room)
    recorder.wait_active()
    publisher.wait_media(3)
    publisher.call("leave", "alice")
    assert recorder.wait() == 0, recorder.error_lines
    recording = analyse(recorder.path)
    check(recording, tag=3, tone=440)


def test_participant_is_cut_off_and_comes_back(own_server, publish, record, room):
    """A connection that breaks is not a goodbye: one file goes on."""
    server = own_server()
    publisher = publish(server)
    publisher.join("alice", room, tag=3, own_process=True)
    publisher.camera("alice")
    publisher.microphone("alice")
    recorder = record(server, "--participant", "alice", *SMALL, room=room)
    recorder.wait_active()
    publisher.wait_media(2)
    publisher.call("kill", "alice")
    publisher.join("alice", room, tag=4)
    publisher.camera("alice", "vp8")
    publisher.microphone("alice")
    publisher.wait_media(4)
    assert recorder.stop() == 0, recorder.error_lines
    recording = analyse(recorder.path)
    recording.expect_finished_mp4()
    recording.expect_constant_rate(30)
    recording.expect_tags(3, 4)
    recording.expect_av_offset()


def test_screen_share(shared_server, publish, record, room):
    publisher = publish(shared_server)
    publisher.join("alice", room, tag=3)
    publisher.camera("alice")
    publisher.microphone("alice", tone_hz=500)
    publisher.call("publish", "alice", track="screen", kind="video", codec="vp8", width=320,
                   height=180, fps=30, source="screen_share")
    recorder = record(shared_server, "--participant", "alice", "--screen-share", "--duration", "4s",
                      *SMALL, room=room)
    assert recorder.wait() == 0, recorder.error_lines
    recording = analyse(recorder.path)
    recording.expect_kinds("shown")
    recording.expect_duration(4, within=0.04)
    assert not recording.sound.beeps, recording.report()


def test_room_deleted(shared_server, publish, record, room):
    publisher = publish(shared_server)
    publisher.join("alice", room, tag=3)
    publisher.camera("alice")
    publisher.microphone("alice")
    recorder = record(shared_server, "--participant", "alice", *SMALL, room=room)
    recorder.wait_active()
    publisher.wait_media(3)
    shared_server.delete_room(room)
    assert recorder.wait() == 0, recorder.error_lines
    check(analyse(recorder.path), tag=3, tone=440)


def test_participant_never_comes(shared_server, publish, record, room):
    publisher = publish(shared_server)
    publisher.join("bob", room)
    recorder = record(shared_server, "--participant", "alice", room=room)
    assert recorder.wait() == 4, recorder.error_lines
    assert "participant alice not found" in recorder.error_lines[-1]
    assert list(recorder.path.parent.glob("out*")) == []
