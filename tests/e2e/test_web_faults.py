"""What goes wrong with web pages: they cannot be loaded, ask for things that nobody is there to give,
crash; what shows and plays them dies."""
import contextlib
import os
import pathlib
import signal

import pytest

from analyser import analyse
from judge import bounds_of, expect_in_step, expect_lively
from pages import Pages, make_certificate
from processes import below, memory_mb, one_of, page_of
from server import ADDRESS
from service import CHEAP, MEDIUM, SMALL
from stage import PRIVATE_NAME
from waiting import wait_until

pytestmark = pytest.mark.xdist_group("heavy")


@pytest.fixture
def secure_pages(ports, tmp_path):
    with contextlib.closing(Pages(ports, certificate=make_certificate(tmp_path))) as server:
        yield server


@pytest.fixture
def other_pages(ports):
    with contextlib.closing(Pages(ports)) as server:
        yield server


# It cannot be loaded

def test_page_that_cannot_be_loaded(web, ports, secure_pages, tmp_path):
    """Each is told with what the browser says, and leaves nothing."""
    stage = web(also=[secure_pages], web_allow=[ADDRESS])
    closed = ports.take()
    for url, text in ((f"{stage.pages.base}/status/404", "404"),
                      (f"{stage.pages.base}/status/500", "500"),
                      (f"http://{ADDRESS}:{closed}/", "net::ERR_CONNECTION_REFUSED"),
                      ("http://nowhere.example/", "net::ERR_NAME_NOT_RESOLVED"),
                      (secure_pages.url("lively"), "net::ERR_CERT_AUTHORITY_INVALID")):
        ended = stage.refuse(url, tmp_path / "out.mp4", advanced=SMALL)
        assert ended["error"].startswith("page load error: ") and text in ended["error"], ended
        assert ended["errorCode"] == 400, ended
        assert not list(tmp_path.glob("out*"))
    wait_until(lambda: not stage.left_overs(), "no files are left")


def test_certificate_that_need_not_be_right(web, secure_pages, tmp_path):
    stage = web(also=[secure_pages], insecure=True)
    path = tmp_path / "out.mp4"
    egress_id = stage.start(secure_pages.url("lively", tag=2), path, advanced=MEDIUM)
    secure_pages.wait("playing")
    secure_pages.wait_seconds(3, tag=2)
    stage.stop(egress_id)
    expect_lively(path, secure_pages, 2)


def test_private_addresses(web, other_pages, tmp_path):
    """Neither by address nor by name nor by redirection, nor from within a page; only what is
    allowed."""
    stage = web("x11")
    hidden = f"{ADDRESS}:{other_pages.port}"
    for url in (f"http://{hidden}/still.html", f"http://{PRIVATE_NAME}:{other_pages.port}/still.html",
                f"http://localhost:{stage.service.health_port}/", f"http://[::ffff:{ADDRESS}]:{other_pages.port}/",
                f"{stage.pages.base}/redirect?to=http://{hidden}/still.html"):
        ended = stage.refuse(url, tmp_path / "out.mp4", advanced=SMALL)
        assert ended["error"].startswith("page load error: ") and "web_allow" in ended["error"], ended
    path = tmp_path / "allowed.mp4"
    egress_id = stage.start(
        stage.pages.url("lively", tag=1, do="reach", reach=f"http://{hidden}/still.html"), path,
        advanced=MEDIUM)
    stage.pages.say("reach")
    assert stage.pages.wait("reach")["outcome"] == "TypeError"
    stage.stop(egress_id)
    assert other_pages.requests == []


# It wants something

ASKED = {
    "alert": "undefined", "confirm": None, "prompt": None, "popup": None, "tab": None,
    "download": "undefined", "print": "undefined", "camera": None, "place": None,
    "notification": None, "fullscreen": None, "close": "undefined",
}


