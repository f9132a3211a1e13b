"""The cases, and what one recording of each shows."""
import contextlib
import dataclasses
import datetime
import json
import math
import os
import pathlib
import signal
import time

import floor
import measure
from analyser import Recording, analyse
from publisher import Publisher
from server import API_KEY, API_SECRET, Server

# The publisher's key frames are this far apart, from the epoch on.
KEY_FRAME_SECONDS = 0.5


@dataclasses.dataclass(frozen=True)
class Case:
    name: str
    title: str
    video: str          # the codec that is published; "" for none
    output: str
    options: tuple
    # Aims; 0 for none.
    cores_aim: float = 0.0
    memory_aim_mb: float = 0.0
    cpu_ratio_aim: float = 0.0     # how many times the floor
    memory_ratio_aim: float = 0.0


CASES = [
    Case("remux", "H264 + Opus → MP4, remuxed", "h264", "out.mp4", ("--passthrough",),
         cores_aim=0.01, memory_aim_mb=30),
    Case("h264", "H264 + Opus → MP4, 720p30", "h264", "out.mp4", (),
         cpu_ratio_aim=1.15, memory_ratio_aim=1.3),
    Case("vp8", "VP8 + Opus → MP4, 720p30", "vp8", "out.mp4", (),
         cpu_ratio_aim=1.15, memory_ratio_aim=1.3),
    Case("sound", "Opus → OGG, transcoded", "", "out.ogg", ()),
]


@dataclasses.dataclass(frozen=True)
class Moments:
    """Of a recording, on the wall clock."""
    epoch_ns: int       # of the publisher's clock
    start_ns: int       # of the program
    subscribed_ns: int  # it has asked for the tracks
    active_ns: int      # its log says "active"
    stopped_ns: int     # SIGINT was sent
    end_ns: int         # of the program


@dataclasses.dataclass
class Result:
    """Of one round of one case."""
    cpu: float             # CPU seconds per second of media, of all of its run
    cores: float           # ... while it records only
    memory_mb: float
    own_mb: float          # ... of it, what it shares with no other process
    active_s: float        # from the start of the program to "active"
    content_s: float       # ... to the instant of what is recorded first
    available_s: float     # ... to the first key frame, or sound, that it could get
    finish_s: float        # from SIGINT to the exit
    offsets_ms: list       # picture less sound, at each beep
    dropped: int
    duplicated: int
    floor_cpu: float
    floor_memory_mb: float
    neighbours: float      # processors that were busy with something else


def _log_time_ns(line: str, message: str):
    """When a line of the program's log with that message was written, on the wall clock."""
    if not line.startswith("{"):
        return None
    entry = json.loads(line)
    if entry["msg"] != message:
        return None
    return round(datetime.datetime.fromisoformat(entry["ts"]).timestamp() * 1000) * 1_000_000


def _first_clock_s(recording: Recording) -> float:
    """What the publisher's clock, in seconds of its loop, said at the first picture, or else at the
    begin of the sound."""
    if recording.video:
        shown = recording.video.readable
        if not len(shown):
            raise measure.Failed("no picture of the recording can be read")
        return recording.video.counter[shown[0]] / floor.FPS
    beeps = [beep for beep in recording.sound.beeps if beep.second >= 0]
    if not beeps:
        raise measure.Failed("no beep of the recording can be heard")
    return beeps[0].second - (beeps[0].at - recording.start)


def _first_content_s(recording: Recording, moments: Moments) -> float:
    """When that was sent, since the start. Its clock does not say which turn of the loop it is: the
    nearest."""
    start_s = (moments.start_ns - moments.epoch_ns) / 1e9
    half = floor.LOOP_SECONDS / 2
    return (_first_clock_s(recording) - start_s + half) % floor.LOOP_SECONDS - half


