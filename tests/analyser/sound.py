"""The sound of a recording: beeps, tones, gaps and clicks."""
import dataclasses

import numpy as np

from . import decode, pattern
from .decode import SAMPLE_RATE

# The band of the beeps, with some room.
_BEEP_BAND = (pattern.FIRST_BEEP_HZ - 100,
              pattern.FIRST_BEEP_HZ + pattern.BEEP_STEP_HZ * (pattern.LOOP_SECONDS - 1) + 100)
# Nothing of the publisher's is here; what a step between two samples makes is.
_CLICK_BAND = (6000, 15000)
_BAND_SLOPE_HZ = 100
# Signals are filtered in pieces of this many samples, which overlap by as much as a filter reaches.
_PIECE = 1 << 20
_REACH = 1 << 13

_QUIETEST_BEEP = 0.02
_QUIETEST_TONE = 0.004
_SILENCE_RMS = 0.001
_SHORTEST_GAP_SECONDS = 0.010
_CLICK_LEVEL = 0.005
# What lossy codecs spread around a beep's sudden begin and end, and around the edge of a gap.
_EDGE_SECONDS = 0.025


@dataclasses.dataclass
class Beep:
    at: float         # seconds in the recording
    seconds: float    # how long it is
    hz: float
    second: int       # of the publisher's loop, which its frequency tells; -1 if it tells nothing
    amplitude: float

    def __str__(self):
        return f"{self.at:8.4f} beep of second {self.second}, {self.seconds * 1000:.1f} ms"


@dataclasses.dataclass
class Gap:
    start: float
    end: float

    @property
    def seconds(self) -> float:
        return self.end - self.start

    def __str__(self):
        return f"{self.start:8.3f}..{self.end:8.3f} silence"


@dataclasses.dataclass
class Tone:
    hz: float
    amplitude: float
    channel: int


def _envelope(signal, band):
    """How loud a signal is within a band of frequencies, without delay: the magnitude of the analytic
    signal, for each sample."""
    result = np.empty(len(signal), np.float32)
    for start in range(0, len(signal), _PIECE):
        first, last = max(0, start - _REACH), min(len(signal), start + _PIECE + _REACH)
        size = 1 << int(np.ceil(np.log2(last - first)))
        spectrum = np.fft.rfft(signal[first:last], size)
        hz = np.arange(len(spectrum)) * (SAMPLE_RATE / size)
        low, high = band
        gain = np.clip(np.minimum(hz - low + _BAND_SLOPE_HZ, high + _BAND_SLOPE_HZ - hz)
                       / _BAND_SLOPE_HZ, 0, 1)
        analytic = np.zeros(size, np.complex128)
        analytic[:len(spectrum)] = 2 * spectrum * (0.5 - 0.5 * np.cos(np.pi * gain))
        end = min(len(signal), start + _PIECE)
        result[start:end] = np.abs(np.fft.ifft(analytic))[start - first:end - first]
    return result


def _loudest(data, band):
    """The envelope of all channels together."""
    power = sum(_envelope(data[:, n], band).astype(np.float64) ** 2 for n in range(data.shape[1]))
    return np.sqrt(power)


