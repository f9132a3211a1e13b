"""The lively page itself: that it shows its frames evenly, so that what is uneven in a recording is not its own."""
import itertools
import json
import os
import pathlib
import subprocess
import urllib.parse

import pytest

import pages

SCRIPT = pathlib.Path(__file__).resolve().parent.parent / "node/refreshes.mjs"
# Of a browser that has just started, in ms: the page's first call is no refresh, and many come too early.
FIRST_MS = [-11.5, 52.5, *[8.3] * 7, 24.3, *[8.3] * 7, 12.6, 20.7]
SECONDS = 20


def show(fps: int, hz: int) -> tuple:
    """What the page shows from its second second on, as (ms, frame) at each refresh, and what it has told."""
    first = list(itertools.accumulate(FIRST_MS))
    times = first + [first[-1] + (n + 1) * 1000 / hz for n in range(hz * SECONDS)]
    job = {"path": str(pages.FOLDER / "lively.js"), "fps": fps, "times": times}
    done = subprocess.run([os.environ["NODE"], SCRIPT], input=json.dumps(job), capture_output=True, text=True,
                          check=False)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    told = [dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(url).query)) for url in found["told"]]
    return ([(ms, frame) for ms, frame in zip(times, found["frames"]) if ms > 1000],
            [query for query in told if int(query.get("second", 0)) > 1])


@pytest.mark.parametrize("fps, hz", [(30, 60), (60, 60), (10, 60), (25, 50), (24, 48), (30, 30)])
def test_frames_that_last_whole_refreshes(fps, hz):
    """Each is there for as many, and its page knows by how much it is late."""
    shown, told = show(fps, hz)
    counts = [len(list(same)) for _, same in itertools.groupby(frame for _, frame in shown)]
    assert set(counts[1:-1]) == {hz // fps}, counts
    frames = sorted({frame for _, frame in shown})
    assert frames == list(range(frames[0], frames[-1] + 1))
    began = {frame: ms for ms, frame in reversed(shown)}
    assert len(told) >= SECONDS - 2
    for query in told:
        second = int(query["second"])
        assert float(query["own_ms"]) == pytest.approx(began[second * fps] - second * 1000, abs=0.06)


@pytest.mark.parametrize("fps, hz", [(25, 60), (30, 50), (30, 48), (60, 50), (30, 25), (60, 30)])
def test_frames_that_do_not_fit_refreshes(fps, hz):
    """They come as near to their time as they can, and none is left out for which there is a refresh."""
    shown, _ = show(fps, hz)
    assert max(abs(ms / 1000 * fps - frame) for ms, frame in shown) <= 0.7
    steps = [frame - before for (_, before), (_, frame) in zip(shown, shown[1:])]
    assert set(steps) <= ({0, 1} if fps <= hz else {1, 2}), steps