def _available_s(case: Case, moments: Moments, content_s: float) -> float:
    """When the first key frame, or sound, was sent that it could get, since the start."""
    first_s = (moments.subscribed_ns - moments.epoch_ns) / 1e9
    if case.video:
        first_s = math.ceil(first_s / KEY_FRAME_SECONDS) * KEY_FRAME_SECONDS
    start_s = (moments.start_ns - moments.epoch_ns) / 1e9
    # What is recorded may have been sent before: the clocks of logs count whole milliseconds.
    return min(first_s - start_s, content_s)


class Stage:
    """A livekit-server and a publisher, for all rounds."""

    def __init__(self, server: Server, publisher: Publisher, floors: floor.Floor,
                 folder: pathlib.Path, seconds: float):
        self.server = server
        self.publisher = publisher
        self.floors = floors
        self.folder = folder
        self.seconds = seconds
        self._rooms = 0

    @contextlib.contextmanager
    def _publishing(self, case: Case):
        """The name of a room in which "alice" sends, until everybody leaves."""
        self._rooms += 1
        room = f"bench-{self._rooms}"
        self.publisher.join("alice", room)
        if case.video:
            self.publisher.camera("alice", codec=case.video, width=floor.WIDTH, height=floor.HEIGHT,
                                  fps=floor.FPS, busy=True)
        self.publisher.microphone("alice")
        # Always at the same distance from key frames: right after one.
        for track in ("camera", "microphone") if case.video else ("microphone",):
            self.publisher.wait_event("sending", track=track)
        self.publisher.forget_events()
        yield room
        self.publisher.call("leave", "alice")

    def _record(self, case: Case, room: str):
        """One recording, its use of the machine and when what happened."""
        output = self.folder / case.output
        output.unlink(missing_ok=True)
        env = os.environ | {"LIVEKIT_URL": self.server.url, "LIVEKIT_API_KEY": API_KEY,
                            "LIVEKIT_API_SECRET": API_SECRET}
        neighbours = measure.Neighbours()
        program = measure.Metered(
            [os.environ["EGRESS"], "record", "--room", room, "--participant", "alice", "--log-json",
             "--log-level", "info", *case.options, "-o", output], self.folder, env)
        with contextlib.closing(program):
            active_ns = program.wait_line(lambda line: _log_time_ns(line, "active"))
            subscribed_ns = program.wait_line(lambda line: _log_time_ns(line, "track added"))
            begin = time.monotonic(), program.cpu_s()
            self.publisher.wait_media(self.seconds)
            cores = (program.cpu_s() - begin[1]) / (time.monotonic() - begin[0])
            own_mb = program.own_mb()
            stopped_ns = program.send(signal.SIGINT)
            usage = program.wait()
        moments = Moments(self.publisher.epoch_ns, usage.start_ns, subscribed_ns, active_ns,
                          stopped_ns, usage.end_ns)
        return output, usage, cores, own_mb, moments, neighbours.cores()

    def run(self, case: Case) -> Result:
        with self._publishing(case) as room:
            output, usage, cores, own_mb, moments, neighbours = self._record(case, room)
        beside_floor = measure.Neighbours()
        bare = self.floors.run(case.name)
        neighbours = max(neighbours, beside_floor.cores())
        recording = analyse(output)

        content_s = _first_content_s(recording, moments)
        video = recording.video
        return Result(
            cpu=usage.cpu_s / recording.duration, cores=cores, memory_mb=usage.peak_mb,
            own_mb=own_mb, active_s=(moments.active_ns - moments.start_ns) / 1e9, content_s=content_s,
            available_s=_available_s(case, moments, content_s),
            finish_s=(moments.end_ns - moments.stopped_ns) / 1e9,
            offsets_ms=[offset * 1000 for _, offset in recording.av_offsets()],
            dropped=video.dropped if video else 0, duplicated=video.duplicated if video else 0,
            floor_cpu=bare.cpu_s / floor.LOOP_SECONDS, floor_memory_mb=bare.peak_mb,
            neighbours=neighbours)
