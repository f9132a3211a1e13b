"""Programs that tests start, and how tests wait for what they say."""
import json
import pathlib
import queue
import subprocess
import threading
import time

from waiting import Deadline


class Process:
    """A program whose standard output (or error) is read line by line; `lines` has all of them.

    Tests wait for lines, never for time; the deadlines only bound how long a broken program keeps
    a test from failing.
    """

    def __init__(self, args, *, log: pathlib.Path, lines_from="stdout", **popen):
        self.args = [str(a) for a in args]
        self.lines = []
        self._queue = queue.Queue()
        self._log = open(log, "ab")
        pipes = {"stdout": self._log, "stderr": self._log, "stdin": subprocess.PIPE}
        pipes[lines_from] = subprocess.PIPE
        self.popen = subprocess.Popen(self.args, **pipes, **popen)
        self._reader = threading.Thread(
            target=self._read, args=(getattr(self.popen, lines_from),), daemon=True)
        self._reader.start()

    def _read(self, stream):
        for line in stream:
            self._log.write(line)
            self._log.flush()
            text = line.decode(errors="replace").rstrip("\n")
            self.lines.append(text)
            self._queue.put(text)
        self._queue.put(None)

    def next_line(self, deadline: float):
        """The next line; None at the end of the output."""
        try:
            return self._queue.get(timeout=max(0.0, deadline - time.monotonic()))
        except queue.Empty:
            raise Deadline(f"{self.args[0]}: nothing more came; last: {self.lines[-5:]}") from None

    def send(self, line: str):
        self.popen.stdin.write(line.encode() + b"\n")
        self.popen.stdin.flush()

    def wait(self, timeout=60) -> int:
        try:
            code = self.popen.wait(timeout)
        except subprocess.TimeoutExpired:
            raise Deadline(f"{self.args[0]} did not end; last: {self.lines[-5:]}") from None
        self._reader.join(10)
        return code

    def close(self):
        if self.popen.poll() is None:
            self.popen.kill()
        self.popen.wait()
        self._reader.join(10)
        self.popen.stdin.close()
        self._log.close()


class Logging:
    """What has a `process` that says what it does, on standard error, as a log of JSON lines."""

    process: Process

    def wait_log(self, message: str, timeout=60, **fields) -> dict:
        """The next line of the log with that message and these fields."""
        deadline = time.monotonic() + timeout
        while True:
            line = self.process.next_line(deadline)
            assert line is not None, (f"{type(self).__name__.lower()} has ended before it said "
                                      f"{message!r}: {self.process.lines[-8:]}")
            if not line.startswith("{"):
                continue
            entry = json.loads(line)
            if entry["msg"] == message and all(entry.get(k) == v for k, v in fields.items()):
                return entry
