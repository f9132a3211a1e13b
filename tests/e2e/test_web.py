"""Web pages, as Chromium shows and plays them, recorded by the service. They are made and judged as
tests/README.md says."""
import contextlib
import json
import os
import pathlib
import signal

import numpy as np
import pytest
from livekit import api

from analyser import analyse
from judge import (CALM, Clock, bounds_of, expect_bt709, expect_filled, expect_heard, expect_in_step,
                   expect_lively, last_clock_s)
from pages import Pages, make_film
from processes import below, is_sandboxed, memory_mb, page_of
from service import MEDIUM
from stage import web_config, web_source

pytestmark = pytest.mark.xdist_group("heavy")


def encoding(width=640, height=360, framerate=30):
    return api.EncodingOptions(width=width, height=height, framerate=framerate, video_bitrate=1500)


@pytest.mark.parametrize("display", ["wayland", "x11"])
def test_page_with_picture_and_sound(web, tmp_path, display):
    """All of it, from its first picture to the instant of the stop."""
    stage = web(display)
    path = tmp_path / "out.mp4"
    egress_id = stage.start(stage.pages.url("lively", tag=3), path, advanced=MEDIUM)
    watched = stage.watch(egress_id)
    assert stage.pages.wait("playing") == {"width": "640", "height": "360", "ratio": "1"}
    stage.pages.wait_seconds(6, tag=3)
    stopped = Clock()
    ended = stage.stop(egress_id)
    assert ended["details"] == "End reason: StopEgress API"
    assert stage.hooks.statuses(egress_id) == [
        ("egress_started", "EGRESS_STARTING"), ("egress_updated", "EGRESS_ACTIVE"),
        ("egress_updated", "EGRESS_ENDING"), ("egress_ended", "EGRESS_COMPLETE")]
    assert ended["web"]["url"] == stage.pages.url("lively", tag=3)

    recording = expect_lively(path, stage.pages, 3)
    recording.expect_finished_mp4()
    recording.expect_codecs("h264", "aac")
    expect_heard(recording, stage.pages, 3, 550)
    expect_in_step(recording, stage.pages, 3)
    expect_bt709(path)
    expect_filled(path, 640, 360)
    lost_s = stopped.ahead_of(last_clock_s(recording))
    assert lost_s < (0.2 if bounds_of(stage.pages, 3) is CALM else 2), recording.report()
    stage.expect_nothing_left(watched)


def test_behind_a_livekit_server(fleet, pages, runs, tmp_path):
    fleet = fleet(**web_config("wayland", [pages]))
    path = tmp_path / "out.mp4"
    egress_id = fleet.egress.web(pages.url("lively", tag=14), path, advanced=MEDIUM).egress_id
    fleet.hooks.wait_active(egress_id)
    pages.wait("playing")
    pages.wait_seconds(3, tag=14)
    fleet.egress.stop(egress_id)
    ended = fleet.hooks.wait_ended(egress_id)
    assert ended["status"] == "EGRESS_COMPLETE", ended
    recording = expect_lively(path, pages, 14)
    expect_heard(recording, pages, 14, 1100)


def test_sound_or_picture_alone(web, tmp_path):
    stage = web()
    sound = stage.start(stage.pages.url("lively", tag=2), tmp_path / "sound.ogg", audio_only=True)
    kinds = {one.kind for one in stage.watch(sound).running}
    assert "pulseaudio" in kinds
    stage.pages.wait("playing")
    stage.pages.wait_seconds(3, tag=2)
    stage.stop(sound)
    picture = stage.start(stage.pages.url("lively", tag=4), tmp_path / "picture.mp4", video_only=True,
                          advanced=MEDIUM)
    assert "pulseaudio" not in {one.kind for one in stage.watch(picture).running}
    stage.pages.wait_seconds(3, tag=4)
    stage.stop(picture)
    recording = analyse(tmp_path / "sound.ogg")
    recording.expect_codecs(None, "opus")
    expect_heard(recording, stage.pages, 2, 500)
    recording = expect_lively(tmp_path / "picture.mp4", stage.pages, 4)
    recording.expect_codecs("h264", None)


