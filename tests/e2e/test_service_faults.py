"""What goes wrong around the service: it and its processes are killed, Redis and livekit-server go
away, requests are wrong, come twice or are too many."""
import concurrent.futures
import contextlib
import json
import os
import pathlib
import signal
import time

import pytest
from livekit import api

from analyser import analyse
from psrpc import Client, field
from server import ADDRESS, API_SECRET
from service import CHEAP, SMALL, expect_refused, results
from waiting import wait_until

STATUS = api.EgressStatus


@pytest.fixture
def idle_machine(tmp_path, monkeypatch):
    """Services see a machine on which nothing but their egresses runs, whatever runs beside the test:
    what they may take then depends on the test alone."""
    stat = tmp_path / "stat"
    stat.write_text(pathlib.Path("/proc/stat").read_text())
    wrapper = tmp_path / "egress-on-idle-machine"
    wrapper.write_text("#!/bin/sh\n"
                       "exec unshare --mount sh -c 'mount --bind \"$1\" /proc/stat; shift; exec \"$@\"' "
                       f"sh '{stat}' '{os.environ['EGRESS']}' \"$@\"\n")
    wrapper.chmod(0o755)
    monkeypatch.setenv("EGRESS", str(wrapper))


@pytest.fixture
def lively(publish, room):
    """lively(server) -> a publisher with alice, who has a camera and a microphone."""
    def start(server, **camera):
        publisher = publish(server)
        publisher.join("alice", room, tag=3)
        publisher.video = publisher.camera("alice", **camera)
        publisher.audio = publisher.microphone("alice", tone_hz=550)
        return publisher
    return start


def children_of(pid: int) -> list:
    found = []
    for folder in pathlib.Path("/proc").iterdir():
        with contextlib.suppress(OSError, ValueError):
            number = int(folder.name)
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
            if int(fields[1]) == pid:
                found.append(number)
    return found


def fork_server_of(service) -> int:
    [pid] = [p for p in children_of(service.process.popen.pid)
             if b"run" in pathlib.Path(f"/proc/{p}/cmdline").read_bytes().split(b"\0")]
    return pid


def unfinished(path: pathlib.Path) -> pathlib.Path:
    return path.with_name(f"{path.stem}.recording{path.suffix}")


# Something dies

def test_egress_process_killed(fleet, lively, room, tmp_path):
    """kill -9: it is told at once and with the file that is left; other egresses notice nothing."""
    fleet = fleet()
    publisher = lively(fleet.server)
    path = tmp_path / "killed.mp4"
    info = fleet.egress.participant(room, "alice", path, advanced=SMALL)
    other = fleet.egress.track(room, publisher.audio, tmp_path / "other.ogg")
    fleet.hooks.wait_active(info.egress_id)
    fleet.hooks.wait_active(other.egress_id)
    publisher.wait_media(3)
    killed_ns = time.time_ns()
    os.kill(fleet.service.egress_pid(info.egress_id), signal.SIGKILL)
    ended = fleet.hooks.wait_ended(info.egress_id)
    assert ended["status"] == "EGRESS_FAILED" and ended["errorCode"] == 500, ended
    assert ended["error"] == "egress process was killed by signal 9 (Killed)"
    assert ended["details"] == "End reason: Failure"
    assert int(ended["endedAt"]) - killed_ns < 1e9
    file = ended["fileResults"][0]
    assert file["filename"] == str(path) and file["location"] == str(unfinished(path))
    assert int(file["size"]) == unfinished(path).stat().st_size
    assert not path.exists()
    recording = analyse(file["location"])
    recording.expect_kinds("shown")
    assert recording.duration > 2, recording.report()
    assert results(fleet.service) == {("participant", "process_error"): 1}

    fleet.egress.stop(other.egress_id)
    assert fleet.hooks.wait_ended(other.egress_id)["status"] == "EGRESS_COMPLETE"
    analyse(tmp_path / "other.ogg").expect_no_gaps()