def test_page_that_asks_for_attention(web, tmp_path):
    """Each is answered, so that the page goes on, and the recording is of nothing but the page."""
    stage = web()
    path = tmp_path / "out.mp4"
    egress_id = stage.start(stage.pages.url("lively", tag=12, do=",".join(ASKED)), path, advanced=MEDIUM)
    stage.pages.wait("playing")
    stage.pages.wait_seconds(1, tag=12)
    for word, outcome in ASKED.items():
        stage.pages.say(word)
        found = stage.pages.wait(word)["outcome"]
        assert outcome in (None, found), (word, found)
    stage.pages.wait_seconds(2, tag=12)
    ended = stage.stop(egress_id)
    assert ended["details"] == "End reason: StopEgress API"
    recording = analyse(path)
    recording.expect_size(640, 360)
    recording.expect_all_readable(other=())
    recording.expect_tags(12)
    # Nothing was saved anywhere.
    assert not [file for root, _, files in os.walk(tmp_path) for file in files if "saved" in file]


def test_page_that_leaves(web, tmp_path):
    """The next page is recorded, too."""
    stage = web("x11")
    path = tmp_path / "out.mp4"
    egress_id = stage.start(stage.pages.url("lively", tag=3, do="leave"), path, advanced=MEDIUM)
    stage.pages.wait("playing")
    stage.pages.wait_seconds(2, tag=3)
    stage.pages.say("leave")
    stage.pages.wait("playing")
    stage.pages.wait_seconds(3, tag=9)
    stage.stop(egress_id)
    recording = analyse(path)
    tags = [span.tag for span in recording.video.spans() if span.tag >= 0]
    assert [tag for n, tag in enumerate(tags) if n == 0 or tag != tags[n - 1]] == [3, 9], recording.report()
    tones = recording.sound.tone_hz()
    assert tones[-1] == pytest.approx(850, abs=2)


def test_page_that_floods(web, tmp_path):
    """Its console, its title, its history: what it costs is the page's own. The egress takes no more
    memory, keeps its pictures apart as they are, and ends when it is told to."""
    stage = web()
    path = tmp_path / "out.mp4"
    words = ("lines", "long", "titles", "states")
    egress_id = stage.start(stage.pages.url("lively", tag=7, do=",".join(words)), path, advanced=MEDIUM)
    watched = stage.watch(egress_id)
    stage.pages.wait("playing")
    stage.pages.wait_seconds(2, tag=7)
    before = memory_mb(watched.pid)
    for word in words:
        stage.pages.say(word)
        stage.pages.wait(word)
    assert memory_mb(watched.pid) < before + 64
    stage.stop(egress_id)
    recording = analyse(path)
    recording.expect_tags(7)
    recording.expect_in_order()
    recording.expect_ends_together(within=0.1)
    stage.expect_nothing_left(watched)


# It is stopped before it has begun

@pytest.mark.parametrize("display, kind, page, is_asked", [
    ("x11", "Xvfb", "/endless.html", False), ("wayland", "pulseaudio", "/endless.html", False),
    ("wayland", "browser", "/endless.html", False), ("x11", "browser", "/wait/nothing", True),
    ("wayland", "browser", "/endless.html", True)])
def test_stopped_while_it_starts(web, tmp_path, display, kind, page, is_asked):
    """Though what it waits for hangs: as soon as that is there, while the page is asked for, and while
    an image of it is."""
    stage = web(display)
    info = stage.egress.web(f"{stage.pages.base}{page}", tmp_path / "out.mp4", advanced=MEDIUM)
    service = stage.service.process.popen.pid
    if is_asked:
        wait_until(lambda: "/wait/nothing" in stage.pages.requests, "it is asked for")
    found = wait_until(lambda: [one for one in below(service) if one.kind == kind], f"there is a {kind}")
    # One that it has just forked still looks like it.
    hung = min(found, key=lambda one: (one.started, one.pid))
    os.kill(hung.pid, signal.SIGSTOP)
    watched = stage.watch(info.egress_id)
    ended = stage.stop(info.egress_id, "EGRESS_ABORTED")
    assert (ended["error"], ended["errorCode"]) == ("Stop called before pipeline could start", 412)
    assert not list(tmp_path.glob("out*"))
    stage.expect_nothing_left(watched)


# Something hangs or dies

@pytest.mark.parametrize("kind, display", [
    ("renderer", "wayland"), ("browser", "wayland"), ("pulseaudio", "wayland"), ("Xvfb", "x11")])
