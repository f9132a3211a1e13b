"""Whole rooms, as the default page shows them, behind an unmodified livekit-server."""
import numpy as np
import pytest
from livekit import api

from judge import expect_bt709
from layouts import CAMERA, CANVAS, SQUARE, grid, single_speaker, speaker
from service import MEDIUM
from stage import Watched, wait_until

pytestmark = pytest.mark.xdist_group("rooms")

# A browser plays rooms by its own clock, and tests run beside each other on two cores: for so long, in
# seconds, a picture may stay.
HELD_SECONDS = 1.0
# Pictures wait for their sound: half of them are in step however much else runs. A moment in which the
# machine was busy puts some out of step, until the next look at what sound takes.
MEDIAN_OFFSET_MS = 30
OFFSET_MS = 100

NAMES = ["alice", "bob", "carol", "dave"]


class Room:
    """People in a room that is recorded. Each has a tag, and a tone by it."""

    def __init__(self, fleet, publisher, name, path):
        self.fleet = fleet
        self.publisher = publisher
        self.name = name
        self.path = path

    def enter(self, *people, microphone=True, **camera):
        for person in people:
            tag = NAMES.index(person) + 1
            self.publisher.join(person, self.name, tag=tag)
            self.publisher.camera(person, **CAMERA | {"codec": "vp8"} | camera)
            if microphone:
                self.publisher.microphone(person, tone_hz=tone_of(person))
            self.publisher.wait_event("sending", participant=person, track="camera")

    def record(self, layout="", **options) -> str:
        """Returns when it is recorded."""
        info = self.fleet.egress.room(self.name, self.path, layout=layout, advanced=MEDIUM, **options)
        self.fleet.hooks.wait_active(info.egress_id)
        return info.egress_id

    def stop(self, egress_id: str) -> dict:
        self.fleet.egress.stop(egress_id)
        ended = self.fleet.hooks.wait_ended(egress_id)
        assert ended["status"] == "EGRESS_COMPLETE", ended
        return ended

    def read(self, tile, picture=None, **options):
        return tile.read(self.path, picture or CAMERA, frozen_after=HELD_SECONDS, **options)


def tone_of(person: str) -> int:
    return 400 + 50 * (NAMES.index(person) + 1)


def tones_of(*people) -> list:
    return [tone_of(person) for person in people]


@pytest.fixture
def rooms(fleet, publish, room, runs, tmp_path):
    """rooms(display, config...) -> Room"""
    def start(display="wayland", **config):
        service = fleet(display=display, **config)
        return Room(service, publish(service.server), room, tmp_path / "out.mp4")
    return start


def expect_shown(recording, *tags):
    """From the first picture to the last, and moving."""
    recording.expect_all_readable(other=())
    recording.expect_moving()
    recording.expect_in_order()
    recording.expect_tags(*tags)


def last_of(recording):
    """What is seen for the last time for a while."""
    return [span for span in recording.video.spans() if span.seconds > 0.5][-1]


def expect_mixed(recording, *people):
    recording.expect_tones(*tones_of(*people), start=recording.sound.start + 1)
    recording.expect_no_gaps(start=recording.sound.start + 1)
    recording.expect_av_offset(p95_ms=OFFSET_MS, worst_ms=500, at_least=3)
    median_ms = np.median(recording.picture_offsets()[:, 1]) * 1000
    assert abs(median_ms) <= MEDIAN_OFFSET_MS, f"{median_ms:+.1f} ms: {recording.report()}"


@pytest.mark.parametrize("count, display", [(1, "x11"), (2, "wayland"), (4, "wayland")])
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
        recording.expect_constant_rate(30)
        last = [span for span in recording.video.spans() if span.tag >= 0][-1]
        # The room is gone before the recording ends.
        recording.expect_moving(end=last.end)
        recording.expect_tags(n + 1)
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
    assert seconds[1] == pytest.approx(tone_of("alice"), abs=2)
    assert seconds[-1] == pytest.approx(tone_of("carol"), abs=2)


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
    heard = [sorted(round(tone.hz, -1) for tone in tones if tone.channel == 0)
             for tones in alone.sound.tones]
    assert [450, 500] in heard and heard[1] == [450] and heard[-1] == [450], heard


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
    recording.expect_constant_rate(30)
    kinds = [span.kind for span in recording.video.spans() if span.seconds > 0.3 or span.tag >= 0]
    assert [kind for n, kind in enumerate(kinds) if n == 0 or kind != kinds[n - 1]] \
        == ["shown", "unreadable", "shown"], recording.report()
    assert any(gap.seconds > 2 for gap in recording.sound.gaps), recording.report()
    recording.expect_tones(tone_of("alice"), start=recording.sound.end - 2)


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
    assert tag_at(room.read(grid(2)[0], CAMERA), recording.end - 0.5) == -1  # a part is not seen there


def tag_at(recording, at: float) -> int:
    return next(span.tag for span in recording.video.spans() if span.start <= at < span.end)


def test_layout_changes_while_it_is_recorded(rooms):
    room = rooms()
    room.enter(*NAMES)
    egress_id = room.record("grid")
    room.publisher.wait_media(3)
    info = room.fleet.egress.call("update_layout", api.UpdateLayoutRequest(
        egress_id=egress_id, layout="speaker"))
    assert info.egress_id == egress_id
    room.publisher.wait_media(4)
    room.stop(egress_id)
    for n, tile in enumerate(grid(4)):
        recording = room.read(tile)
        assert recording.video.spans()[0].tag == n + 1, recording.report()
        assert last_of(recording).tag == -1, recording.report()
    tags = []
    for tile in speaker(3):
        recording = room.read(tile)
        assert recording.video.spans()[0].tag == -1, recording.report()
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
    expect_mixed_at_begin = [round(hz) for hz in recording.sound.tone_hz()[1:3]]
    assert expect_mixed_at_begin == tones_of("alice") * 2


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
