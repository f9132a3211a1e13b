"""The analyser on recordings whose faults are known."""
import json
import os
import subprocess
import sys

import numpy as np
import pytest

from . import analyse
from .conftest import ffmpeg
from .decode import DecodeError
from .pattern import checksum


def fails(check, *arguments, **options):
    """Tells whether an expectation is not met."""
    try:
        check(*arguments, **options)
    except AssertionError:
        return True
    return False


def test_good_recording_meets_all_expectations(record):
    recording = analyse(record(more=["-movflags", "+faststart"]))
    recording.expect_codecs("h264", "aac")
    recording.expect_duration(6, within=0.03)
    recording.expect_ends_together(within=0.03)
    recording.expect_size(320, 180)
    recording.expect_fps(30, within=0.001)
    recording.expect_constant_rate(30)
    recording.expect_all_readable(other=())
    recording.expect_in_order()
    recording.expect_kinds("shown")
    recording.expect_moving()
    recording.expect_dropped(0)
    recording.expect_duplicated(0)
    recording.expect_tags(3)
    recording.expect_colours(within=6)
    recording.expect_beeps(6)
    recording.expect_even_beeps(within_ms=0.5)
    recording.expect_no_gaps()
    recording.expect_no_clicks()
    recording.expect_tones(550)
    recording.expect_av_offset(p95_ms=1, at_least=6)
    recording.expect_finished_mp4()
    assert list(recording.video.counter) == list(range(180))
    assert [round(float(time), 3) for time in recording.video.flashes] == [0, 1, 2, 3, 4, 5]
    assert [beep.second for beep in recording.sound.beeps] == [0, 1, 2, 3, 4, 5]
    assert np.ptp(recording.video.clock_offset()) < 1e-6


@pytest.mark.parametrize("milliseconds", [80, -80, 7, 1300, -2600])
def test_offset_of_picture_and_sound(record, milliseconds):
    seconds = abs(milliseconds) / 1000
    delay = f"adelay={milliseconds}:all=1" if milliseconds > 0 else f"atrim=start={seconds},asetpts=PTS-STARTPTS"
    recording = analyse(record(af=delay))
    offsets = recording.av_offset_ms()
    assert offsets["count"] >= 3
    assert offsets["median"] == pytest.approx(-milliseconds, abs=1)
    assert offsets["worst"] == pytest.approx(-milliseconds, abs=1)
    assert fails(recording.expect_av_offset, p95_ms=abs(milliseconds) - 2)
    assert not fails(recording.expect_av_offset, p95_ms=abs(milliseconds) + 2)


def test_offset_where_the_flash_was_dropped(record):
    path = record(vf="select='not(eq(n,60)+eq(n,90)+eq(n,91))'", af="adelay=40:all=1")
    recording = analyse(path)
    assert len(recording.video.flashes) == 4
    offsets = recording.av_offsets()
    assert len(offsets) == 6
    assert all(offset == pytest.approx(-0.040, abs=0.001) for _, offset in offsets)


def test_one_picture_of_long_ago(record):
    """Between two beeps, and only once: no beep tells."""
    recording = analyse(record(vf="split[a][b];[a][b]freezeframes=first=100:last=100:replace=40"))
    assert recording.av_offset_ms()["worst"] == pytest.approx(0, abs=1)
    assert fails(recording.expect_av_offset)
    assert not fails(recording.expect_av_offset, worst_ms=2001)
    at, offset = recording.picture_offsets()[100]
    assert (at, offset) == (pytest.approx(100 / 30, abs=1e-3), pytest.approx(2, abs=1e-3))


def test_one_picture_late_at_a_beep(record):
    """One in a hundred and eighty: not all are off because that one was measured at a beep."""
    recording = analyse(record(vf="split[a][b];[a][b]freezeframes=first=90:last=92:replace=88"))
    recording.expect_av_offset()
    assert fails(recording.expect_av_offset, worst_ms=60)


