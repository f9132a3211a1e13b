"""What recordings of the lively page (tests/pages) must be."""
import dataclasses
import subprocess
import time

import numpy as np

from analyser import Recording, analyse
from analyser.decode import probe
from analyser.pattern import LOOP_SECONDS


@dataclasses.dataclass(frozen=True)
class Bounds:
    lost_share: float      # of the frames that the page shows, so many may be missing, and as many seen twice
    frozen_s: float        # for how long a picture may stay
    offset_ms: float       # picture and sound: nineteen of twenty pictures
    median_ms: float       # ... half of the beeps
    uneven_ms: float       # from beep to beep
    gap_ms: float          # silence within the sound


# Of a page that had the time to draw and to play all that it shows, as it says itself.
CALM = Bounds(lost_share=0.1, frozen_s=0.3, offset_ms=60, median_ms=40, uneven_ms=60, gap_ms=100)
# Where other tests have taken that time: browsers leave out frames, and their sound stops for a moment. What the
# recorder itself does wrong is still seen: another picture, another order, another clock.
BUSY = Bounds(lost_share=0.75, frozen_s=6, offset_ms=500, median_ms=150, uneven_ms=500, gap_ms=500)

# Of Y'CbCr: the page's colours are up to 7 off the publisher's, by BT.601 they would be 19 off.
COLOUR_STEPS = 10


def bounds_of(pages, tag: int) -> Bounds:
    return CALM if pages.could_draw(tag) else BUSY


def expect_lively(path, pages, tag: int, size=(640, 360), fps=30) -> Recording:
    """All of it is the page of that tag, from the first picture on, and it moves."""
    bounds = bounds_of(pages, tag)
    recording = analyse(path, source_fps=fps, frozen_after=bounds.frozen_s)
    recording.expect_size(*size)
    if bounds is CALM:
        recording.expect_constant_rate(fps)
    recording.expect_all_readable(other=())
    recording.expect_moving()
    recording.expect_in_order()
    recording.expect_tags(tag)
    recording.expect_colours(within=COLOUR_STEPS)
    allowed = round(bounds.lost_share * (len(recording.video.pts) + recording.video.dropped))
    recording.expect_dropped(allowed)
    recording.expect_duplicated(allowed)
    return recording


def first_sound(recording: Recording) -> float:
    """When a page's sound has begun, which takes it a moment: at the first beep that is whole."""
    return next(beep.at for beep in recording.sound.beeps if abs(beep.seconds - 0.05) < 0.004)


def expect_heard(recording: Recording, pages, tag: int, tone_hz: int, start=None):
    """The page's sound: its tone, and beeps as far apart as they were."""
    bounds = bounds_of(pages, tag)
    start = first_sound(recording) if start is None else start
    heard = [hz for n, hz in enumerate(recording.sound.tone_hz()) if recording.sound.start + n >= start]
    right = [hz is not None and abs(hz - tone_hz) <= 2 for hz in heard]
    assert right and np.mean(right) >= (1 if bounds is CALM else 0.5), recording.report()
    recording.expect_no_gaps(start=start, longest_ms=bounds.gap_ms)
    beeps = [beep for beep in recording.sound.beeps if beep.second >= 0 and beep.at >= start - 0.01]
    for one, other in zip(beeps, beeps[1:]):
        apart = (other.second - one.second) % LOOP_SECONDS
        assert abs(other.at - one.at - apart) * 1000 <= bounds.uneven_ms, recording.report()
    assert len(beeps) >= 2, recording.report()


def expect_in_step(recording: Recording, pages, tag: int):
    bounds = bounds_of(pages, tag)
    recording.expect_av_offset(p95_ms=bounds.offset_ms, worst_ms=1000)
    median = recording.av_offset_ms()["median"]
    assert abs(median) <= bounds.median_ms, recording.report()
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