def test_from_start_to_end_signal(web, tmp_path):
    """Nothing of before and nothing of after, and another format of file."""
    stage = web("x11")
    path = tmp_path / "out.webm"
    info = stage.egress.web(stage.pages.url("lively", tag=5, start="start", end="end"), path,
                            await_start_signal=True, advanced=MEDIUM)
    stage.pages.wait("playing")
    assert stage.egress.list()[0].status == api.EgressStatus.EGRESS_STARTING
    stage.pages.say("start")
    stage.hooks.wait_active(info.egress_id)
    stage.pages.wait_seconds(5, tag=5)
    stage.pages.say("end")
    ended = stage.hooks.wait_ended(info.egress_id)
    assert ended["status"] == "EGRESS_COMPLETE", ended
    timeline = json.loads((tmp_path / f"{info.egress_id}.json").read_text())["timeline"]
    assert "layout" not in {event["type"] for event in timeline["events"]}, timeline
    assert ended["details"] == "End reason: Source closed"
    recording = expect_lively(path, stage.pages, 5)
    recording.expect_codecs("vp8", "opus")
    expect_heard(recording, stage.pages, 5, 650, start=0.1)
    expect_in_step(recording, stage.pages, 5)


def test_page_that_never_signals(web, tmp_path):
    stage = web()
    info = stage.egress.web(stage.pages.url("lively"), tmp_path / "out.mp4", await_start_signal=True,
                            advanced=MEDIUM)
    stage.pages.wait("playing")
    watched = stage.watch(info.egress_id)
    ended = stage.stop(info.egress_id, "EGRESS_ABORTED")
    assert (ended["error"], ended["errorCode"]) == ("Start signal not received", 412)
    assert not list(tmp_path.glob("out*"))
    stage.expect_nothing_left(watched)


def test_second_generation(web, tmp_path):
    """The request of today's clients; a page that is upright."""
    stage = web()
    path = tmp_path / "out.mp4"
    info = stage.egress.call("start_egress", web_source(
        stage.pages.url("lively", tag=6), path, advanced=encoding(360, 640)))
    stage.hooks.wait_active(info.egress_id)
    stage.pages.wait("playing")
    stage.pages.wait_seconds(4, tag=6)
    ended = stage.stop(info.egress_id)
    assert ended["egress"]["web"]["url"].endswith("tag=6")
    recording = expect_lively(path, stage.pages, 6, size=(360, 640))
    expect_in_step(recording, stage.pages, 6)
    expect_filled(path, 360, 640)


@pytest.mark.parametrize("display", ["wayland", "x11"])
def test_odd_size(web, tmp_path, display):
    """Is made even, and said so; and the page has all of it, to the last line."""
    stage = web(display)
    path = tmp_path / "out.mp4"
    egress_id = stage.start(stage.pages.url("lively", tag=7, fps=10), path,
                            advanced=encoding(1279, 719, framerate=10))
    assert stage.pages.wait("playing") == {"width": "1280", "height": "720", "ratio": "1"}
    stage.pages.wait_seconds(3, tag=7)
    stage.stop(egress_id)
    expect_lively(path, stage.pages, 7, size=(1280, 720), fps=10)
    expect_filled(path, 1280, 720)
    stage.service.wait_log("width must be even: 1280 instead of 1279", egressID=egress_id)
    stage.service.wait_log("height must be even: 720 instead of 719", egressID=egress_id)


def test_sixty_pictures_a_second(web, tmp_path):
    stage = web()
    path = tmp_path / "out.mp4"
    egress_id = stage.start(stage.pages.url("lively", tag=8, fps=60), path,
                            advanced=encoding(480, 270, framerate=60))
    stage.pages.wait("playing")
    stage.pages.wait_seconds(4, tag=8)
    stage.stop(egress_id)
    recording = expect_lively(path, stage.pages, 8, size=(480, 270), fps=60)
    expect_in_step(recording, stage.pages, 8)


