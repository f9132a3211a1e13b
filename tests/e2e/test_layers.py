"""Pictures that change their size while they are recorded: simulcast layers that come and go, and
cameras that change."""
import pytest

from analyser import analyse

SMALL = ("--width", "320", "--height", "180", "--video-bitrate", "500")

# For so long the server may take to see that a layer has ended, and to get a key frame of another.
SWITCH_SECONDS = 3

# It trusts a layer that has come back after ten seconds; here after two.
SOON = {"video": {"stream_tracker_manager": {"video": {"packet_tracker": {
    layer: {"samples_required": 5, "cycles_required": 4, "cycle_duration": "500ms"}
    for layer in range(3)}}}}}


def check_transcoded(recording):
    """One picture size, nothing but pictures of the publisher, each after the one before."""
    recording.expect_codecs("h264", "aac")
    recording.expect_finished_mp4()
    recording.expect_constant_rate(30)
    recording.expect_size(320, 180)
    recording.expect_all_readable(other=())
    recording.expect_in_order()
    recording.expect_ends_together()
    recording.expect_no_gaps()
    recording.expect_no_clicks()
    recording.expect_tags(3)
    recording.expect_av_offset(at_least=5)


def record_layers(publisher, recorder, layers):
    """Until the top layer has gone and come back."""
    recorder.wait_active()
    publisher.wait_media(2)
    publisher.call("layers", "alice", track="camera", send=layers[:1])
    publisher.wait_media(4)
    publisher.call("layers", "alice", track="camera", send=layers)
    publisher.wait_media(5)
    assert recorder.stop() == 0, recorder.error_lines
    return analyse(recorder.path)


def check_switches(recording):
    """The last picture of a layer that has ended stays until there is another one; nothing else
    disturbs what is seen."""
    spans = recording.video.spans()
    assert spans[0].kind == spans[-1].kind == "shown", recording.report()
    frozen = [span for span in spans if span.kind == "frozen"]
    assert len(frozen) <= 1 and all(s.seconds < SWITCH_SECONDS for s in frozen), recording.report()


@pytest.mark.parametrize("codec, layers", [("vp8", ["q", "h", "f"]), ("h264", ["h", "f"])])
def test_layer_goes_and_comes(own_server, publish, record, room, codec, layers):
    server = own_server(**SOON)
    publisher = publish(server)
    publisher.join("alice", room, tag=3)
    publisher.camera("alice", codec, width=640, height=360, simulcast=len(layers))
    publisher.microphone("alice", tone_hz=550)
    recorder = record(server, "--participant", "alice", *SMALL, room=room)
    recording = record_layers(publisher, recorder, layers)
    check_transcoded(recording)
    check_switches(recording)


def test_layer_goes_and_comes_passthrough(own_server, publish, record, room):
    """Where nothing is scaled the sizes tell which layer it is: the best that there is."""
    server = own_server(**SOON)
    publisher = publish(server)
    publisher.join("alice", room, tag=3)
    publisher.camera("alice", "vp8", width=640, height=360, simulcast=3)
    publisher.microphone("alice", tone_hz=550)
    recorder = record(server, "--participant", "alice", "--passthrough", room=room,
                      output="out.webm")
    recording = record_layers(publisher, recorder, ["q", "h", "f"])
    recording.expect_codecs("vp8", "opus")
    recording.expect_all_readable(other=())
    recording.expect_in_order()
    recording.expect_no_gaps()
    recording.expect_av_offset(at_least=5)
    check_switches(recording)
    sizes = recording.video.sizes
    assert set(sizes) <= {(160, 90), (320, 180), (640, 360)}, (sizes, recording.report())
    assert (160, 90) in sizes[1:] and sizes[-1] == (640, 360), (sizes, recording.report())


def record_sizes(publisher, recorder):
    recorder.wait_active()
    publisher.wait_media(2)
    publisher.call("resize", "alice", track="camera", width=640, height=360)
    publisher.wait_media(2)
    publisher.call("resize", "alice", track="camera", width=240, height=320)
    publisher.wait_media(2)
    assert recorder.stop() == 0, recorder.error_lines
    return analyse(recorder.path)


@pytest.mark.parametrize("codec", ["h264", "vp8", "vp9"])
def test_size_changes(shared_server, publish, record, room, codec):
    """Bigger, and then upright: all of it fits into the same picture."""
    publisher = publish(shared_server)
    publisher.join("alice", room, tag=3)
    publisher.camera("alice", codec)
    publisher.microphone("alice", tone_hz=550)
    recorder = record(shared_server, "--participant", "alice", *SMALL, room=room)
    recording = record_sizes(publisher, recorder)
    check_transcoded(recording)
    recording.expect_kinds("shown")
    recording.expect_dropped(1)
    recording.expect_duplicated(1)


@pytest.mark.parametrize("codec, output", [("h264", "out.mp4"), ("vp8", "out.webm"),
                                           ("vp9", "out.webm")])
def test_size_changes_passthrough(shared_server, publish, record, room, codec, output):
    """Players are told of the change within the stream."""
    publisher = publish(shared_server)
    publisher.join("alice", room, tag=3)
    publisher.camera("alice", codec)
    publisher.microphone("alice", tone_hz=550)
    recorder = record(shared_server, "--participant", "alice", "--passthrough", room=room,
                      output=output)
    recording = record_sizes(publisher, recorder)
    recording.expect_codecs(codec, "opus")
    recording.expect_kinds("shown")
    recording.expect_in_order()
    recording.expect_dropped(0)
    recording.expect_duplicated(0)
    recording.expect_no_gaps()
    recording.expect_av_offset(at_least=5)
    assert recording.video.size == (320, 180), recording.report()
    assert recording.video.sizes == [(320, 180), (640, 360), (240, 320)], (
        recording.video.sizes, recording.report())
