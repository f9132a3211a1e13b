"""What recording pages costs, and how well it is done: an animated page, a film, and rooms, on both displays. See
bench/run, which provides everything that this needs."""
import collections
import contextlib
import dataclasses
import math
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
from analyser import Recording, analyse  # noqa: E402
from pages import Pages, make_film  # noqa: E402
from processes import below, look_at  # noqa: E402
from publisher import Publisher  # noqa: E402
from server import ADDRESS, Ports, Server  # noqa: E402
from service import Egress, Listener, Service  # noqa: E402

# What it settles in: a new page uses more.
SETTLE_SECONDS = 3
# With what it settles in, there is enough for the floor, and there are beeps.
LEAST_SECONDS = 3
# Of the recording, so many pictures at most go through the floor: they are large.
FLOOR_PICTURES = 240
LOOP_SECONDS = 20
# The publisher's; the pages have the same.
TAG = 1

INTRODUCTION = """\
`bench/run pages` makes this: egresses of the service, 1280x720 at 30 a second, H264 and AAC into MP4. *Web* is a page
of which every pixel changes in each of its 30 frames a second, with sound (`tests/pages`); *1080p60* is 1920x1080 at 60 a
second, and of that page only some changes. *Film* is a page that plays a VP8 film of 1280x720 with sound. The rooms
have one participant, who sends 1280x720 and Opus, and four, each with three simulcast layers of that; the default page
shows them in a grid.

*cores* is processor time while it records, by process: *ours* is the egress itself, which looks at the screen,
converts, encodes and writes; all others but *display* (Xvfb) and *sound* (PulseAudio) are Chromium's. The floor is
`gst-launch-1.0` with the same pictures and sound, taken from the recording, in raw files, through the same encoders,
set the same, and nothing else, right after it. Memory is PSS: what is shared counts by its part.

*active* counts from the call of StartEgress, with nothing running, until the service says that it records; *first picture*
until the instant that the first recorded picture shows, which a film does not tell. *dropped* and *twice* are of the frames
that the page, or the first participant, shows, in a hundred; a room's go through a network and a player before. A/V is
picture less sound at each beep, *first* and *last* at the first and the last one; a picture lasts 33 ms, so that even
without any error these are up to 17 ms off. Of it is taken away what the source itself has: the animated page tells at each
beep by how much it draws the picture later than the sound, for it holds frames to the display's refreshes; that of the film
is measured in its file. *others' cores* is how many processors were busy with what does not belong to the measurement."""


@dataclasses.dataclass(frozen=True)
class Case:
    name: str
    title: str
    display: str
    people: int = 0        # in the room; 0: there is none, but a page
    page: str = ""
    is_busy: bool = True   # every pixel of what is shown changes
    preset: int = api.EncodingOptionsPreset.H264_720P_30
    # What the preset says.
    width: int = 1280
    height: int = 720
    fps: int = 30
    video_kbps: int = floor.VIDEO_KBPS

    # Where the first participant's picture lies: as wide as the tile of a grid, which leaves out a little above
    # and below; or everywhere.
    @property
    def region(self):
        return (8 / 1280, 5.4 / 720, 636 / 1280, 358.6 / 720) if self.people == 4 else None


