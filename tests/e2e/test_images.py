"""Images: a picture now and then."""
from livekit import api

from analyser import decode
from analyser.video import read_video
from test_segments import COMPLETE, lively
from waiting import wait_until


def start(egress, room, *images, advanced=None):
    for image in images:
        image.disable_manifest = True
    return egress.call("start_participant_egress", api.ParticipantEgressRequest(
        room_name=room, identity="alice", image_outputs=list(images), advanced=advanced))


def size_of(path) -> tuple:
    stream = decode.probe(path)["streams"][0]
    return stream["codec_name"], stream["width"], stream["height"]


def frame_of(path) -> int:
    """The number of the publisher's frame in an image; -1: it cannot be read."""
    video = read_video(path, decode.probe(path)["streams"][0], source_fps=30, frozen_after=1)
    return int(video.counter[0]) if len(video.readable) else -1


def files(folder) -> list:
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


def test_images_alone(fleet, publish, room, tmp_path):
    """Nothing else is encoded; each shows what was to be seen at its time."""
    fleet = fleet()
    lively(fleet.server, publish, room)
    folder = tmp_path / "shots"
    info = start(fleet.egress, room, api.ImageOutput(
        filename_prefix=f"{folder}/{{publisher_identity}}", capture_interval=1, width=640,
        height=360))
    assert info.image_results[0].filename_prefix == f"{folder}/{{publisher_identity}}"
    fleet.hooks.wait_active(info.egress_id)
    wait_until(lambda: len(files(folder)) >= 5, "5 images")
    fleet.egress.stop(info.egress_id)
    ended = fleet.hooks.wait_ended(info.egress_id)
    assert ended["status"] == COMPLETE and "error" not in ended, ended
    names = files(folder)
    assert names == [f"alice_{n:05d}.jpeg" for n in range(len(names))]
    result = ended["imageResults"][0]
    assert int(result["imageCount"]) == len(names)
    assert result["filenamePrefix"] == f"{folder}/alice"
    assert int(ended["startedAt"]) <= int(result["startedAt"]) < int(result["endedAt"])
    assert all(size_of(folder / name) == ("mjpeg", 640, 360) for name in names)
    frames = [frame_of(folder / name) for name in names]
    assert min(frames) >= 0
    for one, other in zip(frames, frames[1:]):
        assert abs((other - one) % 600 - 30) <= 1  # a second later


def test_names_by_time(fleet, publish, room, tmp_path):
    fleet = fleet()
    lively(fleet.server, publish, room)
    info = start(fleet.egress, room, api.ImageOutput(
        filename_prefix=str(tmp_path / "shots" / "shot.png"), capture_interval=1,
        filename_suffix=api.ImageFileSuffix.IMAGE_SUFFIX_TIMESTAMP, height=90))
    wait_until(lambda: len(files(tmp_path / "shots")) >= 3, "3 images")
    fleet.egress.stop(info.egress_id)
    assert fleet.hooks.wait_ended(info.egress_id)["status"] == COMPLETE
    names = files(tmp_path / "shots")
    times = [name.removeprefix("shot_").removesuffix(".png") for name in names]
    assert all(len(time) == 17 and time.isdigit() for time in times), names
    assert all(int(b[12:]) - int(a[12:]) in (1000, -59000) for a, b in zip(times, times[1:])), names
    assert size_of(tmp_path / "shots" / names[0]) == ("png", 160, 90)