def test_egress_process_hangs(fleet, lively, room, tmp_path):
    """It is killed when it does not answer any more, told to stop or not; what it has recorded is kept,
    and others notice nothing."""
    fleet = fleet(frozen_after="3s")
    publisher = lively(fleet.server)
    paths = {name: tmp_path / f"{name}.mp4" for name in ("hung", "stopped", "honest")}
    ids = {name: fleet.egress.track(room, publisher.video, path).egress_id
           for name, path in paths.items()}
    for egress_id in ids.values():
        fleet.hooks.wait_active(egress_id)
    publisher.wait_media(2)
    for name in ("hung", "stopped"):
        os.kill(fleet.service.egress_pid(ids[name]), signal.SIGSTOP)
    assert fleet.egress.stop(ids["stopped"]).status == STATUS.EGRESS_ACTIVE
    for name, details in (("hung", "End reason: Failure"), ("stopped", "End reason: StopEgress API")):
        ended = fleet.hooks.wait_ended(ids[name])
        assert ended["status"] == "EGRESS_FAILED" and ended["errorCode"] == 500, ended
        assert ended["error"] == "pipeline frozen" and ended["details"] == details, ended
        file = ended["fileResults"][0]
        assert file["location"] == str(unfinished(paths[name]))
        assert int(file["size"]) == unfinished(paths[name]).stat().st_size
        recording = analyse(file["location"])
        recording.expect_kinds("shown")
        assert recording.duration > 1, recording.report()
    wait_until(lambda: results(fleet.service) == {("track", "process_error"): 2}, "both are gone")

    fleet.egress.stop(ids["honest"])
    assert fleet.hooks.wait_ended(ids["honest"])["status"] == "EGRESS_COMPLETE"
    analyse(paths["honest"]).expect_finished_mp4()
    for name in ("hung", "stopped"):
        assert fleet.hooks.statuses(ids[name]) == [
            ("egress_started", "EGRESS_STARTING"), ("egress_updated", "EGRESS_ACTIVE"),
            ("egress_ended", "EGRESS_FAILED")]


def test_service_killed(fleet, lively, room, tmp_path):
    """Its egresses finish their files by themselves; the next service reports them, each once and
    when it knows where the file is."""
    fleet = fleet()
    publisher = lively(fleet.server)
    paths = {name: tmp_path / f"{name}.mp4" for name in ("alone", "slow", "dead")}
    ids = {name: fleet.egress.track(room, publisher.video, path).egress_id
           for name, path in paths.items()}
    for egress_id in ids.values():
        fleet.hooks.wait_active(egress_id)
    publisher.wait_media(2)
    pids = {name: fleet.service.egress_pid(egress_id) for name, egress_id in ids.items()}
    os.kill(pids["slow"], signal.SIGSTOP)
    os.kill(pids["dead"], signal.SIGSTOP)
    fleet.service.kill()
    os.kill(pids["dead"], signal.SIGKILL)
    wait_until(paths["alone"].exists, "the file is finished without a service")

    fleet.service.start()
    dead = fleet.hooks.wait_ended(ids["dead"])
    alone = fleet.hooks.wait_ended(ids["alone"])
    assert not [s for s in fleet.hooks.statuses(ids["slow"]) if s[0] == "egress_ended"]
    os.kill(pids["slow"], signal.SIGCONT)
    slow = fleet.hooks.wait_ended(ids["slow"])
    for ended in (dead, alone, slow):
        assert ended["status"] == "EGRESS_FAILED" and ended["errorCode"] == 500, ended
        assert ended["error"] == "egress service died while this egress was running"
        assert int(ended["endedAt"]) > 0
    assert dead["fileResults"][0]["location"] == str(unfinished(paths["dead"]))
    assert alone["fileResults"][0]["location"] == str(paths["alone"])
    assert slow["fileResults"][0]["location"] == str(paths["slow"])
    for ended in (dead, alone, slow):
        location = pathlib.Path(ended["fileResults"][0]["location"])
        assert int(ended["fileResults"][0]["size"]) == location.stat().st_size
        analyse(location).expect_kinds("shown")

    fleet.service.kill()
    fleet.service.start()
    info = fleet.egress.track(room, publisher.audio, tmp_path / "next.ogg")
    fleet.hooks.wait_active(info.egress_id)
    fleet.egress.stop(info.egress_id)
    fleet.hooks.wait_ended(info.egress_id)
    for egress_id in ids.values():
        assert len([s for s in fleet.hooks.statuses(egress_id) if s[0] == "egress_ended"]) == 1


