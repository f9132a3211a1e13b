"""Reads a recording of the tests' publisher back: which pictures came, when, and with what sound.

    from analyser import analyse
    recording = analyse("out.mp4")
    recording.expect_duration(10, within=0.3)
    recording.expect_av_offset(p95_ms=20)
"""
from .boxes import FileLayout
from .recording import Recording, analyse
from .sound import Beep, Gap, Sound, Tone
from .video import BLACK, UNREADABLE, Span, Video

__all__ = ["BLACK", "UNREADABLE", "Beep", "FileLayout", "Gap", "Recording", "Sound", "Span", "Tone",
           "Video", "analyse"]
