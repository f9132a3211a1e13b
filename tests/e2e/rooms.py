"""People in a room that is recorded as a whole."""
import json

from livekit import api

from layouts import CAMERA
from service import MEDIUM

# A browser shows what comes in time, and tests run beside each other on two cores: a picture may stay for so
# many seconds.
HELD_SECONDS = 3.0

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

    def update_layout(self, egress_id: str, layout: str):
        info = self.fleet.egress.call("update_layout", api.UpdateLayoutRequest(
            egress_id=egress_id, layout=layout))
        assert info.egress_id == egress_id

    def stop(self, egress_id: str) -> dict:
        self.fleet.egress.stop(egress_id)
        ended = self.fleet.hooks.wait_ended(egress_id)
        assert ended["status"] == "EGRESS_COMPLETE", ended
        return ended

    def timeline(self, egress_id: str) -> dict:
        """Of the manifest, when it has ended."""
        return json.loads((self.path.parent / f"{egress_id}.json").read_text())["timeline"]

    def read(self, tile, picture=None, **options):
        return tile.read(self.path, picture or CAMERA, frozen_after=HELD_SECONDS, **options)


def tone_of(person: str) -> int:
    return 400 + 50 * (NAMES.index(person) + 1)


def last_of(recording):
    """What is seen for the last time for a while."""
    return [span for span in recording.video.spans() if span.seconds > 0.5][-1]
