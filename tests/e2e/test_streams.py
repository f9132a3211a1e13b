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


def test_explore(shared_server, publish, record, room, rtmp, srt, tmp_path):
    server = rtmp(certificate=make_certificate(tmp_path))
    lively(shared_server, publish, room)
    srt(f"srt://{ADDRESS}:29000?mode=listener&passphrase=right-passphrase")
    for i, url in enumerate([server.url("bad-key"), server.url("x").replace("live", "nosuchapp"), f"rtmp://{ADDRESS}:1/live/secretkey",
                "rtmp://no.such.host.invalid/live/secretkey", server.tls_url("secretkey"), server.tls_url("secretkey").replace(str(server.tls_port), str(server.port)),
                f"rtmp://{ADDRESS}:{server.tls_port}/live/secretkey", f"rtmp://{ADDRESS}:{shared_server.port}/live/secretkey",
                f"srt://{ADDRESS}:29000?passphrase=wrong-passphrase", f"srt://{ADDRESS}:29000", f"srt://{ADDRESS}:29001"]):
        r = record(shared_server, "--participant", "alice", *SMALL, "-o", url, room=room, output=None, name=f"r{i}")
        code = r.wait(timeout=40)
        print(url, code, r.error_lines)
        print([l for l in r.process.lines if "stream " in l and "error" in l])
    assert 0
