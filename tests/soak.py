"""A long recording; see tests/soak."""
import argparse
import os
import pathlib
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).parent
sys.path[:0] = [str(HERE / "e2e"), str(HERE)]

import numpy as np  # noqa: E402

from analyser import analyse  # noqa: E402
from publisher import Publisher  # noqa: E402
from recorder import Recorder  # noqa: E402
from server import Ports, Server  # noqa: E402

SAMPLE_SECONDS = 5
CHANGE_SECONDS = 20
JUDGED_SECONDS = 60
WARM_SECONDS = 60
TICKS = os.sysconf("SC_CLK_TCK")


class Watch:
    """What a process uses, sampled."""

    def __init__(self, pid):
        self._proc = pathlib.Path(f"/proc/{pid}")
        self._start = time.monotonic()
        self.samples = []  # (seconds, MB, seconds of CPU, threads, files)

    def sample(self):
        status = dict(line.split(":", 1)
                      for line in (self._proc / "status").read_text().splitlines() if ":" in line)
        after_name = (self._proc / "stat").read_text().rpartition(")")[2].split()
        self.samples.append((
            time.monotonic() - self._start, int(status["VmRSS"].split()[0]) / 1024,
            (int(after_name[11]) + int(after_name[12])) / TICKS, int(status["Threads"]),
            len(list((self._proc / "fd").iterdir()))))

    def describe_last(self) -> str:
        at, memory, cpu, threads, files = self.samples[-1]
        return (f"{at / 60:6.1f} min  {memory:6.1f} MB  {cpu / at:5.3f} cores  {threads} threads  "
                f"{files} files")

    def describe(self) -> str:
        at, memory, cpu = np.array(self.samples)[:, :3].T
        warm = at >= min(WARM_SECONDS, at[-1] / 2)
        slope = np.polyfit(at[warm] / 60, memory[warm], 1)[0] if warm.sum() > 1 else 0.0
        return (f"memory: {memory[warm][0]:.1f} MB warm, {memory[-1]:.1f} at the end, "
                f"{memory.max():.1f} at most, {slope * 1000:+.0f} kB a minute; "
                f"load: {cpu[-1] / at[-1]:.3f} cores")


class Camera:
    """A participant that is recorded, and what it does with its tracks."""

    CODECS = ("h264", "vp8", "vp9")

    def __init__(self, publisher, codec, lively):
        self._publisher = publisher
        self._codec = self.CODECS.index(codec)
        self._lively = lively
        self._turn = 0
        publisher.join("alice", "soak", tag=3)
        self._publish()
        publisher.microphone("alice", tone_hz=550)

    def _publish(self):
        self._publisher.camera("alice", self.CODECS[self._codec], width=640, height=360)

    def change(self):
        """The next of: camera off, on, microphone off, on, another codec."""
        if not self._lively:
            return
        steps = [("mute", "camera"), ("unmute", "camera"), ("mute", "microphone"),
                 ("unmute", "microphone"), (None, None)]
        command, track = steps[self._turn % len(steps)]
        self._turn += 1
        if command:
            self._publisher.call(command, "alice", track=track)
            return
        self._publisher.call("unpublish", "alice", track="camera")
        self._codec = (self._codec + 1) % len(self.CODECS)
        self._publish()

    def settle(self):
        """Nothing stays muted."""
        if self._turn % 5 in (1, 3):
            self.change()


def watch(recorder, camera, seconds):
    watched = Watch(recorder.process.popen.pid)
    start = time.monotonic()
    next_change, next_line = JUDGED_SECONDS, 60
    while (at := time.monotonic() - start) < seconds:
        assert recorder.process.popen.poll() is None, (
            f"the recorder has ended: {recorder.process.lines[-5:]}")
        # Nothing changes while the judged minutes are recorded.
        if at >= seconds - JUDGED_SECONDS - CHANGE_SECONDS:
            camera.settle()
        elif at >= next_change:
            camera.change()
            next_change = at + CHANGE_SECONDS
        watched.sample()
        if at >= next_line:
            print(watched.describe_last(), flush=True)
            next_line += 60
        time.sleep(min(SAMPLE_SECONDS, max(0.1, seconds - at)))
    return watched


