"""What is called when an egress is over."""
import json
import pathlib

from livekit import api

from service import SMALL
from test_manifest import finish
from test_service import lively
from waiting import wait_until


def test_command(fleet, publish, room, tmp_path):
    """With the final result, once for each output that has files."""
    script = tmp_path / "hook"
    script.write_text(f"#!/bin/sh\ncat > {tmp_path}/$$.part && mv {tmp_path}/$$.part {tmp_path}/$$.hook\n")
    script.chmod(0o755)
    fleet = fleet(hooks={"command": [str(script)]})
    publisher = lively(fleet, publish, room)
    info = fleet.egress.call("start_participant_egress", api.ParticipantEgressRequest(
        room_name=room, identity="alice", advanced=SMALL,
        file_outputs=[api.EncodedFileOutput(filepath=str(tmp_path / "out.mp4"))],
        image_outputs=[api.ImageOutput(filename_prefix=str(tmp_path / "shots" / "x"),
                                       capture_interval=1)]))
    fleet.hooks.wait_active(info.egress_id)
    publisher.wait_media(2)
    assert not list(tmp_path.glob("*.hook"))
    ended = finish(fleet, info)
    for _ in range(2):  # in whichever order
        fleet.service.wait_log("hook has run", egressID=info.egress_id)
    told = {hook["event"]: hook for hook in
            (json.loads(path.read_text()) for path in tmp_path.glob("*.hook"))}
    assert set(told) == {"file_finished", "images_finished"}
    assert told["file_finished"]["file"] == ended["fileResults"][0]
    assert told["images_finished"]["images"] == ended["imageResults"][0]
    assert told["file_finished"]["egressInfo"] == ended


def test_service_killed(fleet, publish, room, tmp_path):
    """What was not called to its end is called by the next service; the report was delivered, and is
    not again."""
    script = tmp_path / "hook"
    script.write_text(f"#!/bin/sh\ncat > {tmp_path}/begun\n"
                      f"[ -e {tmp_path}/go ] || exec sleep 1000\nmv {tmp_path}/begun {tmp_path}/done\n")
    script.chmod(0o755)
    fleet = fleet(hooks={"command": [str(script)]})
    lively(fleet, publish, room)
    info = fleet.egress.participant(room, "alice", tmp_path / "out.mp4", advanced=SMALL)
    fleet.hooks.wait_active(info.egress_id)
    ended = finish(fleet, info)
    wait_until(lambda: (tmp_path / "begun").exists() and (tmp_path / "begun").stat().st_size,
               "the hook is called")
    state = pathlib.Path(fleet.service.config["state_dir"])
    wait_until(lambda: [path.suffix for path in state.glob("worker-*/EG_*")] == [".hooks"],
               "the report is delivered")
    fleet.service.kill()
    (tmp_path / "go").touch()
    fleet.service.start()
    wait_until((tmp_path / "done").exists, "the hook has run")
    assert json.loads((tmp_path / "done").read_text())["egressInfo"] == ended
    wait_until(lambda: not list(state.glob("worker-*/EG_*")), "nothing is left to be done")
    assert [s[0] for s in fleet.hooks.statuses(info.egress_id)].count("egress_ended") == 1
