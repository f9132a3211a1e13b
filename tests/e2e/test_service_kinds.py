"""All kinds of egress that need no browser, behind an unmodified livekit-server."""
import pytest
from livekit import api

from analyser import analyse
from listener import SoundListener
from service import SMALL

PASSTHROUGH = 8  # a preset that livekit-server knows by its number only

LEFT, RIGHT = 0, 1


def collapsed(items) -> list:
    """Without repetitions."""
    items = list(items)
    return [item for n, item in enumerate(items) if n == 0 or item != items[n - 1]]


def tones(recording, channel, start=1) -> list:
    """What is heard there, one after the other: sets of tones, rounded to 10 Hz."""
    return collapsed({round(t.hz, -1) for t in seconds if t.channel == channel}
                     for seconds in recording.sound.tones[start:])


def picture_rates(recording) -> list:
    """At which of the publisher's frame rates the pictures go on, one after the other; the first and
    the last second of each are left out."""
    video = recording.video
    found = []
    for second in range(int(video.duration)):
        within = (video.pts >= second) & (video.pts < second + 1) & (video.counter >= 0)
        counters = video.counter[within]
        if len(counters) < 20 or counters[-1] < counters[0]:
            continue
        rate = (counters[-1] - counters[0]) / (video.pts[within][-1] - video.pts[within][0])
        found += [fps for fps in (15, 30) if abs(rate - fps) < 1]
    return collapsed(found)


def start(fleet, media, path=None, outputs=None, preset=None, room=None, **encoding):
    """A request of the second generation."""
    if preset is not None:
        encoding["preset"] = preset
    outputs = outputs or [api.Output(file=api.FileOutput(filepath=str(path)))]
    return fleet.egress.call("start_egress", api.StartEgressRequest(
        room_name=room, media=media, outputs=outputs, **encoding))


def finish(fleet, *egress_ids) -> list:
    for egress_id in egress_ids:
        fleet.egress.stop(egress_id)
    ended = [fleet.hooks.wait_ended(egress_id) for egress_id in egress_ids]
    assert [e["status"] for e in ended] == ["EGRESS_COMPLETE"] * len(ended), ended
    return ended


def join_agent(publisher, server, room, identity, tone_hz):
    token = (api.AccessToken("devkey", server.config["keys"]["devkey"]).with_identity(identity)
             .with_kind("agent").with_grants(api.VideoGrants(room_join=True, room=room)).to_jwt())
    publisher.join(identity, room, token=token)
    return publisher.microphone(identity, tone_hz=tone_hz)


def test_room_is_mixed_until_it_ends(fleet, publish, room, tmp_path):
    fleet = fleet()
    publisher = publish(fleet.server)
    for name, tone_hz in (("alice", 450), ("bob", 600)):
        publisher.join(name, room)
        publisher.microphone(name, tone_hz=tone_hz)
    info = fleet.egress.room_audio(room, tmp_path / "out")
    assert info.source_type == api.EgressSourceType.EGRESS_SOURCE_TYPE_SDK
    fleet.hooks.wait_active(info.egress_id)
    publisher.wait_media(3)
    publisher.join("carol", room)
    publisher.microphone("carol", tone_hz=800)
    publisher.wait_event("sending", participant="carol")
    publisher.wait_media(3)
    publisher.call("leave", "bob")
    publisher.wait_media(3)
    fleet.server.delete_room(room)
    ended = fleet.hooks.wait_ended(info.egress_id)
    assert ended["status"] == "EGRESS_COMPLETE"
    assert ended["details"] == "End reason: Source closed"
    assert ended["fileResults"][0]["location"] == str(tmp_path / "out.ogg")

    recording = analyse(tmp_path / "out.ogg")
    recording.expect_codecs(None, "opus")
    # The server takes people out of the room one by one; of the room's end the recorder hears last.
    recording.expect_no_gaps(end=recording.sound.end - 0.2)
    recording.expect_even_beeps(mixed=True)
    assert recording.sound.channels == 2
    for channel in LEFT, RIGHT:
        assert tones(recording, channel) == [{450, 600}, {450, 600, 800}, {450, 800}]


