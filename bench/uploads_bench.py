"""What uploading costs, and how long after its end a recording is in its store. See bench/run, which provides everything
that this needs."""
import argparse
import collections
import contextlib
import dataclasses
import datetime
import os
import pathlib
import subprocess
import sys
import tempfile

import numpy as np

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent
sys.path[:0] = [str(ROOT / "tests/e2e"), str(ROOT / "tests")]
# At the end: there is a cases.py, too.
sys.path.append(str(ROOT / "tests/storage"))

import bench  # noqa: E402
import measure  # noqa: E402
import store_tool  # noqa: E402
import table  # noqa: E402
from sink_server import Sink  # noqa: E402
from waiting import wait_until  # noqa: E402

GB = 10**9
SAMPLE_BYTES = 1 << 26
# Of which the hour is put together.
LOOP_SECONDS = 60
HOUR_SECONDS = 3600
# What is rewritten at the end, within the first part.
HEAD_BYTES = 4096
S3_PART_BYTES = 5 << 20

INTRODUCTION = """\
`bench/run uploads` makes this. The uploader of the product sends a file of random bytes from its spool, four parts at a
time, as it is set by default, to a server on the same machine that checks the signature and the checksum of each part and
throws the bytes away. Right after it `curl -T` sends the same file to the same server, over the same HTTP, without signature or
checksum: what it costs to send anything at all. *digest* is `openssl dgst` of the file, the checksum that the store wants
(SHA-256 for S3, MD5 for Azure), which curl does not make. CPU is that of the process, user and system, of its whole run. *cores at
100 Mbit/s* is that figure, by the bits. How fast it went says nothing: the server is a program in Python.

The hour is H264 of 3 Mbit/s with AAC, in the unfinished form that a recording has until its end, and Opus of 128 kbit/s.
*finish* is what the product does at the end of the recording (an MP4 is copied, so that its index is in front, and synced to the
disk; an OGG is complete as it is), *upload* until the server has acknowledged everything: so much after the end the egress is
`EGRESS_COMPLETE`. A server that is far away adds the time that its line needs for the size. WebM of 3 Mbit/s is uploaded while it
is recorded, so what is left at its end are the first and the last part; the whole parts are in the store before the time begins.

Memory is what was resident at most, with the libraries that other programs share. *others' cores* is how many processors were
busy with what does not belong to the measurement."""


@dataclasses.dataclass(frozen=True)
class Case:
    name: str
    title: str
    kind: str
    digest: str = ""     # of the checksum; none: it is an hour
    extension: str = ""
    grows: bool = False  # is uploaded before it is complete


CASES = [
    Case("s3", "S3", "s3", digest="-sha256"),
    Case("azure", "Azure", "azure", digest="-md5"),
    Case("hour-mp4", "an hour, MP4 → S3", "s3", extension="mp4"),
    Case("hour-ogg", "an hour, OGG → S3", "s3", extension="ogg"),
    Case("hour-webm", "an hour, WebM as it grows → S3", "s3", extension="webm", grows=True),
]

Sent = collections.namedtuple("Sent", "cpu curl_cpu digest_cpu cores memory_mb curl_memory_mb neighbours")
Hour = collections.namedtuple("Hour", "size_mb finish_s upload_s total_s memory_mb neighbours")


