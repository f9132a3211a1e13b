"""LiveKit's internal calls over Redis, spoken by hand: what livekit-server does, byte by byte."""
import secrets
import socket
import time

from server import ADDRESS
from waiting import Deadline, wait_until


def _varint(n: int) -> bytes:
    out = bytearray()
    while n > 0x7F:
        out.append(n & 0x7F | 0x80)
        n >>= 7
    return bytes(out) + bytes([n])


def field(number: int, value) -> bytes:
    """One field of a protobuf message: a number, text, bytes or another message's bytes."""
    if isinstance(value, int):
        return _varint(number << 3) + _varint(value)
    data = value.encode() if isinstance(value, str) else value
    return _varint(number << 3 | 2) + _varint(len(data)) + data


def parse(message: bytes) -> dict:
    """Field number -> the last value: a number or bytes."""
    fields, at = {}, 0

    def number():
        nonlocal at
        n = shift = 0
        while True:
            byte = message[at]
            at += 1
            n |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return n

    while at < len(message):
        key = number()
        kind = key & 7
        if kind == 0:
            fields[key >> 3] = number()
            continue
        length = {1: 8, 5: 4}.get(kind)
        if length is None:
            length = number()
        fields[key >> 3] = message[at:at + length]
        at += length
    return fields


class _Connection:
    def __init__(self, port: int):
        self._socket = socket.create_connection((ADDRESS, port), 10)
        self._file = self._socket.makefile("rb")

    def send(self, *args):
        parts = [a.encode() if isinstance(a, str) else a for a in args]
        self._socket.sendall(b"*%d\r\n" % len(parts) + b"".join(
            b"$%d\r\n%s\r\n" % (len(p), p) for p in parts))

    def read(self, timeout=60):
        self._socket.settimeout(timeout)
        line = self._file.readline()
        if line[:1] == b"*":
            return [self.read(timeout) for _ in range(int(line[1:]))]
        if line[:1] == b"$":
            return self._file.read(int(line[1:]) + 2)[:-2]
        return line[1:-2]

    def close(self):
        self._file.close()
        self._socket.close()


class Client:
    """Calls EgressInternal.StartEgress as livekit-server would."""

    def __init__(self, redis):
        self._id = "CLI_" + secrets.token_hex(6)
        self._publisher = _Connection(redis.port)
        self._subscriber = _Connection(redis.port)
        for kind in ("CLAIM", "RES"):
            self._subscriber.send("SUBSCRIBE", f"EgressInternal|{self._id}|{kind}")
            self._subscriber.read()

    def _publish(self, kind: str, type_name: str, message: bytes):
        envelope = field(1, "type.googleapis.com/internal." + type_name) + field(2, message)
        channel = f"EgressInternal|StartEgress|{kind}"

        def is_heard() -> bool:
            self._publisher.send("PUBLISH", channel, envelope)
            return int(self._publisher.read()) > 0
        wait_until(is_heard, f"somebody listens to {channel}")

    def _next(self, kind: str) -> dict:
        while True:
            try:
                _, channel, payload = self._subscriber.read()
            except TimeoutError:
                raise Deadline(f"no {kind} came") from None
            if channel.decode().endswith("|" + kind):
                return parse(parse(payload)[2])

    def ask(self, raw_request: bytes):
        """Asks who would do it; what is returned awards the request to the first who has bid, and
        returns the response: 5 is the error, 6 its code, 7 the EgressInfo."""
        request_id = "REQ_" + secrets.token_hex(6)
        now = time.time_ns()
        self._publish("REQ", "Request",
                      field(1, request_id) + field(2, self._id) + field(3, now) +
                      field(4, now + 10_000_000_000) + field(8, raw_request))
        claim = self._next("CLAIM")

        def award() -> dict:
            self._publish("RCLAIM", "ClaimResponse", field(1, request_id) + field(2, claim[2]))
            return self._next("RES")
        return award

    def start(self, raw_request: bytes) -> dict:
        return self.ask(raw_request)()

    def close(self):
        self._publisher.close()
        self._subscriber.close()