def test_hanging_part(web, tmp_path, kind, display):
    """The recording goes on with what there is, and ends when it is told to."""
    stage = web(display)
    path = tmp_path / "out.mp4"
    egress_id = stage.start(stage.pages.url("lively", tag=3), path, advanced=MEDIUM)
    watched = stage.watch(egress_id)
    stage.pages.wait("playing")
    stage.pages.wait_seconds(2, tag=3)
    for one in below(watched.pid):
        if one.kind == kind:
            os.kill(one.pid, signal.SIGSTOP)
    stage.stop(egress_id)
    recording = analyse(path)
    recording.expect_tags(3)
    recording.expect_in_order()
    recording.expect_ends_together(within=0.1)
    stage.expect_nothing_left(watched)


def kill_page(stage, egress_id: str):
    os.kill(page_of(below(stage.service.egress_pid(egress_id))).pid, signal.SIGKILL)


def expect_cut_short(ended: dict, tag: int):
    """The file has what was recorded until then."""
    recording = analyse(ended["fileResults"][0]["location"])
    recording.expect_tags(tag)
    recording.expect_in_order()
    assert recording.duration > 2, recording.report()


def test_page_that_crashes(web, tmp_path):
    stage = web()
    path = tmp_path / "out.mp4"
    egress_id = stage.start(stage.pages.url("lively", tag=4), path, advanced=MEDIUM)
    watched = stage.watch(egress_id)
    stage.pages.wait("playing")
    stage.pages.wait_seconds(3, tag=4)
    kill_page(stage, egress_id)
    ended = stage.wait_failed(egress_id)
    assert "the page's process" in ended["error"], ended
    assert ended["errorCode"] == 500, ended
    expect_cut_short(ended, 4)
    stage.expect_nothing_left(watched)


def test_page_that_crashes_and_comes_back(web, tmp_path):
    stage = web("x11", web_reload_crashed=True)
    path = tmp_path / "out.mp4"
    egress_id = stage.start(stage.pages.url("lively", tag=4), path, advanced=MEDIUM)
    for _ in range(2):
        stage.pages.wait("playing")
        stage.pages.wait_seconds(2, tag=4)
        kill_page(stage, egress_id)
    stage.pages.wait("playing")
    stage.pages.wait_seconds(3, tag=4)
    stage.stop(egress_id)
    recording = analyse(path)
    recording.expect_ends_together(within=0.1)
    recording.expect_tags(4)
    assert recording.video.spans()[-1].kind == "shown", recording.report()
    assert len(recording.sound.beeps) >= 5, recording.report()


@pytest.mark.parametrize("display", ["wayland", "x11"])
def test_page_that_crashes_before_it_is_seen(web, tmp_path, display):
    """The recording begins with the page that came back: neither with black nor with what was there
    before, and with its sound."""
    stage = web(display, web_reload_crashed=True, chrome_flags={"js-flags": "--max-old-space-size=64"})
    path = tmp_path / "out.mp4"
    info = stage.egress.web(stage.pages.url("lively", tag=13, start=0, crash="once"), path,
                            await_start_signal=True, advanced=MEDIUM)
    for _ in range(2):
        stage.pages.wait("playing")
    stage.hooks.wait_active(info.egress_id)
    stage.service.wait_log("page has crashed, and is loaded again", egressID=info.egress_id)
    stage.pages.wait_seconds(3, tag=13)
    stage.stop(info.egress_id)
    recording = expect_lively(path, stage.pages, 13)
    expect_in_step(recording, stage.pages, 13)


def test_page_that_fills_its_heap(web, tmp_path):
    """Chromium ends it; by default that is at some GB."""
    stage = web(chrome_flags={"js-flags": "--max-old-space-size=64"})
    egress_id = stage.start(stage.pages.url("lively", tag=5, do="heap"), tmp_path / "out.mp4", advanced=MEDIUM)
    watched = stage.watch(egress_id)
    stage.pages.wait("playing")
    stage.pages.wait_seconds(3, tag=5)
    stage.pages.say("heap")
    ended = stage.wait_failed(egress_id)
    assert "memory of its scripts" in ended["error"], ended
    assert ended["errorCode"] == 500, ended
    expect_cut_short(ended, 5)
    stage.expect_nothing_left(watched)


