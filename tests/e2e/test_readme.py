"""A newcomer with README.md: the sections about the service, command by command, in a network of
their own, where the ports of the README are free. Between the commands it waits as a person would:
until a program runs, somebody is in the room, or a recording is finished."""
import os
import pathlib
import re
import signal
import subprocess

import pytest

from analyser import analyse

ROOT = pathlib.Path(__file__).parents[2]

# Its participants need as much as those of other tests that encode.
pytestmark = pytest.mark.xdist_group("heavy")

# What a person does between the blocks. Nothing here does what the README should have said.
WAIT = """
until_true() {
    local deadline=$((SECONDS + 60))
    until "$@" > /dev/null 2>&1; do
        if [ $SECONDS -ge $deadline ]; then
            echo "in vain: $*" >&2
            exit 1
        fi
        sleep 0.1
    done
}
finished() {
    [ "$(grep -c 'status=EGRESS_COMPLETE' egress.log)" -ge "$1" ]
}
"""
AFTER_LINE = [
    ("redis-server ", "until_true redis-cli ping"),
    ('"$LIVEKIT_SERVER" ', "until_true curl --silent --fail http://localhost:7880"),
    ('"$PYTHON" -m moto.server ', "until_true curl --silent http://localhost:9000"),
    ('"$EGRESS" serve ', "until_true grep -E 'connected to Redis|serving the Egress API' egress.log"),
]

ENDS_RECORDING = r"(record|room|store)\.py$|^node |^timeout .*demo-participants|/StopEgress"


def section(heading: str) -> str:
    text = (ROOT / "README.md").read_text()
    found = re.search(rf"^## {re.escape(heading)}\n(.*?)(?=^## )", text, re.MULTILINE | re.DOTALL)
    assert found, f"README.md has no section '{heading}'"
    return found[1]


def blocks(heading: str) -> list:
    """(language, name of the file, text) of each fenced block."""
    found = re.findall(r"^```(\w+)(?: (\S+))?\n(.*?)^```$", section(heading), re.MULTILINE | re.DOTALL)
    assert found, f"nothing to run in section '{heading}'"
    return found


class Newcomer:
    """Has the program built, and follows one section in an empty folder."""

    def __init__(self, folder: pathlib.Path, heading: str):
        self.folder = folder
        self.output = folder / "output"
        self._lines = [WAIT]
        self._n_recordings = 0
        for language, name, text in blocks(heading):
            if language == "sh":
                self._add(text)
            else:
                assert name, f"a block of {language} without the name of its file"
                (folder / name).write_text(text)

    def _add(self, commands: str):
        commands = commands.replace("scripts/", f"{ROOT}/scripts/").replace("docs/", f"{ROOT}/docs/")
        for line in commands.splitlines():
            self._lines.append(line)
            for program, wait in AFTER_LINE:
                if line.startswith(program):
                    self._lines.append(wait)
        in_background = re.search(r"demo-participants.*--room (\S+) .*&$", commands, re.MULTILINE)
        if in_background:
            self._lines.append(f"until_true grep \"In the room '{in_background[1]}'\" output")
        if re.search(ENDS_RECORDING, commands, re.MULTILINE):
            self._n_recordings += 1
            self._lines.append(f"until_true finished {self._n_recordings}")

    def download(self, url: str, key: str):
        """Of S3, at the end."""
        self._lines.append(f"curl --silent --fail --aws-sigv4 aws:amz:us-east-1:s3 --user {key} --remote-name {url}")

    def run(self):
        script = self.folder / "script"
        script.write_text("\n".join(self._lines) + "\n")
        environment = {k: v for k, v in os.environ.items() if k != "EGRESS_NETNS"}
        environment["XDG_STATE_HOME"] = str(self.folder / "state")
        environment["PATH"] = f"{pathlib.Path(os.environ['NODE']).parent}:{environment['PATH']}"
        with open(self.output, "wb") as output:
            shell = subprocess.Popen(
                [ROOT / "scripts" / "netns", "bash", script], cwd=self.folder, stdout=output,
                stderr=output, stdin=subprocess.DEVNULL, env=environment, start_new_session=True)
        try:
            code = shell.wait(300)
        finally:
            os.killpg(shell.pid, signal.SIGKILL)
            shell.wait()
        log = self.folder / "egress.log"
        assert code == 0, (self.output.read_text()[-2000:],
                           log.read_text()[-2000:] if log.exists() else "no egress.log")


