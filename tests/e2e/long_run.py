"""bench/long-run.c: many minutes of a test pattern into a file, segments and a stream at once, faster
than real time."""
import json
import os
import pathlib
import subprocess

import hls

FPS = 10
SEGMENT_S = 4
KEY = "long-key"

# What is in use is the same in both halves but for what happens to be on its way: some hundred kB of the
# file's, for one. What is resident is more by what the heap keeps free between it, of which frames of
# other sizes make more in time. All the frames of an hour are 50 MB.
USED_GROWTH_KB = 2048
RESIDENT_GROWTH_KB = 4 * 1024


def expect_flat(result: dict):
    """Memory stays as it was."""
    used, resident = result["used_kb"], result["resident_kb"]
    assert max(used[5:]) - max(used[:5]) <= USED_GROWTH_KB, used
    assert resident[-1] - resident[0] <= RESIDENT_GROWTH_KB, resident


def program() -> pathlib.Path:
    """Built with the program that is tested."""
    return pathlib.Path(os.environ["EGRESS"]).parent / "tests" / "long-run"


def run(folder: pathlib.Path, server, seconds: int) -> dict:
    """Everything that was put out must be whole; what it says of memory is the caller's matter."""
    child = subprocess.run([program(), str(seconds), folder, server.url(KEY)], capture_output=True, text=True,
                           timeout=1200, check=False)
    assert child.returncode == 0, child.stdout + child.stderr
    result = json.loads(child.stdout)
    assert result["pictures"] == seconds * FPS
    info = result["info"]
    [stream], [file], [segments] = info["streamResults"], info["fileResults"], info["segmentResults"]
    assert "error" not in stream and "retries" not in stream, stream
    expect_seconds(int(stream["duration"]) / 1e9, seconds)
    expect_pictures(pathlib.Path(file["location"]), seconds)
    expect_segments(pathlib.Path(segments["playlistLocation"]), seconds)
    server.publications.wait("publish_done", KEY)
    [received] = server.recordings(KEY)
    expect_pictures(received, seconds)
    return result


def expect_seconds(found: float, seconds: float, within=0.15):
    assert abs(found - seconds) <= within, f"{found} s in place of {seconds}"


def expect_pictures(path: pathlib.Path, seconds: int):
    """Each picture, at its time, and no hole in the sound."""
    pictures = sorted(at for at, _ in hls.packets(path, "v"))
    assert len(pictures) == seconds * FPS, f"{path}: {len(pictures)} pictures"
    expect_seconds(pictures[-1] - pictures[0], seconds - 1 / FPS)
    sound = [at for at, _ in hls.packets(path, "a")]
    expect_seconds(sound[-1] - sound[0], seconds)
    assert max(b - a for a, b in zip(sound, sound[1:])) < 0.03


def expect_segments(path: pathlib.Path, seconds: int):
    playlist = hls.read(path)
    assert playlist.ended
    assert len(playlist.segments) == -(-seconds // SEGMENT_S)
    assert {segment.path.name for segment in playlist.segments} == {
        entry.name for entry in path.parent.iterdir()} - {path.name}
    assert all(segment.duration == SEGMENT_S for segment in playlist.segments[:-1])
    assert not any(segment.discontinuous for segment in playlist.segments)
    expect_seconds(playlist.duration, seconds, within=0.001)