def test_one_that_is_replaced(fleet, publish, room, tmp_path):
    """Whoever looks at any time finds a whole image, and nothing else beside it."""
    fleet = fleet()
    lively(fleet.server, publish, room)
    path = tmp_path / "shots" / "now.jpeg"
    info = start(fleet.egress, room, api.ImageOutput(
        filename_prefix=str(path.with_suffix("")), capture_interval=1,
        filename_suffix=api.ImageFileSuffix.IMAGE_SUFFIX_NONE_OVERWRITE))
    wait_until(path.exists, "image")
    seen = set()
    while len(seen) < 4:
        image = path.read_bytes()
        assert image[:2] == b"\xff\xd8" and image[-2:] == b"\xff\xd9"
        seen.add(image)
    fleet.egress.stop(info.egress_id)
    ended = fleet.hooks.wait_ended(info.egress_id)
    assert ended["status"] == COMPLETE
    assert files(path.parent) == ["now.jpeg"]
    assert int(ended["imageResults"][0]["imageCount"]) >= 4
    assert size_of(path) == ("mjpeg", 1280, 720)


def test_images_and_sound(fleet, publish, room, tmp_path):
    """A file of sound, and images of what was to be seen; no video is encoded."""
    fleet = fleet()
    publisher = lively(fleet.server, publish, room)
    info = fleet.egress.call("start_participant_egress", api.ParticipantEgressRequest(
        room_name=room, identity="alice",
        file_outputs=[api.EncodedFileOutput(filepath=str(tmp_path / "out.ogg"))],
        image_outputs=[api.ImageOutput(filename_prefix=str(tmp_path / "shots" / "x.webp"),
                                       capture_interval=1, width=640)]))
    fleet.hooks.wait_active(info.egress_id)
    publisher.wait_media(3)
    fleet.egress.stop(info.egress_id)
    assert fleet.hooks.wait_ended(info.egress_id)["status"] == COMPLETE
    assert decode.probe(tmp_path / "out.ogg")["streams"][0]["codec_name"] == "opus"
    names = files(tmp_path / "shots")
    assert len(names) >= 3 and names[0] == "x_00000.webp"
    assert size_of(tmp_path / "shots" / names[0]) == ("webp", 640, 360)


def test_limit_of_a_file(fleet, publish, room, tmp_path):
    """How large a file may become says nothing of images beside it."""
    limit = 500_000
    fleet = fleet(session_limits={"file_output_max_size": limit})
    lively(fleet.server, publish, room, busy=True, width=1280, height=720)
    shots = tmp_path / "shots"
    info = fleet.egress.call("start_participant_egress", api.ParticipantEgressRequest(
        room_name=room, identity="alice",
        file_outputs=[api.EncodedFileOutput(filepath=str(tmp_path / "out.ogg"))],
        image_outputs=[api.ImageOutput(filename_prefix=f"{shots}/x.png", capture_interval=1)]))
    fleet.hooks.wait_active(info.egress_id)
    # One that is still being written has another name.
    wait_until(lambda: len(list(shots.glob("x_?????.png"))) >= 5, "5 images")
    assert sum(path.stat().st_size for path in shots.glob("x_?????.png")) > 2 * limit
    fleet.egress.stop(info.egress_id)
    assert fleet.hooks.wait_ended(info.egress_id)["status"] == COMPLETE


def test_full_disk(fleet, publish, room, tmp_path, small_disk):
    """Of images alone: the egress has failed, and says how."""
    fleet = fleet(min_free_disk=0)
    lively(fleet.server, publish, room, busy=True, width=1280, height=720)
    disk = small_disk(1)
    info = start(fleet.egress, room, api.ImageOutput(
        filename_prefix=f"{disk}/x.png", capture_interval=1))
    ended = fleet.hooks.wait_ended(info.egress_id)
    assert ended["status"] == "EGRESS_FAILED"
    assert "x_0000" in ended["error"] and "No space left on device" in ended["error"]
    assert int(ended["imageResults"][0].get("imageCount", 0)) == len(files(disk))


def test_command_line(shared_server, publish, record, room, tmp_path):
    """An image alone: its name has no number, so it is replaced."""
    lively(shared_server, publish, room)
    recorder = record(shared_server, "--participant", "alice", "--image-interval", "1s", room=room,
                      output="now.jpg")
    recorder.wait_active()
    wait_until(recorder.path.exists, "image")
    assert recorder.stop() == 0
    assert size_of(recorder.path) == ("mjpeg", 1280, 720)
