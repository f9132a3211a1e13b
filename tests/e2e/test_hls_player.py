"""What is written for HLS, played by hls.js in a real browser while it is being written."""
import functools
import http.server
import json
import os
import pathlib
import subprocess
import threading

import pytest
from livekit import api

from server import ADDRESS
from service import SMALL
from test_segments import lively, playlist_with, start
from waiting import wait_until

# A browser needs as much as those of other tests that encode.
pytestmark = pytest.mark.xdist_group("libwebrtc")

PAGE = """<!doctype html><video id="video" muted autoplay></video><script src="/hls.js"></script><script>
const video = document.getElementById('video');
let told = Promise.resolve();  // one after the other, so that they come in order
const tell = (event, more) => {
    const body = JSON.stringify({event, ...more});
    told = told.then(() => fetch('/told', {method: 'POST', body})).catch(() => {});
};
const hls = new Hls();
hls.on(Hls.Events.ERROR, (_, {type, details, fatal}) => tell('error', {type, details, fatal}));
hls.on(Hls.Events.BUFFER_EOS, () => tell('complete'));
for (const event of ['playing', 'timeupdate'])
    video.addEventListener(event, () => tell(event, {at: video.currentTime, width: video.videoWidth,
                                                     height: video.videoHeight}));
hls.loadSource('/hls/live.m3u8');
hls.attachMedia(video);
</script>"""


class Site:
    """A folder with segments, the player, and what that tells."""

    def __init__(self, folder: pathlib.Path, port: int):
        self.told = []
        site = self

        class Handler(http.server.SimpleHTTPRequestHandler):
            def do_GET(self):
                if self.path == "/":
                    self._answer(PAGE.encode(), "text/html")
                elif self.path == "/hls.js":
                    script = pathlib.Path(os.environ["NODE_CLIENT"]) / "node_modules/hls.js/dist/hls.min.js"
                    self._answer(script.read_bytes(), "text/javascript")
                else:
                    super().do_GET()

            def do_POST(self):
                length = int(self.headers["Content-Length"])
                site.told.append(json.loads(self.rfile.read(length)))
                self._answer(b"", "text/plain")

            def _answer(self, body, content_type):
                self.send_response(200)
                self.send_header("Content-Type", content_type)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        self.url = f"http://{ADDRESS}:{port}/"
        self._server = http.server.ThreadingHTTPServer(
            (ADDRESS, port), functools.partial(Handler, directory=str(folder)))
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self):
        self._server.shutdown()
        self._server.server_close()


def test_player(fleet, publish, room, tmp_path, ports):
    fleet = fleet()
    lively(fleet.server, publish, room)
    info = start(fleet.egress, room, advanced=SMALL, segments=api.SegmentedFileOutput(
        playlist_name=str(tmp_path / "hls" / "all.m3u8"), live_playlist_name="live",
        segment_duration=1))
    playlist_with(tmp_path / "hls" / "live.m3u8", 3, event=False)
    site = Site(tmp_path, ports.take())
    browser = subprocess.Popen(
        ["chromium", "--headless", "--no-sandbox", "--disable-gpu", "--autoplay-policy=no-user-gesture-required",
         f"--user-data-dir={tmp_path}/browser", site.url],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        # Five seconds of what did not exist when it began.
        first = wait_until(lambda: next((t for t in site.told if t["event"] == "playing"), None), "picture")
        wait_until(lambda: [t for t in site.told if t["event"] == "timeupdate" and t["at"] > first["at"] + 5],
                 "going on")
        fleet.egress.stop(info.egress_id)
        # The playlist says that it is the end, and the player has all of it.
        wait_until(lambda: [t for t in site.told if t["event"] == "complete"], "end")
    finally:
        browser.kill()
        browser.wait()
        site.close()
    assert (first["width"], first["height"]) == (320, 180)
    assert not [t for t in site.told if t["event"] == "error" and t["fatal"]], site.told
    assert not [t for t in site.told if t.get("type") == "mediaError" and "STALL" not in
                t["details"].upper()], site.told
    times = [t["at"] for t in site.told if t["event"] == "timeupdate"]
    assert times == sorted(times)
