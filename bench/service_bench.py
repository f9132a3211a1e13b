"""What the service costs, by the kind of egress, behind a real livekit-server. See bench/run, which provides
everything that this needs."""
import argparse
import collections
import contextlib
import datetime
import os
import pathlib
import statistics
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent
sys.path[:0] = [str(ROOT / "tests/e2e"), str(ROOT / "tests")]


from livekit import api  # noqa: E402

import bench  # noqa: E402
from publisher import Publisher  # noqa: E402
from server import Ports, Server  # noqa: E402
from service import Egress, Listener, Redis, Service  # noqa: E402

PASSTHROUGH = 8  # a preset that livekit-server knows by its number only
TICKS_PER_S = os.sysconf("SC_CLK_TCK")
SECONDS = 15
MANY = 20

INTRODUCTION = """\
`bench/run service` makes this: `egress serve` behind a real livekit-server and Redis, driven by LiveKit's
client for Python. One participant sends 1280x720 H264 at 30 a second (1.7 Mbit/s) and Opus; the room of
four is four with microphones only.

*reply* is how long the call of StartEgress took; livekit-server waits 0.5 s of it for other bids unless
the service runs something already, which it does here (*idle reply* is without). *active* and *complete* count
from that call, and from that of StopEgress, to the webhooks that livekit-server sends. *cores* is the processor
time of the process of the egress while it records. *own MB* is what this process had written to and shares with
none, *PSS* counts what it shares by its part, *RSS* in full. *N at once* are that many egresses of one kind: what one of
them takes then. *v2* is StartEgress with a media source. What is encoded is 1280x720 at 30 a second, H264 main, and AAC."""


def _fields(path: str) -> dict:
    return {line.split(":")[0]: line.split()[1] for line in pathlib.Path(path).read_text().splitlines()
            if len(line.split()) > 1}


class Process:
    def __init__(self, pid: int):
        self.pid = pid

    def cpu_s(self) -> float:
        fields = pathlib.Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICKS_PER_S

    def memory_mb(self) -> dict:
        rollup = _fields(f"/proc/{self.pid}/smaps_rollup")
        return {"own": int(rollup["Private_Dirty"]) / 1024, "pss": int(rollup["Pss"]) / 1024,
                "rss": int(rollup["Rss"]) / 1024}


Started = collections.namedtuple("Started", "egress_id begin reply_s")