def test_room_into_each_format_of_sound(fleet, publish, room, tmp_path):
    fleet = fleet()
    publisher = publish(fleet.server)
    publisher.join("alice", room)
    publisher.microphone("alice", tone_hz=450)
    codecs = {"out.ogg": "opus", "out.mp4": "aac", "out.mp3": "mp3"}
    ids = [fleet.egress.room_audio(room, tmp_path / name).egress_id for name in codecs]
    ids.append(fleet.egress.call("start_room_composite_egress", api.RoomCompositeEgressRequest(
        room_name=room, audio_only=True, file_outputs=[api.EncodedFileOutput(
            filepath=str(tmp_path / "named.mp4"), file_type=api.EncodedFileType.OGG)])).egress_id)
    for egress_id in ids:
        fleet.hooks.wait_active(egress_id)
    publisher.wait_media(3)
    locations = [e["fileResults"][0]["location"] for e in finish(fleet, *ids)]
    assert locations[-1].endswith(".ogg")
    for location, codec in zip(locations, [*codecs.values(), "opus"]):
        recording = analyse(location)
        recording.expect_codecs(None, codec)
        recording.expect_tones(450, start=1)


def test_agents_and_others_on_two_channels(fleet, publish, room, tmp_path):
    fleet = fleet()
    publisher = publish(fleet.server)
    publisher.join("alice", room)
    publisher.microphone("alice", tone_hz=450)
    join_agent(publisher, fleet.server, room, "agent", 700)
    mixings = {"agent.ogg": api.AudioMixing.DUAL_CHANNEL_AGENT,
               "alternate.ogg": api.AudioMixing.DUAL_CHANNEL_ALTERNATE}
    ids = [fleet.egress.room_audio(room, tmp_path / name, audio_mixing=mixing).egress_id
           for name, mixing in mixings.items()]
    for egress_id in ids:
        fleet.hooks.wait_active(egress_id)
    publisher.wait_media(3)
    publisher.join("bob", room)
    publisher.microphone("bob", tone_hz=550)
    publisher.wait_event("sending", participant="bob")
    publisher.wait_media(3)
    finish(fleet, *ids)

    recording = analyse(tmp_path / "agent.ogg")
    assert tones(recording, LEFT) == [{700}]
    assert tones(recording, RIGHT) == [{450}, {450, 550}]
    recording = analyse(tmp_path / "alternate.ogg")
    first, second = tones(recording, LEFT), tones(recording, RIGHT)
    assert first[0] | second[0] == {450, 700} and len(first[0]) == 1
    assert first[1:] == [first[0] | {550}]  # the third is left again
    assert second[1:] == []


def test_routes_of_sound(fleet, publish, room, tmp_path):
    fleet = fleet()
    publisher = publish(fleet.server)
    sids = {}
    for name, tone_hz in (("alice", 450), ("bob", 600), ("carol", 800)):
        publisher.join(name, room)
        sids[name] = publisher.microphone(name, tone_hz=tone_hz)
    join_agent(publisher, fleet.server, room, "agent", 1000)
    routed = start(fleet, api.MediaSource(audio=api.AudioConfig(routes=[
        api.AudioRoute(track_id=sids["alice"], channel=api.AudioChannel.AUDIO_CHANNEL_LEFT),
        api.AudioRoute(participant_identity="bob", channel=api.AudioChannel.AUDIO_CHANNEL_RIGHT),
        api.AudioRoute(participant_kind=api.ParticipantInfo.Kind.AGENT,
                       channel=api.AudioChannel.AUDIO_CHANNEL_BOTH),
    ])), tmp_path / "routed.ogg", room=room)
    everything = start(fleet, api.MediaSource(audio=api.AudioConfig(capture_all=True)),
                       tmp_path / "all.mp4", room=room)
    ids = [routed.egress_id, everything.egress_id]
    for egress_id in ids:
        fleet.hooks.wait_active(egress_id)
    publisher.wait_media(3)
    finish(fleet, *ids)

    recording = analyse(tmp_path / "routed.ogg")
    assert tones(recording, LEFT) == [{450, 1000}]
    assert tones(recording, RIGHT) == [{600, 1000}]
    recording = analyse(tmp_path / "all.mp4")
    recording.expect_codecs(None, "aac")
    for channel in LEFT, RIGHT:
        assert tones(recording, channel) == [{450, 600, 800, 1000}]


def share_screen(publisher, participant):
    """Pictures of half the camera's rate, by which they are known."""
    return publisher.call("publish", participant, track="screen", kind="video", codec="vp8",
                          source="screen_share", width=320, height=180, fps=15)["sid"]


