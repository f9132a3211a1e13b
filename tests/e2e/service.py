"""`egress serve` as an operator runs it, the Redis between it and livekit-server, and a listener for
webhooks."""
import asyncio
import base64
import hashlib
import http.server
import json
import os
import pathlib
import queue
import re
import signal
import socket
import socketserver
import subprocess
import threading
import time
import urllib.request

import jwt
import pytest
from livekit import api

from process import Logging, Process
from server import ADDRESS, API_KEY, API_SECRET
from waiting import Deadline, wait_until

# Small enough for two cores that carry several tests: what it costs is measured in bench/.
CHEAP = {"max_cpu_utilization": 10, "participant_cpu_cost": 0.01, "track_composite_cpu_cost": 0.01,
         "track_cpu_cost": 0.001, "room_composite_cpu_cost": 0.01,
         "audio_room_composite_cpu_cost": 0.01, "web_cpu_cost": 0.01, "audio_web_cpu_cost": 0.01}


class Redis:
    """Starts at once; keeps nothing on disk."""

    def __init__(self, folder: pathlib.Path, ports, *options):
        self.port = ports.take()
        self.address = f"{ADDRESS}:{self.port}"
        self._log = folder / "redis.log"
        self._options = options
        self._popen = None
        self.start()

    def start(self):
        with open(self._log, "ab") as log:
            self._popen = subprocess.Popen(
                ["redis-server", "--port", str(self.port), "--bind", ADDRESS, "--save", "",
                 "--appendonly", "no", "--protected-mode", "no", *self._options],
                stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        wait_until(self._answers, "redis-server has started", 30)

    def _answers(self) -> bool:
        if self._popen.poll() is not None:
            raise Deadline(f"redis-server ended:\n{self._log.read_text()[-2000:]}")
        try:
            with socket.create_connection((ADDRESS, self.port), 1) as connection:
                connection.sendall(b"PING\r\n")
                return connection.recv(16) != b""
        except OSError:
            return False

    def kill(self):
        self._popen.kill()
        self._popen.wait()

    close = kill


class HttpServer(http.server.ThreadingHTTPServer):
    def server_bind(self):
        """Without asking for the name of the address: there is nobody who would answer."""
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = self.server_address[:2]


class Listener:
    """Receives webhooks and checks that they are signed."""

    def __init__(self, ports):
        self.events = []
        self._queue = queue.Queue()
        listener = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                listener._queue.put((self.headers["Authorization"], body, time.monotonic()))
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *arguments):
                pass

        self._server = HttpServer((ADDRESS, ports.take()), Handler)
        self.url = f"http://{ADDRESS}:{self._server.server_port}/hook"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def _next(self, deadline: float) -> dict:
        try:
            token, body, at = self._queue.get(timeout=max(0.0, deadline - time.monotonic()))
        except queue.Empty:
            seen = [(e["event"], e["egressInfo"].get("status")) for e in self.events]
            raise Deadline(f"no such webhook; there were {seen}") from None
        claims = jwt.decode(token, API_SECRET, algorithms=["HS256"], issuer=API_KEY)
        assert claims["sha256"] == base64.b64encode(hashlib.sha256(body).digest()).decode()
        event = json.loads(body) | {"received_at": at}
        if "egressInfo" in event:
            self.events.append(event)
        return event

    def wait(self, event: str, egress_id: str, status: str | None = None, timeout=60) -> dict:
        """The EgressInfo of that event, also of one that came before."""
        def matches(e):
            info = e.get("egressInfo", {})
            return (e["event"] == event and info.get("egressId") == egress_id and
                    status in (None, info.get("status", "EGRESS_STARTING")))
        for e in self.events:
            if matches(e):
                return e["egressInfo"]
        deadline = time.monotonic() + timeout
        while True:
            e = self._next(deadline)
            if matches(e):
                return e["egressInfo"]

    def wait_next(self, event: str, status: str) -> dict:
        """The EgressInfo of the next such event, whichever egress it is about."""
        deadline = time.monotonic() + 60
        while True:
            e = self._next(deadline)
            if e["event"] == event and e["egressInfo"].get("status") == status:
                return e["egressInfo"]

    def wait_active(self, egress_id: str) -> dict:
        return self.wait("egress_updated", egress_id, "EGRESS_ACTIVE")

    def wait_ended(self, egress_id: str, timeout=60) -> dict:
        return self.wait("egress_ended", egress_id, timeout=timeout)

    def statuses(self, egress_id: str) -> list:
        """What was told of it so far, in order."""
        return [(e["event"], e["egressInfo"].get("status", "EGRESS_STARTING")) for e in self.events
                if e["egressInfo"].get("egressId") == egress_id]

    def close(self):
        self._server.shutdown()
        self._server.server_close()