def test_fork_server_killed(fleet, lively, room, tmp_path):
    """What runs goes on and is still watched; what comes later starts."""
    fleet = fleet()
    publisher = lively(fleet.server)
    first = fleet.egress.track(room, publisher.audio, tmp_path / "first.ogg").egress_id
    second = fleet.egress.track(room, publisher.audio, tmp_path / "second.ogg").egress_id
    fleet.hooks.wait_active(first)
    fleet.hooks.wait_active(second)
    os.kill(fork_server_of(fleet.service), signal.SIGKILL)
    fleet.service.wait_log("fork server has died")
    third = fleet.egress.track(room, publisher.audio, tmp_path / "third.ogg").egress_id
    fleet.hooks.wait_active(third)
    publisher.wait_media(1)
    os.kill(fleet.service.egress_pid(second), signal.SIGKILL)
    assert fleet.hooks.wait_ended(second)["errorCode"] == 500
    for egress_id in (first, third):
        fleet.egress.stop(egress_id)
        assert fleet.hooks.wait_ended(egress_id)["status"] == "EGRESS_COMPLETE"
    analyse(tmp_path / "first.ogg").expect_no_gaps()
    analyse(tmp_path / "third.ogg").expect_no_gaps()
    wait_until(lambda: len(children_of(fleet.service.process.popen.pid)) == 1,
               "nothing but the new fork server is left")


def test_fork_server_hangs(fleet, lively, room, tmp_path):
    """Who has asked is told, and the next one has another."""
    fleet = fleet(frozen_after="1s")
    publisher = lively(fleet.server)
    os.kill(fork_server_of(fleet.service), signal.SIGSTOP)
    expect_refused("internal", 500, "pipeline frozen",
                   fleet.egress.track, room, publisher.audio, tmp_path / "hung.ogg")
    info = fleet.egress.track(room, publisher.audio, tmp_path / "next.ogg")
    fleet.hooks.wait_active(info.egress_id)
    fleet.egress.stop(info.egress_id)
    assert fleet.hooks.wait_ended(info.egress_id)["status"] == "EGRESS_COMPLETE"
    ended = [e["egressInfo"] for e in fleet.hooks.events if e["event"] == "egress_ended"]
    assert [(e["status"], e.get("error")) for e in ended] == [
        ("EGRESS_FAILED", "pipeline frozen"), ("EGRESS_COMPLETE", None)]
    wait_until(lambda: len(children_of(fleet.service.process.popen.pid)) == 1,
               "nothing but the new fork server is left")


def test_redis_restarted(fleet, lively, room, tmp_path):
    """The recording does not notice; what happened meanwhile is told afterwards, and the egress can be
    stopped."""
    fleet = fleet()
    publisher = lively(fleet.server)
    path = tmp_path / "out.mp4"
    info = fleet.egress.participant(room, "alice", path, advanced=SMALL)
    other = fleet.egress.track(room, publisher.audio, tmp_path / "other.ogg")
    fleet.hooks.wait_active(info.egress_id)
    fleet.hooks.wait_active(other.egress_id)
    publisher.wait_media(2)
    fleet.redis.kill()
    fleet.service.wait_log("connection to Redis lost")
    os.kill(fleet.service.egress_pid(other.egress_id), signal.SIGKILL)
    fleet.service.wait_log("egress is now", egressID=other.egress_id, status="EGRESS_FAILED")
    publisher.wait_media(2)
    fleet.redis.start()
    fleet.service.wait_log("connected to Redis")
    assert fleet.hooks.wait_ended(other.egress_id)["errorCode"] == 500
    publisher.wait_media(1)
    fleet.egress.stop(info.egress_id)
    ended = fleet.hooks.wait_ended(info.egress_id)
    assert ended["status"] == "EGRESS_COMPLETE"
    assert ended["details"] == "End reason: StopEgress API"
    recording = analyse(path)
    recording.expect_finished_mp4()
    recording.expect_kinds("shown")
    recording.expect_constant_rate(30)
    recording.expect_no_gaps()
    recording.expect_av_offset()


