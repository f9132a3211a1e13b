"""Networks that let media through on one way only."""
import re
import subprocess

from analyser import analyse
from link import Link
from server import ADDRESS

SMALL = ("--width", "320", "--height", "180", "--video-bitrate", "500")

# Runs a program where a name leads to the tests' server and its certificate is trusted.
WITH_NAME = ("unshare", "--mount", "bash", "-euc", """
    mount --bind "$0/hosts" /etc/hosts
    mount --bind "$0/cert.pem" /etc/ssl/certs/ca-certificates.crt
    exec "$@\"""")


def turn(ports, **more):
    """The configuration of livekit-server's own TURN server. The addresses of the tests are private,
    which it would not relay to by itself."""
    first = ports.take(20)
    return {"enabled": True, "bind_addresses": [ADDRESS], "relay_range_start": first,
            "relay_range_end": first + 19, "allow_restricted_peer_cidrs": [f"{ADDRESS}/32"]} | more


def record_behind(link, server, publish, record, room, wrapper=()):
    publisher = publish(server)
    publisher.join("alice", room, tag=3)
    publisher.camera("alice")
    publisher.microphone("alice", tone_hz=550)
    recorder = record(server, "--participant", "alice", "--duration", "5s", *SMALL, room=room,
                      wrapper=[*wrapper, *link.wrapper])
    egress_id = recorder.wait_active()["egressID"]
    assert recorder.wait() == 0, recorder.error_lines
    return recorder.path, egress_id


def connection_type(server, identity):
    """How the server has reached a participant: udp, tcp or turn."""
    lines = [line for line in server.log_path.read_text().splitlines()
             if "participant active" in line and identity in line]
    assert len(lines) == 1, lines
    return re.search('"connectionType": "([a-z]+)"', lines[0])[1]


def check(path):
    recording = analyse(path)
    recording.expect_codecs("h264", "aac")
    recording.expect_finished_mp4()
    recording.expect_duration(5, within=0.04)
    recording.expect_constant_rate(30)
    recording.expect_kinds("shown")
    recording.expect_in_order()
    recording.expect_dropped(3)
    recording.expect_no_gaps()
    recording.expect_no_clicks()
    recording.expect_tones(550, start=1)
    recording.expect_av_offset(at_least=4)


def test_only_tcp(own_server, publish, record, room):
    """A firewall that swallows UDP: media comes over the server's TCP port."""
    server = own_server()
    with Link(first=["loss 1 udp"]) as link:
        path, egress_id = record_behind(link, server, publish, record, room)
    assert connection_type(server, egress_id) == "tcp"
    check(path)


def test_turn_over_udp(own_server, publish, record, room, ports):
    """The server's media ports cannot be reached, its TURN port can."""
    server = own_server(turn=turn(ports, udp_port=ports.take()))
    rtc = server.config["rtc"]
    with Link(first=[f"loss 1 udp:{rtc['udp_port']}", f"loss 1 tcp:{rtc['tcp_port']}"]) as link:
        path, egress_id = record_behind(link, server, publish, record, room)
    assert connection_type(server, egress_id) == "turn"
    check(path)


def test_turn_whose_answers_are_lost(own_server, publish, record, room, ports):
    """A TURN server sends on a channel as soon as it was asked for one. That its answers did not arrive
    must not cost what is on the channel."""
    turn_port = ports.take()
    server = own_server(turn=turn(ports, udp_port=turn_port))
    rtc = server.config["rtc"]
    publisher = publish(server)
    publisher.join("alice", room, tag=3)
    publisher.camera("alice")
    publisher.microphone("alice", tone_hz=550)
    with Link(first=[f"loss 1 udp:{rtc['udp_port']}", f"loss 1 tcp:{rtc['tcp_port']}", "delay 200"]) as link:
        recorder = record(server, "--participant", "alice", "--duration", "5s", "--log-level", "debug", *SMALL,
                          room=room, wrapper=link.wrapper)
        recorder.wait_log("network path found")
        # The channel has been asked for, and will be until two seconds have passed.
        link.loss(1, f"udp:{turn_port}", "down")
        recorder.wait_log("nothing comes from the turn server, asking for its channel again")
        link.loss(0, f"udp:{turn_port}", "down")
        recorder.wait_log("active")
        assert recorder.wait() == 0, recorder.error_lines
    assert not [line for line in recorder.process.lines if "connection to room lost" in line]
    check(recorder.path)


def test_turn_in_an_empty_room(own_server, publish, record, room, ports):
    """Nothing comes while there is nothing to send. Asking for the channel again must not cost the connection."""
    server = own_server(turn=turn(ports, udp_port=ports.take()))
    rtc = server.config["rtc"]
    publisher = publish(server)
    publisher.join("alice", room, tag=3)
    with Link(first=[f"loss 1 udp:{rtc['udp_port']}", f"loss 1 tcp:{rtc['tcp_port']}"]) as link:
        recorder = record(server, "--participant", "alice", "--duration", "5s", "--log-level", "debug", *SMALL,
                          room=room, wrapper=link.wrapper)
        recorder.wait_log("nothing comes from the turn server, asking for its channel again")
        publisher.camera("alice")
        publisher.microphone("alice", tone_hz=550)
        recorder.wait_log("active")
        assert recorder.wait() == 0, recorder.error_lines
    assert not [line for line in recorder.process.lines if "media connection down" in line]
    check(recorder.path)


def test_turn_over_tls(own_server, publish, record, room, ports, tmp_path):
    """Nothing but HTTPS gets out. livekit-server says that its TURN server is at port 443 of its
    domain, whatever the configuration has; so there can be but one such test at a time."""
    name = "turn.tests.invalid"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
         "-keyout", tmp_path / "key.pem", "-out", tmp_path / "cert.pem", "-days", "2",
         "-subj", f"/CN={name}", "-addext", f"subjectAltName=DNS:{name}"],
        check=True, capture_output=True)
    (tmp_path / "hosts").write_text(f"{ADDRESS} {name}\n")
    server = own_server(turn=turn(ports, domain=name, tls_port=443,
                                  cert_file=str(tmp_path / "cert.pem"),
                                  key_file=str(tmp_path / "key.pem")))
    with Link(first=["loss 1 udp", f"loss 1 tcp:{server.config['rtc']['tcp_port']}"]) as link:
        path, egress_id = record_behind(link, server, publish, record, room,
                                        wrapper=(*WITH_NAME, tmp_path))
    assert connection_type(server, egress_id) == "turn"
    check(path)