class Service(Logging):
    """`egress serve`; starts at once and returns when it takes requests."""

    def __init__(self, folder: pathlib.Path, ports, server, *, redis=None, name="service", **config):
        self.folder = folder
        self.port = ports.take()
        self.health_port = ports.take()
        self.prometheus_port = ports.take()
        self.template_port = ports.take()
        self.config = {
            "ws_url": server.url,
            "api_key": API_KEY,
            "api_secret": API_SECRET,
            "state_dir": str(folder / "state"),
            "health_port": self.health_port,
            "prometheus_port": self.prometheus_port,
            "template_port": self.template_port,
            "logging": {"json": True, "level": "info"},
            "cpu_cost": CHEAP,
        } | ({"redis": {"address": redis.address}} if redis else
             {"http_port": self.port, "http_address": ADDRESS}) | config
        self._redis = redis
        self._name = name
        self.process = None
        self.start()

    def start(self):
        self.process = Process(
            [os.environ["EGRESS"], "serve", "--config-body", json.dumps(self.config)],
            log=self.folder / f"{self._name}.log", lines_from="stderr")
        self.wait_log("connected to Redis" if self._redis else "serving the Egress API")

    @property
    def url(self) -> str:
        """Of its own API, without Redis."""
        return f"http://{ADDRESS}:{self.port}"

    def egress_pid(self, egress_id: str) -> int:
        """Of the process of an egress, which has its id for a name."""
        for folder in pathlib.Path("/proc").iterdir():
            try:
                if (folder / "comm").read_text().strip() == egress_id[:15]:
                    return int(folder.name)
            except (OSError, ValueError):
                continue
        raise AssertionError(f"no process of {egress_id}")

    def fetch(self, port: int) -> str:
        """One of its pages."""
        with urllib.request.urlopen(f"http://{ADDRESS}:{port}/", timeout=10) as response:
            return response.read().decode()

    def metrics(self) -> list:
        """(name, labels, value) of all that it tells Prometheus."""
        rows = []
        for line in self.fetch(self.prometheus_port).splitlines():
            if not line.startswith("#"):
                name, labels, value = re.fullmatch(r"(\w+)\{(.*)\} (\S+)", line).groups()
                rows.append((name, dict(re.findall(r'(\w+)="([^"]*)"', labels)), float(value)))
        return rows

    def signal(self, number: int):
        self.process.popen.send_signal(number)

    def kill(self):
        self.signal(signal.SIGKILL)
        self.process.wait()

    def close(self):
        if self.process.popen.poll() is None:
            self.signal(signal.SIGINT)
            try:
                self.process.wait(10)
            except Deadline:
                pass
        self.process.close()


class Egress:
    """LiveKit's API, of livekit-server or of the service itself."""

    def __init__(self, url: str):
        self._url = url.replace("ws://", "http://")

    def call(self, method: str, request):
        async def run():
            async with api.LiveKitAPI(self._url, API_KEY, API_SECRET) as client:
                return await getattr(client.egress, method)(request)
        return asyncio.run(run())

    def participant(self, room, identity, path, **options):
        return self.call("start_participant_egress", api.ParticipantEgressRequest(
            room_name=room, identity=identity,
            file_outputs=[api.EncodedFileOutput(filepath=str(path))], **options))

    def track(self, room, track_id, path):
        return self.call("start_track_egress", api.TrackEgressRequest(
            room_name=room, track_id=track_id, file=api.DirectFileOutput(filepath=str(path))))

    def room_audio(self, room, path, **options):
        return self.call("start_room_composite_egress", api.RoomCompositeEgressRequest(
            room_name=room, audio_only=True,
            file_outputs=[api.EncodedFileOutput(filepath=str(path))], **options))

    def room(self, room, path, **options):
        return self.call("start_room_composite_egress", api.RoomCompositeEgressRequest(
            room_name=room, file_outputs=[api.EncodedFileOutput(filepath=str(path))], **options))

    def web(self, url, path, **options):
        return self.call("start_web_egress", api.WebEgressRequest(
            url=url, file_outputs=[api.EncodedFileOutput(filepath=str(path))], **options))

    def track_composite(self, room, audio_track_id, video_track_id, path, **options):
        return self.call("start_track_composite_egress", api.TrackCompositeEgressRequest(
            room_name=room, audio_track_id=audio_track_id, video_track_id=video_track_id,
            file_outputs=[api.EncodedFileOutput(filepath=str(path))], **options))

    def media(self, room, path, *, preset=None, **source):
        """StartEgress (v2) with what api.MediaSource takes."""
        return self.call("start_egress", api.StartEgressRequest(
            room_name=room, media=api.MediaSource(**source), preset=preset,
            outputs=[api.Output(file=api.FileOutput(filepath=str(path)))]))

    def stop(self, egress_id):
        return self.call("stop_egress", api.StopEgressRequest(egress_id=egress_id))

    def list(self, **filters):
        return list(self.call("list_egress", api.ListEgressRequest(**filters)).items)


SMALL = api.EncodingOptions(width=320, height=180, video_bitrate=500, framerate=30)
# For pages.
MEDIUM = api.EncodingOptions(width=640, height=360, video_bitrate=1500, framerate=30)


def results(service) -> dict:
    """How egresses ended, as the metrics count them: (type, result) -> how often."""
    return {(labels["type"], labels["result"]): int(value)
            for name, labels, value in service.metrics()
            if name == "livekit_egress_handler_results_total"}


def expect_refused(code: str, status: int, text: str, function, *arguments, **options):
    with pytest.raises(api.TwirpError) as raised:
        function(*arguments, **options)
    found = (raised.value.code, raised.value.status)
    assert found == (code, status) and text in raised.value.message, raised.value
