"""A web proxy that wants a user and a password, and knows where some names of the Internet are."""
import asyncio
import base64
import urllib.parse

from relay import Relay, copy, with_header


class WebProxy(Relay):
    """`names`: a port of the loopback for each host. `user` None: for everybody."""

    def __init__(self, user=None, password=None, names=None):
        super().__init__()
        self._names = names or {}
        self._wanted = None
        if user is not None:
            self._wanted = "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()

    def _port_of(self, host, port):
        return port if host in ("127.0.0.1", "localhost") else self._names.get(host)

    async def handle(self, request, reader, writer):
        if self._wanted is not None and request.headers.get("proxy-authorization") != self._wanted:
            await copy(reader, writer, 0)
            writer.write(b"HTTP/1.1 407 Who\r\nProxy-Authenticate: Basic realm=x\r\n"
                         b"Content-Length: 0\r\nConnection: close\r\n\r\n")
            return
        is_tunnel = request.method == "CONNECT"
        url = urllib.parse.urlsplit(("//" if is_tunnel else "") + request.target)
        port = self._port_of(url.hostname, url.port or 80)
        if port is None:
            writer.write(b"HTTP/1.1 502 Where\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            return
        from_server, to_server = await asyncio.open_connection("127.0.0.1", port)
        try:
            if is_tunnel:
                writer.write(b"HTTP/1.1 200 Connected\r\n\r\n")
            else:
                path = request.target.split("/", 3)[3]
                head = with_header(request.head, "Proxy-Authorization", None)
                to_server.write(with_header(head, "Connection", "close")
                                .replace(request.target.encode("latin-1"), f"/{path}".encode("latin-1"), 1))
            up = asyncio.ensure_future(copy(reader, to_server))
            await copy(from_server, writer)
            up.cancel()
        finally:
            to_server.close()