def expect_recording(path, tone_hz: int, shortest=7):
    """A made-up participant for ten seconds or so: a picture, and the tone that is theirs. On a busy
    machine those who make them up stutter, which the recording then shows."""
    recording = analyse(path)
    recording.expect_finished_mp4()
    recording.expect_codecs("h264", "aac")
    recording.expect_size(1280, 720)
    assert shortest <= recording.duration <= 15
    shown = sum(span.seconds for span in recording.video.spans() if span.kind != "black")
    assert shown >= 0.7 * recording.duration, f"{path}: a picture for {shown} s only"
    loudest = [max(tones, key=lambda tone: tone.amplitude).hz for tones in recording.sound.tones if tones]
    right = sum(abs(hz - tone_hz) <= 2 for hz in loudest)
    assert right >= 0.7 * recording.duration - 1, f"{path}: {tone_hz} Hz in {right} s only: {loudest}"


def expect_room(path):
    """Both are heard, and the ground of the layout is dark, then light."""
    recording = analyse(path)
    recording.expect_finished_mp4()
    recording.expect_size(1280, 720)
    assert 9 <= recording.duration <= 20
    tones = {round(tone.hz, -1) for second in recording.sound.tones for tone in second}
    assert tones >= {440, 550}, tones
    luma = [edge_luma(path, seconds) for seconds in (3, recording.duration - 1)]
    assert luma[0] < 60 < 180 < luma[1], luma


def edge_luma(path, seconds: float) -> float:
    """Of the first four lines of the picture."""
    pixels = subprocess.run(
        ["ffmpeg", "-v", "error", "-ss", f"{seconds:.3f}", "-i", path, "-frames:v", "1", "-vf",
         "crop=iw:4:0:0", "-pix_fmt", "gray", "-f", "rawvideo", "-"], check=True, capture_output=True)
    return sum(pixels.stdout) / len(pixels.stdout)


def test_behind_livekit_server(tmp_path):
    newcomer = Newcomer(tmp_path, "Behind livekit-server")
    (tmp_path / "node_modules").symlink_to(pathlib.Path(os.environ["NODE_CLIENT"]) / "node_modules")
    newcomer.run()
    expect_recording(tmp_path / "alice.mp4", 440)
    expect_recording(tmp_path / "bob.mp4", 554)
    expect_room(tmp_path / "room.mp4")
    expect_recording(tmp_path / "planning-carol.mp4", 440, shortest=4)


def test_without_redis(tmp_path):
    Newcomer(tmp_path, "Without Redis").run()
    assert '"status":"EGRESS_STARTING"' in (tmp_path / "answer.json").read_text()
    expect_recording(tmp_path / "curl.mp4", 440)


def test_to_a_store(tmp_path):
    """By one command, and by the service: its store, and that of the request."""
    newcomer = Newcomer(tmp_path, "To a store")
    # A person sees more than the README says: the other file, too.
    newcomer.download("http://localhost:9000/recordings/alice.mp4", "any:any")
    newcomer.run()
    keys = re.findall("<Key>(.*)", newcomer.output.read_text())
    assert {"alice.mp4", "bob.mp4", "hls/bob.m3u8", "hls/bob_00000.ts"} <= set(keys), keys
    expect_recording(tmp_path / "alice.mp4", 440, shortest=4)
    expect_recording(tmp_path / "bob.mp4", 554)
    assert not list((tmp_path / "state").glob("**/spool/EG_*")), "the spool is empty"