def test_server_restarted(fleet, lively, room, tmp_path):
    """Everybody comes back to a new room of the same name: one file goes on."""
    fleet = fleet()
    publisher = lively(fleet.server)
    path = tmp_path / "out.mp4"
    info = fleet.egress.participant(room, "alice", path, advanced=SMALL)
    fleet.hooks.wait_active(info.egress_id)
    publisher.wait_media(2)
    fleet.server.kill()
    fleet.server.start()
    for message in ("connection to room restored", "stream started", "stream started"):
        fleet.service.wait_log(message, egressID=info.egress_id)
    publisher.wait_media(3)
    fleet.egress.stop(info.egress_id)
    ended = fleet.hooks.wait_ended(info.egress_id)
    assert ended["status"] == "EGRESS_COMPLETE"
    recording = analyse(path)
    recording.expect_finished_mp4()
    recording.expect_constant_rate(30)
    spans = recording.video.spans()
    assert spans[0].kind == "shown" and spans[-1].kind == "shown", recording.report()


def test_disk_full(fleet, lively, room, small_disk):
    fleet = fleet(min_free_disk=0)
    publisher = lively(fleet.server, busy=True, width=1280, height=720)
    path = small_disk(1) / "out.mp4"
    info = fleet.egress.track(room, publisher.video, path)
    ended = fleet.hooks.wait_ended(info.egress_id)
    assert ended["status"] == "EGRESS_FAILED", ended
    assert f"{unfinished(path)}: No space left on device" in ended["error"]
    assert ended["errorCode"] == 429
    assert ended["fileResults"][0]["location"] == str(unfinished(path))
    analyse(unfinished(path)).expect_kinds("shown")


# Something ends

def test_stop_at_every_time(fleet, lively, room, tmp_path):
    fleet = fleet()
    publisher = lively(fleet.server)

    # Before there is anything.
    info = fleet.egress.participant(room, "nobody", tmp_path / "nobody.mp4")
    assert fleet.egress.stop(info.egress_id).status == STATUS.EGRESS_ABORTED
    ended = fleet.hooks.wait_ended(info.egress_id)
    assert ended["status"] == "EGRESS_ABORTED" and ended["errorCode"] == 412
    assert ended["error"] == "Stop called before pipeline could start"
    assert ended["details"] == "End reason: StopEgress API"
    assert fleet.hooks.statuses(info.egress_id) == [
        ("egress_started", "EGRESS_STARTING"), ("egress_ended", "EGRESS_ABORTED")]
    wait_until(lambda: results(fleet.service) == {("participant", "aborted"): 1}, "it is gone")
    expect_refused("failed_precondition", 412, "egress with status EGRESS_ABORTED cannot be stopped",
                   fleet.egress.stop, info.egress_id)

    # Twice at the same time, and after the end.
    info = fleet.egress.track(room, publisher.audio, tmp_path / "twice.ogg")
    fleet.hooks.wait_active(info.egress_id)
    publisher.wait_media(1)
    with concurrent.futures.ThreadPoolExecutor(2) as threads:
        answers = [threads.submit(fleet.egress.stop, info.egress_id) for _ in range(2)]
    for answer in answers:
        if answer.exception() is not None:
            assert answer.exception().code == "failed_precondition", answer.exception()
        else:
            assert answer.result().status >= STATUS.EGRESS_ENDING, answer.result()
    assert any(answer.exception() is None for answer in answers)
    assert fleet.hooks.wait_ended(info.egress_id)["status"] == "EGRESS_COMPLETE"
    wait_until(lambda: ("track", "completed") in results(fleet.service), "it is gone")
    expect_refused("failed_precondition", 412, "egress with status EGRESS_COMPLETE cannot be stopped",
                   fleet.egress.stop, info.egress_id)

    expect_refused("not_found", 404, "egress does not exist", fleet.egress.stop, "EG_unknown")
    assert results(fleet.service) == {("participant", "aborted"): 1, ("track", "completed"): 1}


def test_participant_never_comes(fleet, lively, room, tmp_path):
    fleet = fleet()
    lively(fleet.server)
    info = fleet.egress.participant(room, "godot", tmp_path / "out.mp4")
    ended = fleet.hooks.wait_ended(info.egress_id, timeout=90)
    assert ended["status"] == "EGRESS_FAILED" and ended["errorCode"] == 404
    assert ended["error"] == "participant godot not found"
    waited_s = (int(ended["endedAt"]) - int(ended["startedAt"])) / 1e9
    assert 29 < waited_s < 40, waited_s
    assert "location" not in ended["fileResults"][0]
    assert not list(tmp_path.glob("out*"))


