"""What outputs cost beside the first one, and how they behave: segments, streams, images. See bench/run, which
provides everything that this needs."""
import contextlib
import dataclasses
import functools
import os
import pathlib
import signal
import sys
import tempfile
import time

import numpy as np

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent
sys.path[:0] = [str(ROOT / "tests/e2e"), str(ROOT / "tests")]

import bench  # noqa: E402
import floor  # noqa: E402
import hls  # noqa: E402
import long_run  # noqa: E402
import measure  # noqa: E402
import table  # noqa: E402
from analyser import analyse  # noqa: E402
from cases import _log_time_ns  # noqa: E402
from publisher import Publisher  # noqa: E402
from receivers import RtmpServer, SrtReceiver  # noqa: E402
from server import ADDRESS, API_KEY, API_SECRET, Ports, Server  # noqa: E402

# Enough for a segment and a key frame.
LEAST_SECONDS = 6
HOUR_SECONDS = 3600
# How long a server of streams is gone.
GONE_SECONDS = 2
COST_AIM_PERCENT = 3
# From key frame to key frame of segments and streams.
KEYS = ("--key-frame-interval", "4")

INTRODUCTION = """\
`bench/run outputs` makes this: `egress record` of one participant, who sends 1280x720 pictures at 30 a second and Opus
through a livekit-server, encoded with H264 and AAC.

*Cost* is the processor time of a recording with the output beside a file, and of one into the file alone right before
it, encoded the same (key frames every four seconds; for RTMP a constant rate), both while they record; *more* is
how much more it is. The aim is less than 3 % for each. *own MB* is what the program had written to and shares with none.

*Viewer* counts from the instant at which the last picture of a segment was sent, by the publisher's clock, to that at which
the playlist names it; whoever plays a segment of four seconds from its beginning is later by these. *Restart*: an RTMP server is
killed and comes back after two seconds; *recovered* counts from its start until it gets pictures again, *lost* is what is
between the last picture before and the first after. *Hour* is an hour of a test pattern into a file, segments and RTMP at once,
faster than real time (`bench/long-run.c`): what is in use, and what is resident, at each tenth of the way. *others'
cores* is how many processors were busy with what does not belong to the measurement."""


@dataclasses.dataclass(frozen=True)
class Case:
    name: str
    title: str
    outputs: tuple = ()     # beside the file: segments, rtmp, srt, images
    options: tuple = ()     # for both recordings
    kind: str = "cost"


CASES = [
    Case("segments", "file + HLS", ("segments",), KEYS),
    Case("rtmp", "file + RTMP", ("rtmp",), (*KEYS, "--rate-control", "constant")),
    Case("srt", "file + SRT", ("srt",), KEYS),
    Case("images", "file + an image a second", ("images",)),
    Case("all", "file + HLS + RTMP + SRT + images", ("segments", "rtmp", "srt", "images"),
         (*KEYS, "--rate-control", "constant")),
    Case("viewer", "from the room to the playlist", kind="viewer"),
    Case("restart", "RTMP server restarted", kind="restart"),
    Case("hour", "an hour", kind="hour"),
]


@dataclasses.dataclass
class Cost:
    alone: float           # cores
    beside: float
    alone_mb: float
    beside_mb: float
    neighbours: float

    @property
    def more_percent(self) -> float:
        return 100 * (self.beside / self.alone - 1)


@dataclasses.dataclass
class Restart:
    recovered_s: float
    lost_s: float
    neighbours: float


@dataclasses.dataclass
class Viewer:
    delays_s: list
    neighbours: float