@pytest.mark.parametrize("width, height", [(1920, 1080), (1080, 1920)])
def test_full_hd_at_sixty(web, tmp_path, width, height):
    """The most that is promised, lying and standing."""
    stage = web()
    path = tmp_path / "out.mp4"
    egress_id = stage.start(stage.pages.url("lively", tag=9, fps=60), path,
                            advanced=encoding(width, height, framerate=60))
    assert stage.pages.wait("playing") == {"width": str(width), "height": str(height), "ratio": "1"}
    stage.pages.wait_seconds(4, tag=9)
    stage.stop(egress_id)
    recording = expect_lively(path, stage.pages, 9, size=(width, height), fps=60)
    expect_in_step(recording, stage.pages, 9)
    expect_bt709(path)
    expect_filled(path, width, height)


def test_encoder_that_is_too_slow(web, tmp_path):
    """It costs pictures, which are counted: neither memory, nor the time of those that are left."""
    stage = web(video_encoder={"preset": "veryslow"}, video_encoder_threads=1)
    path = tmp_path / "out.mp4"
    fps = 60
    egress_id = stage.start(stage.pages.url("lively", tag=2, fps=fps, busy=1), path,
                            advanced=encoding(1280, 720, framerate=fps))
    stage.pages.wait("playing")
    stage.pages.wait_seconds(2, tag=2)
    pid = stage.service.egress_pid(egress_id)
    before = memory_mb(pid)
    stage.pages.wait_seconds(6, tag=2)
    # That preset looks 60 pictures ahead. Those that are left out, each of 1.4 MB, would be more.
    assert memory_mb(pid) < before + 200
    stage.stop(egress_id)
    recording = analyse(path, source_fps=fps, frozen_after=6)
    recording.expect_size(1280, 720)
    recording.expect_all_readable(other=())
    recording.expect_in_order()
    recording.expect_tags(2)
    recording.expect_ends_together()
    ticks = [round(pts * fps) for pts in recording.video.pts]
    assert max(abs(tick / fps - pts) for tick, pts in zip(ticks, recording.video.pts)) < 0.001
    left_out = len(set(range(ticks[-1] + 1)) - set(ticks))
    assert left_out > 100, recording.report()
    told = json.loads((tmp_path / f"{egress_id}.json").read_text())["timeline"]
    # And some that were seen twice since nobody had the time to look.
    assert left_out <= told["pictures_skipped"] <= round(told["duration_ns"] * fps / 1e9), (told, left_out)
    assert "pictures_skipped" in {event["type"] for event in told["events"]}


def test_two_pages_at_once(web, tmp_path):
    """Each has its own sound and picture."""
    stage = web()
    ids = {tag: stage.start(stage.pages.url("lively", tag=tag), tmp_path / f"{tag}.mp4",
                            advanced=encoding(480, 270)) for tag in (1, 9)}
    for _ in ids:
        stage.pages.wait("playing")
    stage.pages.wait_seconds(4, tag=9)
    for egress_id in ids.values():
        stage.stop(egress_id)
    for tag in ids:
        recording = analyse(tmp_path / f"{tag}.mp4")
        recording.expect_tags(tag)
        heard = {round(hz / 50) for hz in recording.sound.tone_hz() if hz is not None}
        assert heard == {8 + tag}, recording.report()


def test_page_that_plays_a_film(web, ports, tmp_path):
    film = make_film(tmp_path, "-tag", 10).read_bytes()
    with contextlib.closing(Pages(ports, more={"/clip.webm": film})) as films:
        stage = web(also=[films])
        path = tmp_path / "out.mp4"
        egress_id = stage.start(films.url("clip"), path, await_start_signal=True, advanced=MEDIUM)
        films.wait("seen", of="6")
        stage.stop(egress_id)
    recording = analyse(path)
    recording.expect_tags(10)
    recording.expect_in_order()
    assert np.median(recording.sound.tone_hz()[1:]) == pytest.approx(900, abs=2), recording.report()
    # The player keeps them together, however busy the machine is.
    assert abs(recording.av_offset_ms()["median"]) <= 80, recording.report()
    assert len(recording.sound.beeps) >= 4, recording.report()


