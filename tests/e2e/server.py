"""A livekit-server of a test's own, on its own ports of the tests' network."""
import asyncio
import http.client
import json
import os
import pathlib
import re
import signal
import subprocess

from livekit import api

from waiting import Deadline, wait_until

ADDRESS = "10.99.0.1"
API_KEY = "devkey"
API_SECRET = "a-secret-of-the-tests-that-is-long-enough"

# Ports come from one range per worker, so that workers never meet.
PORTS_PER_WORKER = 1000


class Ports:
    def __init__(self, worker: int):
        self._next = 20000 + worker * PORTS_PER_WORKER

    def take(self, count=1) -> int:
        port = self._next
        self._next += count
        return port


def as_yaml(config: dict) -> str:
    """JSON is YAML, but for keys that are numbers."""
    return re.sub(r'"(\d+)":', r"\1:", json.dumps(config))


class Server:
    """Starts at once; `url` is what clients are given."""

    def __init__(self, folder: pathlib.Path, ports: Ports, **config):
        self.folder = folder
        self.port = ports.take(3)
        self.url = f"ws://{ADDRESS}:{self.port}"
        self.log_path = folder / "livekit-server.log"
        self.config = {
            "port": self.port,
            "keys": {API_KEY: API_SECRET},
            "logging": {"level": "info"},
            "rtc": {
                "tcp_port": self.port + 1,
                "udp_port": self.port + 2,
                "node_ip": ADDRESS,
                "use_external_ip": False,
                # Nobody answers there; the default would be looked up in the Internet.
                "stun_servers": [f"{ADDRESS}:3478"],
                "interfaces": {"includes": ["v0"]},
            },
            "room": {"departure_timeout": 2},
        } | config
        self._popen = None
        self.start()

    def start(self):
        with open(self.log_path, "ab") as log:
            self._popen = subprocess.Popen(
                [os.environ["LIVEKIT_SERVER"], "--config-body", as_yaml(self.config)],
                stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        wait_until(self._answers, "livekit-server has started", 30)

    def _answers(self) -> bool:
        if self._popen.poll() is not None:
            raise Deadline(f"livekit-server ended:\n{self.log_path.read_text()[-2000:]}")
        try:
            connection = http.client.HTTPConnection(ADDRESS, self.port, timeout=1)
            connection.request("GET", "/")
            return connection.getresponse().status == 200
        except OSError:
            return False

    def kill(self):
        """As by a crash: nobody is told."""
        self._popen.send_signal(signal.SIGKILL)
        self._popen.wait()

    def stop(self):
        """Asked politely, it would wait for everybody to leave."""
        if self._popen.poll() is None:
            self.kill()

    def call(self, function):
        """Runs `await function(LiveKitAPI)`."""
        async def run():
            async with api.LiveKitAPI(f"http://{ADDRESS}:{self.port}", API_KEY, API_SECRET) as client:
                return await function(client)
        return asyncio.run(run())

    def create_room(self, room: str):
        self.call(lambda c: c.room.create_room(api.CreateRoomRequest(name=room)))

    def delete_room(self, room: str):
        self.call(lambda c: c.room.delete_room(api.DeleteRoomRequest(room=room)))

    def remove_participant(self, room: str, identity: str):
        self.call(lambda c: c.room.remove_participant(
            api.RoomParticipantIdentity(room=room, identity=identity)))

    def token(self, room: str, identity: str, ttl_s=3600, publishes=False) -> str:
        """For a recorder, or for one who publishes."""
        import datetime
        grants = api.VideoGrants(room_join=True, room=room, can_subscribe=True,
                                 can_publish=publishes, hidden=not publishes,
                                 recorder=not publishes)
        return (api.AccessToken(API_KEY, API_SECRET).with_identity(identity).with_grants(grants)
                .with_ttl(datetime.timedelta(seconds=ttl_s)).to_jwt())