class Stage:
    def __init__(self, stack, folder: pathlib.Path):
        ports = Ports(0)
        self.folder = folder
        self.hooks = stack.enter_context(contextlib.closing(Listener(ports)))
        redis = stack.enter_context(contextlib.closing(Redis(folder, ports)))
        self.server = Server(folder, ports, redis={"address": redis.address},
                             webhook={"api_key": "devkey", "urls": [self.hooks.url]})
        stack.callback(self.server.stop)
        self.service = stack.enter_context(contextlib.closing(
            Service(folder, ports, self.server, redis=redis)))
        self.egress = Egress(self.server.url)
        self.publisher = stack.enter_context(contextlib.closing(Publisher(self.server, folder)))
        self.tracks = {}
        for name in ("alice", "bob", "carol", "dave"):
            self.publisher.join(name, "bench-four")
            self.publisher.microphone(name, tone_hz=300 + 50 * len(self.tracks))
        self.publisher.join("erin", "bench")
        self.video = self.publisher.camera("erin", "h264", width=1280, height=720, busy=True)
        self.audio = self.publisher.microphone("erin")

    def _at(self, egress_id: str, event: str, status: str) -> float:
        self.hooks.wait(event, egress_id, status)
        return next(e["received_at"] for e in self.hooks.events
                    if e["event"] == event and e["egressInfo"]["egressId"] == egress_id and
                    e["egressInfo"].get("status") == status)

    def start(self, kind: str) -> Started:
        path = self.folder / f"{kind}-{time.monotonic_ns()}"
        mp4, ogg = path.with_suffix(".mp4"), path.with_suffix(".ogg")
        both = {"video_track_id": self.video,
                "audio": api.AudioConfig(routes=[api.AudioRoute(track_id=self.audio)])}
        starts = {
            "track-h264": lambda: self.egress.track("bench", self.video, mp4),
            "track-opus": lambda: self.egress.track("bench", self.audio, ogg),
            "participant": lambda: self.egress.participant("bench", "erin", mp4),
            "track-composite": lambda: self.egress.track_composite("bench", self.audio, self.video, mp4),
            "room-audio": lambda: self.egress.room_audio("bench-four", ogg),
            "media-sound": lambda: self.egress.media(
                "bench-four", ogg, audio=api.AudioConfig(capture_all=True)),
            "media-passthrough": lambda: self.egress.media("bench", mp4, preset=PASSTHROUGH, **both),
            "media": lambda: self.egress.media("bench", mp4, **both),
        }
        begin = time.monotonic()
        info = starts[kind]()
        return Started(info.egress_id, begin, time.monotonic() - begin)

    def stop(self, egress_id: str) -> float:
        begin = time.monotonic()
        self.egress.stop(egress_id)
        return self._at(egress_id, "egress_ended", "EGRESS_COMPLETE") - begin

    def active_s(self, egress_id: str, begin: float) -> float:
        return self._at(egress_id, "egress_updated", "EGRESS_ACTIVE") - begin

    def measure(self, kind: str, seconds: float) -> dict:
        egress_id, begin, reply = self.start(kind)
        active = self.active_s(egress_id, begin)
        process = Process(self.service.egress_pid(egress_id))
        since, cpu = time.monotonic(), process.cpu_s()
        self.publisher.wait_media(seconds)
        cores = (process.cpu_s() - cpu) / (time.monotonic() - since)
        memory = process.memory_mb()
        return {"reply": reply, "active": active, "cores": cores, "complete": self.stop(egress_id)} | memory

    def measure_many(self, kind: str, count: int, seconds: float) -> dict:
        started = [self.start(kind) for _ in range(count)]
        for egress_id, begin, _ in started:
            self.active_s(egress_id, begin)
        processes = [Process(self.service.egress_pid(egress_id)) for egress_id, _, _ in started]
        since, cpu = time.monotonic(), sum(p.cpu_s() for p in processes)
        self.publisher.wait_media(seconds)
        cores = (sum(p.cpu_s() for p in processes) - cpu) / (time.monotonic() - since) / count
        memory = [p.memory_mb() for p in processes]
        mean = {key: statistics.mean(m[key] for m in memory) for key in memory[0]}
        for egress_id, _, _ in started:
            self.egress.stop(egress_id)
        for egress_id, _, _ in started:
            self.hooks.wait_ended(egress_id)
        return {"cores": cores} | mean


Kind = collections.namedtuple("Kind", "name title is_cheap")  # cheap: MANY at once are measured, too

KINDS = [
    Kind("track-h264", "Track H264 → MP4", True),
    Kind("track-opus", "Track Opus → OGG", True),
    Kind("room-audio", "Room of four, sound → OGG", True),
    Kind("participant", "Participant H264 + Opus → MP4, 720p30", False),
    Kind("track-composite", "TrackComposite H264 + Opus → MP4, 720p30", False),
    Kind("media-sound", "v2 media, sound of four → OGG", False),
    Kind("media-passthrough", "v2 media, H264 + Opus as sent → MP4", False),
    Kind("media", "v2 media, H264 + Opus → MP4, 720p30", False),
]


def _row(title: str, found: dict) -> str:
    def cell(key, form):
        return form.format(found[key]) if key in found else ""
    cells = [cell("reply", "{:.3f}"), cell("active", "{:.2f}"), cell("complete", "{:.2f}"),
             cell("cores", "{:.4f}"), cell("own", "{:.1f}"), cell("pss", "{:.1f}"), cell("rss", "{:.1f}")]
    return f"| {title} | " + " | ".join(cells) + " |"