def test_room_deleted(fleet, lively, room, tmp_path):
    fleet = fleet()
    publisher = lively(fleet.server)
    info = fleet.egress.participant(room, "alice", tmp_path / "out.mp4", advanced=SMALL)
    fleet.hooks.wait_active(info.egress_id)
    publisher.wait_media(2)
    fleet.server.delete_room(room)
    ended = fleet.hooks.wait_ended(info.egress_id)
    assert ended["status"] == "EGRESS_COMPLETE" and ended["details"] == "End reason: Source closed"
    analyse(tmp_path / "out.mp4").expect_finished_mp4()


def test_duplicate_identity(fleet, lively, room, tmp_path):
    """Somebody else has joined as this egress: it is theirs now, and nothing is said of it any more,
    also not by the next service."""
    fleet = fleet()
    publisher = lively(fleet.server)
    info = fleet.egress.track(room, publisher.video, tmp_path / "out.mp4")
    fleet.hooks.wait_active(info.egress_id)
    publisher.wait_media(1)
    publisher.join("other", room, identity=info.egress_id)
    wait_until(lambda: results(fleet.service) == {("track", "duplicate_identity"): 1},
               "it ends as a duplicate")
    assert info.egress_id not in json.loads(fleet.service.fetch(fleet.service.health_port))
    fleet.service.kill()
    fleet.service.start()
    next_one = fleet.egress.track(room, publisher.audio, tmp_path / "next.ogg")
    fleet.hooks.wait_active(next_one.egress_id)
    fleet.egress.stop(next_one.egress_id)
    fleet.hooks.wait_ended(next_one.egress_id)
    assert fleet.hooks.statuses(info.egress_id) == [
        ("egress_started", "EGRESS_STARTING"), ("egress_updated", "EGRESS_ACTIVE")]


@pytest.mark.parametrize("limit", [{"file_output_max_duration": "2s"}, {"file_output_max_size": 100000}],
                         ids=["duration", "size"])
def test_session_limits(fleet, lively, room, tmp_path, limit):
    fleet = fleet(session_limits=limit)
    publisher = lively(fleet.server, busy=True)
    path = tmp_path / "out.mp4"
    info = fleet.egress.track(room, publisher.video, path)
    ended = fleet.hooks.wait_ended(info.egress_id)
    assert ended["status"] == "EGRESS_LIMIT_REACHED" and ended["errorCode"] == 413
    assert ended["error"] == "Session limit reached"
    assert ended["details"] == "End reason: Session limit reached"
    assert fleet.hooks.statuses(info.egress_id) == [
        ("egress_started", "EGRESS_STARTING"), ("egress_updated", "EGRESS_ACTIVE"),
        ("egress_ended", "EGRESS_LIMIT_REACHED")]
    recording = analyse(path)
    recording.expect_finished_mp4()
    if "file_output_max_duration" in limit:
        recording.expect_duration(2, within=0.2)
    else:
        assert path.stat().st_size > 90000


# The service ends

@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGQUIT], ids=["SIGTERM", "SIGQUIT"])
def test_drain(fleet, lively, room, tmp_path, number):
    """New requests go elsewhere, what runs goes on until it is stopped, then the service is gone."""
    fleet = fleet()
    publisher = lively(fleet.server)
    running = fleet.egress.track(room, publisher.audio, tmp_path / "running.ogg").egress_id
    fleet.hooks.wait_active(running)
    second = fleet.add_service("second")
    fleet.service.signal(number)
    fleet.service.wait_log("draining: no more requests are taken")
    new = fleet.egress.track(room, publisher.audio, tmp_path / "new.ogg").egress_id
    second.wait_log("egress is now", egressID=new, status="EGRESS_ACTIVE")
    assert "is_terminating{" in fleet.service.fetch(fleet.service.prometheus_port)
    assert fleet.egress.stop(running).status == STATUS.EGRESS_ENDING
    assert fleet.hooks.wait_ended(running)["status"] == "EGRESS_COMPLETE"
    assert fleet.service.process.wait() == 0
    analyse(tmp_path / "running.ogg").expect_no_gaps()
    fleet.egress.stop(new)
    assert fleet.hooks.wait_ended(new)["status"] == "EGRESS_COMPLETE"


