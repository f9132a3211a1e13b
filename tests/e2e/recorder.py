"""`egress record` as a user runs it."""
import os
import pathlib
import signal

from process import Logging, Process
from server import API_KEY, API_SECRET


class Recorder(Logging):
    """Runs at once. Its log is JSON lines, which the test waits for. `output` None: no file."""

    def __init__(self, server, folder: pathlib.Path, *options, room="room", output="out.mp4",
                 name="recorder", key=API_KEY, secret=API_SECRET, url=None, wrapper=()):
        self.path = folder / output if output else None
        env = os.environ | {"LIVEKIT_URL": url or server.url, "LIVEKIT_API_KEY": key,
                            "LIVEKIT_API_SECRET": secret}
        self.process = Process(
            [*wrapper, os.environ["EGRESS"], "record", "--room", room, "--log-json", "--log-level", "info", *options,
             *(("-o", self.path) if output else ())],
            log=folder / f"{name}.log", lines_from="stderr", env=env)

    def wait_active(self):
        return self.wait_log("active")

    def interrupt(self):
        self.process.popen.send_signal(signal.SIGINT)

    def stop(self) -> int:
        """First Ctrl-C: the file is finished. Returns the exit code."""
        self.interrupt()
        return self.process.wait()

    def kill(self):
        self.process.popen.kill()
        self.process.wait()

    def wait(self, timeout=90) -> int:
        return self.process.wait(timeout)

    @property
    def error_lines(self):
        return [line for line in self.process.lines if not line.startswith("{")]

    def close(self):
        self.process.close()
