"""RTMP and SRT, to servers that take them, refuse them, die and stand still."""
import contextlib
import re
import subprocess

import pytest
from livekit import api
from livekit.protocol.egress import StreamDestination

from analyser import analyse
from receivers import SlowLink, make_certificate
from server import ADDRESS
from service import SMALL as SMALL_ENCODING

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


def expect_whole_sound(recording):
    """Every packet of it: what is silent because the machine was busy is another matter."""
    assert not recording.sound.holes and not recording.sound.overlaps, recording.report()


def read_packets(path) -> list:
    """Of the pictures: (seconds, bytes, whether it is a key frame)"""
    rows = subprocess.run(
        ["ffprobe", "-v", "error", "-select_streams", "v", "-show_entries",
         "packet=pts_time,size,flags", "-of", "csv=p=0", path],
        check=True, capture_output=True, text=True).stdout.split()
    return [(float(at), int(size), "K" in flags)
            for at, size, flags, *_ in (row.split(",") for row in rows)]


def expect_live_rate(path):
    """What servers of streams ask for: key frames in even intervals, and a constant rate."""
    packets = read_packets(path)
    keys = [at for at, _, is_key in packets if is_key]
    assert [round(b - a, 1) for a, b in zip(keys, keys[1:])] == [4.0] * (len(keys) - 1)
    assert len(keys) >= 2
    seconds = packets[-1][0] - packets[0][0]
    assert sum(size for _, size, _ in packets) * 8 / seconds == pytest.approx(500_000, rel=0.15)


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
    expect_live_rate(server.recordings("good-key")[0])
    expect_stream(recorder.path).expect_duration(7)
    assert "good-key" not in "\n".join(recorder.process.lines)


@pytest.mark.parametrize("receiver, ours", [
    ("mode=listener", ""),
    ("mode=listener&passphrase=a-long-passphrase&pbkeylen=32",
     "?passphrase=a-long-passphrase&pbkeylen=32&streamid=one"),
    ("mode=caller&passphrase=a-long-passphrase",
     "?mode=listener&passphrase=a-long-passphrase&latency=200")])
def test_srt(shared_server, publish, record, room, srt, ports, receiver, ours):
    lively(shared_server, publish, room)
    port = ports.take()
    receiver = srt(f"srt://{ADDRESS}:{port}?{receiver}")
    recorder = record(shared_server, "--participant", "alice", "--duration", "6s", *SMALL,
                      "-o", f"srt://{ADDRESS}:{port}{ours}", room=room, output=None)
    recorder.wait_log("stream started", url=re.sub("=[^&]+", "={...}", f"srt://{ADDRESS}:{port}{ours}"))
    assert recorder.wait() == 0, recorder.error_lines
    receiver.kill()
    expect_stream(receiver.path).expect_duration(6, within=0.2)
    assert "a-long-passphrase" not in "\n".join(recorder.process.lines)


def refusals():
    """Of the destination: (name, URL, what is said)"""
    return [
        ("key", lambda s, p: s.url("bad-key"),
         "/live/{ba...ey}: it has closed the connection; stream key or application may be wrong"),
        ("application", lambda s, p: s.url("secret").replace("live", "other"),
         "/other/{se...et}: it has closed the connection; stream key or application may be wrong"),
        ("nobody", lambda s, p: f"rtmp://{ADDRESS}:{p.take()}/live/secret",
         "/live/{se...et}: Connection refused"),
        ("name", lambda s, p: "rtmp://no-such-host.invalid/live/secret",
         "rtmp://no-such-host.invalid/live/{se...et}: the name of the host is not known"),
        ("certificate", lambda s, p: s.tls_url("secret"),
         "/live/{se...et}: its certificate is not trusted"),
        ("language", lambda s, p: s.url("secret").replace(str(s.port), str(s.tls_port)),
         "/live/{se...et}: it does not speak RTMP"),
    ]


