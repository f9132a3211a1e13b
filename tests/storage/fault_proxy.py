"""A server with faults: what stands in front of a good one, passes everything on as it is, and does what
it is told to some of the requests.

    proxy = FaultProxy(port_of_the_store)
    proxy.fail(503, times=3)                       # the next three
    proxy.cut_request(100_000, skip=2)             # in the middle of the third from now
    proxy.cut_answer(0, when=lambda r: "uploadId" in r.target and r.method == "POST")

Each request meets the oldest fault that is not used up and that it fits. `when` chooses requests, `skip` lets
the first of these pass, `times` says how many it is for (None: all).
"""
import asyncio
import dataclasses
import typing

from relay import Relay, Request, copy, with_header


@dataclasses.dataclass
class Fault:
    act: typing.Callable
    when: typing.Callable[[Request], bool]
    skip: int
    times: int | None

    def takes(self, request: Request) -> bool:
        if self.times == 0 or not self.when(request):
            return False
        if self.skip > 0:
            self.skip -= 1
            return False
        if self.times is not None:
            self.times -= 1
        return True


def always(_request: Request) -> bool:
    return True


def error_body(code: str) -> bytes:
    return f'<?xml version="1.0"?><Error><Code>{code}</Code><Message>made up</Message></Error>'.encode()


class FaultProxy(Relay):
    def __init__(self, target_port: int):
        super().__init__()
        self._target_port = target_port
        self._faults = []

    def _add(self, act, when=always, skip=0, times=1):
        self._faults.append(Fault(act, when, skip, times))

    def mend(self):
        """From now on everything comes through."""
        self._faults.clear()

    def fail(self, status: int, code="SlowDown", retry_after=None, headers=None, body=None, **choice):
        """Answers in place of the server, which hears nothing of it."""
        content = error_body(code) if body is None else body
        more = dict(headers or {})
        if retry_after is not None:
            more["Retry-After"] = str(retry_after)
        lines = [f"HTTP/1.1 {status} No", f"Content-Length: {len(content)}", "Connection: close",
                 *(f"{name}: {value}" for name, value in more.items())]

        async def act(request, reader, writer):
            await copy(reader, Nowhere(), request.length)
            writer.write("\r\n".join(lines).encode() + b"\r\n\r\n" + content)
        self._add(act, **choice)

    def cut_request(self, after_bytes: int, **choice):
        """Closes the connection when so many bytes of the body have come. The server gets these."""
        async def act(request, reader, writer):
            upstream = await self._connect(request)
            await copy(reader, upstream[1], min(after_bytes, request.length))
            upstream[1].close()
            writer.transport.abort()
        self._add(act, **choice)

    def cut_answer(self, after_bytes: int, **choice):
        """The server does what it is asked to; of its answer, only so many bytes come through."""
        async def act(request, reader, writer):
            answer = await self._ask(request, reader)
            writer.write(answer[:after_bytes])
            await writer.drain()
        self._add(act, **choice)

    def slow(self, bytes_per_s: int, **choice):
        """Takes the body in at this pace."""
        async def act(request, reader, writer):
            writer.write(await self._ask(request, reader, bytes_per_s))
        self._add(act, **choice)

    def hang(self, **choice):
        """Takes the request in, and says nothing."""
        async def act(request, reader, writer):
            await asyncio.Event().wait()
        self._add(act, **choice)

    async def handle(self, request, reader, writer):
        for fault in self._faults:
            if fault.takes(request):
                await fault.act(request, reader, writer)
                return
        writer.write(await self._ask(request, reader))

    async def _connect(self, request):
        upstream = await asyncio.open_connection("127.0.0.1", self._target_port)
        upstream[1].write(with_header(request.head, "Connection", "close"))
        return upstream

    async def _ask(self, request, reader, bytes_per_s=None) -> bytes:
        """The server's whole answer."""
        from_server, to_server = await self._connect(request)
        try:
            await copy(reader, to_server, request.length, bytes_per_s)
            return await from_server.read()
        finally:
            to_server.close()


class Nowhere:
    def write(self, _piece):
        pass

    async def drain(self):
        pass
