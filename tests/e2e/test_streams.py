"""RTMP and SRT, to servers that take them, refuse them, die and stand still."""
from analyser import analyse
from receivers import make_certificate
from server import ADDRESS

SMALL = ("--width", "320", "--height", "180", "--video-bitrate", "500")


def lively(server, publish, room, tag=3):
    publisher = publish(server)
    publisher.join("alice", room, tag=tag)
    publisher.camera("alice")
    publisher.microphone("alice", tone_hz=550)
    return publisher


def expect_stream(path, tag=3):
    recording = analyse(path)
    recording.expect_codecs("h264", "aac")
    recording.expect_size(320, 180)
    recording.expect_tags(tag)
    recording.expect_av_offset(at_least=2)
    return recording


def test_rtmp_beside_a_file(shared_server, publish, record, room, rtmp):
    server = rtmp()
    lively(shared_server, publish, room)
    recorder = record(shared_server, "--participant", "alice", "--duration", "7s", *SMALL,
                      "-o", server.url("good-key"), room=room)
    server.publications.wait("publish", "good-key")
    assert recorder.wait() == 0, recorder.error_lines
    server.publications.wait("publish_done", "good-key")
    stream = expect_stream(server.recordings("good-key")[0])
    stream.expect_duration(7, within=0.3)
    expect_stream(recorder.path).expect_duration(7)
    assert "good-key" not in "\n".join(recorder.process.lines)