def test_page_where_nothing_moves_or_sounds(web, tmp_path):
    """Pictures come all the same, and silence."""
    stage = web()
    path = tmp_path / "out.mp4"
    egress_id = stage.start(stage.pages.url("still"), path, advanced=MEDIUM)
    # As long as another page shows three seconds.
    other = stage.start(stage.pages.url("lively", tag=1), tmp_path / "other.mp4", advanced=encoding(160, 90))
    stage.pages.wait_seconds(3, tag=1)
    stage.stop(egress_id)
    stage.stop(other)
    recording = analyse(path)
    recording.expect_size(640, 360)
    recording.expect_silent(recording.sound.start + 0.1, recording.sound.end - 0.1)
    recording.expect_ends_together(within=0.1)
    assert recording.duration > 3


def test_login(web, ports, tmp_path):
    """User and password in the URL are for the page's server, and for nobody else to see."""
    with contextlib.closing(Pages(ports, login="visitor:open-sesame")) as private:
        stage = web(also=[private], logging={"json": True, "level": "debug"})
        path = tmp_path / "out.mp4"
        url = private.url("lively", tag=13)
        egress_id = stage.start(url.replace("//", "//visitor:open-sesame@"), path, advanced=MEDIUM)
        private.wait("playing")
        private.wait_seconds(3, tag=13)
        commands = [pathlib.Path(f"/proc/{one.pid}/cmdline").read_text() for one in stage.watch(egress_id).running]
        assert commands and not [command for command in commands if "open-sesame" in command]
        ended = stage.stop(egress_id)
        assert ended["web"]["url"] == url.replace("//", "//{...}@")
        expect_lively(path, private, 13)
        assert not [line for line in stage.service.process.lines if "open-sesame" in line]
        ended = stage.refuse(url.replace("//", "//visitor:open-door@"), path.with_stem("other"))
        assert "HTTP status 401" in ended["error"] and "open-door" not in ended["error"], ended


def test_sandbox(ordinary_user, web, tmp_path):
    """Chromium's own, which an ordinary user can have. What runs in it ends with all else."""
    stage = web(enable_chrome_sandbox=True)
    path = tmp_path / "out.mp4"
    egress_id = stage.start(stage.pages.url("lively", tag=10), path, advanced=MEDIUM)
    watched = stage.watch(egress_id)
    stage.pages.wait("playing")
    stage.pages.wait_seconds(3, tag=10)
    assert is_sandboxed(page_of(below(watched.pid)).pid, watched.pid)
    stage.stop(egress_id)
    expect_lively(path, stage.pages, 10)
    stage.expect_nothing_left(watched)
    killed = stage.start(stage.pages.url("still"), tmp_path / "killed.mp4", advanced=MEDIUM)
    watched = stage.watch(killed)
    os.kill(watched.pid, signal.SIGKILL)
    watched.wait_gone()


def test_sandbox_as_root(web, tmp_path):
    """Chromium refuses."""
    stage = web(enable_chrome_sandbox=True)
    ended = stage.refuse(stage.pages.url("still"), tmp_path / "out.mp4")
    assert "enable_chrome_sandbox" in ended["error"] and ended["errorCode"] == 500, ended


def test_command_line(shared_server, runs, pages, record, tmp_path):
    """egress record needs neither service nor server for a page."""
    recorder = record(shared_server, "--web", pages.url("lively", tag=11), "--width", "640", "--height", "360",
                      room=None)
    recorder.wait_active()
    pages.wait("playing")
    pages.wait_seconds(4, tag=11)
    assert recorder.stop() == 0
    expect_lively(recorder.path, pages, 11)
