"""A recording as a whole: what it contains, how picture and sound fit, and what tests expect of it."""
import dataclasses
import os

import numpy as np

from . import decode, pattern
from .boxes import FileLayout, read_layout
from .sound import Sound, read_sound
from .video import Video, read_video

# A frame of the publisher that was dropped is replaced by one of the next ones.
_NEAR_FRAMES = 3
# Less than two blocks of AAC.
_PADDING_SECONDS = 0.045
# Beeps are a second apart; for so long around one, it tells when the sound of a picture is heard.
_BEEP_REACH_SECONDS = 1.5
# A beep that is longer or shorter by this was cut off, and may have begun at any time before.
_BEEP_SURE_SECONDS = 0.004


def _is_whole(beep) -> bool:
    return abs(beep.seconds - pattern.BEEP_SECONDS) < _BEEP_SURE_SECONDS


def _some(items, limit=6) -> str:
    """A list for people."""
    items = [str(item) for item in items]
    more = f"\n  … and {len(items) - limit} more" if len(items) > limit else ""
    return "".join(f"\n  {item}" for item in items[:limit]) + more


@dataclasses.dataclass
class Recording:
    path: str
    container: str
    size_bytes: int
    layout: FileLayout | None   # of MP4
    video: Video | None
    sound: Sound | None

    # What is in it

    @property
    def start(self) -> float:
        return min(track.start for track in (self.video, self.sound) if track)

    @property
    def end(self) -> float:
        return max(track.end for track in (self.video, self.sound) if track)

    @property
    def duration(self) -> float:
        return self.end - self.start

    def _whole_beeps(self) -> list:
        """Those that tell their second and begin."""
        return [beep for beep in self.sound.beeps if beep.second >= 0 and _is_whole(beep)]

    def av_offsets(self) -> list:
        """(at, seconds) for each beep whose picture is there: when the first picture of the same
        instant comes, less when the beep comes. Negative is picture early. A frame stays on screen
        until the next one, so a recorder that shows the newest frame at each of its ticks is late by
        up to a frame, and that counts."""
        if not self.video or not self.sound:
            return []
        video, fps = self.video, self.video.source_fps
        loop = pattern.LOOP_SECONDS * fps
        shown = video.readable
        first = shown[np.append(True, video.counter[shown][1:] != video.counter[shown][:-1])] \
            if len(shown) else shown
        offsets = []
        for beep in self._whole_beeps():
            if not len(first):
                continue
            late = (video.counter[first] - beep.second * fps) % loop
            near = first[late < _NEAR_FRAMES]
            late = late[late < _NEAR_FRAMES] / fps
            if len(near):
                distances = video.pts[near] - late - beep.at
                # Of the same instant the earliest picture, of several turns of the loop the nearest.
                turn = np.abs(distances) - np.abs(distances).min() < 0.5
                best = distances[turn][np.argmin(late[turn])]
                if abs(best) < pattern.LOOP_SECONDS / 2:
                    offsets.append((beep.at, float(best)))
        return offsets

    def picture_offsets(self) -> np.ndarray:
        """(at, seconds) for each picture of a publisher where it first appears: when it is shown, less
        when the sound of its instant is heard, as the nearest beep tells. What is only held, and what
        has no beep near it, tells nothing."""
        beeps = self._whole_beeps() if self.sound else []
        if not self.video or not beeps or not len(self.video.readable):
            return np.zeros((0, 2))
        video, loop = self.video, pattern.LOOP_SECONDS
        shown = video.readable
        is_new = np.append(True, np.diff(video.counter[shown]) != 0)
        is_new |= np.append(True, np.diff(video.tag[shown]) != 0)
        shown = shown[is_new]
        at, second = (np.array([getattr(beep, name) for beep in beeps]) for name in ("at", "second"))
        nearest = np.abs(video.pts[shown][:, None] - at).argmin(axis=1)
        ahead = video.counter[shown] / video.source_fps - second[nearest]
        ahead = (ahead + loop / 2) % loop - loop / 2
        offsets = np.stack([video.pts[shown], video.pts[shown] - at[nearest] - ahead], axis=1)
        return offsets[np.abs(video.pts[shown] - at[nearest]) <= _BEEP_REACH_SECONDS]

    def av_offset_ms(self) -> dict:
        """Median, 5th and 95th percentile and the worst of the offsets, in ms."""
        offsets = np.array([offset for _, offset in self.av_offsets()]) * 1000
        if not len(offsets):
            return {"count": 0}
        return {"count": len(offsets), "median": float(np.median(offsets)),
                "p5": float(np.quantile(offsets, 0.05)), "p95": float(np.quantile(offsets, 0.95)),
                "worst": float(offsets[np.argmax(np.abs(offsets))])}

    def to_dict(self) -> dict:
        """Everything that was found out, as JSON takes it."""
        found = {"path": self.path, "container": self.container, "size_bytes": self.size_bytes,
                 "duration": self.duration if self.video or self.sound else 0.0}
        if self.layout:
            found["layout"] = {"boxes": self.layout.boxes, "complete": self.layout.complete,
                               "index_in_front": self.layout.index_in_front,
                               "fragmented": self.layout.fragmented}
        if self.video:
            found["video"] = _video_dict(self.video)
        if self.sound:
            found["sound"] = _sound_dict(self.sound)
        if self.video and self.sound:
            found["av_offset_ms"] = self.av_offset_ms()
            found["av_offsets"] = self.av_offsets()
        return found

    def report(self) -> str:
        """The same for people, without the long lists."""
        lines = [f"{self.path}: {self.container}, {self.size_bytes} bytes, {self.duration:.3f} s"]
        if self.layout:
            kind = "fragmented" if self.layout.fragmented else "plain"
            lines.append(f"  {kind} MP4, index {'in front' if self.layout.index_in_front else 'behind'}"
                         f"{'' if self.layout.complete else ', cut off'}")
        if self.video:
            v = self.video
            lines.append(f"  video {v.codec} {v.profile} {v.size[0]}x{v.size[1]}, {len(v.pts)} pictures, "
                         f"{v.start:.3f}..{v.end:.3f} s, {v.fps:.3f} fps")
            lines.append(f"    {len(v.readable)} readable, {v.dropped} frames dropped, "
                         f"{v.duplicated} twice, {len(v.order_violations())} out of order, "
                         f"{len(v.flashes)} flashes")
            lines += [f"    {span}" for span in v.spans()]
        if self.sound:
            s = self.sound
            lines.append(f"  sound {s.codec} {s.sample_rate} Hz, {s.channels} channels, "
                         f"{s.start:.3f}..{s.end:.3f} s, {len(s.beeps)} beeps, {len(s.clicks)} clicks, "
                         f"{len(s.holes)} holes, {len(s.overlaps)} overlaps")
            heard = sorted({round(tone.hz) for tones in s.tones for tone in tones})
            lines.append(f"    tones {', '.join(map(str, heard)) or 'none'}")
            lines += [f"    {gap}" for gap in s.gaps]
        if self.video and self.sound:
            offsets = self.av_offset_ms()
            if offsets["count"]:
                lines.append("  picture less sound: median {median:+.1f} ms, p5 {p5:+.1f}, p95 {p95:+.1f}, "
                             "worst {worst:+.1f}, of {count} beeps".format(**offsets))
        return "\n".join(lines)

    # What tests expect of it. Each raises AssertionError with what it found instead.

    def _say(self, message) -> str:
        return f"{os.path.basename(self.path)}: {message}\n{self.report()}"

    def expect_codecs(self, video=None, sound=None):
        """None means that there is none of it."""
        found = (self.video.codec if self.video else None, self.sound.codec if self.sound else None)
        assert found == (video, sound), self._say(
            f"codecs are {found[0]} and {found[1]} instead of {video} and {sound}")

    def expect_duration(self, seconds, within=0.5):
        assert abs(self.duration - seconds) <= within, self._say(
            f"it lasts {self.duration:.3f} s instead of {seconds:.3f} ± {within}")

    def expect_ends_together(self, within=0.05):
        """Picture and sound start and end within that many seconds of each other."""
        start = self.video.start - self.sound.start
        end = self.video.end - self.sound.end
        assert abs(start) <= within and abs(end) <= within, self._say(
            f"picture starts {start:+.3f} s and ends {end:+.3f} s after the sound")

    def expect_size(self, width, height):
        assert self.video.size == (width, height) and self.video.sizes == [(width, height)], self._say(
            f"the size is {self.video.size}, of pictures {self.video.sizes}, not {(width, height)}")

    def expect_fps(self, fps, within=0.05):
        assert abs(self.video.fps - fps) <= within, self._say(
            f"{self.video.fps:.3f} pictures per second instead of {fps}")

    def expect_constant_rate(self, fps, within=0.001):
        """Picture n comes at n / fps: no hole, no jitter."""
        off = self.video.pts - self.video.pts[0] - np.arange(len(self.video.pts)) / fps
        worst = int(np.argmax(np.abs(off)))
        assert abs(off[worst]) <= within, self._say(
            f"picture {worst} is {off[worst] * 1000:+.1f} ms off {fps} per second")

    def expect_all_readable(self, other=("black",)):
        """Every picture is a publisher's, or of another kind that is named."""
        found = [span for span in self.video.spans()
                 if span.kind not in ("shown", "frozen") and span.kind not in other]
        assert not found, self._say(f"unexpected pictures:{_some(found)}")

    def expect_in_order(self):
        found = self.video.order_violations()
        assert not found, self._say(f"frames go back:{_some(found)}")

    def expect_kinds(self, *kinds):
        """The recording is these spans, as ("shown", "black", "shown")."""
        found = tuple(span.kind for span in self.video.spans())
        assert found == kinds, self._say(f"it shows {found} instead of {kinds}")

    def expect_moving(self, start=None, end=None):
        """Between two times nothing is frozen, black or unreadable."""
        start = self.start if start is None else start
        end = self.end if end is None else end
        found = [span for span in self.video.spans()
                 if span.kind != "shown" and span.start < end and span.end > start]
        assert not found, self._say(f"between {start:.3f} and {end:.3f} s there is:{_some(found)}")

    def expect_dropped(self, at_most):
        assert self.video.dropped <= at_most, self._say(
            f"{self.video.dropped} frames dropped, at most {at_most} may be")

    def expect_duplicated(self, at_most):
        assert self.video.duplicated <= at_most, self._say(
            f"{self.video.duplicated} frames shown twice, at most {at_most} may be")

    def expect_tags(self, *tags):
        found = set(self.video.tag[self.video.readable].tolist())
        assert found == set(tags), self._say(f"pictures of tags {sorted(found)} instead of {sorted(tags)}")

    def expect_colours(self, within=20):
        """The patches have their colours, within so many steps of Y'CbCr."""
        errors = self.video.colour_error()
        wrong = {name: round(error) for name, error in errors.items() if error > within}
        assert errors and not wrong, self._say(f"colours are off: {wrong or 'no picture'}")

    def expect_beeps(self, at_least):
        assert len(self.sound.beeps) >= at_least, self._say(
            f"{len(self.sound.beeps)} beeps instead of {at_least} or more")

    def expect_even_beeps(self, within_ms=2, mixed=False):
        """Beeps that follow each other are as far apart as the publisher's: no sound was left out,
        put in or stretched. Of one that the recording begins in, nobody knows when it began. Of
        several people (mixed) a beep need not be readable: where one comes half a period of its
        tone before the other, half a millisecond or so, they cancel each other out."""
        wrong, beeps = [], self.sound.beeps
        if beeps and beeps[0].at - self.sound.start < pattern.BEEP_SECONDS and not _is_whole(beeps[0]):
            beeps = beeps[1:]
        for one, other in zip(beeps, beeps[1:]):
            is_read = one.second >= 0 and other.second >= 0
            if not is_read and not mixed:
                wrong.append(f"{one} cannot be read")
                continue
            apart = ((other.second - one.second) % pattern.LOOP_SECONDS if is_read
                     else round(other.at - one.at))
            off = (other.at - one.at - apart) * 1000
            if abs(off) > within_ms:
                wrong.append(f"{one}, then {other}: {off:+.1f} ms off")
        assert not wrong, self._say(f"beeps are uneven:{_some(wrong)}")

    def expect_no_gaps(self, start=None, end=None, longest_ms=0):
        """At the very begin and end, codecs may pad a little."""
        start = self.sound.start + _PADDING_SECONDS if start is None else start
        end = self.sound.end - _PADDING_SECONDS if end is None else end
        gaps = [gap for gap in self.sound.gaps if gap.start < end and gap.end > start
                and (min(gap.end, end) - max(gap.start, start)) * 1000 > longest_ms]
        assert not gaps and not self.sound.holes and not self.sound.overlaps, self._say(
            f"gaps in the sound:{_some([*gaps, *self.sound.holes, *self.sound.overlaps])}")

    def expect_silent(self, start, end):
        assert any(gap.start <= start and gap.end >= end for gap in self.sound.gaps), self._say(
            f"there is sound between {start:.3f} and {end:.3f} s")

    def expect_no_clicks(self, at_most=0, start=0.08):
        """A decoder that begins in the middle of Opus needs 80 ms to find its way (RFC 7845, 4.6)."""
        clicks = [time for time in self.sound.clicks if time >= start]
        assert len(clicks) <= at_most, self._say(
            f"clicks at{_some(f'{time:.3f} s' for time in clicks)}")

    def expect_tones(self, *tones_hz, start=None, end=None, channel=None, within=2):
        """In each whole second between two times, exactly these tones are heard."""
        for n, tones in enumerate(self.sound.tones):
            at = self.sound.start + n
            if (start is not None and at < start) or (end is not None and at + 1 > end):
                continue
            heard = {round(t.hz) for t in tones if channel is None or t.channel == channel}
            right = (all(any(abs(hz - wanted) <= within for hz in heard) for wanted in tones_hz)
                     and all(any(abs(hz - wanted) <= within for wanted in tones_hz) for hz in heard))
            assert right, self._say(
                f"in the second from {at:.1f} s there are the tones {sorted(heard)} Hz "
                f"instead of {sorted(tones_hz)}")

    def expect_av_offset(self, p95_ms=20, worst_ms=250, at_least=1):
        """Picture and sound are together within so many ms: 19 of 20 pictures as they appear, and, less
        strictly, each of them; and at least so many beeps have a picture. Not the beeps alone: they
        are few, and a picture of long ago between two of them would go unseen."""
        found = len(self.av_offsets())
        offsets = self.picture_offsets() * [1, 1000]
        assert found >= at_least and len(offsets), self._say(
            f"only {found} beeps have a picture; {at_least} needed")
        size = np.abs(offsets[:, 1])
        p95 = np.quantile(size, 0.95)
        assert p95 <= p95_ms, self._say(
            f"picture and sound are {p95:.1f} ms apart (p95), more than {p95_ms}, by beeps:"
            + _some(f"at {at:.3f} s {offset * 1000:+.1f} ms" for at, offset in self.av_offsets()))
        worst_ms = max(p95_ms, worst_ms)
        assert size.max() <= worst_ms, self._say(
            f"{(size > worst_ms).sum()} of {len(size)} pictures are out of step by more than {worst_ms} ms:"
            + _some(f"at {at:.3f} s {offset:+.1f} ms" for at, offset in offsets[size > worst_ms]))

    def expect_finished_mp4(self):
        """An ordinary MP4 with its index in front."""
        assert (self.layout and self.layout.complete and self.layout.index_in_front
                and not self.layout.fragmented), self._say(f"not a finished MP4: {self.layout}")