class Stage:
    def __init__(self, folder: pathlib.Path, sink: Sink, n_bytes: int):
        self.folder, self.sink, self.n_bytes = folder, sink, n_bytes
        self._n = 0

    def _random_file(self) -> pathlib.Path:
        """In the page cache, as what was recorded just now is."""
        path = self.folder / "random"
        if not path.exists():
            with open(path, "wb") as file:
                for left in range(self.n_bytes, 0, -SAMPLE_BYTES):
                    file.write(os.urandom(min(left, SAMPLE_BYTES)))
        return path

    def _key(self, extension: str) -> str:
        self._n += 1
        return f"{self._n}.{extension}"

    def _expect_stored(self, storage: dict, key: str, n_bytes: int):
        found = self.sink.find(storage, key)
        if not found.is_complete or found.size != n_bytes or self.sink.refusals:
            raise measure.Failed(f"{key} is not in the store as it should be: {self.sink.refusals}")

    def send(self, case: Case) -> Sent:
        path, storage, key = self._random_file(), getattr(self.sink, case.kind)(), self._key("bin")
        told = self.folder / "told"
        told.write_text(store_tool.upload_lines(storage, spool=self.folder / "spool", key=key, file=path))
        neighbours = measure.Neighbours()
        ours = measure.run(["bash", "-c", 'exec "$0" < "$1"', store_tool.UPLOAD_TOOL, told], self.folder)
        self._expect_stored(storage, key, self.n_bytes)
        curl = measure.run(["curl", "--silent", "--fail", "-T", path, self.sink.plain_url(key)], self.folder)
        digest = measure.run(["openssl", "dgst", case.digest, path], self.folder)
        per_gb = GB / self.n_bytes
        return Sent(cpu=ours.cpu_s * per_gb, curl_cpu=curl.cpu_s * per_gb, digest_cpu=digest.cpu_s * per_gb,
                    cores=ours.cpu_s / (self.n_bytes * 8) * 100e6, memory_mb=ours.peak_mb, curl_memory_mb=curl.peak_mb,
                    neighbours=neighbours.cores())

    def _recorded_hour(self, extension: str) -> pathlib.Path:
        loop = self.folder / f"loop.{extension}"
        if not loop.exists():
            make_loop(loop)
        path = self.folder / f"hour.recording.{extension}"
        options = ["-movflags", "frag_keyframe+delay_moov+default_base_moof"] if extension == "mp4" else []
        ffmpeg("-stream_loop", HOUR_SECONDS // LOOP_SECONDS - 1, "-i", loop, "-c", "copy", *options, path)
        return path

    def _grow(self, storage: dict, log, key: str, path: pathlib.Path) -> dict:
        whole = (path.stat().st_size - 2) // S3_PART_BYTES
        with contextlib.closing(store_tool.Growing(storage, log, spool=self.folder / "spool", key=key, growing=path,
                                                   head=HEAD_BYTES)) as growing:
            wait_until(lambda: len(self.sink.find(storage, key).sizes) == whole - 1, "what is whole is in the store",
                       timeout=600)
            return growing.end("complete")

    def hour(self, case: Case) -> Hour:
        recording, storage, key = self._recorded_hour(case.extension), self.sink.s3(), self._key(case.extension)
        neighbours = measure.Neighbours()
        with open(self.folder / "upload-tool.log", "ab") as log:
            if case.grows:
                answer = self._grow(storage, log, key, recording)
            else:
                answer = store_tool.upload(storage, log, spool=self.folder / "spool", key=key, recording=recording)
        if answer["error"] is not None:
            raise measure.Failed(answer["error"])
        self._expect_stored(storage, key, answer["size"])
        finish_s, upload_s = answer["finish_ms"] / 1000, answer["upload_ms"] / 1000
        return Hour(answer["size"] / 1e6, finish_s, upload_s, finish_s + upload_s, answer["peak_kb"] / 1024,
                    neighbours.cores())

    def run(self, case: Case):
        return self.send(case) if case.digest else self.hour(case)


def ffmpeg(*arguments):
    subprocess.run(["ffmpeg", "-v", "error", "-y", *map(str, arguments)], check=True, stdin=subprocess.DEVNULL)


def make_loop(path: pathlib.Path):
    sound = ["-f", "lavfi", "-i", f"anoisesrc=r=48000:a=0.1:d={LOOP_SECONDS}", "-ac", "2", "-b:a", "128k"]
    if path.suffix == ".ogg":
        ffmpeg(*sound, "-c:a", "libopus", path)
        return
    pictures = ["-f", "lavfi", "-i", f"testsrc2=s=1280x720:r=30:d={LOOP_SECONDS}"]
    if path.suffix == ".webm":
        ffmpeg(*pictures, *sound, "-c:a", "libopus", "-c:v", "libvpx", "-deadline", "realtime", "-cpu-used", "8",
               "-b:v", "3M", "-minrate", "3M", "-maxrate", "3M", "-g", "60", path)
        return
    ffmpeg(*pictures, *sound[:4], "-ac", "2", "-c:a", "aac",
           "-b:a", "128k", "-c:v", "libx264", "-preset", "ultrafast", "-g", "60", "-b:v", "3M", "-minrate", "3M",
           "-maxrate", "3M", "-bufsize", "3M", "-nal-hrd", "cbr", "-x264-params", "bframes=0", path)


def _number(results: list, name: str, form: str) -> str:
    return table.number([getattr(result, name) for result in results], form)


def _ratio(results: list, name: str, below: str) -> str:
    return table.number([getattr(result, name) / getattr(result, below) for result in results], ".2f")


def sent_table(measured: list) -> list:
    head = ["", "CPU s per GB", "curl", "ratio", "digest", "curl + digest, ratio", "cores at 100 Mbit/s", "peak MB", "curl", "ratio",
            "others' cores"]
    lines = [table.line(head), table.line(["---"] + ["--:"] * (len(head) - 1))]
    for case, results in measured:
        both = [r.cpu / (r.curl_cpu + r.digest_cpu) for r in results]
        lines.append(table.line([
            case.title, _number(results, "cpu", ".2f"), _number(results, "curl_cpu", ".2f"),
            _ratio(results, "cpu", "curl_cpu"), _number(results, "digest_cpu", ".2f"), table.number(both, ".2f"),
            _number(results, "cores", ".4f"), _number(results, "memory_mb", ".1f"),
            _number(results, "curl_memory_mb", ".1f"), _ratio(results, "memory_mb", "curl_memory_mb"),
            _number(results, "neighbours", ".2f")]))
    return lines


def hour_table(measured: list) -> list:
    head = ["", "MB", "finish s", "upload s", "end to COMPLETE s", "peak MB", "others' cores"]
    lines = [table.line(head), table.line(["---"] + ["--:"] * (len(head) - 1))]
    forms = {"size_mb": ".0f", "finish_s": ".1f", "upload_s": ".1f", "total_s": ".1f", "memory_mb": ".1f",
             "neighbours": ".2f"}
    for case, results in measured:
        lines.append(table.line([case.title, *(_number(results, name, form) for name, form in forms.items())]))
    return lines


def report(measured: list, rounds: int, n_bytes: int, load_before: str) -> str:
    today = datetime.datetime.now(datetime.timezone.utc).date()
    sent = [(case, results) for case, results in measured if case.digest]
    hours = [(case, results) for case, results in measured if not case.digest]
    several = f"{rounds} rounds; medians (and from where to where)" if rounds > 1 else "one round"
    lines = ["# What uploading costs", "", INTRODUCTION, "", "## The machine",
             f"{today}, {several}; {load_before} before, {bench.load()} after.", "", *bench.machine(), ""]
    if warning := table.disturbance(measured):
        lines += [warning, ""]
    if sent:
        lines += [f"## A file of {n_bytes / GB:g} GB", *sent_table(sent), ""]
    if hours:
        lines += ["## After an hour", *hour_table(hours), ""]
    return "\n".join(lines)


def parse_arguments():
    parser = argparse.ArgumentParser(prog="bench/run uploads")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--gigabytes", type=float, default=1)
    parser.add_argument("--cases", default=",".join(case.name for case in CASES))
    parser.add_argument("--write", action="store_true")
    arguments = parser.parse_args()
    names = arguments.cases.split(",")
    if unknown := set(names) - {case.name for case in CASES}:
        parser.error(f"there is no case {', '.join(sorted(unknown))}; there are "
                     f"{', '.join(case.name for case in CASES)}")
    if arguments.rounds < 1 or arguments.gigabytes < 0.1:
        parser.error("there must be at least one round, of 0.1 GB")
    arguments.cases = [case for case in CASES if case.name in names]
    if arguments.write and (len(arguments.cases) < len(CASES) or arguments.gigabytes < 1):
        parser.error("--write is for all cases, and 1 GB at least")
    return arguments


def main() -> int:
    arguments = parse_arguments()
    n_bytes = int(arguments.gigabytes * GB)
    load_before = bench.load()
    with contextlib.ExitStack() as stack:
        # Beside the program: it needs 5 GB, which a temporary folder may not have.
        folder = pathlib.Path(stack.enter_context(tempfile.TemporaryDirectory(dir=store_tool.BUILD)))
        stage = Stage(folder, stack.enter_context(contextlib.closing(Sink())), n_bytes)
        try:
            measured = bench.measure_all(stage, arguments.cases, arguments.rounds)
        except measure.Failed as error:
            print(f"bench: {error}", file=sys.stderr)
            return 1
        text = report(measured, arguments.rounds, n_bytes, load_before)
    print(text)
    if arguments.write:
        (HERE / "UPLOADS.md").write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
