"""Whole rooms, as the default page shows them, behind an unmodified livekit-server."""
import pytest
from livekit import api

import hls
from judge import expect_bt709
from layouts import CAMERA, CANVAS, SQUARE, grid, single_speaker, speaker
from rooms import HELD_SECONDS, NAMES, Room, last_of, tone_of
from service import MEDIUM
from stage import Watched
from waiting import wait_until

pytestmark = pytest.mark.xdist_group("heavy")

# A browser plays rooms by its own clock, and tests run beside each other on two cores: what comes late is
# played faster or slower, or is left out. In this share of the seconds a tone must be heard, within so
# many Hz: people's tones are 50 apart.
HEARD_SHARE = 0.5
HEARD_HZ = 20


def expect_shown(recording, *tags):
    """From the first picture to the last, and moving."""
    recording.expect_all_readable(other=())
    recording.expect_moving()
    recording.expect_in_order()
    recording.expect_tags(*tags)


def share_heard(recording, hz: int) -> float:
    """In what share of the seconds, from the second one on, that tone is heard."""
    seconds = recording.sound.tones[1:]
    return sum(any(abs(tone.hz - hz) <= HEARD_HZ for tone in tones) for tones in seconds) / len(seconds)


def expect_mixed(recording, *people):
    for person in NAMES:
        share = share_heard(recording, tone_of(person))
        is_right = share >= HEARD_SHARE if person in people else share <= 0.2
        assert is_right, f"{person} is heard in {share:.0%}:\n{recording.report()}"


@pytest.mark.parametrize("count, display", [(1, "x11"), (2, "wayland"), (3, "x11"), (4, "wayland")])
def test_grid(rooms, count, display):
    """Everybody, and everything that is heard, until the room is gone."""
    room = rooms(display)
    people = NAMES[:count]
    picture = SQUARE if count == 2 else CAMERA
    room.enter(*people, **picture)
    egress_id = room.record("grid")
    watched = Watched(room.fleet.service, egress_id)
    room.publisher.wait_media(6)
    room.fleet.server.delete_room(room.name)
    ended = room.fleet.hooks.wait_ended(egress_id)
    assert ended["status"] == "EGRESS_COMPLETE", ended
    assert ended["details"] == "End reason: Source closed"
    watched.wait_gone()
    for n, tile in enumerate(grid(count)):
        recording = room.read(tile, picture)
        recording.expect_size(*CANVAS)
        shown = [span for span in recording.video.spans() if span.tag >= 0]
        # It begins with the first of them, and the room is gone before the recording ends.
        assert shown[0].start < (0.02 if count == 1 else 1), recording.report()
        # One after the other goes; who is left gets other tiles for a moment.
        own = [span for span in shown if span.tag == n + 1]
        assert shown[:len(own)] == own and own[-1].end > recording.video.end - 1, recording.report()
        recording.expect_moving(start=own[0].start, end=own[-1].end)
    recording.expect_finished_mp4()
    recording.expect_codecs("h264", "aac")
    expect_mixed(recording, *people)
    expect_bt709(room.path)


def test_speaker(rooms):
    """The large tile is of who speaks; another one speaks."""
    room = rooms()
    room.enter("alice", "bob", "carol")
    for person in ("bob", "carol"):
        room.publisher.call("mute", person, track="microphone", silence=True)
    egress_id = room.record("speaker")
    room.publisher.wait_media(3)
    room.publisher.call("mute", "alice", track="microphone", silence=True)
    room.publisher.call("unmute", "carol", track="microphone")
    room.publisher.wait_media(5)
    room.stop(egress_id)
    large, *others = [room.read(tile) for tile in speaker(2)]
    large.expect_all_readable(other=())
    tags = [span.tag for span in large.video.spans()]
    assert [tag for n, tag in enumerate(tags) if n == 0 or tag != tags[n - 1]] == [1, 3], large.report()
    assert sorted(last_of(one).tag for one in others) == [1, 2], [one.report() for one in others]
    seconds = large.sound.tone_hz()
    assert seconds[1] == pytest.approx(tone_of("alice"), abs=HEARD_HZ)
    assert seconds[-1] == pytest.approx(tone_of("carol"), abs=HEARD_HZ)


def test_single_speaker(rooms):
    """Through the request of the second generation."""
    room = rooms("x11")
    room.enter("alice", "bob")
    room.publisher.call("mute", "bob", track="microphone", silence=True)
    info = room.fleet.egress.call("start_egress", api.StartEgressRequest(
        room_name=room.name, template=api.TemplateSource(layout="single-speaker"), advanced=MEDIUM,
        outputs=[api.Output(file=api.FileOutput(filepath=str(room.path)))]))
    room.fleet.hooks.wait_active(info.egress_id)
    room.publisher.wait_media(5)
    ended = room.stop(info.egress_id)
    assert ended["egress"]["template"]["layout"] == "single-speaker"
    recording = room.read(single_speaker)
    expect_shown(recording, 1)
    expect_mixed(recording, "alice")