def test_screen_share_is_preferred_while_it_lasts(fleet, publish, room, tmp_path):
    fleet = fleet()
    publisher = publish(fleet.server)
    publisher.join("alice", room)
    publisher.camera("alice")
    publisher.microphone("alice", tone_hz=450)
    publisher.join("bob", room)
    publisher.microphone("bob", tone_hz=600)
    info = start(fleet, api.MediaSource(
        participant_video=api.ParticipantVideo(identity="alice", prefer_screen_share=True),
        audio=api.AudioConfig(routes=[api.AudioRoute(participant_identity="alice")])),
        tmp_path / "out.mp4", room=room, advanced=SMALL)
    fleet.hooks.wait_active(info.egress_id)
    publisher.wait_media(3)
    share_screen(publisher, "alice")
    fleet.service.wait_log("stream started", codec="VP8")
    publisher.wait_media(3)
    publisher.call("unpublish", "alice", track="screen")
    publisher.wait_media(3)
    finish(fleet, info.egress_id)
    recording = analyse(tmp_path / "out.mp4")
    recording.expect_codecs("h264", "aac")
    assert picture_rates(recording) == [30, 15, 30]
    recording.expect_tones(450, start=1)
    recording.expect_no_gaps()


def test_participant_sharing_a_screen(fleet, publish, room, tmp_path):
    """With that flag nothing else of the participant is recorded."""
    fleet = fleet()
    publisher = publish(fleet.server)
    publisher.join("alice", room)
    publisher.camera("alice")
    publisher.microphone("alice", tone_hz=450)
    share_screen(publisher, "alice")
    publisher.call("publish", "alice", track="tab", kind="audio", codec="opus",
                   source="screen_share_audio", tone_hz=700)
    info = fleet.egress.participant(room, "alice", tmp_path / "out.mp4", screen_share=True,
                                    advanced=SMALL)
    fleet.hooks.wait_active(info.egress_id)
    publisher.wait_media(3)
    finish(fleet, info.egress_id)
    recording = analyse(tmp_path / "out.mp4")
    assert picture_rates(recording) == [15]
    recording.expect_tones(700, start=1)


@pytest.mark.parametrize("codec, extension", [("h264", "mp4"), ("vp8", "webm")])
def test_passthrough(fleet, publish, room, tmp_path, codec, extension):
    """Of one track, and, which LiveKit's own service refuses, of sound and pictures together."""
    fleet = fleet()
    publisher = publish(fleet.server)
    publisher.join("alice", room, tag=3)
    video = publisher.camera("alice", codec=codec)
    audio = publisher.microphone("alice", tone_hz=550)
    sound_of = {"audio": api.AudioConfig(routes=[api.AudioRoute(track_id=audio)])}
    sources = {"both": {"video_track_id": video} | sound_of, "picture": {"video_track_id": video},
               "sound": sound_of}
    ids = [start(fleet, api.MediaSource(**source), tmp_path / name, room=room,
                 preset=PASSTHROUGH).egress_id for name, source in sources.items()]
    for egress_id in ids:
        fleet.hooks.wait_active(egress_id)
    publisher.wait_media(4)
    publisher.call("leave", "alice")
    ended = [fleet.hooks.wait_ended(egress_id) for egress_id in ids]
    assert {e["details"] for e in ended} == {"End reason: Source closed"}
    both, picture, sound = (analyse(e["fileResults"][0]["location"]) for e in ended)
    assert both.path == str(tmp_path / f"both.{extension}")
    both.expect_codecs(codec, "opus")
    both.expect_tags(3)
    both.expect_tones(550, start=1)
    both.expect_av_offset()
    picture.expect_codecs(codec, None)
    picture.expect_tags(3)
    sound.expect_codecs(None, "opus")
    sound.expect_tones(550, start=1)


# Track -> WebSocket.

@pytest.fixture
def listen(ports):
    listeners = []

    def start():
        listeners.append(SoundListener(ports))
        return listeners[-1]
    yield start
    for listener in listeners:
        listener.close()


def stream_track(fleet, room, track_id, url):
    return fleet.egress.call("start_track_egress", api.TrackEgressRequest(
        room_name=room, track_id=track_id, websocket_url=url))


