"""The pictures of a recording: which frame of the publisher each one is, and since when."""
import dataclasses
import functools

import numpy as np

from . import decode, pattern

# In place of a frame's number.
BLACK = -1
UNREADABLE = -2

# Luma. The picture's own edge is at least 54, black is 16, and encoders blur a little.
_BORDER_LUMA = 38
_BORDER_COLUMN = 24
_MIDDLE_LUMA = 126
# A cell nearer to the middle than this is neither black nor white.
_UNSURE_LUMA = 25
# A picture smaller than this, in pixels as it is read, has cells that cannot be told apart.
_SMALLEST = (64, 32)


@dataclasses.dataclass
class _Batch:
    """What was read from some pictures."""
    counter: np.ndarray
    tag: np.ndarray
    flash: np.ndarray
    box: np.ndarray       # (left, top, right, bottom) of the picture within black borders, in fractions
    patches: np.ndarray   # (n, 6, 3) Y'CbCr of the colour patches

    def __len__(self):
        return len(self.counter)


def _edges(lit):
    """The first and one after the last True of each row; 0, 0 where there is none."""
    first = lit.argmax(axis=1)
    last = lit.shape[1] - lit[:, ::-1].argmax(axis=1)
    return np.where(lit.any(axis=1), first, 0), np.where(lit.any(axis=1), last, 0)


def _within_borders(luma):
    """Where the picture is within black borders: (left, top, right, bottom) of each, in pixels."""
    width = luma.shape[2]
    # A column of the picture may be a small part of the height, but it is grey at the edges.
    left, right = _edges(luma.mean(axis=1) > _BORDER_COLUMN)
    # Rows are judged by what is between left and right, so that a narrow picture has its own too.
    rows = luma.sum(axis=2, dtype=np.int64) - 16 * (width - (right - left))[:, None]
    top, bottom = _edges(rows > _BORDER_LUMA * np.maximum(1, right - left)[:, None])
    return np.stack([left, top, right, bottom], axis=1)


def _read_batch(luma, blue, red, seen=None) -> _Batch:
    count, height, width = luma.shape
    if seen is None:
        boxes = _within_borders(luma)
    else:
        left, top, right, bottom = seen
        across, down = width / (right - left), height / (bottom - top)
        box = [-left * across, -top * down, (1 - left) * across, (1 - top) * down]
        boxes = np.tile(box, (count, 1))

    batch = _Batch(
        counter=np.full(count, UNREADABLE), tag=np.full(count, -1), flash=np.zeros(count, bool),
        box=boxes / np.array([width, height, width, height]), patches=np.zeros((count, 6, 3)))
    for box in np.unique(boxes, axis=0):
        which = np.flatnonzero((boxes == box).all(axis=1))
        _read_alike(batch, which, luma, blue, red, box)
    # Faint noise is black too; a picture of which even the brightest part is dark.
    batch.counter[luma.reshape(count, -1).max(axis=1) < _BORDER_LUMA + 10] = BLACK
    return batch


def _read_alike(batch, which, luma, blue, red, box):
    """Reads pictures that are at the same place."""
    box_left, box_top, box_right, box_bottom = box
    box_width, box_height = box_right - box_left, box_bottom - box_top
    if box_width < _SMALLEST[0] or box_height < _SMALLEST[1]:
        return

    def mean(plane, area, scale=1):
        left, top, right, bottom = area
        x0, x1 = (box_left + left * box_width) / scale, (box_left + right * box_width) / scale
        y0, y1 = (box_top + top * box_height) / scale, (box_top + bottom * box_height) / scale
        # Of what is not seen, the nearest that is.
        y, x = (np.clip(np.arange(round(low), max(round(high), round(low) + 1)), 0, size - 1)
                for low, high, size in ((y0, y1, plane.shape[1]), (x0, x1, plane.shape[2])))
        part = plane[np.ix_(which, y, x)]
        return part.mean(axis=(1, 2))

    cells = np.stack([mean(luma, pattern.middle(pattern.CELL_AREA, n, pattern.CELLS))
                      for n in range(pattern.CELLS)], axis=1)
    bits = (cells > _MIDDLE_LUMA) @ (1 << np.arange(pattern.CELLS - 1, -1, -1))
    data = bits >> pattern.CHECKSUM_BITS
    good = ((np.abs(cells - _MIDDLE_LUMA) > _UNSURE_LUMA).all(axis=1)
            & (pattern.checksum(data) == bits & (1 << pattern.CHECKSUM_BITS) - 1))
    batch.counter[which] = np.where(good, data >> pattern.TAG_BITS, UNREADABLE)
    batch.tag[which] = np.where(good, data & (1 << pattern.TAG_BITS) - 1, -1)
    batch.flash[which] = good & (mean(luma, pattern.middle(pattern.FLASH_AREA)) > _MIDDLE_LUMA)
    for n in range(len(pattern.PATCHES)):
        area = pattern.middle(pattern.PATCH_AREA, n, len(pattern.PATCHES))
        batch.patches[which, n] = np.stack(
            [mean(luma, area), mean(blue, area, 2), mean(red, area, 2)], axis=1)