def cut(path, folder, *where):
    """A part of the file as it is, with its times."""
    part = folder / f"part{where[0]}.mkv"
    subprocess.run(["ffmpeg", "-hide_banner", "-loglevel", "error", "-nostdin", "-y",
                    *map(str, where), "-i", path, "-t", str(JUDGED_SECONDS), "-c", "copy", part],
                   check=True)
    return part


def longest_step(path) -> float:
    """The longest time for which the same picture is shown, in all of the file."""
    run = subprocess.run(
        ["ffprobe", "-v", "error", "-select_streams", "v", "-show_entries", "packet=pts_time",
         "-of", "csv=p=0", path], capture_output=True, text=True, check=True)
    times = np.sort([float(line.strip(",")) for line in run.stdout.split()])
    return float(np.diff(times).max())


def judge(path, folder) -> bool:
    good = True
    print(f"{path.name}: {path.stat().st_size / 1e6:.1f} MB; "
          f"longest step between pictures {longest_step(path) * 1000:.1f} ms")
    for name, part in (("first", cut(path, folder, "-ss", 0)),
                       ("last", cut(path, folder, "-sseof", -JUDGED_SECONDS))):
        recording = analyse(part)
        offsets = {"median": 0.0, "worst": 0.0} | recording.av_offset_ms()
        print(f"{name} minute: picture less sound: median {offsets['median']:+.1f} ms, "
              f"worst {offsets['worst']:+.1f}, of {offsets['count']} beeps; "
              f"{recording.video.dropped} frames dropped, {recording.video.duplicated} twice, "
              f"{len(recording.sound.gaps)} gaps, {len(recording.sound.clicks)} clicks")
        try:
            recording.expect_in_order()
            recording.expect_av_offset(at_least=JUDGED_SECONDS // 2)
        except AssertionError as error:
            print(error)
            good = False
    return good


def main() -> int:
    parser = argparse.ArgumentParser(prog="tests/soak")
    parser.add_argument("minutes", type=float)
    parser.add_argument("--lively", action="store_true")
    parser.add_argument("--codec", choices=Camera.CODECS, default="h264")
    parser.add_argument("--output", type=pathlib.Path)
    arguments = sys.argv[1:]
    split = arguments.index("--") if "--" in arguments else len(arguments)
    options = parser.parse_args(arguments[:split])
    seconds = options.minutes * 60
    if seconds < 2 * JUDGED_SECONDS + CHANGE_SECONDS:
        parser.error(f"it takes {(2 * JUDGED_SECONDS + CHANGE_SECONDS) / 60:.1f} minutes at least")

    with tempfile.TemporaryDirectory(prefix="soak-") as name:
        folder = pathlib.Path(name)
        output = options.output.absolute() if options.output else "out.mp4"
        server = Server(folder, Ports(0))
        publisher = recorder = None
        try:
            publisher = Publisher(server, folder)
            camera = Camera(publisher, options.codec, options.lively)
            recorder = Recorder(
                server, folder, "--participant", "alice", "--width", "640", "--height", "360",
                *arguments[split + 1:], room="soak", output=output)
            recorder.wait_active()
            watched = watch(recorder, camera, seconds)
            code = recorder.stop()
            print(watched.describe())
            print(*(line for line in recorder.process.lines if '"media statistics"' in line))
            if code != 0:
                print(f"exit code {code}: {recorder.error_lines[-1:]}")
                return 1
            return 0 if judge(recorder.path, folder) else 1
        finally:
            for program in (recorder, publisher):
                if program:
                    program.close()
            server.stop()


if __name__ == "__main__":
    sys.exit(main())