@pytest.mark.parametrize("url, said", [pytest.param(*row[1:], id=row[0]) for row in refusals()])
def test_refused(shared_server, publish, record, room, rtmp, ports, tmp_path, url, said):
    """At once, and with a reason, however long streams that were lost are tried again."""
    server = rtmp(certificate=make_certificate(tmp_path))
    lively(shared_server, publish, room)
    recorder = record(shared_server, "--participant", "alice", *SMALL, "-o", url(server, ports),
                      room=room, output=None)
    assert recorder.wait() == 5
    assert recorder.error_lines[-1].startswith("egress: cannot stream to rtmp")
    assert recorder.error_lines[-1].endswith(said)
    lines = "\n".join(recorder.process.lines)
    assert "secret" not in lines and "bad-key" not in lines


def test_wrong_passphrase(shared_server, publish, record, room, srt, ports):
    lively(shared_server, publish, room)
    port = ports.take()
    srt(f"srt://{ADDRESS}:{port}?mode=listener&passphrase=the-right-passphrase")
    recorder = record(shared_server, "--participant", "alice", *SMALL,
                      "-o", f"srt://{ADDRESS}:{port}?passphrase=a-wrong-passphrase", room=room,
                      output=None)
    assert recorder.wait() == 5
    assert recorder.error_lines[-1].endswith(
        "?passphrase={...}: it refuses the connection; passphrase, pbkeylen or streamid may be wrong")
    assert "a-wrong" not in "\n".join(recorder.process.lines)


def test_one_of_three_fails(shared_server, publish, record, room, rtmp):
    """One encode for a file and two servers, of which one refuses."""
    server = rtmp()
    lively(shared_server, publish, room)
    recorder = record(shared_server, "--participant", "alice", *SMALL, "-o", server.url("bad-key"),
                      "-o", server.url("good"), room=room)
    recorder.wait_log("output has failed")
    server.wait_bytes("good", 400_000)
    assert recorder.stop() == 5, recorder.error_lines
    server.publications.wait("publish_done", "good")
    expect_stream(server.recordings("good")[0])
    expect_stream(recorder.path)


def test_listener_without_anybody(shared_server, publish, record, room, ports):
    """Who listens waits, and says at the end that nobody came."""
    lively(shared_server, publish, room)
    recorder = record(shared_server, "--participant", "alice", "--duration", "3s", *SMALL,
                      "-o", f"srt://{ADDRESS}:{ports.take()}?mode=listener", room=room)
    assert recorder.wait() == 5
    assert "?mode={...}: nobody has come" in recorder.wait_log("output has failed")["error"]
    expect_stream(recorder.path)


def test_server_killed(shared_server, publish, record, room, rtmp):
    """It comes back, and the picture with it; the file has not noticed anything."""
    server = rtmp()
    lively(shared_server, publish, room)
    recorder = record(shared_server, "--participant", "alice", *SMALL, "-o", server.url("key"),
                      room=room)
    server.wait_bytes("key", 300_000)
    server.kill()
    recorder.wait_log("stream lost, trying again")
    server.start()
    recorder.wait_log("stream goes on")
    server.wait_bytes("key", 300_000, index=1)
    assert recorder.stop() == 0, recorder.error_lines
    server.publications.wait("publish_done", "key")
    first, second = server.recordings("key")
    resumed = expect_stream(second)
    # Times go on, from a key frame on that a viewer can begin with.
    assert resumed.start > analyse(first).video.pts[0] + 2
    recording = expect_stream(recorder.path)
    recording.expect_constant_rate(30)
    expect_whole_sound(recording)


def test_srt_receiver_killed(shared_server, publish, record, room, srt, ports):
    lively(shared_server, publish, room)
    port = ports.take()
    first = srt(f"srt://{ADDRESS}:{port}?mode=listener")
    recorder = record(shared_server, "--participant", "alice", *SMALL,
                      "-o", f"srt://{ADDRESS}:{port}", room=room, output=None)
    first.wait_bytes(300_000)
    first.kill()
    recorder.wait_log("stream lost, trying again")
    second = srt(f"srt://{ADDRESS}:{port}?mode=listener", name="second")
    recorder.wait_log("stream goes on")
    second.wait_bytes(300_000)
    assert recorder.stop() == 0, recorder.error_lines
    second.kill()
    expect_stream(second.path)