@dataclasses.dataclass
class Span:
    """A stretch of the recording in which the same thing is seen."""
    kind: str        # shown (it moves), frozen (one picture for long), black, unreadable
    start: float     # seconds in the recording
    end: float
    tag: int         # of whom; -1 if nobody's picture
    first: float     # the publisher's clock at the first picture, seconds in the loop; -1 as above
    last: float

    @property
    def seconds(self) -> float:
        return self.end - self.start

    def __str__(self):
        what = f" of tag {self.tag}, clock {self.first:.3f}..{self.last:.3f}" if self.tag >= 0 else ""
        return f"{self.start:8.3f}..{self.end:8.3f} {self.kind}{what}"


@dataclasses.dataclass
class Video:
    codec: str
    profile: str
    size: tuple           # (width, height) that the file announces
    sizes: list           # that pictures really have, in order of appearance
    source_fps: int       # the publisher's
    frozen_after: float   # seconds for which one picture is no sign of trouble yet
    pts: np.ndarray       # seconds, of each picture
    end: float            # seconds; when the last picture ends
    key: np.ndarray       # which are key frames
    counter: np.ndarray   # the publisher's frame number within the loop, BLACK or UNREADABLE
    tag: np.ndarray
    flash: np.ndarray
    box: np.ndarray
    patches: np.ndarray

    @property
    def start(self) -> float:
        return float(self.pts[0]) if len(self.pts) else 0.0

    @property
    def duration(self) -> float:
        return self.end - self.start

    @property
    def fps(self) -> float:
        """On the average."""
        return (len(self.pts) - 1) / (self.pts[-1] - self.pts[0]) if len(self.pts) > 1 else 0.0

    @property
    def readable(self) -> np.ndarray:
        return np.flatnonzero(self.counter >= 0)

    def source_index(self) -> np.ndarray:
        """The publisher's frame number of each picture, counted on over the loops, NaN for what is no
        picture of a publisher. It starts in the first loop."""
        loop = pattern.LOOP_SECONDS * self.source_fps
        index = np.full(len(self.pts), np.nan)
        last = None
        for n in self.readable:
            value = self.counter[n]
            if last is not None:
                # Which turn of the loop is nearest to what the time says.
                expected = index[last] + (self.pts[n] - self.pts[last]) * self.source_fps
                value += loop * round((expected - value) / loop)
            index[n] = value
            last = n
        return index

    def spans(self) -> list:
        """The whole of the recording as spans without gaps."""
        index = self.source_index()
        ends = np.append(self.pts[1:], self.end)
        spans = []
        for kind, first, last in self._runs(index, ends):
            loop = pattern.LOOP_SECONDS
            whose = self.counter[first] >= 0
            spans.append(Span(
                kind, float(self.pts[first]), float(ends[last]), int(self.tag[first]),
                index[first] / self.source_fps % loop if whose else -1,
                index[last] / self.source_fps % loop if whose else -1))
        return spans

    def _runs(self, index, ends):
        """(kind, first, last) of pictures that make a span."""
        same = []  # pictures that show the same, as [first, last]
        for n in range(len(self.pts)):
            if same and self._alike(index, same[-1][0], n):
                same[-1][1] = n
            else:
                same.append([n, n])
        runs = []
        for first, last in same:
            kind = {BLACK: "black", UNREADABLE: "unreadable"}.get(int(self.counter[first]), "shown")
            if kind == "shown" and ends[last] - self.pts[first] > self.frozen_after:
                kind = "frozen"
            if (runs and kind == "shown" and runs[-1][0] == "shown"
                    and self.tag[runs[-1][2]] == self.tag[first]):
                runs[-1][2] = last
            else:
                runs.append([kind, first, last])
        return runs

    def _alike(self, index, one, other):
        if self.counter[one] < 0:
            return self.counter[one] == self.counter[other]
        return index[one] == index[other] and self.tag[one] == self.tag[other]

    def order_violations(self) -> list:
        """(pts, from, to): where the recording shows an earlier frame after a later one, or time
        itself does not increase."""
        index = self.source_index()
        found = [(float(self.pts[n + 1]), float(self.pts[n]), float(self.pts[n + 1]))
                 for n in np.flatnonzero(np.diff(self.pts) <= 0)]
        shown = self.readable
        for one, other in zip(shown, shown[1:]):
            if index[other] < index[one] and self.tag[one] == self.tag[other]:
                found.append((float(self.pts[other]), int(index[one]), int(index[other])))
        return found

    def steps(self) -> np.ndarray:
        """By how many frames of the publisher it moves on from picture to picture, where both are
        shown within spans that move. 1 is perfect, 0 a duplicate, 2 a dropped frame."""
        index = self.source_index()
        steps = []
        for kind, first, last in self._runs(index, np.append(self.pts[1:], self.end)):
            if kind == "shown":
                steps.append(np.diff(index[first:last + 1]))
        return np.concatenate(steps).astype(int) if steps else np.zeros(0, int)

    @property
    def dropped(self) -> int:
        """Frames of the publisher that are missing where the picture moves."""
        steps = self.steps()
        return int((steps[steps > 1] - 1).sum())

    @property
    def duplicated(self) -> int:
        return int((self.steps() == 0).sum())

    @property
    def flashes(self) -> np.ndarray:
        """Seconds: when each flash begins."""
        starts = self.flash & ~np.append(False, self.flash[:-1])
        return self.pts[starts]

    def clock_offset(self) -> np.ndarray:
        """For each picture that can be read: its time less the publisher's clock, in seconds. Constant
        when the recorder keeps time; picture n is due at n / fps."""
        index = self.source_index()[self.readable]
        return self.pts[self.readable] - index / self.source_fps

    def colour_error(self) -> dict:
        """For each patch, how far the mean of its Y'CbCr is off."""
        if not len(self.readable):
            return {}
        seen = np.median(self.patches[self.readable], axis=0)
        return {name: float(np.abs(seen[n] - np.array(right)).max())
                for n, (name, right) in enumerate(pattern.PATCHES.items())}