CASES = [
    *(Case(f"{kind}-{display}", f"{title}, {shown}", display, **source)
      for kind, title, source in (
          ("web", "Web", {"page": "lively"}), ("film", "Film", {"page": "clip"}),
          ("room1", "room of 1", {"people": 1}), ("room4", "room of 4", {"people": 4}))
      for display, shown in (("wayland", "Wayland"), ("x11", "X11"))),
    Case("web1080p60-wayland", "Web 1080p60, Wayland", "wayland", page="lively", is_busy=False,
         preset=api.EncodingOptionsPreset.H264_1080P_60, width=1920, height=1080, fps=60, video_kbps=6000),
]

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
    picture_s: float | None
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
    """For these cases, and no others."""

    def __init__(self, stack, folder: pathlib.Path, cases: list, seconds: float):
        self.folder = folder
        self.seconds = seconds
        self.ports = Ports(0)
        self.elements = floor.Elements()
        film = self._make_film() if "clip" in {case.page for case in cases} else {}
        self.pages = stack.enter_context(contextlib.closing(Pages(self.ports, more=film)))
        self.server = Server(folder, self.ports)
        stack.callback(self.server.stop)
        self.publisher = stack.enter_context(contextlib.closing(Publisher(self.server, folder)))
        counts = {case.people for case in cases if case.people}
        self._make_media(max(counts, default=0))
        for count in counts:
            for n in range(count):
                self._enter(f"room-{count}", f"room-{count}-{n}", tag=TAG + n, simulcast=3 if count > 1 else 0)

    def _make_film(self) -> dict:
        """Long enough never to begin again."""
        film = make_film(self.folder, "-tag", TAG, "-busy", "-width", 1280, "-height", 720,
                         turns=math.ceil((self.seconds + LOOP_SECONDS) / LOOP_SECONDS))
        self._film_ms = analyse(film).av_offset_ms()["median"]
        return {"/clip.webm": film.read_bytes()}

    @staticmethod
    def _make_media(count: int):
        """Of so many people. What takes minutes the first time, and none later."""
        for tag in range(TAG, TAG + count):
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
        if case.people:
            return egress.room(f"room-{case.people}", path, layout="grid", preset=case.preset).egress_id
        busy = {"busy": "yes"} if case.is_busy else {}
        url = self.pages.url(case.page, tag=TAG, fps=case.fps, **busy)
        return egress.web(url, path, preset=case.preset).egress_id

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
        return Result(cores, pss, active_s, None, 0, 0, 0, [], 0.0, busy), began

    def _floor(self, case: Case, path: pathlib.Path) -> float:
        """Cores of the encoders alone, on the recording's own pictures and sound."""
        raw, wave = self.folder / "pictures.i420", self.folder / "sound.wav"
        subprocess.run(
            ["ffmpeg", "-v", "error", "-y", "-ss", "1", "-t", str(FLOOR_PICTURES / case.fps), "-i", path, "-map", "0:v",
             "-f", "rawvideo", "-pix_fmt", "yuv420p", raw, "-map", "0:a", "-ar", str(floor.AAC_RATE_HZ), wave],
            check=True)
        n_bytes = case.width * case.height * 3 // 2
        pictures = raw.stat().st_size / n_bytes
        video = (f"filesrc location={raw} blocksize={n_bytes} ! rawvideoparse format=i420 width={case.width} "
                 f"height={case.height} framerate={case.fps}/1 "
                 f"! {self.elements.h264_encoder()} bitrate={case.video_kbps} "
                 f"! video/x-h264,stream-format=avc,alignment=au,profile={floor.PROFILE} ! fakesink")
        sound = (f"filesrc location={wave} ! wavparse ! audioconvert ! {self.elements.encoder('aac')} "
                 f"bitrate={floor.AUDIO_BPS} ! fakesink")
        usage = measure.run(["gst-launch-1.0", "--quiet", *video.split(), *sound.split()], self.folder)
        raw.unlink()
        return usage.cpu_s / (pictures / case.fps)

    def _offsets_ms(self, case: Case, recording: Recording, began: float) -> list:
        """What the recorder adds, at each beep. `began` is on the wall clock, by which the lively page counts."""
        offsets = recording.av_offsets()
        if case.page == "lively":
            own = self.pages.own_ms(TAG)
            return [1000 * offset - own[round(began + at)] for at, offset in offsets if round(began + at) in own]
        return [1000 * offset - (self._film_ms if case.page else 0.0) for _, offset in offsets]

    def run(self, case: Case) -> Result:
        path = self.folder / f"{case.name}.mp4"
        path.unlink(missing_ok=True)
        result, began = self._record(case, path)
        beside_floor = measure.Neighbours()
        result.floor_cores = self._floor(case, path)
        result.neighbours = max(result.neighbours, beside_floor.cores())
        recording = analyse(path, source_fps=case.fps, region=case.region)
        video = recording.video
        if not len(video.readable):
            raise measure.Failed(f"{case.name}: no picture can be read")
        first = video.readable[0]
        ahead = float((video.counter[first] / video.source_fps - video.pts[first] - began) % LOOP_SECONDS)
        if case.page != "clip":
            result.picture_s = ahead
        result.frames, result.dropped, result.duplicated = len(video.pts), video.dropped, video.duplicated
        result.offsets_ms = self._offsets_ms(case, recording, began + ahead)
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
        known = results[0].picture_s is not None
        lines.append(table.line([
            case.title, _cell(results, lambda r: r.active_s),
            _cell(results, lambda r: r.picture_s) if known else "–",
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
                                      least_seconds=LEAST_SECONDS)
    with contextlib.ExitStack() as stack:
        # Sockets lie in it.
        folder = pathlib.Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-", dir="/tmp")))
        os.environ["TMPDIR"] = str(folder)
        return bench.run(arguments, lambda: Stage(stack, folder, arguments.cases, arguments.seconds), report,
                         HERE / "PAGES.md")


if __name__ == "__main__":
    sys.exit(main())