class Stage:
    def __init__(self, stack, folder: pathlib.Path, seconds: float):
        self.stack = stack
        self.folder = folder
        self.seconds = seconds
        self.ports = Ports(0)
        self.server = Server(folder, self.ports)
        stack.callback(self.server.stop)
        self.rtmp = stack.enter_context(contextlib.closing(RtmpServer(folder, self.ports)))
        self.publisher = stack.enter_context(contextlib.closing(Publisher(self.server, folder)))
        self.publisher.join("alice", "room")
        self.publisher.camera("alice", codec="h264", width=floor.WIDTH, height=floor.HEIGHT, fps=floor.FPS, busy=True)
        self.publisher.microphone("alice")
        for track in ("camera", "microphone"):
            self.publisher.wait_event("sending", track=track)
        self._runs = 0

    @contextlib.contextmanager
    def _recording(self, *options):
        """An `egress record` that records, in a folder of its own. Ends in order, or has failed."""
        self._runs += 1
        folder = self.folder / f"run-{self._runs}"
        for inside in ("hls", "shots"):
            (folder / inside).mkdir(parents=True)
        env = os.environ | {"LIVEKIT_URL": self.server.url, "LIVEKIT_API_KEY": API_KEY,
                            "LIVEKIT_API_SECRET": API_SECRET}
        arguments = [option.format(folder=folder, key=f"key-{self._runs}") for option in options]
        program = measure.Metered(
            [os.environ["EGRESS"], "record", "--room", "room", "--participant", "alice", "--log-json",
             "--log-level", "info", *arguments], folder, env)
        with contextlib.closing(program):
            program.wait_line(lambda line: _log_time_ns(line, "active"))
            yield program, folder, f"key-{self._runs}"
            program.send(signal.SIGINT)
            program.wait()

    def _cores(self, *options) -> tuple:
        with self._recording("-o", "{folder}/out.mp4", *options) as (program, _, _):
            begin = time.monotonic(), program.cpu_s()
            self.publisher.wait_media(self.seconds)
            cores = (program.cpu_s() - begin[1]) / (time.monotonic() - begin[0])
            return cores, program.own_mb()

    def _output(self, kind: str) -> tuple:
        if kind == "srt":
            port = self.ports.take()
            self.stack.enter_context(contextlib.closing(SrtReceiver(
                self.folder, f"srt://{ADDRESS}:{port}?mode=listener", name=f"srt-{port}")))
            return "-o", f"srt://{ADDRESS}:{port}"
        return {"segments": ("-o", "{folder}/hls/out.m3u8"), "rtmp": ("-o", self.rtmp.url("{key}")),
                "images": ("-o", "{folder}/shots/%05d.jpg", "--image-interval", "1s")}[kind]

    def _cost(self, case: Case) -> Cost:
        neighbours = measure.Neighbours()
        alone, alone_mb = self._cores(*case.options)
        more = [word for kind in case.outputs for word in self._output(kind)]
        beside, beside_mb = self._cores(*case.options, *more)
        return Cost(alone, beside, alone_mb, beside_mb, neighbours.cores())

    def _viewer(self, case: Case) -> Viewer:
        del case
        neighbours = measure.Neighbours()
        seen = {}
        with self._recording("-o", "{folder}/hls/out.m3u8") as (_, folder, _):
            path = folder / "hls" / "out.m3u8"
            deadline = time.monotonic() + self.seconds + 2 * long_run.SEGMENT_S
            while time.monotonic() < deadline:
                for segment in hls.read(path).segments if path.exists() else []:
                    seen.setdefault(segment.path, time.time_ns())
                time.sleep(0.005)
        delays = []
        for path, named_ns in seen.items():
            video = analyse(path).video
            if not len(video.readable):
                raise measure.Failed(f"no picture of {path.name} can be read")
            last = video.readable[-1]
            behind_s = (named_ns - self.publisher.epoch_ns) / 1e9 - (video.counter[last] + 1) / floor.FPS
            delays.append(float(behind_s % floor.LOOP_SECONDS))
        if not delays:
            raise measure.Failed("there was no segment")
        return Viewer(delays, neighbours.cores())

    def _restart(self, case: Case) -> Restart:
        del case
        neighbours = measure.Neighbours()
        with self._recording("-o", self.rtmp.url("{key}")) as (_, _, key):
            self.rtmp.wait_bytes(key, 1_000_000)
            self.rtmp.kill()
            time.sleep(GONE_SECONDS)
            began = time.monotonic()
            self.rtmp.start()
            self.rtmp.wait_bytes(key, 100_000, index=1)
            recovered = time.monotonic() - began
            self.publisher.wait_media(2)
        first, second = (hls.packets(path, "v") for path in self.rtmp.recordings(key))
        return Restart(recovered, second[0][0] - first[-1][0], neighbours.cores())

    @functools.cache
    def _hour(self, case: Case) -> dict:
        """Once is enough."""
        del case
        folder = self.folder / "hour"
        folder.mkdir()
        with contextlib.closing(RtmpServer(folder, self.ports)) as server:
            return long_run.run(folder, server, HOUR_SECONDS)

    def run(self, case: Case):
        return {"cost": self._cost, "viewer": self._viewer, "restart": self._restart,
                "hour": self._hour}[case.kind](case)


