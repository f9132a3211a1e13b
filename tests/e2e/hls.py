"""HLS playlists as RFC 8216 has them, read strictly, and what they name."""
import dataclasses
import datetime
import json
import pathlib
import re
import subprocess

HEADER = ["#EXTM3U", "#EXT-X-VERSION:4"]
EVENT = ["#EXT-X-PLAYLIST-TYPE:EVENT"]
CACHE = ["#EXT-X-ALLOW-CACHE:NO"]


@dataclasses.dataclass
class Segment:
    path: pathlib.Path
    duration: float
    at: datetime.datetime     # of its first picture
    discontinuous: bool


@dataclasses.dataclass
class Playlist:
    path: pathlib.Path
    target: int
    sequence: int
    segments: list
    ended: bool

    @property
    def duration(self) -> float:
        return sum(segment.duration for segment in self.segments)

    def join(self, path: pathlib.Path) -> pathlib.Path:
        """All segments as one file."""
        with open(path, "wb") as out:
            for segment in self.segments:
                out.write(segment.path.read_bytes())
        return path


def read(path: pathlib.Path, event=True) -> Playlist:
    """Every line in its place; whatever it names is there and complete."""
    text = path.read_text()
    assert text.endswith("\n"), text
    lines = text.splitlines()
    head = HEADER + (EVENT if event else []) + CACHE
    assert lines[:len(head)] == head, text
    rest = lines[len(head):]
    target = int(re.fullmatch(r"#EXT-X-TARGETDURATION:(\d+)", rest.pop(0)).group(1))
    sequence = int(re.fullmatch(r"#EXT-X-MEDIA-SEQUENCE:(\d+)", rest.pop(0)).group(1))
    if rest and rest[0].startswith("#EXT-X-DISCONTINUITY-SEQUENCE:"):
        rest.pop(0)
    ended = bool(rest) and rest[-1] == "#EXT-X-ENDLIST"
    if ended:
        rest.pop()
    segments = []
    while rest:
        discontinuous = rest[0] == "#EXT-X-DISCONTINUITY"
        if discontinuous:
            rest.pop(0)
        at = re.fullmatch(r"#EXT-X-PROGRAM-DATE-TIME:(\S+\.\d{3})Z", rest.pop(0)).group(1)
        duration = re.fullmatch(r"#EXTINF:(\d+\.\d{3}),", rest.pop(0)).group(1)
        segments.append(Segment(path.parent / rest.pop(0), float(duration),
                                datetime.datetime.fromisoformat(at + "+00:00"), discontinuous))
        assert segments[-1].path.stat().st_size > 0, text
        assert round(segments[-1].duration) <= target, text
    return Playlist(path, target, sequence, segments, ended)


def opened(path: pathlib.Path) -> list:
    """What opens the file. A segment of a few packets is too short to be guessed from: its name tells."""
    return [*(["-f", "mpegts"] if path.suffix == ".ts" else []), "-i", str(path)]


def packets(path: pathlib.Path, kind: str) -> list:
    """(seconds, whether it is a key frame) of one kind, "v" or "a", in the file's order."""
    run = subprocess.run(
        ["ffprobe", "-v", "error", "-of", "json", "-select_streams", kind,
         "-show_entries", "packet=pts_time,flags", *opened(path)],
        capture_output=True, text=True, check=True)
    return [(float(packet["pts_time"]), packet["flags"].startswith("K"))
            for packet in json.loads(run.stdout)["packets"]]


def decode_errors(path: pathlib.Path) -> str:
    """What ffmpeg complains about when it decodes the file alone."""
    # Times are those of the file: none are made up, or rounded to a frame rate.
    run = subprocess.run(["ffmpeg", "-v", "warning", "-xerror", *opened(path), "-fps_mode", "passthrough",
                          "-enc_time_base", "1:90000", "-f", "null", "-"],
                         capture_output=True, text=True, check=False)
    return run.stderr