def read_video(path, stream: dict, source_fps: int, frozen_after: float, region=None,
               seen=None) -> Video:
    reader = functools.partial(_read_batch, seen=seen)
    pictures = decode.read_pictures(path, stream, reader, region)

    def joined(name, empty):
        parts = [getattr(batch, name) for batch in pictures.results]
        return np.concatenate(parts) if parts else empty

    sizes = [size for n, size in enumerate(pictures.sizes) if n == 0 or size != pictures.sizes[n - 1]]
    return Video(
        codec=stream["codec_name"], profile=stream.get("profile", ""),
        size=(int(stream["width"]), int(stream["height"])), sizes=sizes,
        source_fps=source_fps, frozen_after=frozen_after,
        pts=pictures.pts, end=_end(pictures, stream), key=pictures.key,
        counter=joined("counter", np.zeros(0, int)), tag=joined("tag", np.zeros(0, int)),
        flash=joined("flash", np.zeros(0, bool)), box=joined("box", np.zeros((0, 4))),
        patches=joined("patches", np.zeros((0, 6, 3))))


def _end(pictures, stream) -> float:
    """Where the last picture ends: as the file says, or else it lasts as long as others do."""
    if not len(pictures.pts):
        return 0.0
    last = float(pictures.pts[-1])
    if "duration" in stream:
        end = float(stream["start_time"]) + float(stream["duration"])
        if end > last:
            return end
    return last + (float(np.median(np.diff(pictures.pts))) if len(pictures.pts) > 1 else 0.0)
