"""The programs of bench/: that they still measure something, each with its cheapest case. What they find on a
machine that does something else as well is of no meaning."""
import os
import pathlib
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent


def run(program: str, *options) -> str:
    """What it prints. As bench/run does, it takes the first ports of a network, so it gets one of its own."""
    env = {name: value for name, value in os.environ.items() if name != "EGRESS_NETNS"}
    done = subprocess.run([ROOT / "scripts/netns", sys.executable, ROOT / "bench" / program, *map(str, options)],
                          env=env, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def find_row(text: str, title: str) -> dict:
    """The first row of a table that begins with this title: cells by the heads of their columns."""
    lines = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines()
             if line.startswith("|")]
    head = []
    for line, following in zip(lines, [*lines[1:], []]):
        if following and set("".join(following)) <= set("-:"):
            head = line
        elif line[0] == title:
            return dict(zip(reversed(head), reversed(line)))   # of columns of one name, the first
    raise AssertionError(f"there is no row {title!r}:\n{text}")


@pytest.mark.parametrize("program, options, title, columns", [
    pytest.param("bench.py", ("--cases", "remux", "--seconds", 2), "H264 + Opus → MP4, remuxed",
                 ("cores", "CPU s per s", "floor", "own MB", "active s"), id="record"),
    pytest.param("service_bench.py", ("--kinds", "track-opus", "--many", 0, "--seconds", 2), "Track Opus → OGG",
                 ("reply s", "active s", "own MB", "RSS MB"), id="service"),
    # Beside no other page: tests judge those.
    pytest.param("pages_bench.py", ("--cases", "web-wayland", "--rounds", 1, "--seconds", 3), "Web, Wayland",
                 ("all", "ours", "renderer", "floor"), id="pages", marks=pytest.mark.xdist_group("heavy")),
    pytest.param("outputs_bench.py", ("--cases", "images", "--rounds", 1, "--seconds", 6),
                 "file + an image a second", ("file alone, cores", "with it, cores", "own MB"), id="outputs"),
    pytest.param("uploads_bench.py", ("--cases", "s3", "--rounds", 1, "--gigabytes", 0.1), "S3",
                 ("CPU s per GB", "curl", "digest", "peak MB"), id="uploads"),
])
def test_bench(program, options, title, columns):
    row = find_row(run(program, *options), title)
    assert all(float(row[column]) > 0 for column in columns), row