def _capacity(kind: Kind, found: dict, many: int) -> str:
    """How many egresses one core carries, from what is printed of many at once."""
    cores, own_mb = round(found["cores"], 4), round(found["own"], 1)
    count = int(1 / max(cores, 0.0001))
    return (f"- {count} × {kind.title}, at {cores:.4f} cores each when {many} run, with "
            f"{count * own_mb / 1024:.1f} GB of their own")


def _measure_all(stage: Stage, kinds: list, many: int, seconds: float) -> tuple:
    """The rows of the table, and what they say about the capacity of a core."""
    rows, capacities = [], []
    running = stage.start("track-opus")
    for kind in kinds:
        print(f"{kind.title} ({bench.load()})", file=sys.stderr)
        rows.append(_row(kind.title, stage.measure(kind.name, seconds)))
    stage.stop(running.egress_id)
    for kind in kinds:
        if not kind.is_cheap or many == 0:
            continue
        print(f"{many} × {kind.title} ({bench.load()})", file=sys.stderr)
        found = stage.measure_many(kind.name, many, seconds)
        rows.append(_row(f"{many} at once: {kind.title}", found))
        capacities.append(_capacity(kind, found, many))
    return rows, capacities, running.reply_s


def run(arguments, folder: pathlib.Path) -> str:
    load_before = bench.load()
    seconds = arguments.seconds
    with contextlib.ExitStack() as stack:
        stage = Stage(stack, folder)
        service = Process(stage.service.process.popen.pid)
        since, cpu = time.monotonic(), service.cpu_s()
        stage.publisher.wait_media(5)
        idle_cores = (service.cpu_s() - cpu) / (time.monotonic() - since)
        idle_mb = service.memory_mb()
        rows, capacities, idle_reply_s = _measure_all(stage, arguments.kinds, arguments.many, seconds)
    today = datetime.datetime.now(datetime.timezone.utc).date()
    words = ["By these figures a core that does nothing else carries:", "", *capacities, ""] if capacities else []
    return "\n".join([
        "# What the service costs", "", INTRODUCTION, "", "## The machine",
        f"{today}, {seconds:g} s each; {load_before} before, {bench.load()} after.", "",
        *bench.machine(), "", "## Results",
        "| | reply s | active s | complete s | cores | own MB | PSS MB | RSS MB |",
        "|---|---|---|---|---|---|---|---|", *rows, "", *words,
        f"Idle, the service takes {idle_cores:.4f} cores and {idle_mb['rss']:.1f} MB (RSS; its own "
        f"{idle_mb['own']:.1f}). Idle reply: {idle_reply_s:.2f} s.", ""])


def parse_arguments():
    parser = argparse.ArgumentParser(prog="bench/run service")
    parser.add_argument("--seconds", type=float, default=SECONDS)
    parser.add_argument("--kinds", default=",".join(kind.name for kind in KINDS))
    parser.add_argument("--many", type=int, default=MANY)
    parser.add_argument("--write", action="store_true")
    arguments = parser.parse_args()
    names = arguments.kinds.split(",")
    if unknown := set(names) - {kind.name for kind in KINDS}:
        parser.error(f"there is no kind {', '.join(sorted(unknown))}; there are "
                     f"{', '.join(kind.name for kind in KINDS)}")
    if arguments.seconds < 2 or arguments.many < 0:
        parser.error("it takes two seconds at least, and no less than none at once")
    arguments.kinds = [kind for kind in KINDS if kind.name in names]
    if arguments.write and (len(arguments.kinds) < len(KINDS) or arguments.many == 0):
        parser.error("--write is for all kinds, and for many at once")
    return arguments


def main() -> int:
    arguments = parse_arguments()
    with tempfile.TemporaryDirectory() as folder:
        text = run(arguments, pathlib.Path(folder))
    print(text)
    if arguments.write:
        (HERE / "SERVICE.md").write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