def test_beep_that_is_cut_off_tells_nothing(record):
    """Where the sound begins within a beep, that seems to begin there."""
    recording = analyse(record(af="asetnsamples=48,volume=0:enable='between(t,2,2.015)'"))
    assert len(recording.sound.beeps) == 6
    assert [round(at) for at, _ in recording.av_offsets()] == [0, 1, 3, 4, 5]
    recording.expect_av_offset(p95_ms=1, worst_ms=1)


def test_what_is_held_tells_nothing(record):
    """A picture that stands still is judged where it first appears."""
    recording = analyse(record(vf="split[a][b];[a][b]freezeframes=first=60:last=119:replace=59"))
    recording.expect_kinds("shown", "frozen", "shown")
    recording.expect_av_offset(p95_ms=1)
    assert len(recording.picture_offsets()) == 120


def test_dropped_frames(record):
    recording = analyse(record(vf="select='not(between(n,50,54)+eq(n,100))'"))
    assert recording.video.dropped == 6
    assert fails(recording.expect_dropped, 5)
    assert fails(recording.expect_constant_rate, 30)
    assert not recording.video.order_violations()


def test_duplicated_frames(record):
    recording = analyse(record(vf="fps=60"))
    assert recording.video.duplicated == pytest.approx(180, abs=2)
    assert recording.video.dropped == 0
    assert recording.video.fps == pytest.approx(60, abs=0.1)
    recording.expect_kinds("shown")
    assert fails(recording.expect_duplicated, 10)


def test_black(record):
    recording = analyse(record(vf="drawbox=c=black:t=fill:enable='between(n,60,89)'"))
    recording.expect_kinds("shown", "black", "shown")
    black = recording.video.spans()[1]
    assert (black.start, black.end) == (pytest.approx(2, abs=1e-3), pytest.approx(3, abs=1e-3))
    assert fails(recording.expect_moving)
    recording.expect_moving(end=2)
    recording.expect_moving(start=3)


def test_black_with_noise(record):
    recording = analyse(record(vf="drawbox=c=black:t=fill,noise=alls=6:allf=t"))
    recording.expect_kinds("black")


def test_frozen(record):
    # Frames 60 to 89 are replaced by 59; then it goes on.
    recording = analyse(record(vf="split[a][b];[a][b]freezeframes=first=60:last=89:replace=59"))
    recording.expect_kinds("shown", "frozen", "shown")
    frozen = recording.video.spans()[1]
    assert frozen.start == pytest.approx(59 / 30, abs=1e-3)
    assert frozen.end == pytest.approx(90 / 30, abs=1e-3)
    assert frozen.first == pytest.approx(59 / 30)
    assert recording.video.dropped == 0
    assert fails(recording.expect_moving, 2, 3)


def test_frozen_by_a_hole_in_time(record):
    recording = analyse(record(vf="select='not(between(n,60,89))'"))
    recording.expect_kinds("shown", "frozen", "shown")
    assert recording.video.spans()[1].seconds == pytest.approx(31 / 30, abs=1e-3)


def test_frames_out_of_order(record):
    recording = analyse(record(vf="shuffleframes=0 2 1"))
    assert len(recording.video.order_violations()) == 60
    assert fails(recording.expect_in_order)


def test_frames_repeated_later(record):
    # A second is shown twice, one after the other. ffmpeg counts the start from 1.
    recording = analyse(record(vf="loop=loop=1:size=30:start=61,setpts=N/30/TB"))
    violations = recording.video.order_violations()
    assert [(round(at, 3), one, other) for at, one, other in violations] == [(3.0, 89, 60)]


def test_unreadable(record):
    recording = analyse(record(vf="boxblur=30:5:enable='between(n,30,59)'"))
    assert [span.kind for span in recording.video.spans()] == ["shown", "unreadable", "shown"]
    assert fails(recording.expect_all_readable)
    assert not fails(recording.expect_all_readable, other=("unreadable",))


def test_other_pictures_are_unreadable(tmp_path):
    path = tmp_path / "out.mp4"
    ffmpeg("-f", "lavfi", "-i", "testsrc2=d=2:s=640x360:r=30", path)
    recording = analyse(path)
    recording.expect_kinds("unreadable")
    assert recording.sound is None
    assert fails(recording.expect_codecs, "h264", "aac")