def _video_dict(video: Video) -> dict:
    names = {-1: "black", -2: "unreadable"}
    return {
        "codec": video.codec, "profile": video.profile, "size": video.size, "sizes": video.sizes,
        "start": video.start, "end": video.end, "duration": video.duration, "fps": video.fps,
        "frames": [[round(float(pts), 6), names.get(int(counter), int(counter)), int(tag)]
                   for pts, counter, tag in zip(video.pts, video.counter, video.tag)],
        "key_frames": int(video.key.sum()),
        "spans": [dataclasses.asdict(span) for span in video.spans()],
        "order_violations": video.order_violations(), "dropped": video.dropped,
        "duplicated": video.duplicated, "flashes": video.flashes.tolist(),
        "colour_error": video.colour_error()}


def _sound_dict(sound: Sound) -> dict:
    return {
        "codec": sound.codec, "channels": sound.channels, "sample_rate": sound.sample_rate,
        "start": sound.start, "end": sound.end, "duration": sound.duration, "peak": sound.peak,
        "beeps": [dataclasses.asdict(beep) for beep in sound.beeps],
        "gaps": [dataclasses.asdict(gap) for gap in sound.gaps], "holes": sound.holes,
        "overlaps": sound.overlaps, "clicks": sound.clicks,
        "tones": [[dataclasses.asdict(tone) for tone in tones] for tones in sound.tones]}


def analyse(path, source_fps=30, frozen_after=0.2, region=None, seen=None) -> Recording:
    """Reads a file. source_fps is the publisher's frame rate; frozen_after is for how many seconds the
    same picture may stay without being called frozen; region is the part of the picture to look
    at, in fractions (left, top, right, bottom), where several are shown; seen is the part of the
    publisher's picture that fills it, likewise: without, all of it, within black borders."""
    found = decode.probe(path)
    video = sound = None
    for stream in found["streams"]:
        if stream["codec_type"] == "video" and video is None:
            video = read_video(path, stream, source_fps, frozen_after, region, seen)
        elif stream["codec_type"] == "audio" and sound is None:
            sound = read_sound(path, stream)
    return Recording(
        path=str(path), container=found["format"]["format_name"], size_bytes=os.path.getsize(path),
        layout=read_layout(path), video=video, sound=sound)