def cost_table(measured: list) -> list:
    head = ["cost", "file alone, cores", "with it, cores", "more %", "aim", "own MB alone", "own MB", "others' cores"]
    lines = [table.line(head), table.line(["---"] + ["--:"] * (len(head) - 1))]
    for case, results in measured:
        aim = COST_AIM_PERCENT * len(case.outputs)
        more = float(np.median([result.more_percent for result in results]))
        lines.append(table.line([
            case.title, *(table.number([getattr(result, name) for result in results], form) for name, form in (
                ("alone", ".3f"), ("beside", ".3f"), ("more_percent", ".1f"))),
            f"< {aim}: {'yes' if more < aim else 'no'}",
            *(table.number([getattr(result, name) for result in results], form) for name, form in (
                ("alone_mb", ".1f"), ("beside_mb", ".1f"), ("neighbours", ".2f")))]))
    return lines


def behaviour_lines(measured: dict) -> list:
    lines = []
    if results := measured.get("viewer"):
        delays = [delay for result in results for delay in result.delays_s]
        lines.append(f"- Viewer: {np.median(delays):.2f} s ({min(delays):.2f}…{max(delays):.2f}), {len(delays)} segments")
    if results := measured.get("restart"):
        lines.append(f"- Restart: recovered after {table.number([r.recovered_s for r in results], '.2f')} s; "
                     f"{table.number([r.lost_s for r in results], '.2f')} s of picture lost; the server was "
                     f"gone for {GONE_SECONDS} s")
    for result in measured.get("hour", [])[:1]:
        def tenths(name, result=result):
            return ", ".join(f"{kb / 1024:.1f}" for kb in result[name])
        lines.append(f"- Hour: {result['seconds']:.0f} s, {result['cpu_s']:.0f} CPU s; in use, MB: {tenths('used_kb')}; "
                     f"resident, MB: {tenths('resident_kb')}")
    return lines


def report(measured: list, rounds: int, seconds: float, load_before: str) -> str:
    lines = [*bench.head("What outputs cost", INTRODUCTION, rounds, seconds, load_before), ""]
    costs = [(case, results) for case, results in measured if case.kind == "cost"]
    others = {case.kind: results for case, results in measured if case.kind != "cost"}
    if costs and (warning := table.disturbance(costs)):
        lines += [warning, ""]
    if costs:
        lines += ["## Cost", *cost_table(costs), ""]
    if others:
        lines += ["## Behaviour", *behaviour_lines(others), ""]
    return "\n".join(lines)


def main() -> int:
    arguments = bench.parse_arguments("bench/run outputs", CASES, rounds=3, seconds=20,
                                      least_seconds=LEAST_SECONDS)
    with contextlib.ExitStack() as stack:
        folder = pathlib.Path(stack.enter_context(tempfile.TemporaryDirectory()))
        return bench.run(arguments, lambda: Stage(stack, folder, arguments.seconds), report, HERE / "OUTPUTS.md")


if __name__ == "__main__":
    sys.exit(main())