def test_more_than_one_loop(record):
    recording = analyse(record(vf="loop=loop=1:size=600,setpts=N/30/TB", sound=None, seconds=30))
    assert recording.video.spans()[0].last == pytest.approx(10 - 1 / 30)
    recording.expect_kinds("shown")
    recording.expect_dropped(0)
    assert recording.video.source_index()[-1] == 899


@pytest.mark.parametrize("filters, size", [
    ("scale=160:90", (160, 90)),
    ("scale=1280:720", (1280, 720)),
    ("scale=854:480", (854, 480)),
    ("pad=320:320:0:70", (320, 320)),
    ("scale=202:360,pad=640:360:219:0", (640, 360)),
    ("scale=1280:720,pad=720:1280:0:280,scale=720:1280", (720, 1280)),
    ("scale=426:240,pad=426:480:0:121", (426, 480)),
])
def test_sizes_and_borders(record, filters, size):
    if size == (720, 1280):
        filters = "scale=720:406,pad=720:1280:0:437"
    recording = analyse(record(vf=filters, seconds=2))
    assert recording.video.size == size
    assert list(recording.video.counter) == list(range(60))


def test_heavy_compression(record):
    recording = analyse(record(video_codec=("libx264", "-preset", "ultrafast", "-qp", "42")))
    assert list(recording.video.counter) == list(range(180))


def test_busy_pictures(record, media):
    recording = analyse(record(picture=media(codec="h264", width=640, height=360, tag=9, busy=True)))
    assert list(recording.video.counter) == list(range(180))
    recording.expect_tags(9)
    recording.expect_colours()


def test_wrong_colours(record):
    recording = analyse(record(vf="swapuv"))
    assert fails(recording.expect_colours)


def test_changing_size(record, tmp_path):
    small = record("small.ts", sound=None, seconds=2)
    big = record("big.ts", sound=None, seconds=2, vf="scale=640:360")
    path = tmp_path / "both.ts"
    path.write_bytes(small.read_bytes() + big.read_bytes())
    recording = analyse(path)
    assert recording.video.sizes == [(320, 180), (640, 360)]
    assert fails(recording.expect_size, 320, 180)
    assert len(recording.video.readable) == 120


def test_region_of_several_pictures(record, media, tmp_path):
    path = tmp_path / "two.mp4"
    ffmpeg("-r", "30", "-i", media(codec="h264", width=320, height=180, tag=3),
           "-r", "30", "-i", media(codec="vp8", width=320, height=180, tag=4),
           "-filter_complex", "hstack", "-t", "1", path)
    for tag, region in ((3, (0, 0, 0.5, 1)), (4, (0.5, 0, 1, 1))):
        recording = analyse(path, region=region)
        recording.expect_tags(tag)
        assert list(recording.video.counter) == list(range(30))


def test_region_that_a_part_fills(record):
    """A tile of another shape, in a page that is not black."""
    path = record(vf="crop=320:110:0:0,pad=400:300:60:100:gray", seconds=1)
    region = (60 / 400, 100 / 300, 380 / 400, 210 / 300)
    recording = analyse(path, region=region, seen=(0, 0, 1, 110 / 180))
    recording.expect_tags(3)
    recording.expect_colours()
    assert list(recording.video.counter) == list(range(30))
    assert not len(analyse(path, region=region).video.readable)


def test_silence(record):
    recording = analyse(record(af="volume=0:enable='between(t,2.3,2.8)'"))
    gaps = recording.sound.gaps  # the last is AAC's padding
    assert len(gaps) == 2
    assert gaps[0].start == pytest.approx(2.3, abs=0.03)
    assert gaps[0].end == pytest.approx(2.8, abs=0.03)
    assert fails(recording.expect_no_gaps)
    recording.expect_no_gaps(start=3)
    recording.expect_silent(2.4, 2.7)
    assert fails(recording.expect_silent, 2.0, 2.7)
    recording.expect_no_clicks()