def test_slow_network(shared_server, publish, record, room, rtmp, ports):
    """Half of what is sent gets through: pictures are left out, in whole groups, and the sound goes on;
    the file has all of them."""
    server = rtmp()
    lively(shared_server, publish, room)
    with contextlib.closing(SlowLink(ports, server.port, bytes_per_s=32_000)) as link:
        recorder = record(shared_server, "--participant", "alice", *SMALL, "-o",
                          f"rtmp://{ADDRESS}:{link.port}/live/key", room=room)
        recorder.wait_log("server is too slow for a stream, leaving out pictures")
        link.bytes_per_s = 1e9
        received = server.recordings("key")[0].stat().st_size
        server.wait_bytes("key", received + 700_000)
        assert recorder.stop() == 0, recorder.error_lines
    server.publications.wait("publish_done", "key")
    stream = analyse(server.recordings("key")[0])
    stream.expect_codecs("h264", "aac")
    stream.expect_tags(3)
    stream.expect_in_order()
    expect_whole_sound(stream)
    assert max(b - a for a, b in zip(stream.video.pts, stream.video.pts[1:])) > 1
    recording = expect_stream(recorder.path)
    recording.expect_constant_rate(30)
    expect_whole_sound(recording)


def test_server_stands_still(shared_server, publish, record, room, rtmp):
    """It has taken the stream and then nothing more: that is noticed, and the file is whole."""
    server = rtmp()
    lively(shared_server, publish, room)
    recorder = record(shared_server, "--participant", "alice", *SMALL, "-o", server.url("key"),
                      room=room)
    server.wait_bytes("key", 200_000)
    server.freeze()
    lost = recorder.wait_log("stream lost, trying again")
    assert lost["error"].endswith(": it takes nothing any more")
    server.thaw()
    recorder.wait_log("stream goes on")
    server.wait_bytes("key", 200_000, index=1)
    assert recorder.stop() == 0, recorder.error_lines
    recording = expect_stream(recorder.path)
    recording.expect_constant_rate(30)
    expect_whole_sound(recording)


def stream_participant(standalone, room, *urls, **options):
    return standalone.egress.call("start_participant_egress", api.ParticipantEgressRequest(
        room_name=room, identity="alice", advanced=SMALL_ENCODING,
        stream_outputs=[api.StreamOutput(protocol=api.StreamProtocol.RTMP, urls=urls)], **options))


def wait_streams(standalone, egress_id, condition):
    """Until the streams, by their keys, are so as an update says."""
    def states(info):
        return {re.search(r"[^/]*$", s["url"])[0]: s for s in info.get("streamResults", [])}
    hooks = standalone.hooks
    for event in hooks.events:
        if event["egressInfo"]["egressId"] == egress_id and condition(states(event["egressInfo"])):
            return states(event["egressInfo"])
    while True:
        streams = states(hooks.wait_next("egress_updated", "EGRESS_ACTIVE"))
        if condition(streams):
            return streams


def update(standalone, egress_id, add=(), remove=()):
    return standalone.egress.call("update_stream", api.UpdateStreamRequest(
        egress_id=egress_id, add_output_urls=add, remove_output_urls=remove))


