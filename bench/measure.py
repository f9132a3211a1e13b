"""Running programs and measuring what they, and others beside them, use."""
import contextlib
import dataclasses
import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import threading
import time

METER = pathlib.Path(__file__).with_name("meter.py")
TICKS_PER_S = os.sysconf("SC_CLK_TCK")


class Failed(Exception):
    """A program did not do what it is measured at."""


@dataclasses.dataclass
class Usage:
    start_ns: int      # wall clock
    end_ns: int
    cpu_s: float       # user and system, of all threads
    peak_mb: float     # the most memory it had (resident, with what it shares with others)

    @property
    def seconds(self) -> float:
        return (self.end_ns - self.start_ns) / 1e9


class Metered:
    """A program under bench/meter.py. Its standard error is read line by line."""

    def __init__(self, args, folder: pathlib.Path, env=None):
        self._report = folder / "usage.json"
        self._report.unlink(missing_ok=True)
        self._lines = []
        self._news = threading.Condition()
        self._popen = subprocess.Popen(
            [sys.executable, "-I", "-S", METER, self._report, *map(str, args)], env=env,
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self):
        for line in self._popen.stderr:
            with self._news:
                self._lines.append(line.rstrip("\n"))
                self._news.notify_all()
        with self._news:
            self._lines.append(None)
            self._news.notify_all()

    def wait_line(self, matches, timeout=60):
        """The first line for which matches(line) gives something, and that."""
        deadline = time.monotonic() + timeout
        seen = 0
        with self._news:
            while True:
                while seen < len(self._lines):
                    line = self._lines[seen]
                    seen += 1
                    if line is None:
                        raise Failed(f"it ended too early: {self._lines[-5:]}")
                    if found := matches(line):
                        return found
                if not self._news.wait(max(0.0, deadline - time.monotonic())):
                    raise Failed(f"what was waited for did not come: {self._lines[-5:]}")

    def _reported(self):
        return [json.loads(line) for line in self._report.read_text().splitlines()]

    def _pid(self) -> int:
        return self._reported()[0]["pid"]

    def cpu_s(self) -> float:
        """What it has used until now."""
        # As clock_getcpuclockid(3) makes it; Python has no name for it.
        return time.clock_gettime((~self._pid() << 3) | 2)

    def own_mb(self) -> float:
        """What it has written to now and shares with no other: what one more of it needs. Libraries,
        which all that run share, are not in it."""
        rollup = pathlib.Path(f"/proc/{self._pid()}/smaps_rollup").read_text()
        return int(re.search(r"^Private_Dirty:\s*(\d+)", rollup, re.MULTILINE)[1]) / 1024

    def send(self, number: int) -> int:
        """Sends a signal; returns when."""
        at_ns = time.time_ns()
        os.kill(self._pid(), number)
        return at_ns

    def wait(self, timeout=120) -> Usage:
        try:
            self._popen.wait(timeout)
        except subprocess.TimeoutExpired:
            raise Failed(f"it did not end: {self._lines[-5:]}") from None
        self._reader.join()
        first, last = self._reported()
        if last["exit"] != 0:
            raise Failed(f"it ended with {last['exit']}: {self._lines[-5:]}")
        if last["peak_kb"] <= last["least_kb"]:
            raise Failed("its memory is less than can be measured")
        return Usage(start_ns=first["start_ns"], end_ns=last["end_ns"], cpu_s=last["cpu_s"],
                     peak_mb=last["peak_kb"] / 1024)

    def close(self):
        if self._popen.poll() is None:
            with contextlib.suppress(Exception):
                self.send(signal.SIGKILL)
            self._popen.wait(10)
        self._reader.join(10)
        self._popen.stderr.close()


def run(args, folder) -> Usage:
    with contextlib.closing(Metered(args, folder)) as program:
        return program.wait()


def _busy_s() -> float:
    """Of all processors, since the machine has started."""
    fields = pathlib.Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]
    user, nice, system, _idle, _iowait, irq, softirq, steal = map(int, fields)
    return (user + nice + system + irq + softirq + steal) / TICKS_PER_S


def _processes() -> dict:
    """Of each process that runs, its parent and its CPU seconds, with those of children that have ended."""
    found = {}
    for stat in pathlib.Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            fields = stat.read_text().rpartition(")")[2].split()
            found[int(stat.parent.name)] = int(fields[1]), sum(map(int, fields[11:15])) / TICKS_PER_S
    return found


def _own_s() -> float:
    """CPU seconds of this process and of all that it has started."""
    processes = _processes()
    own = {os.getpid()}
    while more := {pid for pid, (parent, _) in processes.items() if parent in own} - own:
        own |= more
    return sum(processes[pid][1] for pid in own)


class Neighbours:
    """How many processors are busy with what does not belong to the measurement."""

    def __init__(self):
        self._begin = self._now()

    @staticmethod
    def _now():
        return time.monotonic(), _busy_s() - _own_s()

    def cores(self) -> float:
        """Since it was made, on the average."""
        at, used = self._now()
        return max(0.0, (used - self._begin[1]) / (at - self._begin[0]))
