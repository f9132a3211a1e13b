"""Codecs and kinds of streams that only some publishers send."""
import contextlib

import pytest

from analyser import analyse
from libwebrtc import LibwebrtcPublisher

SMALL = ("--width", "320", "--height", "180", "--video-bitrate", "500")

# libwebrtc stamps pictures when it gets them, and sound by its length: on a busy machine they drift
# apart before they are sent.
LIVE_OFFSET_MS = 150
LAYERED_FPS = 10


@pytest.fixture
def libwebrtc(tmp_path):
    """libwebrtc(server, room, identity, codec, …) -> LibwebrtcPublisher"""
    with contextlib.ExitStack() as stack:
        def start(server, *arguments, **options):
            return stack.enter_context(contextlib.closing(
                LibwebrtcPublisher(server, tmp_path, *arguments, **options)))
        yield start


# With pytest-xdist: one after the other, since encoding in real time is work.
one_at_a_time = pytest.mark.xdist_group("heavy")


def layered(libwebrtc, server, room, mode):
    """The smallest size of which libwebrtc makes three layers."""
    return libwebrtc(server, room, "alice", "vp9", width=960, height=540, fps=LAYERED_FPS, tag=3,
                     tone_hz=550, scalability_mode=mode)


@one_at_a_time
@pytest.mark.parametrize("mode", ["L3T3_KEY", "L3T3"])
def test_svc(shared_server, libwebrtc, record, room, mode):
    """VP9 of three sizes in one stream, each predicted from the smaller one: in key frames, or
    always."""
    layered(libwebrtc, shared_server, room, mode)
    recorder = record(shared_server, "--participant", "alice", "--framerate", str(LAYERED_FPS),
                      "--duration", "6s", *SMALL, room=room)
    assert recorder.wait() == 0, recorder.error_lines
    recording = analyse(recorder.path, source_fps=LAYERED_FPS)
    recording.expect_codecs("h264", "aac")
    recording.expect_finished_mp4()
    recording.expect_constant_rate(LAYERED_FPS)
    recording.expect_size(320, 180)
    recording.expect_all_readable(other=())
    recording.expect_in_order()
    recording.expect_tags(3)
    recording.expect_colours()
    recording.expect_av_offset(p95_ms=LIVE_OFFSET_MS, at_least=4)


@one_at_a_time
@pytest.mark.parametrize("mode", ["L3T3_KEY", "L3T3"])
def test_svc_passthrough(shared_server, libwebrtc, record, room, mode):
    """Players that know nothing of layers show each picture once, in the biggest size."""
    layered(libwebrtc, shared_server, room, mode)
    recorder = record(shared_server, "--participant", "alice", "--passthrough", "--duration", "6s",
                      room=room, output="out.webm")
    assert recorder.wait() == 0, recorder.error_lines
    recording = analyse(recorder.path, source_fps=LAYERED_FPS)
    recording.expect_codecs("vp9", "opus")
    recording.expect_size(960, 540)
    recording.expect_all_readable(other=())
    recording.expect_in_order()
    recording.expect_duplicated(0)
    recording.expect_tags(3)
    recording.expect_colours()
    recording.expect_av_offset(p95_ms=LIVE_OFFSET_MS, at_least=4)


def publish_unsupported(codec, publish, libwebrtc, server, room, microphone):
    """A participant with such a camera; the id of its track."""
    if codec == "av1":
        alice = libwebrtc(server, room, "alice", "av1", width=320, height=180, fps=15, tag=3,
                          tone_hz=550, microphone=microphone)
        return alice.tracks["camera"]
    publisher = publish(server)
    publisher.join("alice", room, tag=3)
    if microphone:
        publisher.microphone("alice", tone_hz=550)
    return publisher.camera("alice", codec)


def refusal(codec, track):
    return f"track {track} is sent as video/{codec.upper()}, which is not supported"


@one_at_a_time
@pytest.mark.parametrize("codec", ["av1", "h265"])
@pytest.mark.parametrize("what", ["participant", "track"])
def test_unsupported_codec(shared_server, publish, libwebrtc, record, room, codec, what):
    """Refused at once, with the reason."""
    track = publish_unsupported(codec, publish, libwebrtc, shared_server, room, microphone=False)
    options = ("--participant", "alice") if what == "participant" else ("--track", track)
    recorder = record(shared_server, *options, room=room)
    assert recorder.wait(20) == 2, recorder.process.lines
    assert recorder.error_lines[-1] == f"egress: {refusal(codec, track)}"
    assert list(recorder.path.parent.glob("out*")) == []


@one_at_a_time
@pytest.mark.parametrize("codec", ["av1", "h265"])
def test_rest_beside_unsupported_codec(shared_server, publish, libwebrtc, record, room, codec):
    """The sound is recorded, with black for the picture, and a warning says why."""
    track = publish_unsupported(codec, publish, libwebrtc, shared_server, room, microphone=True)
    recorder = record(shared_server, "--participant", "alice", "--duration", "4s", *SMALL, room=room)
    recorder.wait_log("track cannot be recorded", level="warn", trackID=track,
                      error=refusal(codec, track))
    assert recorder.wait() == 0, recorder.error_lines
    recording = analyse(recorder.path)
    recording.expect_codecs("h264", "aac")
    recording.expect_finished_mp4()
    recording.expect_duration(4, within=0.1)
    recording.expect_kinds("black")
    recording.expect_tones(550, start=1, within=3)


def test_rest_beside_unsupported_codec_passthrough(shared_server, publish, libwebrtc, record, room):
    """Where nothing is encoded there is no black either: only the sound."""
    publish_unsupported("h265", publish, libwebrtc, shared_server, room, microphone=True)
    recorder = record(shared_server, "--participant", "alice", "--passthrough", "--duration", "4s",
                      room=room)
    assert recorder.wait() == 0, recorder.error_lines
    recording = analyse(recorder.path)
    recording.expect_codecs(None, "opus")
    recording.expect_tones(550, start=1)