def test_short_silence(record):
    recording = analyse(record("out.mkv", af="asetnsamples=48,volume=0:enable='between(t,2.5,2.5195)'", sound_codec=("pcm_s16le",)))
    assert len(recording.sound.gaps) == 1
    assert recording.sound.gaps[0].seconds == pytest.approx(0.020, abs=0.003)


def test_hole_in_the_sound_track(record):
    recording = analyse(record("out.mkv", af="asetnsamples=480,aselect='not(between(t,2.199,2.6995))'", sound_codec=("pcm_s16le",)))
    assert len(recording.sound.holes) == 1
    start, end = recording.sound.holes[0]
    assert (start, end) == (pytest.approx(2.2, abs=0.001), pytest.approx(2.7, abs=0.001))
    assert fails(recording.expect_no_gaps)
    # Everything behind it is still where it belongs.
    assert all(abs(offset) < 0.002 for _, offset in recording.av_offsets())
    recording.expect_even_beeps()


@pytest.mark.parametrize("name, codec", [
    ("out.mkv", "pcm_s16le"), ("out.mp4", "aac"), ("out.mp4", "libopus")])
def test_sound_left_out(record, name, codec):
    # 12 ms are missing, and what follows comes that much too early.
    recording = analyse(record(name, sound_codec=(codec,), af=(
        "asplit[a][b];[a]atrim=end=2.5003,asetpts=PTS-STARTPTS[c];"
        "[b]atrim=start=2.5122,asetpts=PTS-STARTPTS[d];[c][d]concat=v=0:a=1")))
    assert fails(recording.expect_even_beeps)
    assert fails(recording.expect_no_clicks)
    assert recording.sound.clicks[0] == pytest.approx(2.5003, abs=0.02)
    assert len(recording.sound.clicks) == 1
    assert recording.av_offsets()[-1][1] == pytest.approx(0.0119, abs=0.001)


@pytest.mark.parametrize("name, sound_codec", [
    ("out.mka", ("pcm_s16le",)), ("out.ogg", ("libopus",)),
    ("out.mp3", ("libmp3lame",)), ("out.m4a", ("aac",)), ("out.webm", ("libopus", "-b:a", "32k")),
    ("out.wav", ("pcm_mulaw", "-ar", "8000")),
])
def test_sound_codecs(record, name, sound_codec):
    recording = analyse(record(name, picture=None, sound_codec=sound_codec, seconds=10))
    assert recording.video is None
    recording.expect_beeps(10)
    recording.expect_even_beeps()
    recording.expect_no_gaps()
    recording.expect_no_clicks()
    recording.expect_tones(550)
    assert [beep.second for beep in recording.sound.beeps] == list(range(10))
    assert recording.sound.beeps[0].at - recording.start == pytest.approx(0, abs=0.001)


@pytest.mark.parametrize("codec, width, height", [("vp8", 320, 180), ("vp9", 320, 180), ("vp8", 327, 181)])
def test_video_codecs(record, media, codec, width, height):
    recording = analyse(record("out.mkv", picture=media(codec=codec, width=width, height=height, tag=11),
                               video_codec=("copy",), sound_codec=("pcm_s16le",)))
    recording.expect_codecs(codec, "pcm_s16le")
    assert list(recording.video.counter) == list(range(180))
    recording.expect_tags(11)
    recording.expect_colours(within=8)
    # Matroska counts milliseconds.
    recording.expect_av_offset(p95_ms=1.1, at_least=6)


def test_several_tones(record, media, sound, tmp_path):
    other = tmp_path / "other.wav"
    ffmpeg("-i", media(codec="opus", tag=7), "-af", "atrim=start=0.9975,asetpts=PTS-STARTPTS", other)
    path = tmp_path / "mixed.m4a"
    ffmpeg("-i", sound, "-i", other, "-filter_complex", "amix=normalize=0", "-t", "4", path)
    recording = analyse(path)
    recording.expect_tones(550, 750)
    assert fails(recording.expect_tones, 550)
    assert fails(recording.expect_tones, 550, 750, 900)


