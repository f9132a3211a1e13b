"""Decoding with ffmpeg: pictures and sound with the times at which a player would show them."""
import dataclasses
import json
import re
import subprocess
import tempfile

import numpy as np

# The pictures are read at this width; that keeps the cells far wider than what a scaler blurs.
READ_WIDTH = 640
SAMPLE_RATE = 48000
# Timestamps of blocks of sound that differ by less from where the last block ended are rounding:
# Matroska counts milliseconds.
ROUNDING_SECONDS = 0.003


class DecodeError(Exception):
    """The file is not what the tools can read."""


def probe(path) -> dict:
    """What ffprobe says about format and streams."""
    run = subprocess.run(
        ["ffprobe", "-v", "error", "-of", "json", "-show_format", "-show_streams", str(path)],
        capture_output=True, text=True, check=False)
    if run.returncode != 0:
        raise DecodeError(f"{path}: {run.stderr.strip()}")
    return json.loads(run.stdout)


def _run_ffmpeg(path, arguments, consume):
    """Runs ffmpeg on a file; consume gets its output. Returns the lines of its log."""
    with tempfile.TemporaryFile("w+", errors="replace") as log:
        command = ["ffmpeg", "-hide_banner", "-nostdin", "-nostats", "-loglevel", "info", "-copyts",
                   "-i", str(path), *arguments, "pipe:1"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log) as process:
            consume(process.stdout)
        log.seek(0)
        lines = log.read().splitlines()
    if process.returncode != 0:
        raise DecodeError(f"{path}: {' '.join(lines[-3:])}")
    return lines


@dataclasses.dataclass
class Pictures:
    pts: np.ndarray        # seconds, of each picture
    key: np.ndarray        # which are key frames
    sizes: list            # (width, height) of each picture
    results: list          # of what the reader has made of the batches


_TIME_BASE_LINE = re.compile(r"Parsed_showinfo.*? config in time_base: (\d+)/(\d+)")
_VIDEO_LINE = re.compile(r"Parsed_showinfo.*? n: *\d+ pts: *(\S+) .*? s:(\d+)x(\d+) .*?iskey:(\d)")


def read_pictures(path, stream: dict, reader, region=None) -> Pictures:
    """Decodes a video stream. reader is called with batches of pictures: luma (n, height, width)
    and two planes of chroma. region is the part of the picture to look at, in fractions: left,
    top, right, bottom."""
    width, height = int(stream["width"]), int(stream["height"])
    filters = ["showinfo=checksum=0"]
    if region:
        left, top, right, bottom = region
        width, height = round(width * (right - left)), round(height * (bottom - top))
        # A later change of the size changes what the region is; scaled to the first size before.
        filters += [f"scale={stream['width']}:{stream['height']}",
                    f"crop={width}:{height}:{round(int(stream['width']) * left)}"
                    f":{round(int(stream['height']) * top)}:exact=1"]
    read_width = min(READ_WIDTH, width) // 2 * 2
    read_height = max(2, round(height * read_width / width / 2) * 2)
    filters += [f"scale={read_width}:{read_height}:flags=area", "format=yuv420p"]

    luma, chroma = read_width * read_height, read_width * read_height // 4
    picture_bytes = luma + 2 * chroma
    results = []

    def consume(pipe):
        while True:
            data = pipe.read(picture_bytes * 32)
            count = len(data) // picture_bytes
            if count == 0:
                return
            batch = np.frombuffer(data, np.uint8, count * picture_bytes).reshape(count, -1)
            small = (count, read_height // 2, read_width // 2)
            results.append(reader(
                batch[:, :luma].reshape(count, read_height, read_width),
                batch[:, luma:luma + chroma].reshape(small), batch[:, luma + chroma:].reshape(small)))

    lines = _run_ffmpeg(path, [
        "-map", f"0:{stream['index']}", "-fps_mode", "passthrough", "-vf", ",".join(filters),
        "-f", "rawvideo"], consume)
    found = []
    time_base = 0.0
    for line in lines:
        if match := _VIDEO_LINE.search(line):
            pts, width, height, key = match.groups()
            found.append((int(pts) * time_base, (int(width), int(height)), key == "1"))
        elif match := _TIME_BASE_LINE.search(line):
            time_base = int(match[1]) / int(match[2])
    read = sum(len(result) for result in results)
    if len(found) != read:
        raise DecodeError(f"{path}: {read} pictures, but {len(found)} timestamps")
    return Pictures(
        pts=np.array([pts for pts, _, _ in found]), key=np.array([key for _, _, key in found], bool),
        sizes=[size for _, size, _ in found], results=results)


@dataclasses.dataclass
class Samples:
    start: float              # seconds, of the first sample
    data: np.ndarray          # (samples, channels), at SAMPLE_RATE; holes are filled with zeros
    holes: list               # (start, end) in seconds, where the file has no sound at all
    overlaps: list            # (at, seconds) where blocks of sound overlap


# Timestamps of sound count samples.
_AUDIO_LINE = re.compile(r"Parsed_ashowinfo.*? pts:(-?\d+) .*?nb_samples:(\d+)")


def read_samples(path, stream: dict) -> Samples:
    """Decodes an audio stream and puts each block where its timestamp says."""
    filters = "ashowinfo"
    if int(stream["sample_rate"]) != SAMPLE_RATE:
        filters = f"aresample={SAMPLE_RATE},ashowinfo"
    channels = int(stream["channels"])
    data = bytearray()

    def consume(pipe):
        while chunk := pipe.read(1 << 20):
            data.extend(chunk)

    lines = _run_ffmpeg(path, [
        "-map", f"0:{stream['index']}", "-af", filters, "-c:a", "pcm_f32le", "-f", "f32le"], consume)
    blocks = [(int(m[1]) / SAMPLE_RATE, int(m[2])) for m in map(_AUDIO_LINE.search, lines) if m]
    sound = np.frombuffer(bytes(data), np.float32).reshape(-1, channels)
    if sum(count for _, count in blocks) != len(sound):
        raise DecodeError(f"{path}: the sound's blocks do not add up")
    if not blocks:
        return Samples(0.0, sound, [], [])

    start = blocks[0][0]
    placed, holes, overlaps = [], [], []
    at = taken = 0
    for pts, count in blocks:
        off = (pts - start) - at / SAMPLE_RATE
        block = sound[taken:taken + count]
        taken += count
        if off > ROUNDING_SECONDS:
            holes.append((start + at / SAMPLE_RATE, pts))
            placed.append(np.zeros((round(off * SAMPLE_RATE), channels), np.float32))
            at += len(placed[-1])
        elif off < -ROUNDING_SECONDS:
            overlaps.append((pts, -off))
            block = block[min(count, round(-off * SAMPLE_RATE)):]
        placed.append(block)
        at += len(block)
    return Samples(start, np.concatenate(placed), holes, overlaps)