def test_update_stream(standalone, publish, room, rtmp):
    standalone = standalone()
    server = rtmp()
    lively(standalone.server, publish, room)
    egress_id = stream_participant(standalone, room, server.url("first-key")).egress_id
    started = standalone.hooks.wait_active(egress_id)
    assert [s["url"] for s in started["streamResults"]] == [server.url("{fir...key}")]
    assert int(started["streamResults"][0]["startedAt"]) > int(started["startedAt"])
    server.wait_bytes("first-key", 200_000)

    info = update(standalone, egress_id, add=[server.url("second-key"), server.url("bad-key-1")])
    assert [s.url for s in info.stream_results] == [
        server.url("{fir...key}"), server.url("{sec...key}"), server.url("{bad...y-1}")]
    streams = wait_streams(standalone, egress_id, lambda s: "startedAt" in s.get(
        "{sec...key}", {}) and s["{bad...y-1}"].get("status") == "FAILED")
    assert "stream key or application may be wrong" in streams["{bad...y-1}"]["error"]
    with pytest.raises(api.TwirpError) as caught:
        update(standalone, egress_id, add=["http://x"], remove=[server.url("no-such-key")])
    assert caught.value.message.splitlines() == [
        "invalid url http://x: invalid scheme; it must be rtmp, rtmps, mux, twitch or srt",
        f"stream {server.url('{no-...key}')} not found"]
    server.wait_bytes("second-key", 200_000)

    update(standalone, egress_id, remove=[server.url("first-key")])
    streams = wait_streams(standalone, egress_id,
                           lambda s: s["{fir...key}"].get("status") == "FINISHED")
    assert int(streams["{fir...key}"]["duration"]) > 1e9
    server.publications.wait("publish_done", "first-key")
    server.wait_bytes("second-key", 400_000)

    update(standalone, egress_id, remove=[server.url("{sec...key}")])
    ended = standalone.hooks.wait_ended(egress_id)
    assert ended["status"] == "EGRESS_COMPLETE"
    assert ended["details"] == "End reason: All streams stopped"
    assert [s["status"] for s in ended["streamResults"]] == ["FINISHED", "FINISHED", "FAILED"]
    server.publications.wait("publish_done", "second-key")
    # From a key frame on, though that was long after the beginning.
    added = expect_stream(server.recordings("second-key")[0])
    assert added.start > 1


def test_destinations(standalone, publish, room, rtmp):
    """Streams that have ids: told in the report, and ended by them."""
    standalone = standalone()
    server = rtmp()
    lively(standalone.server, publish, room)
    egress_id = standalone.egress.call("start_participant_egress", api.ParticipantEgressRequest(
        room_name=room, identity="alice", advanced=SMALL_ENCODING, stream_outputs=[api.StreamOutput(
            urls=[server.url("zeroth-key")],
            destinations=[StreamDestination(id="one", url=server.url("first-key"))])])).egress_id
    started = standalone.hooks.wait_active(egress_id)
    assert [s.get("id") for s in started["streamResults"]] == [None, "one"]
    assert server.url("first-key") not in str(started)
    server.wait_bytes("first-key", 100_000)
    info = standalone.egress.call("update_stream", api.UpdateStreamRequest(
        egress_id=egress_id, add_destinations=[StreamDestination(id="two", url=server.url("second-key"))]))
    assert [s.id for s in info.stream_results] == ["", "one", "two"]
    server.wait_bytes("second-key", 100_000)
    with pytest.raises(api.TwirpError) as caught:
        standalone.egress.call("update_stream", api.UpdateStreamRequest(
            egress_id=egress_id, add_destinations=[StreamDestination(id="one", url=server.url("third-key"))]))
    assert caught.value.message == "stream one is there already"
    update(standalone, egress_id, remove=["one", server.url("zeroth-key")])
    server.publications.wait("publish_done", "first-key")
    update(standalone, egress_id, remove=["two"])
    ended = standalone.hooks.wait_ended(egress_id)
    assert [s["status"] for s in ended["streamResults"]] == ["FINISHED"] * 3


def test_all_streams_fail(standalone, publish, room, rtmp):
    standalone = standalone()
    lively(standalone.server, publish, room)
    egress_id = stream_participant(standalone, room, rtmp().url("bad-key")).egress_id
    ended = standalone.hooks.wait_ended(egress_id)
    assert (ended["status"], ended["errorCode"]) == ("EGRESS_FAILED", 503)
    assert ended["streamResults"][0]["status"] == "FAILED"
    assert ended["error"].endswith("stream key or application may be wrong")