def test_awarded_while_draining(fleet, room, tmp_path):
    """Who has bid for a request and is then told to end says so: the caller asks others at once."""
    fleet = fleet()
    track = api.TrackEgressRequest(room_name=room, track_id="TR_x",
                                   file=api.DirectFileOutput(filepath=str(tmp_path / "out.ogg")))
    with contextlib.closing(Client(fleet.redis)) as client:
        award = client.ask(field(1, "EG_late") + field(7, track.SerializeToString()))
        fleet.service.signal(signal.SIGTERM)
        fleet.service.wait_log("draining: no more requests are taken")
        answer = award()
    assert (answer[5], answer[6]) == (b"server is shutting down", b"unavailable")
    assert fleet.service.process.wait() == 0


def test_interrupt(fleet, lively, room, tmp_path):
    """Everything is ended at once, in order."""
    fleet = fleet()
    publisher = lively(fleet.server)
    paths = [tmp_path / "0.mp4", tmp_path / "1.mp4"]
    ids = [fleet.egress.track(room, publisher.video, path).egress_id for path in paths]
    for egress_id in ids:
        fleet.hooks.wait_active(egress_id)
    ids.append(fleet.egress.participant(room, "nobody", tmp_path / "none.mp4").egress_id)
    publisher.wait_media(2)
    fleet.service.signal(signal.SIGINT)
    for egress_id in ids:
        ended = fleet.hooks.wait_ended(egress_id)
        assert ended["status"] == "EGRESS_FAILED" and ended["errorCode"] == 403, ended
        assert ended["error"] == "server is shutting down"
        assert ended["details"] == "End reason: Process killed"
    assert fleet.service.process.wait() == 0
    for path in paths:
        recording = analyse(path)
        recording.expect_finished_mp4()
        recording.expect_kinds("shown")


def test_signal_for_all_processes(fleet, lively, room, tmp_path):
    """Who ends a service may send the signal to its egresses too: that changes nothing."""
    fleet = fleet()
    publisher = lively(fleet.server)
    info = fleet.egress.track(room, publisher.video, tmp_path / "out.mp4")
    fleet.hooks.wait_active(info.egress_id)
    publisher.wait_media(1)
    pids = [fleet.service.egress_pid(info.egress_id), fork_server_of(fleet.service),
            fleet.service.process.popen.pid]
    for number in (signal.SIGTERM, signal.SIGQUIT, signal.SIGHUP):
        for pid in pids:
            os.kill(pid, number)
    fleet.service.wait_log("draining: no more requests are taken")
    publisher.wait_media(1)
    fleet.egress.stop(info.egress_id)
    assert fleet.hooks.wait_ended(info.egress_id)["status"] == "EGRESS_COMPLETE"
    assert fleet.service.process.wait() == 0
    analyse(tmp_path / "out.mp4").expect_kinds("shown")


# Too many

def test_two_services_share_work(fleet, lively, room, tmp_path, idle_machine):
    """The busy one is filled first."""
    cost = CHEAP | {"max_cpu_utilization": 0.99, "track_cpu_cost": 0.9}
    fleet = fleet(cpu_cost=cost)
    publisher = lively(fleet.server)
    services = [fleet.service]
    taken_by = []
    for n, service in enumerate((0, 0, 1)):
        if n == 1:
            services.append(fleet.add_service("second", cpu_cost=cost))
        info = fleet.egress.track(room, publisher.audio, tmp_path / f"{n}.ogg")
        services[service].wait_log("egress is now", egressID=info.egress_id, status="EGRESS_ACTIVE")
        taken_by.append(info.egress_id)
    running = [set(json.loads(s.fetch(s.health_port))) - {"CpuLoad"} for s in services]
    assert running == [set(taken_by[:2]), set(taken_by[2:])]
    for egress_id in taken_by:
        fleet.egress.stop(egress_id)
        assert fleet.hooks.wait_ended(egress_id)["status"] == "EGRESS_COMPLETE"


