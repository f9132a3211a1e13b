"""The tests' publisher (tests/publisher), driven by JSON lines."""
import json
import os
import time

from process import Process
from server import API_KEY, API_SECRET


class Publisher:
    def __init__(self, server, folder):
        self.server = server
        self._process = Process([os.environ["PUBLISHER"]], log=folder / "publisher.log")
        self._events = []
        self._next_id = 0
        self.epoch_ns = self._wait_message(lambda m: m.get("event") == "ready", 30)["epoch_ns"]

    def _wait_message(self, matches, timeout):
        deadline = time.monotonic() + timeout
        while True:
            line = self._process.next_line(deadline)
            assert line is not None, f"the publisher has ended: {self._process.lines[-5:]}"
            message = json.loads(line)
            if matches(message):
                return message
            self._events.append(message)

    def call(self, cmd: str, participant: str, **arguments):
        """Does something and waits until it is done."""
        self._next_id += 1
        line = {"id": self._next_id, "cmd": cmd, "participant": participant} | arguments
        self._process.send(json.dumps(line))
        reply = self._wait_message(lambda m: m.get("reply") == self._next_id, 60)
        assert reply["ok"], f"{cmd}: {reply}"
        return reply

    def wait_event(self, name: str, timeout=30, **values):
        """The next event of that name and with these values; also one that came meanwhile."""
        def matches(m):
            return m.get("event") == name and all(m.get(k) == v for k, v in values.items())
        for i, message in enumerate(self._events):
            if matches(message):
                return self._events.pop(i)
        return self._wait_message(matches, timeout)

    def forget_events(self):
        self._events.clear()

    def join(self, participant: str, room: str, tag=0, own_process=False, **arguments):
        return self.call("join", participant, url=self.server.url, api_key=API_KEY,
                         api_secret=API_SECRET, room=room, tag=tag, own_process=own_process,
                         **arguments)

    def camera(self, participant: str, codec="h264", track="camera", **arguments) -> str:
        """Publishes a camera; returns the track's id."""
        size = {"width": 320, "height": 180, "fps": 30} | arguments
        return self.call("publish", participant, track=track, kind="video", codec=codec,
                         source="camera", **size)["sid"]

    def microphone(self, participant: str, codec="opus", track="microphone", tone_hz=440,
                   **arguments) -> str:
        return self.call("publish", participant, track=track, kind="audio", codec=codec,
                         source="microphone", tone_hz=tone_hz, **arguments)["sid"]

    @staticmethod
    def wait_media(seconds: float):
        """Lets everybody send for so long: media is made in real time."""
        time.sleep(seconds)

    def close(self):
        self._process.close()
