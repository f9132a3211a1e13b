"""What recording pages costs, and how well it is done: an animated page, and rooms, on both displays. See
bench/run, which provides everything that this needs."""
import collections
import contextlib
import dataclasses
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import time

import numpy as np
from livekit import api

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent
sys.path[:0] = [str(ROOT / "tests/e2e"), str(ROOT / "tests")]

import bench  # noqa: E402
import floor  # noqa: E402
import measure  # noqa: E402
import table  # noqa: E402
from analyser import analyse  # noqa: E402
from pages import Pages  # noqa: E402
from processes import below, look_at  # noqa: E402
from publisher import Publisher  # noqa: E402
from server import ADDRESS, Ports, Server  # noqa: E402
from service import Egress, Listener, Service  # noqa: E402

# What it settles in: a new page uses more.
SETTLE_SECONDS = 3
# Of the recording, so many seconds go through the floor: raw pictures are large.
FLOOR_SECONDS = 8
LOOP_SECONDS = 20

INTRODUCTION = """\
`bench/run pages` makes this: egresses of the service, 1280x720 at 30 a second, H264 and AAC into MP4. *Web* is a page
of which every pixel changes in each of its 30 frames a second, with sound (`tests/pages`). The rooms
have one participant, who sends 1280x720 and Opus, and four, each with three simulcast layers of that; the default page
shows them in a grid.

*cores* is processor time while it records, by process: *ours* is the egress itself, which looks at the screen,
converts, encodes and writes; all others but *display* (Xvfb) and *sound* (PulseAudio) are Chromium's. The floor is
`gst-launch-1.0` with the same pictures and sound, taken from the recording, in raw files, through the same encoders,
set the same, and nothing else, right after it. Memory is PSS: what is shared counts by its part.

*active* counts from the call of StartEgress, with nothing running, until the service says that it records; *first picture*
until the instant that the first recorded picture shows. *dropped* and *twice* are of the frames that the page, or the
first participant, shows, in a hundred; a room's go through a network and a player before. A/V is
picture less sound at each beep, *first* and *last* at the first and the last one; a picture lasts 33 ms, so that even
without any error these are up to 17 ms off. *others' cores* is how many processors were busy with what does not belong to the
measurement."""


@dataclasses.dataclass(frozen=True)
class Case:
    name: str
    title: str
    people: int        # 0: no room, a page
    display: str

    # Where the first participant's picture lies: as wide as the tile of a grid, which leaves out a little above
    # and below; or everywhere.
    @property
    def region(self):
        return (8 / 1280, 5.4 / 720, 636 / 1280, 358.6 / 720) if self.people == 4 else None


CASES = [Case(f"{kind}-{display}", f"{title}, {shown}", people, display)
         for kind, title, people in (("web", "Web", 0), ("room1", "room of 1", 1), ("room4", "room of 4", 4))
         for display, shown in (("wayland", "Wayland"), ("x11", "X11"))]

KINDS = ["ours", "renderer", "gpu-process", "browser", "network", "audio", "other", "display", "sound"]
NAMES = {"gpu-process": "gpu"}
CHROMIUM = KINDS[1:7]


def _kind(process, egress_pid: int) -> str:
    if process.pid == egress_pid:
        return "ours"
    kind = {"Xvfb": "display", "pulseaudio": "sound"}.get(process.kind, process.kind)
    return kind if kind in KINDS else "other"


def _snapshot(pid: int) -> list:
    return [found for found in [look_at(pid), *below(pid)] if found]


def _pss_mb(pid: int) -> float:
    with contextlib.suppress(OSError):
        rollup = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text()
        return int(re.search(r"^Pss:\s*(\d+)", rollup, re.MULTILINE)[1]) / 1024
    return 0.0


@dataclasses.dataclass
class Result:
    cores: dict            # by kind
    pss_mb: dict
    active_s: float
    picture_s: float
    frames: int
    dropped: int
    duplicated: int
    offsets_ms: list
    floor_cores: float
    neighbours: float

    @property
    def total(self) -> float:
        return sum(self.cores.values())