def test_full(fleet, lively, room, tmp_path, idle_machine):
    """Whoever is refused is told why."""
    fleet = fleet(cpu_cost=CHEAP | {"max_cpu_utilization": 0.8, "participant_cpu_cost": 1.5})
    lively(fleet.server)
    info = fleet.egress.participant(room, "alice", tmp_path / "out.mp4", advanced=SMALL)
    fleet.hooks.wait_active(info.egress_id)
    begun = time.monotonic()
    expect_refused("resource_exhausted", 429, "not enough CPU: needs 1.50 cores, free ",
                   fleet.egress.participant, room, "alice", tmp_path / "second.mp4")
    assert time.monotonic() - begun < 15, "all attempts of livekit-server, without waiting for a claim"
    assert [e.egress_id for e in fleet.egress.list()] == [info.egress_id]
    fleet.egress.stop(info.egress_id)
    assert fleet.hooks.wait_ended(info.egress_id)["status"] == "EGRESS_COMPLETE"


def test_forty_tracks_at_once(fleet, publish, room, tmp_path):
    fleet = fleet()
    publisher = publish(fleet.server)
    tracks = []
    for n in range(4):
        publisher.join(f"p{n}", room, tag=n)
        tracks.append((publisher.camera(f"p{n}"), "mp4"))
        tracks.append((publisher.microphone(f"p{n}", tone_hz=400 + 50 * n), "ogg"))
    jobs = [(track, tmp_path / f"{n}.{extension}")
            for n, (track, extension) in enumerate(tracks * 5)]
    with concurrent.futures.ThreadPoolExecutor(8) as threads:
        infos = list(threads.map(lambda job: fleet.egress.track(room, *job), jobs))
        assert len({info.egress_id for info in infos}) == 40
        for info in infos:
            fleet.hooks.wait_active(info.egress_id)
        publisher.wait_media(2)
        list(threads.map(lambda info: fleet.egress.stop(info.egress_id), infos))
    for info in infos:
        assert fleet.hooks.wait_ended(info.egress_id)["status"] == "EGRESS_COMPLETE"
    for _, path in jobs:
        recording = analyse(path)
        assert recording.duration > 1.5, recording.report()
        if recording.video:
            recording.expect_finished_mp4()
            recording.expect_kinds("shown")
            recording.expect_dropped(0)
        else:
            recording.expect_no_gaps()
    wait_until(lambda: sum(results(fleet.service).values()) == 40, "all are gone")
    assert results(fleet.service) == {("track", "completed"): 40}


# Wrong requests

def test_invalid_requests(fleet, room, tmp_path):
    """LiveKit's words, and nothing is ever heard of such an egress."""
    fleet = fleet()
    fleet.server.create_room(room)
    prefix = "request has missing or invalid field: "
    file = api.EncodedFileOutput(filepath=str(tmp_path / "out.mp4"))
    stored = api.EncodedFileOutput(filepath="out.mp4", s3=api.S3Upload(access_key="a", secret="b"))
    cases = [
        ("start_participant_egress",
         api.ParticipantEgressRequest(room_name=room, file_outputs=[file]), prefix + "identity"),
        ("start_participant_egress",
         api.ParticipantEgressRequest(room_name=room, identity="alice"), prefix + "output"),
        ("start_track_composite_egress",
         api.TrackCompositeEgressRequest(room_name=room, file_outputs=[file]),
         prefix + "audio_track_id or video_track_id"),
        ("start_track_egress",
         api.TrackEgressRequest(room_name=room,
                                file=api.DirectFileOutput(filepath=str(tmp_path / "t"))),
         prefix + "track_id"),
        ("start_track_egress", api.TrackEgressRequest(room_name=room, track_id="TR_x"),
         prefix + "output"),
        ("start_track_egress",
         api.TrackEgressRequest(room_name=room, track_id="TR_x", websocket_url="ftp://h/"),
         "invalid url ftp://h/"),
        ("start_participant_egress",
         api.ParticipantEgressRequest(room_name=room, identity="alice", file_outputs=[file, file]),
         prefix + "multiple file outputs"),
        ("start_participant_egress",
         api.ParticipantEgressRequest(room_name=room, identity="alice", file_outputs=[stored]),
         prefix + "s3.bucket"),
    ]
    for method, request, text in cases:
        expect_refused("invalid_argument", 400, text, fleet.egress.call, method, request)
    assert fleet.egress.list() == []
    assert json.loads(fleet.service.fetch(fleet.service.health_port)).keys() == {"CpuLoad"}
    assert not list(tmp_path.glob("out*"))


