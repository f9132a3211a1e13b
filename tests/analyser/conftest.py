"""Recordings with known faults, made from the publisher's own media."""
import os
import subprocess

import pytest

# How late the sound is in a file that make-media has written: a second to settle, less what the
# Opus encoder delays it.
SOUND_LEAD_SECONDS = 1 - 120 / 48000


def pytest_configure(config):
    if "PUBLISHER" not in os.environ:
        raise pytest.UsageError("PUBLISHER is not set; scripts/env sets it to the tests' publisher")


def run(*command):
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def ffmpeg(*arguments):
    run("ffmpeg", "-hide_banner", "-loglevel", "error", "-nostdin", "-y", *arguments)


@pytest.fixture(scope="session")
def media():
    """media(codec="vp8", tag=1, …): the path of one loop."""
    def path(**options):
        arguments = [part for name, value in options.items()
                     for part in ([f"-{name}"] if value is True else [f"-{name}", str(value)])]
        return run(os.environ["PUBLISHER"], "make-media", *arguments)
    return path


@pytest.fixture(scope="session")
def picture(media):
    return media(codec="h264", width=320, height=180, tag=3)


@pytest.fixture(scope="session")
def sound(media, tmp_path_factory):
    """The sound as a WAV file that starts with the loop."""
    path = tmp_path_factory.mktemp("sound") / "sound.wav"
    ffmpeg("-i", media(codec="opus", tag=3), "-af", f"atrim=start={SOUND_LEAD_SECONDS},asetpts=PTS-STARTPTS",
           path)
    return path


@pytest.fixture
def record(tmp_path, picture, sound):
    """record(vf=…, af=…): a recording of some seconds of both. picture and sound may be other
    files, or None; before are arguments for ffmpeg before the picture, more are for the output."""
    files = {"picture": picture, "sound": sound}

    def make(name="out.mp4", vf="null", af="anull", seconds=6, before=(), sound_before=(), more=(),
             video_codec=("libx264", "-preset", "ultrafast", "-bf", "0"), sound_codec=("aac",), **other):
        with_files = files | other
        arguments = []
        if with_files["picture"]:
            arguments += ["-r", "30", *before, "-i", with_files["picture"]]
        if with_files["sound"]:
            arguments += [*sound_before, "-i", with_files["sound"]]
        if with_files["picture"]:
            filters = [] if video_codec == ("copy",) else ["-vf", vf, "-fps_mode", "passthrough"]
            arguments += [*filters, "-c:v", *video_codec]
        if with_files["sound"]:
            arguments += ["-af", af, "-c:a", *sound_codec]
        path = tmp_path / name
        ffmpeg(*arguments, "-t", seconds, *more, path)
        return path
    return make