def _runs(flags):
    """(first, one after the last) of each run of True."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], flags, [False]]).astype(np.int8)))
    return list(zip(edges[::2], edges[1::2]))


def _crossing(envelope, n, level, step):
    """Where, between samples, the envelope first reaches a level on the way into a beep. A codec may
    let it ripple within."""
    while 0 <= n < len(envelope) and envelope[n] < level:
        n += step
    if not 0 <= n - step < len(envelope):
        return float(n)  # the recording begins or ends in it
    outer, inner = envelope[n - step], envelope[n]
    if inner <= outer:
        return float(n)
    return n - step * float((inner - level) / (inner - outer))


def _joined(runs, longest):
    """Runs with the gaps between them closed that are no longer than that."""
    result = []
    for first, last in runs:
        if result and first - result[-1][1] <= longest:
            result[-1][1] = last
        else:
            result.append([first, last])
    return result


def _find_beeps(data, start) -> list:
    envelope = _loudest(data, _BEEP_BAND)
    if not len(envelope):
        return []
    level = max(_QUIETEST_BEEP, 0.4 * float(np.quantile(envelope, 0.98)))
    beeps = []
    for first, last in _joined(_runs(envelope > level), SAMPLE_RATE // 200):
        if not 0.01 < (last - first) / SAMPLE_RATE < 2 * pattern.BEEP_SECONDS:
            continue
        amplitude = float(np.median(envelope[first:last]))
        begin = _crossing(envelope, first, amplitude / 2, 1)
        end = _crossing(envelope, last - 1, amplitude / 2, -1)
        seconds = (end - begin) / SAMPLE_RATE
        # The middle is more exact than an edge, which codecs blur.
        at = begin / SAMPLE_RATE
        if abs(seconds - pattern.BEEP_SECONDS) < 0.004:
            at = (begin + end) / 2 / SAMPLE_RATE - pattern.BEEP_SECONDS / 2
        hz = _beep_frequency(data[max(0, int(begin)):int(end) + 1])
        step = (hz - pattern.FIRST_BEEP_HZ) / pattern.BEEP_STEP_HZ
        known = abs(step - round(step)) < 0.35 and 0 <= round(step) < pattern.LOOP_SECONDS
        beeps.append(Beep(start + at, seconds, hz, round(step) if known else -1, amplitude))
    return beeps


def _beep_frequency(data) -> float:
    window = np.hanning(len(data))[:, None]
    spectrum = np.abs(np.fft.rfft(data * window, SAMPLE_RATE, axis=0)).sum(axis=1)  # in steps of 1 Hz
    low, high = _BEEP_BAND
    return float(low + np.argmax(spectrum[low:high]))


def _find_gaps(data, start) -> list:
    """Silence in all channels."""
    window = SAMPLE_RATE // 200
    if len(data) < window:
        return []
    power = np.concatenate([[0], np.cumsum((data.astype(np.float64) ** 2).max(axis=1))])
    quiet = (power[window:] - power[:-window]) / window < _SILENCE_RMS ** 2
    gaps = []
    for first, last in _runs(quiet):
        first, last = first, last + window - 1  # the window is silent as a whole
        if (last - first) / SAMPLE_RATE >= _SHORTEST_GAP_SECONDS:
            gaps.append(Gap(float(start + first / SAMPLE_RATE), float(start + last / SAMPLE_RATE)))
    return gaps


def _find_tones(data, beeps, start) -> list:
    """What sounds in each whole second of the recording, beeps left out: lists of Tone."""
    seconds = []
    for first in range(0, len(data) - SAMPLE_RATE + 1, SAMPLE_RATE):
        piece = data[first:first + SAMPLE_RATE].astype(np.float64)
        window = np.hanning(SAMPLE_RATE)
        for beep in beeps:
            at = round((beep.at - start) * SAMPLE_RATE) - first
            margin = SAMPLE_RATE // 200
            end = at + round(beep.seconds * SAMPLE_RATE) + margin
            window[max(0, at - margin):max(0, end)] = 0
        tones = []
        if window.sum() > 0:
            for channel in range(data.shape[1]):
                tones += _peaks(piece[:, channel] * window, window.sum() / 2, channel)
        seconds.append(tones)
    return seconds


def _peaks(signal, scale, channel) -> list:
    spectrum = np.abs(np.fft.rfft(signal)) / scale  # in steps of 1 Hz
    spectrum = spectrum[:pattern.HIGHEST_TONE_HZ + 100]
    tones = []
    floor = max(_QUIETEST_TONE, spectrum.max() / 8)
    while len(tones) < 16:
        peak = int(np.argmax(spectrum))
        if spectrum[peak] < floor:
            break
        tones.append(Tone(float(peak), float(spectrum[peak]), channel))
        spectrum[max(0, peak - 10):peak + 11] = 0
    return tones


def _find_clicks(data, beeps, gaps, start) -> list:
    """Seconds at which the sound jumps."""
    if not len(data):
        return []
    loud = _loudest(data, _CLICK_BAND) > _CLICK_LEVEL
    ends = ([time for beep in beeps for time in (beep.at, beep.at + beep.seconds)]
            + [time for gap in gaps for time in (gap.start, gap.end)]
            + [start, start + len(data) / SAMPLE_RATE])
    for time in ends:
        first = round((time - start - _EDGE_SECONDS) * SAMPLE_RATE)
        last = round((time - start + _EDGE_SECONDS) * SAMPLE_RATE)
        loud[max(0, first):max(0, last)] = False
    clicks = []
    for first, _ in _runs(loud):
        time = start + first / SAMPLE_RATE
        if not clicks or time - clicks[-1] > 0.02:
            clicks.append(float(time))
    return clicks


@dataclasses.dataclass
class Sound:
    codec: str
    channels: int
    sample_rate: int     # of the file
    start: float         # seconds, of the first sample
    duration: float
    holes: list          # (start, end) where the file has no sound at all
    overlaps: list       # (at, seconds)
    beeps: list
    gaps: list
    tones: list          # for each whole second, a list of Tone
    clicks: list         # seconds
    peak: float

    @property
    def end(self) -> float:
        return self.start + self.duration

    def tone_hz(self, channel=0) -> list:
        """The loudest tone of each second in a channel, None where there is none."""
        best = []
        for tones in self.tones:
            tones = [tone for tone in tones if tone.channel == channel]
            best.append(max(tones, key=lambda tone: tone.amplitude).hz if tones else None)
        return best


def read_sound(path, stream: dict) -> Sound:
    samples = decode.read_samples(path, stream)
    data, start = samples.data, samples.start
    beeps = _find_beeps(data, start)
    gaps = _find_gaps(data, start)
    return Sound(
        codec=stream["codec_name"], channels=int(stream["channels"]),
        sample_rate=int(stream["sample_rate"]), start=start, duration=len(data) / SAMPLE_RATE,
        holes=samples.holes, overlaps=samples.overlaps, beeps=beeps, gaps=gaps,
        tones=_find_tones(data, beeps, start), clicks=_find_clicks(data, beeps, gaps, start),
        peak=float(np.abs(data).max()) if len(data) else 0.0)