def test_repeated_request(fleet, lively, room, tmp_path):
    """livekit-server asks again with the same id when an answer was lost: it is the running egress."""
    fleet = fleet()
    publisher = lively(fleet.server)
    track = api.TrackEgressRequest(room_name=room, track_id=publisher.audio,
                                   file=api.DirectFileOutput(filepath=str(tmp_path / "out.ogg")))
    request = field(1, "EG_asked_twice") + field(7, track.SerializeToString())
    with contextlib.closing(Client(fleet.redis)) as client:
        first = api.EgressInfo.FromString(client.start(request)[7])
        fleet.hooks.wait_active(first.egress_id)
        answer = client.start(request)
        assert 5 not in answer, answer
        second = api.EgressInfo.FromString(answer[7])
        assert (second.egress_id, second.started_at) == (first.egress_id, first.started_at)
        assert second.status == STATUS.EGRESS_ACTIVE
    fleet.egress.stop(first.egress_id)
    fleet.hooks.wait_ended(first.egress_id)
    assert [event for event, _ in fleet.hooks.statuses(first.egress_id)].count("egress_started") == 1
    wait_until(lambda: results(fleet.service) == {("track", "completed"): 1}, "it was one egress")


# Secrets

def test_secrets_stay_inside(fleet, lively, room, tmp_path, monkeypatch):
    """Neither what the operator nor what a caller entrusts to the service appears anywhere."""
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret-of-the-environment")
    fleet = fleet(logging={"json": True, "level": "debug"})
    publisher = lively(fleet.server)
    secrets = ["secret-of-the-environment", API_SECRET, "secret-key-of-s3", "secret-of-s3",
               "session-of-s3", "token-in-the-query", "eyJ"]
    s3 = api.S3Upload(access_key="secret-key-of-s3", secret="secret-of-s3", bucket="b", region="r",
                      session_token="session-of-s3", endpoint=f"http://{ADDRESS}:9")
    stored = fleet.egress.call("start_track_egress", api.TrackEgressRequest(
        room_name=room, track_id=publisher.video,
        file=api.DirectFileOutput(filepath="out.mp4", s3=s3)))
    fleet.hooks.wait_active(stored.egress_id)
    nowhere = fleet.egress.call("start_track_egress", api.TrackEgressRequest(
        room_name=room, track_id=publisher.audio,
        websocket_url=f"ws://{ADDRESS}:9/path?token=token-in-the-query"))
    running = fleet.egress.track(room, publisher.video, tmp_path / "out.mp4")
    fleet.hooks.wait_active(running.egress_id)
    pid = fleet.service.egress_pid(running.egress_id)
    seen = {
        "environment of the egress": pathlib.Path(f"/proc/{pid}/environ").read_text(),
        "command line of the egress": pathlib.Path(f"/proc/{pid}/cmdline").read_text(),
        "health page": fleet.service.fetch(fleet.service.health_port),
        "metrics": fleet.service.fetch(fleet.service.prometheus_port),
        "ListEgress": str(fleet.egress.list()),
        "answer": str(nowhere) + str(running),
    }
    assert running.egress_id in seen["health page"] and running.egress_id in seen["ListEgress"]
    assert "{...}" in seen["ListEgress"]
    fleet.egress.stop(running.egress_id)
    fleet.hooks.wait_ended(running.egress_id)
    with contextlib.suppress(api.TwirpError):
        fleet.egress.stop(nowhere.egress_id)
    fleet.hooks.wait_ended(nowhere.egress_id)
    fleet.egress.stop(stored.egress_id)
    fleet.service.wait_log("storage does not take what is uploaded, trying again")
    seen["webhooks"] = str(fleet.hooks.events)
    uploading = fleet.service.egress_pid(stored.egress_id)
    fleet.service.kill()
    os.kill(uploading, signal.SIGKILL)
    seen["log"] = "\n".join(fleet.service.process.lines)
    assert running.egress_id in seen["log"]
    # What has to be uploaded needs its keys: they are in one file, which nobody else can read.
    [journal] = (tmp_path / "state").rglob("journal")
    assert b"secret-of-s3" in journal.read_bytes()
    assert journal.stat().st_mode & 0o777 == 0o600 and journal.parent.stat().st_mode & 0o777 == 0o700
    seen["state"] = str([p.read_bytes() for p in (tmp_path / "state").rglob("*")
                         if p.is_file() and p != journal])
    for place, text in seen.items():
        for secret in secrets:
            assert secret not in text, f"{secret} is in the {place}: {text}"
