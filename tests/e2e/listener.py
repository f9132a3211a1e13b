"""Whoever listens to a track over a WebSocket: what a transcriber is."""
import asyncio
import json
import threading
import time
import wave

from aiohttp import WSMsgType, web

from server import ADDRESS
from waiting import Deadline

RATE = 48000
FRAME_BYTES = 4  # S16LE, stereo


class SoundListener:
    """Starts at once. `parts` is what came in the order in which it did: bytes, and what the text
    messages said."""

    def __init__(self, ports):
        self.port = ports.take()
        self.url = f"ws://{ADDRESS}:{self.port}/listen"
        self.parts = []
        self.headers = []  # of each connection
        self.close_code = None
        self._pongs = []
        self._sockets = []
        self._changed = threading.Condition()
        self._loop = asyncio.new_event_loop()
        self._runner = None
        threading.Thread(target=self._loop.run_forever, daemon=True).start()
        self.start()

    def _call(self, coroutine):
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(30)

    def start(self):
        self._call(self._start())

    async def _start(self):
        app = web.Application()
        app.router.add_get("/listen", self._serve)
        self._runner = web.AppRunner(app, shutdown_timeout=0)
        await self._runner.setup()
        await web.TCPSite(self._runner, ADDRESS, self.port, reuse_address=True).start()

    async def _serve(self, request):
        socket = web.WebSocketResponse(autoping=False)
        await socket.prepare(request)
        self.headers.append(dict(request.headers))
        self._sockets.append(socket)
        async for message in socket:
            with self._changed:
                if message.type == WSMsgType.BINARY:
                    self.parts.append(message.data)
                elif message.type == WSMsgType.TEXT:
                    self.parts.append(json.loads(message.data))
                elif message.type == WSMsgType.PONG:
                    self._pongs.append(bytes(message.data))
                self._changed.notify_all()
            if message.type == WSMsgType.PING:
                await socket.pong(message.data)
        with self._changed:
            self.close_code = socket.close_code
            self._changed.notify_all()
        return socket

    def _wait(self, what, condition, timeout=30):
        end = time.monotonic() + timeout
        with self._changed:
            while not condition():
                if time.monotonic() > end:
                    raise Deadline(f"{what} did not come; there were {len(self.parts)} messages")
                self._changed.wait(end - time.monotonic())

    def wait_sound(self, seconds: float):
        """So much more of it."""
        goal = self.seconds + seconds
        self._wait(f"{seconds} s of sound", lambda: self.seconds >= goal)

    def wait_said(self, text: dict):
        self._wait(f"the message {text}", lambda: text in self.parts)

    def wait_closed(self) -> int:
        self._wait("the goodbye", lambda: self.close_code is not None)
        return self.close_code

    def ping(self, data: bytes):
        """Until it is answered with the same."""
        self._call(self._sockets[-1].ping(data))
        self._wait("the pong", lambda: data in self._pongs)

    def vanish(self):
        """The connections break, and nobody listens any more."""
        self._call(self._vanish())

    async def _vanish(self):
        for site in list(self._runner.sites):
            await site.stop()  # before anybody is told to come again
        for socket in self._sockets:
            if socket._req is not None and socket._req.transport is not None:
                socket._req.transport.abort()
        self._sockets.clear()
        await self._runner.cleanup()

    @property
    def sound(self) -> bytes:
        return b"".join(part for part in self.parts if isinstance(part, bytes))

    @property
    def seconds(self) -> float:
        return sum(len(p) for p in self.parts if isinstance(p, bytes)) / FRAME_BYTES / RATE

    def said(self) -> list:
        """(seconds of sound before it, message)"""
        found, at = [], 0
        for part in self.parts:
            if isinstance(part, bytes):
                at += len(part)
            else:
                found.append((at / FRAME_BYTES / RATE, part))
        return found

    def save(self, path):
        """As a file that can be analysed."""
        with wave.open(str(path), "wb") as file:
            file.setnchannels(2)
            file.setsampwidth(2)
            file.setframerate(RATE)
            file.writeframes(self.sound)
        return path

    def close(self):
        self.vanish()
        self._loop.call_soon_threadsafe(self._loop.stop)
