"""What goes wrong while recording: the network, the server, the recorder, the disk."""
from analyser import analyse
from link import Link

SMALL = ("--width", "320", "--height", "180", "--video-bitrate", "500")


def lively(publisher, room, video="h264"):
    publisher.join("alice", room, tag=3)
    publisher.camera("alice", video)
    publisher.microphone("alice", tone_hz=550)


def test_loss_of_five_percent(shared_server, publish, record, room):
    """Retransmissions repair it: nothing is missing."""
    publisher = publish(shared_server)
    lively(publisher, room, "vp8")
    with Link(seed=7) as link:
        recorder = record(shared_server, "--participant", "alice", *SMALL, room=room,
                          wrapper=link.wrapper)
        recorder.wait_active()
        link.loss(0.05, protocol="udp")
        publisher.wait_media(10)
        assert link.stats()["down_lost"] > 0
        assert recorder.stop() == 0, recorder.error_lines
    statistics = [line for line in recorder.process.lines if '"media statistics"' in line]
    assert '"recovered":0,' not in statistics[-1], statistics
    recording = analyse(recorder.path)
    recording.expect_finished_mp4()
    recording.expect_constant_rate(30)
    recording.expect_dropped(3)
    recording.expect_no_gaps(longest_ms=20)
    recording.expect_av_offset()


def test_signalling_cut_and_resumed(shared_server, publish, record, room):
    """The WebSocket breaks; media goes on meanwhile, and so does the recording."""
    publisher = publish(shared_server)
    lively(publisher, room)
    with Link() as link:
        recorder = record(shared_server, "--participant", "alice", *SMALL, room=room,
                          wrapper=link.wrapper)
        recorder.wait_active()
        publisher.wait_media(2)
        link.loss(1.0, protocol="tcp")
        recorder.wait_log("connection to room lost, reconnecting")
        link.heal()
        recorder.wait_log("connection to room restored")
        publisher.wait_media(3)
        publisher.camera("alice", "vp8", track="camera2")
        recorder.wait_log("track added")
        publisher.wait_media(2)
        assert recorder.stop() == 0, recorder.error_lines
    recording = analyse(recorder.path)
    recording.expect_finished_mp4()
    recording.expect_kinds("shown")
    recording.expect_no_gaps()
    recording.expect_av_offset()


def test_network_away_for_seconds(shared_server, publish, record, room):
    publisher = publish(shared_server)
    lively(publisher, room)
    with Link() as link:
        recorder = record(shared_server, "--participant", "alice", *SMALL, room=room,
                          wrapper=link.wrapper)
        recorder.wait_active()
        publisher.wait_media(2)
        link.cut()
        publisher.wait_media(4)
        link.heal()
        publisher.wait_media(8)
        assert recorder.stop() == 0, recorder.error_lines
    recording = analyse(recorder.path)
    recording.expect_finished_mp4()
    recording.expect_constant_rate(30)
    recording.expect_duration(14, within=1.5)
    recording.expect_ends_together()
    recording.expect_in_order()
    spans = recording.video.spans()
    black = [span for span in spans if span.kind == "black"]
    # Single pictures of that time may still come, at theirs.
    assert black and recording.end - black[-1].end > 6, recording.report()
    assert spans[-1].kind == "shown", recording.report()
    recording.expect_av_offset()


def test_network_away_without_transcoding(shared_server, publish, record, room):
    """Pictures keep their instants, also those that are sent again only afterwards."""
    publisher = publish(shared_server)
    lively(publisher, room)
    with Link() as link:
        recorder = record(shared_server, "--participant", "alice", "--passthrough", room=room,
                          wrapper=link.wrapper)
        recorder.wait_active()
        publisher.wait_media(2)
        link.cut()
        publisher.wait_media(4)
        link.heal()
        publisher.wait_media(5)
        assert recorder.stop() == 0, recorder.error_lines
    recording = analyse(recorder.path)
    recording.expect_finished_mp4()
    recording.expect_in_order()
    assert recording.video.spans()[-1].kind == "shown", recording.report()
    recording.expect_av_offset()