def test_track_to_websocket(fleet, publish, room, listen, tmp_path):
    fleet, listener = fleet(), listen()
    publisher = publish(fleet.server)
    publisher.join("alice", room)
    track = publisher.microphone("alice", tone_hz=550)
    info = stream_track(fleet, room, track, f"{listener.url}?token=swordfish&x=")
    assert info.track.websocket_url == f"{listener.url}?token={{...}}&x="
    fleet.hooks.wait_active(info.egress_id)
    listener.wait_sound(2)
    listener.ping(b"are you there")
    muted_ns = publisher.call("mute", "alice", track="microphone")["at_ns"]
    listener.wait_said({"muted": True})
    listener.wait_sound(1.5)
    unmuted_ns = publisher.call("unmute", "alice", track="microphone")["at_ns"]
    listener.wait_said({"muted": False})
    listener.wait_sound(2)
    ended, = finish(fleet, info.egress_id)
    assert listener.wait_closed() == 1000
    assert listener.headers[0]["Content-Type"] == "audio/x-raw"

    result = ended["streamResults"][0]
    assert result["status"] == "FINISHED"
    assert "swordfish" not in str(fleet.hooks.events)
    assert "swordfish" not in "".join(fleet.service.process.lines)
    (muted_at, muted), (unmuted_at, unmuted) = listener.said()
    assert (muted, unmuted) == ({"muted": True}, {"muted": False})
    recording = analyse(listener.save(tmp_path / "heard.wav"))
    assert recording.sound.channels == 2
    assert recording.duration == pytest.approx(int(result["duration"]) / 1e9, abs=0.05)
    # The first one may have begun before it was heard. Sound repeats every 20 seconds.
    beep = recording.sound.beeps[1]
    epoch = beep.at - beep.second
    for at, said_ns in ((muted_at, muted_ns), (unmuted_at, unmuted_ns)):
        assert abs((at - epoch - said_ns / 1e9 + 10) % 20 - 10) < 0.2
    gap, = (gap for gap in recording.sound.gaps if gap.seconds > 1)
    assert gap.start == pytest.approx(muted_at, abs=0.2)
    assert unmuted_at - 0.05 < gap.end  # it sends again when its next second begins
    recording.expect_tones(550, end=gap.start)
    recording.expect_tones(550, start=gap.end)
    recording.expect_no_gaps(end=gap.start - 0.01)
    recording.expect_even_beeps()  # the silence is as long as the pause


def test_websocket_that_comes_back(fleet, publish, room, listen, tmp_path):
    """What it has missed is held for it; whatever the codec, it hears the same kind of sound."""
    fleet, listener = fleet(), listen()
    publisher = publish(fleet.server)
    publisher.join("alice", room)
    track = publisher.microphone("alice", "pcmu", tone_hz=550)
    info = stream_track(fleet, room, track, listener.url)
    listener.wait_sound(2)
    listener.vanish()
    before = listener.seconds
    fleet.service.wait_log("connection to listener lost, trying again")
    publisher.call("mute", "alice", track="microphone")
    publisher.wait_media(1)
    listener.start()
    fleet.service.wait_log("listener is back")
    listener.wait_said({"muted": True})
    publisher.call("unmute", "alice", track="microphone")
    listener.wait_said({"muted": False})
    listener.wait_sound(2)
    finish(fleet, info.egress_id)
    listener.wait_closed()
    recording = analyse(listener.save(tmp_path / "heard.wav"))
    assert recording.duration > before + 3
    recording.expect_even_beeps(within_ms=60)  # what was on the wire may be lost
    recording.expect_tones(550, start=1, end=2)


def test_websocket_that_nobody_listens_to(fleet, publish, room, listen):
    fleet, listener = fleet(), listen()
    publisher = publish(fleet.server)
    publisher.join("alice", room)
    track = publisher.microphone("alice")
    listener.vanish()
    info = stream_track(fleet, room, track, f"{listener.url}?token=swordfish")
    ended = fleet.hooks.wait_ended(info.egress_id)
    assert ended["status"] == "EGRESS_FAILED" and ended["errorCode"] == 503
    assert ended["details"] == "End reason: Failure"
    assert ended["error"] == (f"cannot connect to {listener.url}?token={{...}}: "
                              "Could not connect to 10.99.0.1: Connection refused")
    assert ended["streamResults"][0]["status"] == "FAILED"
    assert "swordfish" not in str(fleet.hooks.events)
    assert "swordfish" not in "".join(fleet.service.process.lines)


def test_tracks_of_the_wrong_kind(fleet, publish, room, listen):
    fleet, listener = fleet(), listen()
    publisher = publish(fleet.server)
    publisher.join("alice", room)
    video = publisher.camera("alice")
    info = stream_track(fleet, room, video, listener.url)
    ended = fleet.hooks.wait_ended(info.egress_id)
    assert ended["status"] == "EGRESS_FAILED" and ended["errorCode"] == 400
    assert ended["error"] == f"track {video} is a video track, and only its sound was asked for"


