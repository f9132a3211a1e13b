"""The sections of README.md about outputs: each command, run as it stands there, says what stands there."""
import os
import pathlib
import re
import subprocess

import pytest

from server import API_KEY, API_SECRET
from test_readme import section

RTMP = "rtmp://10.99.0.1:20004"

# Each records in real time, with the default size.
pytestmark = pytest.mark.xdist_group("heavy")


def examples(heading: str) -> list:
    """(command, what it prints) of each line that begins with a prompt."""
    block = [line[4:] for line in section(heading).splitlines() if line.startswith("    ")]
    found = []
    for line in block:
        if line.startswith("$ "):
            found.append((line[2:], []))
        else:
            found[-1][1].append(line)
    assert found, f"no command in section '{heading}'"
    return found


def shape(line: str) -> str:
    """Without what is different each time: numbers, sizes with their units, and which track was there first."""
    line = re.sub(r"  \(alice: .*\)$", "  (alice)", line)
    return re.sub(r"\d[\d.:]*(?:T[\d.:]+Z)?(?: [kM]?B\b)?", "#", line)


def run(command: str, folder: pathlib.Path, server) -> list:
    """What it prints to standard output, and the last line of errors."""
    (folder / "bin").mkdir(exist_ok=True)
    if not (folder / "bin" / "egress").exists():
        (folder / "bin" / "egress").symlink_to(os.environ["EGRESS"])
    environment = os.environ | {"LIVEKIT_URL": server.url, "LIVEKIT_API_KEY": API_KEY, "LIVEKIT_API_SECRET": API_SECRET,
                                "PATH": f"{folder / 'bin'}:{os.environ['PATH']}"}
    ended = subprocess.run(["bash", "-c", command], cwd=folder, env=environment, capture_output=True, text=True,
                           timeout=120, check=False)
    errors = [line for line in ended.stderr.splitlines() if line.startswith("egress: ")]
    return ended.stdout.splitlines() + errors


@pytest.mark.parametrize("heading", ["Streams", "HLS", "Images"])
def test_commands(own_server, publish, rtmp, tmp_path, heading):
    server = own_server()
    publisher = publish(server)
    publisher.join("alice", "standup")
    publisher.camera("alice", width=1280, height=720)
    publisher.microphone("alice")
    base = rtmp().url("").removesuffix("/live/") if heading == "Streams" else RTMP
    for command, printed in examples(heading):
        found = run(command.replace(RTMP, base), tmp_path, server)
        expected = [line.replace(RTMP, base) for line in printed]
        assert [shape(line) for line in found] == [shape(line) for line in expected], command