def test_who_comes_and_goes(rooms):
    room = rooms()
    room.enter("alice")
    egress_id = room.record()
    room.publisher.wait_media(3)
    room.enter("bob", **SQUARE)
    room.publisher.wait_media(4)
    room.publisher.call("leave", "bob")
    room.publisher.wait_media(4)
    room.stop(egress_id)
    alone = room.read(grid(1)[0])
    assert alone.video.spans()[0].tag == 1, alone.report()
    assert last_of(alone).tag == 1, alone.report()
    second = room.read(grid(2)[1], SQUARE)
    shown = [span for span in second.video.spans() if span.tag == 2]
    assert sum(span.seconds for span in shown) > 2, second.report()
    heard = [any(abs(tone.hz - tone_of("bob")) <= HEARD_HZ for tone in tones) for tones in alone.sound.tones]
    assert sum(heard) >= 2 and not heard[1] and not heard[-1], heard


def test_mute_and_unmute(rooms):
    """Who shows nothing is not seen as he was, and who says nothing is not heard."""
    room = rooms()
    room.enter("alice")
    egress_id = room.record()
    room.publisher.wait_media(3)
    room.publisher.call("mute", "alice", track="camera")
    room.publisher.call("mute", "alice", track="microphone")
    room.publisher.wait_media(3)
    room.publisher.call("unmute", "alice", track="microphone")
    room.publisher.call("unmute", "alice", track="camera")
    room.publisher.wait_media(4)
    room.stop(egress_id)
    recording = room.read(grid(1)[0])
    kinds = [span.kind for span in recording.video.spans() if span.seconds > 0.3 or span.tag >= 0]
    assert [kind for n, kind in enumerate(kinds) if n == 0 or kind != kinds[n - 1]] \
        == ["shown", "unreadable", "shown"], recording.report()
    assert any(gap.seconds > 2 for gap in recording.sound.gaps), recording.report()
    assert recording.sound.tone_hz()[-1] == pytest.approx(tone_of("alice"), abs=HEARD_HZ)


def test_short_mutes(rooms):
    """However soon a mute follows on the one before, a camera that is on again is seen."""
    room = rooms()
    room.enter("alice")
    egress_id = room.record()
    for seconds in (0.05, 0.1, 0.15, 0.3, 0.6):
        for call in ("mute", "unmute"):
            room.publisher.call(call, "alice", track="camera")
            room.publisher.wait_media(seconds)
    room.publisher.wait_media(3)
    room.stop(egress_id)
    recording = room.read(grid(1)[0])
    assert last_of(recording).tag == 1, recording.report()


def test_screen_share(rooms):
    """Becomes large, all of it, and its sound is heard."""
    room = rooms("x11")
    room.enter("alice", "bob")
    egress_id = room.record("grid")
    room.publisher.wait_media(2)
    screen = {"width": 480, "height": 270}
    room.publisher.call("publish", "bob", track="screen", kind="video", codec="vp8", source="screen_share",
                        fps=15, **screen)
    room.publisher.call("publish", "bob", track="tab", kind="audio", codec="opus",
                        source="screen_share_audio", tone_hz=1000)
    room.publisher.wait_event("sending", participant="bob", track="screen")
    room.publisher.wait_media(4)
    room.publisher.call("unpublish", "bob", track="screen")
    room.publisher.call("unpublish", "bob", track="tab")
    room.publisher.wait_media(3)
    room.stop(egress_id)
    large, *others = speaker(2)
    recording = room.read(large, screen, fit="contain", source_fps=15)
    shown = [span for span in recording.video.spans() if span.tag == 2 and span.seconds > 1]
    assert len(shown) == 1, recording.report()
    within = (shown[0].start + shown[0].end) / 2
    assert {tag_at(room.read(tile), within) for tile in others} == {1, 2}
    assert 1000 in {round(tone.hz, -1) for tones in recording.sound.tones for tone in tones}
    assert tag_at(recording, recording.end - 0.5) == -1, recording.report()


def tag_at(recording, at: float) -> int:
    return next(span.tag for span in recording.video.spans() if span.start <= at < span.end)


def expect_layouts(room, egress_id: str, first: str, second: str):
    """The manifest knows both, and when the first one was seen last."""
    timeline = room.timeline(egress_id)
    assert timeline["layout"] == first
    events = [event for event in timeline["events"] if event["type"] != "pictures_skipped"]
    assert [(event["type"], event.get("layout")) for event in events] == [
        ("layout", first), ("layout", second), ("ending", None)], events
    shown, changed, ending = (event["time_ns"] / 1e9 for event in events)
    assert shown < 0 < changed < ending
    recording = room.read(grid(4)[0])
    gone = max(span.end for span in recording.video.spans() if span.tag == 1)
    assert changed - 0.1 < gone < changed + HELD_SECONDS, (changed, recording.report())