def test_auto_egress(fleet, publish, room, tmp_path):
    """What CreateRoom asks for begins and ends by itself."""
    fleet = fleet()
    fleet.server.call(lambda c: c.room.create_room(api.CreateRoomRequest(
        name=room, egress=api.RoomEgress(
            room=api.RoomCompositeEgressRequest(audio_only=True, file_outputs=[
                api.EncodedFileOutput(filepath=f"{tmp_path}/{{room_name}}")]),
            participant=api.AutoParticipantEgress(advanced=SMALL, file_outputs=[
                api.EncodedFileOutput(filepath=f"{tmp_path}/{{publisher_identity}}")]),
            tracks=api.AutoTrackEgress(filepath=f"{tmp_path}/track")))))
    publisher = publish(fleet.server)
    publisher.join("alice", room, tag=3)
    video = publisher.camera("alice")
    audio = publisher.microphone("alice", tone_hz=550)
    running = {}
    while len(running) < 4:
        event = fleet.hooks.wait_next("egress_updated", "EGRESS_ACTIVE")
        running[event["egressId"]] = event
    publisher.wait_media(4)
    fleet.server.delete_room(room)
    for egress_id in running:
        ended = fleet.hooks.wait_ended(egress_id)
        assert ended["status"] == "EGRESS_COMPLETE"
        assert ended["details"] == "End reason: Source closed"

    recording = analyse(tmp_path / f"{room}.ogg")
    recording.expect_tones(550, start=1)
    recording = analyse(tmp_path / "alice.mp4")
    recording.expect_codecs("h264", "aac")
    recording.expect_tags(3)
    recording.expect_av_offset()
    analyse(tmp_path / f"track-{video}.mp4").expect_codecs("h264", None)
    analyse(tmp_path / f"track-{audio}.ogg").expect_tones(550, start=1)


FILE = [api.EncodedFileOutput(filepath="out")]
INVALID = "request has missing or invalid field: "


REFUSALS = [
    ("start_room_composite_egress",
     api.RoomCompositeEgressRequest(audio_only=True, video_only=True, file_outputs=FILE),
     "invalid_argument", INVALID + "audio_only and video_only"),
    ("start_room_composite_egress",
     api.RoomCompositeEgressRequest(custom_base_url="ftp://10.99.0.1/", file_outputs=FILE),
     "invalid_argument", INVALID + "template base url"),
    ("start_web_egress", api.WebEgressRequest(url="file:///etc/passwd", file_outputs=FILE),
     "invalid_argument", INVALID + "web url"),
    ("start_egress", api.StartEgressRequest(
        web=api.WebSource(url="chrome://version"),
        outputs=[api.Output(file=api.FileOutput(filepath="out"))]),
     "invalid_argument", INVALID + "web url"),
    ("start_egress", api.StartEgressRequest(
        media=api.MediaSource(audio=api.AudioConfig(capture_all=True)), preset=PASSTHROUGH,
        outputs=[api.Output(file=api.FileOutput(filepath="out"))]),
     "invalid_argument", INVALID + "passthrough"),
    ("start_egress", api.StartEgressRequest(
        media=api.MediaSource(), outputs=[api.Output(file=api.FileOutput(filepath="out"))]),
     "invalid_argument", INVALID + "audio or video"),
    ("start_egress", api.StartEgressRequest(
        outputs=[api.Output(file=api.FileOutput(filepath="out"))]),
     "invalid_argument", INVALID + "source"),
    ("start_participant_egress", api.ParticipantEgressRequest(file_outputs=FILE),
     "invalid_argument", INVALID + "identity"),
    ("start_participant_egress", api.ParticipantEgressRequest(identity="alice"),
     "invalid_argument", INVALID + "output"),
    ("start_participant_egress", api.ParticipantEgressRequest(
        identity="alice", file_outputs=FILE, advanced=api.EncodingOptions(width=8)),
     "invalid_argument", INVALID + "width (8; it must be from 16 to 7680"),
    ("start_track_composite_egress", api.TrackCompositeEgressRequest(file_outputs=FILE),
     "invalid_argument", INVALID + "audio_track_id or video_track_id"),
    ("start_track_egress", api.TrackEgressRequest(file=api.DirectFileOutput(filepath="out")),
     "invalid_argument", INVALID + "track_id"),
    ("start_track_egress", api.TrackEgressRequest(track_id="TR_x", websocket_url="http://x/?a=b"),
     "invalid_argument", "invalid url http://x/?a={...}: invalid scheme; it must be ws or wss"),
]


def test_refusals(fleet, room):
    fleet = fleet()
    fleet.server.create_room(room)
    for method, request, code, text in REFUSALS:
        if method != "start_web_egress":
            request.room_name = room
        with pytest.raises(api.TwirpError) as caught:
            fleet.egress.call(method, request)
        # livekit-server puts something of its own in front of the text.
        assert caught.value.code == code and f": {text}" in caught.value.message, caught.value
        assert caught.value.status == 400
    assert fleet.egress.list() == []
