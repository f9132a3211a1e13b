"""How rooms look: the layouts of the default page, and templates that are not ours."""
import contextlib
import os
import pathlib
import subprocess

import numpy as np
import pytest
from PIL import Image

from analyser import analyse
from layouts import CANVAS, Tile
from pages import Pages
from rooms import NAMES, tone_of
from service import MEDIUM
from stage import Watched

pytestmark = pytest.mark.xdist_group("heavy")

# A busy browser plays sound a little faster or slower.
HEARD_HZ = 20

GOLDEN = pathlib.Path(__file__).resolve().parent.parent / "data/layouts"
LAYOUTS = ["grid", "speaker", "single-speaker", "grid-light", "speaker-light", "single-speaker-light"]

# What encoding does to a still picture: by so much is it off on the average, of 255, and so many pixels in a
# thousand are off by a lot.
MEAN_STEPS = 3
FAR_STEPS = 60
FAR_PIXELS = 5


def read_pictures(path, per_second: int) -> np.ndarray:
    """In RGB."""
    data = subprocess.run(
        ["ffmpeg", "-v", "error", "-i", path, "-vf", f"fps={per_second},scale=in_color_matrix=bt709",
         "-f", "rawvideo", "-pix_fmt", "rgb24", "-"], capture_output=True, check=True).stdout
    return np.frombuffer(data, np.uint8).reshape(-1, CANVAS[1], CANVAS[0], 3)


def is_like(found, golden) -> bool:
    off = np.abs(found.astype(int) - golden)
    return off.mean() <= MEAN_STEPS and 1000 * (off.max(axis=2) > FAR_STEPS).mean() <= FAR_PIXELS


def test_every_layout_looks_as_it_should(rooms):
    """Four people who do not move, in each layout, one after the other. tests/data/layouts has how they
    look."""
    room = rooms()
    room.enter(*NAMES, microphone=False, still=True)
    egress_id = room.record(LAYOUTS[0], video_only=True)
    room.publisher.wait_media(2)
    for layout in LAYOUTS[1:]:
        room.update_layout(egress_id, layout)
        room.publisher.wait_media(2)
    room.stop(egress_id)
    pictures = iter(read_pictures(room.path, 4))
    for layout in LAYOUTS:
        golden = np.asarray(Image.open(GOLDEN / f"{layout}.png").convert("RGB")).astype(int)
        assert any(is_like(picture, golden) for picture in pictures), f"{layout} never comes in {room.path}"


@pytest.fixture(params=["sdk", "react"])
def template(ports, request):
    """Templates as people have written them with LiveKit's SDK; tests/template/sdk/page.js has what
    their layouts are."""
    with contextlib.closing(Pages(ports, folder=f"{os.environ['TEMPLATES']}/{request.param}")) as server:
        yield server


def test_template_of_somebody_else(rooms, template):
    """It is told all that it needs, starts and ends the recording, and is told of another layout."""
    room = rooms("x11")
    room.enter("alice")
    egress_id = room.record("navy", custom_base_url=template.url("index"))
    room.publisher.wait_media(3)
    room.update_layout(egress_id, "maroon")
    room.publisher.wait_media(3)
    room.update_layout(egress_id, "end")
    ended = room.fleet.hooks.wait_ended(egress_id)
    assert ended["status"] == "EGRESS_COMPLETE" and ended["details"] == "End reason: Source closed", ended
    recording = room.read(Tile(CANVAS[0] // 2, 0, CANVAS[0] // 2, CANVAS[1]), fit="contain")
    assert recording.video.spans()[0].tag == 1, recording.report()
    recording.expect_tags(1)
    colours = [picture[:, :300].mean(axis=(0, 1)) for picture in read_pictures(room.path, 4)]
    for n, colour in ((2, (0, 0, 128)), (-2, (128, 0, 0))):
        assert np.abs(colours[n] - colour).max() < 12, (n, colours[n])


def test_sound_of_a_template_alone(rooms, template, tmp_path):
    """Without a page of the request's own it would come straight from the room."""
    room = rooms()
    room.path = tmp_path / "out.ogg"
    room.enter("alice")
    egress_id = room.record("navy", custom_base_url=template.url("index"), audio_only=True)
    assert "renderer" in {one.kind for one in Watched(room.fleet.service, egress_id).running}
    room.publisher.wait_media(4)
    room.update_layout(egress_id, "end")
    ended = room.fleet.hooks.wait_ended(egress_id)
    assert ended["status"] == "EGRESS_COMPLETE", ended
    recording = analyse(room.path)
    recording.expect_codecs(None, "opus")
    heard = [hz for hz in recording.sound.tone_hz()[1:] if hz is not None]
    assert np.median(heard) == pytest.approx(tone_of("alice"), abs=HEARD_HZ), recording.report()


def test_template_that_fails(rooms, template):
    room = rooms()
    room.fleet.server.create_room(room.name)
    info = room.fleet.egress.room(room.name, room.path, layout="fail", advanced=MEDIUM,
                                  custom_base_url=template.url("index"))
    ended = room.fleet.hooks.wait_ended(info.egress_id)
    assert ended["status"] == "EGRESS_FAILED" and ended["errorCode"] == 400, ended
    assert ended["error"] == "template error: this template has failed"