def test_layout_changes_while_it_is_recorded(rooms):
    room = rooms()
    room.enter(*NAMES)
    egress_id = room.record("grid")
    room.publisher.wait_media(3)
    room.update_layout(egress_id, "speaker")
    room.publisher.wait_media(4)
    room.stop(egress_id)
    for n, tile in enumerate(grid(4)):
        recording = room.read(tile)
        assert tag_at(recording, 2) == n + 1, recording.report()
        assert last_of(recording).tag == -1, recording.report()
    expect_layouts(room, egress_id, "grid", "speaker")
    tags = []
    for tile in speaker(3):
        recording = room.read(tile)
        assert tag_at(recording, 2) == -1, recording.report()
        tags.append(last_of(recording).tag)
    assert sorted(tags) == [1, 2, 3, 4], tags


def test_auto_egress(rooms, tmp_path):
    """CreateRoom asks for it: the recording begins with the room, and with the first picture."""
    room = rooms()
    room.fleet.server.call(lambda c: c.room.create_room(api.CreateRoomRequest(
        name=room.name, egress=api.RoomEgress(room=api.RoomCompositeEgressRequest(
            layout="grid", advanced=MEDIUM,
            file_outputs=[api.EncodedFileOutput(filepath=f"{tmp_path}/{{room_name}}")])))))
    room.enter("alice")
    info = room.fleet.hooks.wait_next("egress_updated", "EGRESS_ACTIVE")
    room.publisher.wait_media(4)
    room.publisher.call("leave", "alice")
    room.fleet.server.delete_room(room.name)
    ended = room.fleet.hooks.wait_ended(info["egressId"])
    assert ended["status"] == "EGRESS_COMPLETE", ended
    room.path = tmp_path / f"{room.name}.mp4"
    recording = room.read(grid(1)[0])
    assert recording.video.spans()[0].tag == 1, recording.report()
    recording.expect_tags(1)
    assert share_heard(recording, tone_of("alice")) >= HEARD_SHARE, recording.report()


def test_two_rooms_at_once(rooms, tmp_path):
    """Each has its own picture and sound."""
    room = rooms()
    other = Room(room.fleet, room.publisher, f"{room.name}-other", tmp_path / "other.mp4")
    both = {"alice": room, "bob": other}
    for person, its in both.items():
        its.enter(person)
    egress_ids = {person: its.record("grid") for person, its in both.items()}
    room.publisher.wait_media(5)
    for person, its in both.items():
        its.stop(egress_ids[person])
    for person, its in both.items():
        recording = its.read(grid(1)[0])
        expect_shown(recording, NAMES.index(person) + 1)
        expect_mixed(recording, person)


def test_several_outputs(rooms, tmp_path):
    """File, segments and images of one picture and one sound."""
    room = rooms()
    room.enter("alice")
    info = room.fleet.egress.call("start_room_composite_egress", api.RoomCompositeEgressRequest(
        room_name=room.name, layout="grid", advanced=MEDIUM,
        file_outputs=[api.EncodedFileOutput(filepath=str(room.path))],
        segment_outputs=[api.SegmentedFileOutput(playlist_name=f"{tmp_path}/out.m3u8", segment_duration=2)],
        image_outputs=[api.ImageOutput(filename_prefix=f"{tmp_path}/shot", capture_interval=2)]))
    room.fleet.hooks.wait_active(info.egress_id)
    wait_until(lambda: len(list(tmp_path.glob("*.ts"))) >= 3, "three segments")
    room.stop(info.egress_id)
    expect_shown(room.read(grid(1)[0]), 1)
    room.path = hls.read(tmp_path / "out.m3u8").join(tmp_path / "joined.ts")
    expect_shown(room.read(grid(1)[0]), 1)
    images = sorted(tmp_path.glob("shot*.jpeg"))
    assert len(images) >= 2
    for path in images:
        room.path = path
        assert grid(1)[0].read(path, CAMERA).video.tag[0] == 1, path


def test_empty_room(rooms):
    """Nobody comes: nothing is recorded, and it is said why."""
    room = rooms()
    room.fleet.server.create_room(room.name)
    info = room.fleet.egress.room(room.name, room.path, advanced=MEDIUM)
    wait_until(lambda: "renderer" in {one.kind for one in Watched(room.fleet.service, info.egress_id).running},
               "its browser runs")
    watched = Watched(room.fleet.service, info.egress_id)
    room.fleet.egress.stop(info.egress_id)
    ended = room.fleet.hooks.wait_ended(info.egress_id)
    assert ended["status"] == "EGRESS_ABORTED" and ended["errorCode"] == 412, ended
    assert ended["error"] in ("Start signal not received", "Stop called before pipeline could start")
    assert not room.path.exists()
    watched.wait_gone()


def test_command_line(shared_server, publish, record, room, runs, tmp_path):
    """egress record of a whole room."""
    publisher = publish(shared_server)
    people = Room(None, publisher, room, None)
    people.enter("alice")
    recorder = record(shared_server, "--layout", "single-speaker", "--width", "640", "--height", "360", room=room)
    recorder.wait_active()
    publisher.wait_media(4)
    assert recorder.stop() == 0
    people.path = recorder.path
    recording = people.read(single_speaker)
    expect_shown(recording, 1)
    expect_mixed(recording, "alice")
