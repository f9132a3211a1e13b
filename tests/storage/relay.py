"""What stands between a client and a server: an asyncio server in a thread of its own, which reads one
request for each connection and hands it to `handle()`."""
import asyncio
import dataclasses
import threading

MAX_HEAD = 1 << 16
ANY_PORT = 0


@dataclasses.dataclass
class Request:
    """The head of a request, as it came, and how long the body is."""

    method: str
    target: str
    headers: dict  # names in small letters
    head: bytes
    length: int


def parse(head: bytes) -> Request:
    lines = head.decode("latin-1").split("\r\n")
    method, target, _ = lines[0].split(" ", 2)
    headers = {name.strip().lower(): value.strip()
               for name, _, value in (line.partition(":") for line in lines[1:] if line)}
    return Request(method, target, headers, head, int(headers.get("content-length", 0)))


def with_header(head: bytes, name: str, value: str | None) -> bytes:
    """The head with this header in place of others of its name; None: without."""
    first, *others = head.removesuffix(b"\r\n\r\n").split(b"\r\n")
    kept = [line for line in others if line.split(b":")[0].strip().lower() != name.lower().encode()]
    if value is not None:
        kept.append(f"{name}: {value}".encode())
    return b"\r\n".join([first, *kept]) + b"\r\n\r\n"


class Relay:
    """`port` is where it listens, on the loopback; `requests` is all that came."""

    def __init__(self):
        self.requests = []
        self._loop = asyncio.new_event_loop()
        self._tasks = set()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._server = self._run(self._listen(ANY_PORT))
        self.port = self._server.sockets[0].getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"

    async def handle(self, request: Request, reader, writer):
        raise NotImplementedError

    def _run(self, coroutine):
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(60)

    async def _listen(self, port):
        return await asyncio.start_server(self._serve, "127.0.0.1", port, limit=MAX_HEAD)

    async def _serve(self, reader, writer):
        task = asyncio.current_task()
        self._tasks.add(task)
        try:
            request = parse(await reader.readuntil(b"\r\n\r\n"))
            self.requests.append(request)
            await self.handle(request, reader, writer)
            await writer.drain()
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            self._tasks.discard(task)
            writer.close()

    def refuse(self):
        """From now on nobody listens, until accept()."""
        async def close():
            self._server.close()
        self._run(close())

    def accept(self):
        self._server = self._run(self._listen(self.port))

    def close(self):
        async def end():
            self._server.close()
            for task in list(self._tasks):
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
        self._run(end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(60)
        self._loop.close()


async def copy(reader, writer, length=None, bytes_per_s=None):
    """So many bytes, or all until the end."""
    left = length
    while left is None or left > 0:
        piece = await reader.read(65536 if left is None else min(left, 65536))
        if not piece:
            return
        if bytes_per_s is not None:
            await asyncio.sleep(len(piece) / bytes_per_s)
        writer.write(piece)
        await writer.drain()
        if left is not None:
            left -= len(piece)