def test_server_killed_and_restarted(own_server, publish, record, room):
    """Everybody comes back to a new room of the same name: one file goes on."""
    server = own_server()
    publisher = publish(server)
    lively(publisher, room)
    recorder = record(server, "--participant", "alice", *SMALL, room=room)
    recorder.wait_active()
    publisher.wait_media(3)
    server.kill()
    server.start()
    recorder.wait_log("connection to room restored")
    recorder.wait_log("stream started")
    recorder.wait_log("stream started")
    publisher.wait_media(4)
    assert recorder.stop() == 0, recorder.error_lines
    recording = analyse(recorder.path)
    recording.expect_finished_mp4()
    recording.expect_constant_rate(30)
    spans = recording.video.spans()
    assert spans[0].kind == "shown" and spans[-1].kind == "shown", recording.report()


def test_server_gone_for_good(own_server, publish, record, room):
    """What was recorded is finished, and the failure is told."""
    server = own_server()
    publisher = publish(server)
    lively(publisher, room)
    recorder = record(server, "--participant", "alice", *SMALL, room=room)
    recorder.wait_active()
    publisher.wait_media(3)
    server.kill()
    assert recorder.wait(timeout=150) == 1
    assert "connection to room failed" in recorder.error_lines[-2] + recorder.error_lines[-1]
    recording = analyse(recorder.path)
    recording.expect_finished_mp4()
    assert recording.video.spans()[0].kind == "shown", recording.report()


def test_recorder_killed(shared_server, publish, record, room):
    """kill -9: what is left can be played and is short by at most a second; the next recording to
    the same name finishes it first."""
    publisher = publish(shared_server)
    lively(publisher, room)
    recorder = record(shared_server, "--participant", "alice", *SMALL, room=room)
    recorder.wait_active()
    publisher.wait_media(5)
    recorder.kill()
    assert not recorder.path.exists()
    unfinished = recorder.path.with_name("out.recording.mp4")
    recording = analyse(unfinished)
    recording.expect_kinds("shown")
    assert recording.video.duration > 3.9, recording.report()
    assert recording.sound.duration > 3.9, recording.report()

    recorder = record(shared_server, "--participant", "alice", "--duration", "2s", *SMALL,
                      room=room, name="second")
    assert recorder.wait() == 0, recorder.error_lines
    recovered = analyse(recorder.path.with_name("out-recovered.mp4"))
    recovered.expect_finished_mp4()
    assert recovered.video.duration > 3.9, recovered.report()
    analyse(recorder.path).expect_duration(2, within=0.2)
    assert not unfinished.exists()


def test_disk_full(shared_server, publish, record, room, tmp_path, small_disk):
    """A clear error, and what fitted can be played."""
    publisher = publish(shared_server)
    publisher.join("alice", room, tag=3)
    publisher.camera("alice", busy=True)
    publisher.microphone("alice")
    disk = small_disk(1)
    recorder = record(shared_server, "--participant", "alice", "--passthrough", room=room,
                      output=disk / "out.mp4")
    recorder.wait_active()
    assert recorder.wait() == 5, recorder.error_lines
    assert "No space left" in recorder.error_lines[-2] + recorder.error_lines[-1]
    recording = analyse(disk / "out.recording.mp4")
    assert recording.video.duration > 1, recording.report()


def test_interrupt_before_there_is_anything(shared_server, publish, record, room):
    publisher = publish(shared_server)
    publisher.join("bob", room)
    recorder = record(shared_server, "--participant", "alice", room=room)
    recorder.wait_log("joined room")
    assert recorder.stop() == 130, recorder.error_lines
    assert list(recorder.path.parent.glob("out*")) == []


def test_removed_from_the_room(shared_server, publish, record, room):
    """The recorder is removed through the server's API: the file is finished."""
    publisher = publish(shared_server)
    lively(publisher, room)
    recorder = record(shared_server, "--participant", "alice", *SMALL, room=room)
    egress_id = recorder.wait_active()["egressID"]
    publisher.wait_media(2)
    shared_server.remove_participant(room, egress_id)
    assert recorder.wait() == 0, recorder.error_lines
    analyse(recorder.path).expect_finished_mp4()
