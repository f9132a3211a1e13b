"""One clear line, at once where it can be known at once, and no file that looks finished."""
import json
import os
import subprocess

import pytest

from server import ADDRESS

SMALL = ("--width", "320", "--height", "180")


def fails(recorder, code, *words):
    assert recorder.wait() == code, recorder.process.lines
    line = recorder.error_lines[-1]
    assert line.startswith("egress: "), recorder.process.lines
    for word in words:
        assert word in line, line
    left = [p.name for p in recorder.path.parent.glob("out*")]
    assert left == [], left


def test_nobody_listens(shared_server, record):
    fails(record(shared_server, "--participant", "a", url=f"ws://{ADDRESS}:1"), 3,
          "cannot reach", "Connection refused")


def test_no_such_host(shared_server, record):
    fails(record(shared_server, "--participant", "a", url="ws://no-such-host.invalid"), 3,
          "no-such-host.invalid")


def test_not_a_url(shared_server, record):
    fails(record(shared_server, "--participant", "a", url="10.99.0.1"), 2, "ws://")


def test_wrong_secret(shared_server, record):
    fails(record(shared_server, "--participant", "a", secret="wrong-" * 8), 3, "secret")


def test_wrong_key(shared_server, record):
    fails(record(shared_server, "--participant", "a", key="nobody"), 3, "key")


def test_expired_token(shared_server, record, room):
    token = shared_server.token(room, "recorder", ttl_s=-3600)
    fails(record(shared_server, "--participant", "a", "--token", token, room=room), 3, "expired")


def test_unknown_track(shared_server, publish, record, room):
    publisher = publish(shared_server)
    publisher.join("alice", room)
    fails(record(shared_server, "--track", "TR_nothing", room=room), 4, "track TR_nothing not found")


def test_folder_cannot_be_written(shared_server, record):
    fails(record(shared_server, "--participant", "a", output="/proc/out.mp4"), 5, "/proc")


def test_output_is_a_folder(shared_server, record, tmp_path):
    (tmp_path / "folder.mp4").mkdir()
    fails(record(shared_server, "--participant", "a", output="folder.mp4"), 5, "folder.mp4")


def test_output_exists(shared_server, record, tmp_path):
    (tmp_path / "there.mp4").write_bytes(b"precious")
    fails(record(shared_server, "--participant", "a", output="there.mp4"), 5, "--overwrite")
    assert (tmp_path / "there.mp4").read_bytes() == b"precious"


@pytest.mark.parametrize("options, output, words", [
    (("--participant", "a", "--track", "TR_x"), "out.mp4", ("--participant", "--track")),
    (("--participant", "a", "--width", "8000", "--height", "180"), "out.mp4", ("width", "7680")),
    (("--participant", "a", "--preset", "8k"), "out.mp4", ("720p30",)),
    (("--participant", "a", "--audio-codec", "aac"), "out.webm", ("webm", "Opus")),
    (("--participant", "a", "--passthrough"), "out.mp3", ("mp3",)),
    (("--participant", "a"), "out.avi", (".mp4",)),
    (("--participant", "a", "--h264-encoder", "qsv"), "out.mp4", ("x264", "nvenc")),
    (("--participant", "a", "--duration", "soon"), "out.mp4", ("duration",)),
    (("--participant", "a"), "{nonsense}.mp4", ("{nonsense}",)),
    (("--participant", "a", "--web", "http://x/"), "out.mp4", ("--participant", "--web")),
    (("--layout", "grid", "--track", "TR_x"), "out.mp4", ("--layout", "tracks")),
])
def test_contradictory_options(shared_server, record, options, output, words):
    fails(record(shared_server, *options, output=output), 2, *words)


def test_codec_that_the_container_cannot_hold(shared_server, publish, record, room):
    publisher = publish(shared_server)
    publisher.join("alice", room)
    track = publisher.camera("alice", "vp8")
    fails(record(shared_server, "--video-track", track, "--passthrough", room=room, output="out.mp4"),
          2, "mp4", "VP8", "H264")


def test_encrypted_track(shared_server, publish, record, room):
    publisher = publish(shared_server)
    publisher.join("alice", room)
    publisher.camera("alice", encrypted=True)
    recorder = record(shared_server, "--participant", "alice", *SMALL, room=room)
    assert recorder.wait() != 0
    assert "encrypted" in recorder.error_lines[-1], recorder.error_lines
    assert not recorder.path.exists()


KEYS = {"ws_url": "ws://localhost:7880", "api_key": "key", "api_secret": "secret" * 6}
HUGE = {f"{kind}_cpu_cost": 1000 for kind in (
    "room_composite", "audio_room_composite", "web", "audio_web", "participant", "track_composite", "track")}


@pytest.mark.parametrize("config, code, words", [
    (None, 1, "no configuration"),
    ("x: [", 2, "--config-body:"),
    ({"redis": {"address": "here"}}, 2, "redis.address must be host:port"),
    ({"frozen_after": "0.5s"}, 2, "frozen_after must be"),
    ({"cpu_cost": HUGE}, 1, "not enough cpu"),
    ({"redis": {"address": f"{ADDRESS}:1"}}, 3, "Redis cannot be reached"),
    ({"http_address": ADDRESS, "http_port": "taken"}, 3, "http_port: cannot listen"),
    ({"state_dir": "/proc/state"}, 5, "/proc/state"),
    ({"video_encoder": {"h264": "nvenc"}}, 1, "this machine cannot encode H264 with nvenc"),
], ids=["none", "yaml", "value", "range", "machine", "redis", "port", "state", "encoder"])
def test_service_that_cannot_start(shared_server, tmp_path, config, code, words):
    """What has to be done is in one line; whether it is worth trying again, in the exit code."""
    arguments = []
    if isinstance(config, dict):
        config = KEYS | {"state_dir": str(tmp_path / "state")} | config
        if config.get("http_port") == "taken":
            config["http_port"] = int(shared_server.url.rpartition(":")[2])
        config = json.dumps(config)
    if config is not None:
        arguments = ["--config-body", config]
    run = subprocess.run([os.environ["EGRESS"], "serve", *arguments], capture_output=True, text=True,
                         timeout=60, check=False)
    line = run.stderr.strip().splitlines()[-1]
    assert run.returncode == code and line.startswith("egress: ") and words in line, run