class Stage:
    def __init__(self, stack, folder: pathlib.Path, seconds: float):
        self.folder = folder
        self.seconds = seconds
        self.ports = Ports(0)
        self.elements = floor.Elements()
        self.pages = stack.enter_context(contextlib.closing(Pages(self.ports)))
        self.server = Server(folder, self.ports)
        stack.callback(self.server.stop)
        self.publisher = stack.enter_context(contextlib.closing(Publisher(self.server, folder)))
        self._make_media()
        for room, count in (("room-1", 1), ("room-4", 4)):
            for n in range(count):
                self._enter(room, f"{room}-{n}", tag=n + 1, simulcast=3 if count > 1 else 0)

    @staticmethod
    def _make_media():
        """What takes minutes the first time, and none later."""
        for tag in range(1, 5):
            for width, height in ((1280, 720), (640, 360), (320, 180)):
                subprocess.run([os.environ["PUBLISHER"], "make-media", "-codec", "vp8", "-busy", "-tag", str(tag),
                                "-width", str(width), "-height", str(height)],
                               check=True, stdout=subprocess.DEVNULL)

    def _enter(self, room: str, person: str, tag: int, simulcast: int):
        self.publisher.join(person, room, tag=tag)
        layers = {"simulcast": simulcast} if simulcast else {}
        self.publisher.camera(person, codec="vp8", width=1280, height=720, busy=True, **layers)
        self.publisher.microphone(person, tone_hz=400 + 50 * tag)
        self.publisher.wait_event("sending", participant=person, track="camera")

    def _start(self, case: Case, egress: Egress, path: pathlib.Path) -> str:
        if case.people == 0:
            url = self.pages.url("lively", tag=1, busy="yes")
            return egress.web(url, path, preset=api.EncodingOptionsPreset.H264_720P_30).egress_id
        return egress.room(f"room-{case.people}", path, layout="grid",
                           preset=api.EncodingOptionsPreset.H264_720P_30).egress_id

    def _record(self, case: Case, path: pathlib.Path) -> tuple:
        """(Result without what the file says, when it began on the wall clock)"""
        with contextlib.ExitStack() as stack:
            hooks = stack.enter_context(contextlib.closing(Listener(self.ports)))
            service = stack.enter_context(contextlib.closing(Service(
                self.folder, self.ports, self.server, display=case.display, web_allow=[ADDRESS],
                webhook={"urls": [hooks.url]})))
            egress = Egress(service.url)
            began = time.time()
            egress_id = self._start(case, egress, path)
            hooks.wait_active(egress_id)
            active_s = time.time() - began
            self.publisher.wait_media(SETTLE_SECONDS)
            pid = service.egress_pid(egress_id)
            neighbours = measure.Neighbours()
            since, before = time.monotonic(), {(p.pid, p.started): p.cpu_s for p in _snapshot(pid)}
            self.publisher.wait_media(self.seconds)
            after, lasted = _snapshot(pid), time.monotonic() - since
            busy = neighbours.cores()
            cores, pss = collections.Counter(), collections.Counter()
            for process in after:
                kind = _kind(process, pid)
                cores[kind] += (process.cpu_s - before.get((process.pid, process.started), 0.0)) / lasted
                pss[kind] += _pss_mb(process.pid)
            egress.stop(egress_id)
            ended = hooks.wait_ended(egress_id)
            if ended["status"] != "EGRESS_COMPLETE":
                raise measure.Failed(f"{case.name}: {ended.get('error', ended['status'])}")
        return Result(cores, pss, active_s, 0.0, 0, 0, 0, [], 0.0, busy), began

    def _floor(self, path: pathlib.Path) -> float:
        """Cores of the encoders alone, on the recording's own pictures and sound."""
        raw, wave = self.folder / "pictures.i420", self.folder / "sound.wav"
        subprocess.run(
            ["ffmpeg", "-v", "error", "-y", "-ss", "1", "-t", str(FLOOR_SECONDS), "-i", path, "-map", "0:v",
             "-f", "rawvideo", "-pix_fmt", "yuv420p", raw, "-map", "0:a", "-ar", str(floor.AAC_RATE_HZ), wave],
            check=True)
        pictures = raw.stat().st_size / (1280 * 720 * 1.5)
        video = (f"filesrc location={raw} blocksize={1280 * 720 * 3 // 2} ! rawvideoparse format=i420 width=1280 "
                 f"height=720 framerate=30/1 ! {self.elements.h264_encoder()} bitrate={floor.VIDEO_KBPS} "
                 f"! video/x-h264,stream-format=avc,alignment=au,profile={floor.PROFILE} ! fakesink")
        sound = (f"filesrc location={wave} ! wavparse ! audioconvert ! {self.elements.encoder('aac')} "
                 f"bitrate={floor.AUDIO_BPS} ! fakesink")
        usage = measure.run(["gst-launch-1.0", "--quiet", *video.split(), *sound.split()], self.folder)
        raw.unlink()
        return usage.cpu_s / (pictures / 30)

    def run(self, case: Case) -> Result:
        path = self.folder / f"{case.name}.mp4"
        path.unlink(missing_ok=True)
        result, began = self._record(case, path)
        beside_floor = measure.Neighbours()
        result.floor_cores = self._floor(path)
        result.neighbours = max(result.neighbours, beside_floor.cores())
        recording = analyse(path, region=case.region)
        video = recording.video
        if not len(video.readable):
            raise measure.Failed(f"{case.name}: no picture can be read")
        first = video.readable[0]
        ahead = (video.counter[first] / video.source_fps - video.pts[first] - began) % LOOP_SECONDS
        result.picture_s = float(ahead)
        result.frames, result.dropped, result.duplicated = len(video.pts), video.dropped, video.duplicated
        result.offsets_ms = [offset * 1000 for _, offset in recording.av_offsets()]
        return result


