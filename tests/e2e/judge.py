"""What recordings of the lively page (tests/pages) must be, though the machine runs other tests."""
import subprocess
import time

import numpy as np

from analyser import Recording, analyse
from analyser.decode import probe
from analyser.pattern import LOOP_SECONDS

# A page draws when a browser gets to it, and tests run beside each other on two cores: of the frames
# that the page shows, so many may be missing, and as many be seen twice.
LOST_SHARE = 0.2
# Picture and sound, likewise.
OFFSET_MS = 40
# Of Y'CbCr: the page's colours are up to 7 off the publisher's, by BT.601 they would be 19 off.
COLOUR_STEPS = 10


def expect_still_rate(recording: Recording, size, fps=30):
    """What holds whatever is seen."""
    recording.expect_size(*size)
    recording.expect_constant_rate(fps)


def expect_lively(recording: Recording, *tags, size=(640, 360), fps=30):
    """All of it is the page, from the first picture on, and it moves."""
    expect_still_rate(recording, size, fps)
    recording.expect_all_readable(other=())
    recording.expect_moving()
    recording.expect_in_order()
    recording.expect_tags(*tags)
    recording.expect_colours(within=COLOUR_STEPS)
    allowed = round(LOST_SHARE * len(recording.video.pts))
    recording.expect_dropped(allowed)
    recording.expect_duplicated(allowed)


def expect_heard(recording: Recording, *tones_hz):
    recording.expect_tones(*tones_hz, start=1)
    recording.expect_no_gaps()
    recording.expect_no_clicks()
    recording.expect_even_beeps()


def expect_in_step(recording: Recording):
    recording.expect_av_offset(p95_ms=OFFSET_MS)
    recording.expect_ends_together(within=0.1)


def expect_bt709(path):
    """It says what its colours are."""
    stream = next(s for s in probe(path)["streams"] if s["codec_type"] == "video")
    found = {key: stream.get(key) for key in
             ("color_range", "color_space", "color_primaries", "color_transfer")}
    assert found == {"color_range": "tv", "color_space": "bt709", "color_primaries": "bt709",
                     "color_transfer": "bt709"}, found


def expect_filled(path, width, height):
    """The page reaches all four edges: none has a line of something else. The lively page is grey
    there."""
    data = subprocess.run(
        ["ffmpeg", "-v", "error", "-i", path, "-frames:v", "1", "-f", "rawvideo", "-pix_fmt", "gray", "-"],
        capture_output=True, check=True).stdout
    luma = np.frombuffer(data, np.uint8)[:width * height].reshape(height, width).astype(int)
    for name, line in (("top", luma[0]), ("bottom", luma[-1]), ("left", luma[:, 0]),
                       ("right", luma[:, -1])):
        assert np.abs(line - np.median(luma[:, 2])).max() < 12, f"the {name} edge is {line}"


class Clock:
    """The page's clock, which is the wall clock, at an instant of the test."""

    def __init__(self):
        self._at = time.time() % LOOP_SECONDS

    def ahead_of(self, clock_s: float) -> float:
        """By how many seconds it is later than a time of the page's clock."""
        return (self._at - clock_s + LOOP_SECONDS / 2) % LOOP_SECONDS - LOOP_SECONDS / 2


def last_clock_s(recording: Recording) -> float:
    return recording.video.spans()[-1].last


def analyse_lively(path, *tags, **options) -> Recording:
    recording = analyse(path)
    expect_lively(recording, *tags, **options)
    return recording