def test_page_that_fills_the_memory(web, tmp_path):
    """The service ends it before the machine is full."""
    stage = web(cpu_cost=CHEAP | {"max_memory": 2})
    egress_id = stage.start(stage.pages.url("lively", tag=6, do="buffers"), tmp_path / "out.mp4", advanced=MEDIUM)
    watched = stage.watch(egress_id)
    stage.pages.wait("playing")
    stage.pages.wait_seconds(3, tag=6)
    stage.pages.say("buffers")
    ended = stage.hooks.wait_ended(egress_id)
    assert ended["status"] == "EGRESS_FAILED", ended
    assert ended["error"].startswith("OOM: ") and ended["errorCode"] == 403, ended
    expect_cut_short(ended, 6)
    watched.wait_gone()


@pytest.mark.parametrize("kind, display, text", [
    ("browser", "wayland", "chrome error: "), ("pulseaudio", "wayland", "PulseAudio"),
    ("Xvfb", "x11", "Xvfb")])
def test_helper_killed(web, tmp_path, kind, display, text):
    """One clear end, the file as far as it came, and nothing left."""
    stage = web(display)
    path = tmp_path / "out.mp4"
    egress_id = stage.start(stage.pages.url("lively", tag=6), path, advanced=MEDIUM)
    watched = stage.watch(egress_id)
    stage.pages.wait("playing")
    stage.pages.wait_seconds(3, tag=6)
    os.kill(one_of(watched.running, kind).pid, signal.SIGKILL)
    ended = stage.wait_failed(egress_id)
    assert text in ended["error"] and ended["errorCode"] == 500, ended
    assert "drm" not in ended["error"] and "dbus" not in ended["error"], ended
    assert len([status for status in stage.hooks.statuses(egress_id) if status[0] == "egress_ended"]) == 1
    expect_cut_short(ended, 6)
    stage.expect_nothing_left(watched)


@pytest.mark.parametrize("display", ["wayland", "x11"])
def test_graphics_process_killed(web, tmp_path, display):
    """Chromium starts another one, and the recording goes on."""
    stage = web(display)
    path = tmp_path / "out.mp4"
    egress_id = stage.start(stage.pages.url("lively", tag=2), path, advanced=MEDIUM)
    watched = stage.watch(egress_id)
    stage.pages.wait("playing")
    stage.pages.wait_seconds(2, tag=2)
    first = one_of(watched.running, "gpu-process")
    os.kill(first.pid, signal.SIGKILL)
    wait_until(lambda: {one.pid for one in below(watched.pid) if one.kind == "gpu-process"} - {first.pid},
               "there is another one")
    stage.pages.wait_seconds(4, tag=2)
    stage.stop(egress_id)
    recording = analyse(path)
    recording.expect_tags(2)
    last = recording.video.spans()[-1]
    assert last.kind == "shown" and last.seconds > 1, recording.report()
    stage.expect_nothing_left(watched)


def test_egress_process_killed(web, tmp_path):
    """All that it has started goes with it. Its folder goes when the next page is recorded, and
    another page that is being recorded notices nothing."""
    stage = web("x11")
    path = tmp_path / "out.mp4"
    other = stage.start(stage.pages.url("lively", tag=8), tmp_path / "other.mp4", advanced=SMALL)
    egress_id = stage.start(stage.pages.url("lively", tag=7), path, advanced=SMALL)
    watched = stage.watch(egress_id)
    for _ in range(2):
        stage.pages.wait("playing")
    stage.pages.wait_seconds(3, tag=7)
    os.kill(watched.pid, signal.SIGKILL)
    ended = stage.wait_failed(egress_id)
    assert ended["error"] == "egress process was killed by signal 9 (Killed)"
    location = pathlib.Path(ended["fileResults"][0]["location"])
    recording = analyse(location)
    recording.expect_tags(7)
    assert recording.duration > 1.5, recording.report()
    watched.wait_gone()
    stage.pages.wait_seconds(1, tag=8)
    stage.stop(other)
    recording = analyse(tmp_path / "other.mp4")
    recording.expect_tags(8)
    recording.expect_no_gaps(start=recording.sound.beeps[0].at,
                             longest_ms=bounds_of(stage.pages, 8).gap_ms)
    third = stage.start(stage.pages.url("still"), tmp_path / "third.mp4", advanced=SMALL)
    watched = stage.watch(third)
    stage.stop(third)
    stage.expect_nothing_left(watched)