def _median(results: list, get) -> float:
    return float(np.median([get(result) for result in results]))


def _cell(results: list, get, form=".2f") -> str:
    return table.number([get(result) for result in results], form)


def _offset_at(results: list, beep: int) -> str:
    found = [result.offsets_ms[beep] for result in results if result.offsets_ms]
    return table.number(found, "+.1f") if found else "–"


def cores_table(measured: list) -> list:
    head = ["cores", "all", *(NAMES.get(kind, kind) for kind in KINDS), "floor", "all / floor", "ours / floor",
            "others' cores"]
    lines = [table.line(head), table.line(["---"] + ["--:"] * (len(head) - 1))]
    for case, results in measured:
        lines.append(table.line([
            case.title, _cell(results, lambda r: r.total),
            *(f"{_median(results, lambda r, kind=kind: r.cores[kind]):.3f}" for kind in KINDS),
            _cell(results, lambda r: r.floor_cores), _cell(results, lambda r: r.total / r.floor_cores),
            _cell(results, lambda r: r.cores["ours"] / r.floor_cores),
            _cell(results, lambda r: r.neighbours)]))
    return lines


def memory_table(measured: list) -> list:
    head = ["PSS, MB", "all", "ours", "Chromium", "display", "sound"]
    lines = [table.line(head), table.line(["---"] + ["--:"] * (len(head) - 1))]
    for case, results in measured:
        sums = [KINDS, ["ours"], CHROMIUM, ["display"], ["sound"]]
        lines.append(table.line([case.title, *(
            _cell(results, lambda r, kinds=kinds: sum(r.pss_mb[kind] for kind in kinds), ".0f")
            for kinds in sums)]))
    return lines


def quality_table(measured: list) -> list:
    head = ["", "active s", "first picture s", "dropped %", "twice %", "A/V ms", "p5…p95", "worst",
            "first", "last"]
    lines = [table.line(head), table.line(["---"] + ["--:"] * (len(head) - 1))]
    for case, results in measured:
        lines.append(table.line([
            case.title, _cell(results, lambda r: r.active_s), _cell(results, lambda r: r.picture_s),
            _cell(results, lambda r: 100 * r.dropped / r.frames, ".1f"),
            _cell(results, lambda r: 100 * r.duplicated / r.frames, ".1f"), *table.offsets(results),
            _offset_at(results, 0), _offset_at(results, -1)]))
    return lines


def report(measured: list, rounds: int, seconds: float, load_before: str) -> str:
    chromium = bench._first_line("chromium", "--version")
    lines = [*bench.head("What pages cost", INTRODUCTION, rounds, seconds, load_before), f"- {chromium}", ""]
    if warning := table.disturbance(measured):
        lines += [warning, ""]
    lines += ["## Processors", *cores_table(measured), "", "## Memory", *memory_table(measured), "",
              "## Start and quality", *quality_table(measured), ""]
    return "\n".join(lines)


def main() -> int:
    arguments = bench.parse_arguments("bench/run pages", CASES, rounds=3, seconds=15,
                                      least_seconds=FLOOR_SECONDS)
    with contextlib.ExitStack() as stack:
        # Sockets lie in it.
        folder = pathlib.Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-", dir="/tmp")))
        os.environ["TMPDIR"] = str(folder)
        return bench.run(arguments, lambda: Stage(stack, folder, arguments.seconds), report, HERE / "PAGES.md")


if __name__ == "__main__":
    sys.exit(main())