def test_given_up(standalone, publish, room, rtmp):
    """A server that does not come back in the time that it is given."""
    standalone = standalone(stream_retry="2s")
    server = rtmp()
    lively(standalone.server, publish, room)
    egress_id = stream_participant(standalone, room, server.url("key")).egress_id
    server.wait_bytes("key", 100_000)
    server.kill()
    ended = standalone.hooks.wait_ended(egress_id)
    assert (ended["status"], ended["errorCode"]) == ("EGRESS_FAILED", 503)
    stream = ended["streamResults"][0]
    assert stream["retries"] == 2 and int(stream["lastRetryAt"]) > int(stream["startedAt"])
    assert stream["error"].endswith("Connection refused")


def test_rtmps(standalone, publish, room, rtmp, tmp_path):
    certificate = make_certificate(tmp_path)
    standalone = standalone(stream_ca_cert_file=str(certificate[0]))
    server = rtmp(certificate=certificate)
    lively(standalone.server, publish, room)
    egress_id = stream_participant(standalone, room, server.tls_url("key")).egress_id
    server.wait_bytes("key", 300_000)
    standalone.egress.stop(egress_id)
    assert standalone.hooks.wait_ended(egress_id)["status"] == "EGRESS_COMPLETE"
    server.publications.wait("publish_done", "key")
    expect_stream(server.recordings("key")[0])


def test_update_behind_livekit(fleet, publish, room, rtmp):
    """The same by way of livekit-server; an egress without streams is not updated."""
    fleet = fleet()
    server = rtmp()
    publisher = lively(fleet.server, publish, room)
    egress_id = stream_participant(fleet, room, server.url("one")).egress_id
    fleet.hooks.wait_active(egress_id)
    update(fleet, egress_id, add=[server.url("two")], remove=[server.url("one")])
    wait_streams(fleet, egress_id, lambda s: "startedAt" in s.get("{t...o}", {}) and
                 s["{o...e}"].get("status") == "FINISHED")
    assert [s.status for s in fleet.egress.list(egress_id=egress_id)[0].stream_results] == [
        api.StreamInfo.FINISHED, api.StreamInfo.ACTIVE]
    server.wait_bytes("two", 200_000)
    assert fleet.egress.stop(egress_id).status == api.EgressStatus.EGRESS_ENDING
    ended = fleet.hooks.wait_ended(egress_id)
    assert ended["status"] == "EGRESS_COMPLETE"
    assert {s["status"] for s in ended["streamResults"]} == {"FINISHED"}
    server.publications.wait("publish_done", "two")

    sound = fleet.egress.room_audio(room, server.folder / "room.ogg").egress_id
    fleet.hooks.wait_active(sound)
    with pytest.raises(api.TwirpError) as caught:
        update(fleet, sound, add=[server.url("one")])
    assert caught.value.message.endswith("UpdateStream called on non-streaming egress")
    publisher.wait_media(1)
    fleet.egress.stop(sound)
    assert fleet.hooks.wait_ended(sound)["status"] == "EGRESS_COMPLETE"


def test_picture_as_it_is_sent(shared_server, publish, record, room, rtmp):
    """H264 of a room fits into RTMP; its Opus does not."""
    server = rtmp()
    publisher = publish(shared_server)
    publisher.join("alice", room, tag=3)
    track = publisher.camera("alice")
    recorder = record(shared_server, "--video-track", track, "--passthrough", "--duration", "5s",
                      "-o", server.url("key"), room=room, output=None)
    assert recorder.wait() == 0, recorder.error_lines
    server.publications.wait("publish_done", "key")
    recording = analyse(server.recordings("key")[0])
    recording.expect_codecs("h264", None)
    recording.expect_tags(3)
    recording.expect_duration(5, within=0.5)
    refused = record(shared_server, "--participant", "alice", "--passthrough", "-o",
                     server.url("key"), room=room, output=None, name="refused")
    assert refused.wait() == 2
    assert "PASSTHROUGH into flv, which holds AAC, H264, but rooms send Opus" in refused.error_lines[-1]