def test_stereo(media, tmp_path):
    path = tmp_path / "stereo.m4a"
    ffmpeg("-i", media(codec="opus", tag=2, stereo=True), "-t", "4", path)
    recording = analyse(path)
    recording.expect_tones(500, channel=0)
    recording.expect_tones(525, channel=1)
    assert recording.sound.tone_hz(1)[1] == 525


def test_tone_changes(record):
    recording = analyse(record(af="asetrate=48000*1.1,aresample=48000", picture=None))
    assert fails(recording.expect_tones, 550)
    assert fails(recording.expect_even_beeps)


def test_picture_that_starts_later(record):
    recording = analyse(record(vf="setpts=PTS+0.7/TB", af="adelay=700:all=1"))
    assert recording.video.start == pytest.approx(0.7, abs=0.001)
    assert recording.sound.start == pytest.approx(0, abs=0.001)
    assert recording.start == pytest.approx(0, abs=0.001)
    recording.expect_av_offset(p95_ms=1, at_least=4)
    assert fails(recording.expect_ends_together)


def test_sound_that_starts_later(record):
    recording = analyse(record("out.mkv", sound_before=["-itsoffset", "0.5"], af="atrim=start=0.5"))
    assert recording.sound.start == pytest.approx(0.5, abs=0.03)


def test_frames_reordered_by_the_codec(record):
    recording = analyse(record(video_codec=("libx264", "-preset", "veryfast", "-bf", "3")))
    assert list(recording.video.counter) == list(range(180))
    recording.expect_constant_rate(30)
    recording.expect_av_offset(p95_ms=1, at_least=6)


def test_layouts(record):
    assert not analyse(record("behind.mp4", seconds=1)).layout.index_in_front
    fragmented = analyse(record("fragments.mp4", seconds=2, more=[
        "-movflags", "+frag_keyframe+empty_moov+default_base_moof"]))
    assert fragmented.layout.fragmented
    assert fails(fragmented.expect_finished_mp4)
    assert analyse(record("out.mkv", seconds=1)).layout is None


def test_file_cut_off(record):
    path = record("fragments.mp4", more=["-movflags", "+frag_keyframe+empty_moov+default_base_moof", "-g", "15"])
    with open(path, "r+b") as file:
        file.truncate(os.path.getsize(path) * 2 // 3)
    recording = analyse(path)
    assert not recording.layout.complete
    assert 2 < recording.duration < 5.5


def test_no_recording(tmp_path):
    path = tmp_path / "out.mp4"
    path.write_bytes(b"nothing of the kind" * 100)
    with pytest.raises(DecodeError):
        analyse(path)
    with pytest.raises(DecodeError):
        analyse(tmp_path / "missing.mp4")


def test_command_line(record):
    path = record(seconds=2)
    command = [sys.executable, "-m", "analyser", str(path)]
    environment = os.environ | {"PYTHONPATH": os.path.dirname(os.path.dirname(__file__))}
    text = subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout
    assert "shown of tag 3" in text and "picture less sound" in text
    found = json.loads(subprocess.run([*command, "--json"], env=environment, capture_output=True,
                                      text=True, check=True).stdout)
    assert found["video"]["frames"][31][1:] == [31, 3]
    missing = subprocess.run([*command[:-1], "/nowhere"], env=environment, capture_output=True,
                             text=True, check=False)
    assert missing.returncode == 1 and "nowhere" in missing.stderr


def test_checksum_tells_single_and_double_errors():
    for data in (0, 0x1234, 0xffff, 0x8001):
        right = data << 4 | int(checksum(np.array(data)))
        for one in range(20):
            for other in range(20):
                if one != other:
                    wrong = right ^ 1 << one ^ 1 << other
                    assert int(checksum(np.array(wrong >> 4))) != wrong & 0xf or (one, other) in {
                        (n, n + 15) for n in range(5)} | {(n + 15, n) for n in range(5)}
            wrong = right ^ 1 << one
            assert int(checksum(np.array(wrong >> 4))) != wrong & 0xf
