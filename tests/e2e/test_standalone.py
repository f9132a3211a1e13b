"""The service without Redis: it answers LiveKit's Egress API itself."""
import collections
import concurrent.futures
import contextlib
import http.client
import json
import os
import socket
import time

import jwt
import pytest
from livekit import api

from analyser import analyse
from process import Process
from server import ADDRESS, API_KEY, API_SECRET
from service import SMALL, Listener

LIFE = [("egress_started", "EGRESS_STARTING"), ("egress_updated", "EGRESS_ACTIVE"),
        ("egress_updated", "EGRESS_ENDING"), ("egress_ended", "EGRESS_COMPLETE")]

LIST = "/twirp/livekit.Egress/ListEgress"


def speaking(standalone, publish, room):
    publisher = publish(standalone.server)
    publisher.join("alice", room, tag=3)
    publisher.audio = publisher.microphone("alice", tone_hz=550)
    return publisher


def lively(standalone, publish, room):
    publisher = speaking(standalone, publish, room)
    publisher.video = publisher.camera("alice")
    return publisher


def token(grants=None, key=API_KEY, secret=API_SECRET, algorithm="HS256", **claims) -> str:
    claims = {"iss": key, "exp": int(time.time()) + 600,
              "video": {"roomRecord": True} if grants is None else grants} | claims
    return jwt.encode({k: v for k, v in claims.items() if v is not None}, secret, algorithm)


def post(standalone, path, body, content_type="application/json", authorization=None, method="POST"):
    """As any HTTP client does it: (status, Content-Type, body)"""
    connection = http.client.HTTPConnection(ADDRESS, standalone.service.port, timeout=30)
    headers = {"Content-Type": content_type} if content_type else {}
    if authorization is None:
        authorization = f"Bearer {token()}"
    if authorization:
        headers["Authorization"] = authorization
    connection.request(method, path, body, headers)
    response = connection.getresponse()
    return response.status, response.headers["Content-Type"], response.read()


def call(standalone, method, **request):
    status, content_type, body = post(
        standalone, f"/twirp/livekit.Egress/{method}", json.dumps(request))
    assert content_type == "application/json"
    return status, json.loads(body)


def refused(standalone, method, request):
    with pytest.raises(api.TwirpError) as caught:
        standalone.egress.call(method, request)
    return caught.value.status, caught.value.code, caught.value.message


def test_every_kind_by_livekits_client(standalone, publish, room, tmp_path):
    """With nothing but the URL changed."""
    standalone = standalone()
    publisher = lively(standalone, publish, room)
    egress, hooks = standalone.egress, standalone.hooks
    infos = {
        "participant.mp4": egress.participant(room, "alice", tmp_path / "participant.mp4",
                                              advanced=SMALL),
        "composite.mp4": egress.call("start_track_composite_egress", api.TrackCompositeEgressRequest(
            room_name=room, audio_track_id=publisher.audio, video_track_id=publisher.video,
            file_outputs=[api.EncodedFileOutput(filepath=str(tmp_path / "composite.mp4"))],
            advanced=SMALL)),
        "track.mp4": egress.track(room, publisher.video, tmp_path / "track.mp4"),
        "room.ogg": egress.room_audio(room, tmp_path / "room.ogg"),
        "media.ogg": egress.call("start_egress", api.StartEgressRequest(
            room_name=room, media=api.MediaSource(audio=api.AudioConfig(capture_all=True)),
            outputs=[api.Output(file=api.FileOutput(filepath=str(tmp_path / "media.ogg")))])),
    }
    ids = {info.egress_id for info in infos.values()}
    assert len(ids) == 5 and all(i.startswith("EG_") and len(i) == 15 for i in ids)
    assert {i.status for i in infos.values()} == {api.EgressStatus.EGRESS_STARTING}
    for egress_id in ids:
        hooks.wait_active(egress_id)
    assert {e.egress_id for e in egress.list(active=True)} == ids
    publisher.wait_media(3)
    for egress_id in ids:
        assert egress.stop(egress_id).status == api.EgressStatus.EGRESS_ENDING
    for name, info in infos.items():
        ended = hooks.wait_ended(info.egress_id)
        assert hooks.statuses(info.egress_id) == LIFE
        assert ended["fileResults"][0]["location"] == str(tmp_path / name)
        recording = analyse(tmp_path / name)
        if name != "track.mp4":
            recording.expect_tones(550, start=1)
        if name.endswith("mp4"):
            recording.expect_tags(3)


def test_livekits_client_for_node(standalone, publish, room, tmp_path):
    standalone = standalone()
    publisher = lively(standalone, publish, room)
    client = Process([os.environ["NODE"], os.path.join(os.environ["NODE_CLIENT"], "record.mjs")],
                     log=tmp_path / "node.log")
    with contextlib.closing(client):
        client.send(json.dumps({
            "url": standalone.service.url, "key": API_KEY, "secret": API_SECRET, "room": room,
            "identity": "alice", "filepath": str(tmp_path / "out.mp4")}))
        started = json.loads(client.next_line(time.monotonic() + 30))
        standalone.hooks.wait_active(started["egressId"])
        publisher.wait_media(3)
        client.send("stop")
        stopped = json.loads(client.next_line(time.monotonic() + 30))
        assert client.wait() == 0
    assert stopped["egressId"] == started["egressId"] and stopped["status"] == "EGRESS_ENDING"
    assert standalone.hooks.wait_ended(started["egressId"])["status"] == "EGRESS_COMPLETE"
    analyse(tmp_path / "out.mp4").expect_tags(3)


def test_lists_and_what_has_ended(standalone, publish, room, tmp_path):
    standalone = standalone()
    publisher = speaking(standalone, publish, room)
    egress, hooks = standalone.egress, standalone.hooks
    first = egress.track(room, publisher.audio, tmp_path / "first").egress_id
    hooks.wait_active(first)
    egress.stop(first)
    ended = hooks.wait_ended(first)
    second = egress.track(room, publisher.audio, tmp_path / "second").egress_id

    def ids(**filters):
        return [e.egress_id for e in egress.list(**filters)]
    assert ids() == ids(room_name=room) == [second, first]
    assert ids(active=True) == ids(room_name=room, active=True) == [second]
    assert ids(egress_id=first) == [first]
    assert ids(room_name="another") == []
    info, = egress.list(egress_id=first)
    assert info.ended_at == int(ended["endedAt"]) and info.room_id.startswith("RM_")
    assert info.status == api.EgressStatus.EGRESS_COMPLETE

    unknown = (404, "not_found", "egress does not exist")
    stop = api.StopEgressRequest
    assert refused(standalone, "list_egress", api.ListEgressRequest(egress_id="EG_x")) == unknown
    assert refused(standalone, "stop_egress", stop(egress_id="EG_x")) == unknown
    assert refused(standalone, "update_layout",
                   api.UpdateLayoutRequest(egress_id="EG_x", layout="grid")) == unknown
    assert refused(standalone, "stop_egress", stop(egress_id=first)) == (
        412, "failed_precondition", "egress with status EGRESS_COMPLETE cannot be stopped")
    assert refused(standalone, "update_stream", api.UpdateStreamRequest(
        egress_id=first, add_output_urls=["rtmp://a/b/c"])) == (
        412, "failed_precondition", "egress with status EGRESS_COMPLETE cannot be updated")
    hooks.wait_active(second)
    assert refused(standalone, "update_stream", api.UpdateStreamRequest(
        egress_id=second, add_output_urls=["rtmp://a/b/c"])) == (
        400, "invalid_argument", "UpdateStream called on non-streaming egress")

    standalone.service.kill()
    standalone.service.start()
    assert ids() == [second, first]
    assert ids(active=True) == []
    orphan = hooks.wait_ended(second)
    assert orphan["status"] == "EGRESS_FAILED"
    assert orphan["error"] == "egress service died while this egress was running"
    info, = egress.list(egress_id=first)
    assert info.status == api.EgressStatus.EGRESS_COMPLETE


def test_layout_is_told_to_the_room(standalone, publish, room, tmp_path):
    """As metadata of the egress, which is a participant that nobody sees."""
    standalone = standalone()
    speaking(standalone, publish, room)
    info = standalone.egress.room_audio(room, tmp_path / "out")
    standalone.hooks.wait_active(info.egress_id)
    updated = standalone.egress.call("update_layout", api.UpdateLayoutRequest(
        egress_id=info.egress_id, layout="speaker"))
    assert updated.egress_id == info.egress_id

    async def get(client):
        return await client.room.get_participant(
            api.RoomParticipantIdentity(room=room, identity=info.egress_id))
    assert standalone.server.call(get).metadata == '{"layout":"speaker"}'


@pytest.fixture
def quiet(standalone):
    """A service that nobody uses; its webhooks are not listened to."""
    return standalone(webhook={"urls": []})


@pytest.mark.parametrize("what", [
    "nothing", "another scheme", "another secret", "another key", "expired", "not yet", "no end",
    "no grant", "a false grant", "no algorithm", "another algorithm", "no JWT"])
def test_wrong_tokens(quiet, what):
    now = int(time.time())
    values = {
        "nothing": "",
        "another scheme": f"Basic {token()}",
        "another secret": f"Bearer {token(secret='another-secret-that-is-as-long-as-it')}",
        "another key": f"Bearer {token(key='another')}",
        "expired": f"Bearer {token(exp=now - 600)}",
        "not yet": f"Bearer {token(nbf=now + 600)}",
        "no end": f"Bearer {token(exp=None)}",
        "no grant": f"Bearer {token(grants={'roomAdmin': True})}",
        "a false grant": f"Bearer {token(grants={'roomRecord': 'yes'})}",
        "no algorithm": f"Bearer {token(secret='', algorithm='none')}",
        "another algorithm": f"Bearer {token(secret=API_SECRET + API_SECRET, algorithm='HS512')}",
        "no JWT": "Bearer a.b.c",
    }
    status, content_type, body = post(quiet, LIST, "{}", authorization=values[what])
    assert (status, content_type) == (401, "application/json")
    error = json.loads(body)
    assert error["code"] == "unauthenticated" and len(error["msg"]) > 10
    assert API_SECRET not in error["msg"]


def test_what_is_no_call(quiet):
    """All errors are as Twirp's."""
    def error(*args, **kwargs):
        status, content_type, body = post(quiet, *args, **kwargs)
        assert content_type == "application/json"
        return status, json.loads(body)["code"]
    bad_route = (404, "bad_route")
    assert error("/twirp/livekit.Egress/Nothing", "{}") == bad_route
    assert error("/twirp/livekit.RoomService/ListRooms", "{}") == bad_route
    assert error("/", "{}") == bad_route
    assert error(LIST, None, method="GET") == bad_route
    assert error(LIST, "{}", method="PUT") == bad_route
    assert error(LIST, "{}", content_type="text/plain") == bad_route
    assert error(LIST, "{}", content_type=None) == bad_route
    malformed = (400, "malformed")
    for body in ("", "{", "[]", "null", '"text"', '{"roomName": 7}', '{"active": "yes"}',
                 '{"pageToken": {"token": {}}}', "[" * 100000, b"\xff\xfe", b'{"roomName": "\xff"}'):
        assert error(LIST, body) == malformed, body
    for body in (b"\xff", b"\x0a\x7fx", b"\x0a"):
        assert error(LIST, body, content_type="application/protobuf") == malformed, body
    assert error("/twirp/livekit.Egress/StartTrackEgress", "{}") == (400, "invalid_argument")
    assert quiet.egress.list() == []


def test_json_and_protobuf(quiet, room, tmp_path):
    """Both kinds of names, as the clients of all languages send them; also with what is not known."""
    quiet.server.create_room(room)
    for n, request in enumerate((
            {"room_name": room, "audio_only": True, "file_outputs": [{"filepath": f"{tmp_path}/a"}]},
            {"roomName": room, "audioOnly": True, "fileOutputs": [{"filepath": f"{tmp_path}/b"}],
             "ofTheFuture": {"any": [1]}})):
        status, info = call(quiet, "StartRoomCompositeEgress", **request)
        assert status == 200, info
        assert info["status"] == "EGRESS_STARTING" and info["room_name"] == room
        assert info["started_at"].isdigit() and info["ended_at"] == "0"
        status, content_type, body = post(
            quiet, LIST, api.ListEgressRequest(egress_id=info["egress_id"]).SerializeToString(),
            content_type="application/protobuf")
        assert (status, content_type) == (200, "application/protobuf")
        item, = api.ListEgressResponse.FromString(body).items
        assert item.egress_id == info["egress_id"]
    status, listed = call(quiet, "ListEgress")
    assert status == 200 and len(listed["items"]) == 2
    status, _, body = post(quiet, LIST, "{}", content_type="application/json; charset=utf-8")
    assert status == 200 and len(json.loads(body)["items"]) == 2
    status, error = call(quiet, "StartWebEgress", url="http://10.99.0.1/",
                         segmentOutputs=[{"filenamePrefix": "x", "protocol": "HLS_FMP4_PROTOCOL"}])
    assert (status, error["code"]) == (501, "unimplemented")


def send(standalone, data: bytes) -> socket.socket:
    connection = socket.create_connection((ADDRESS, standalone.service.port), 10)
    connection.sendall(data)
    return connection


def head(method: str, length: int) -> bytes:
    return (f"POST /twirp/livekit.Egress/{method} HTTP/1.1\r\nHost: egress\r\n"
            f"Authorization: Bearer {token()}\r\nContent-Type: application/json\r\n"
            f"Content-Length: {length}\r\n\r\n").encode()


def test_bodies_without_end_are_cut_off(quiet):
    size = 64 << 20
    connection = send(quiet, head("ListEgress", size))
    sent = 0
    try:
        while sent < size:
            sent += connection.send(bytes(1 << 16))
    except ConnectionError:
        pass
    assert sent < 32 << 20  # what the system buffers goes nowhere
    connection.close()
    assert quiet.egress.list() == []


def test_clients_that_hang_up(quiet, room, tmp_path):
    """In the middle of their request, or before they have their answer."""
    quiet.server.create_room(room)
    body = json.dumps({"roomName": room, "audioOnly": True,
                       "fileOutputs": [{"filepath": f"{tmp_path}/"}]}).encode()
    for _ in range(5):
        send(quiet, head("StartRoomCompositeEgress", len(body))[:60]).close()
        send(quiet, head("StartRoomCompositeEgress", len(body)) + body[:20]).close()
        send(quiet, head("StartRoomCompositeEgress", len(body)) + body).close()
    seen = set()
    while len(seen) < 5:
        seen.add(quiet.service.wait_log("egress is now", status="EGRESS_STARTING")["egressID"])
    assert {e.egress_id for e in quiet.egress.list(active=True)} == seen


def outcome_of_stop(standalone, egress_id) -> str:
    try:
        return api.EgressStatus.Name(standalone.egress.stop(egress_id).status)
    except api.TwirpError as error:
        return error.message


def test_calls_at_the_same_time(standalone, publish, room, tmp_path):
    standalone = standalone()
    publisher = speaking(standalone, publish, room)
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        infos = list(pool.map(lambda n: standalone.egress.track(
            room, publisher.audio, tmp_path / f"{n}"), range(8)))
        ids = {i.egress_id for i in infos}
        assert len(ids) == 8
        for egress_id in ids:
            standalone.hooks.wait_active(egress_id)
        stopped = collections.Counter(pool.map(
            lambda egress_id: outcome_of_stop(standalone, egress_id), [*ids, *ids]))
    # Each twice at the same time: both are told that it ends, or the second that it has ended.
    assert stopped["EGRESS_ENDING"] >= 8 and stopped.total() == 16
    assert set(stopped) <= {"EGRESS_ENDING", "egress with status EGRESS_COMPLETE cannot be stopped"}
    for egress_id in ids:
        assert standalone.hooks.wait_ended(egress_id)["status"] == "EGRESS_COMPLETE"
        assert standalone.hooks.statuses(egress_id) == LIFE


class OnePort:
    def __init__(self, port):
        self.port = port

    def take(self, count=1):
        return self.port


@pytest.fixture
def listen(ports):
    listeners = []

    def start(port=None):
        listeners.append(Listener(ports if port is None else OnePort(port)))
        return listeners[-1]
    yield start
    for listener in listeners:
        listener.close()


def test_webhooks_of_the_request(standalone, publish, room, listen, tmp_path):
    """In addition to the service's, and only those that it wants."""
    standalone = standalone()
    speaking(standalone, publish, room)
    everything, ended, rest = listen(), listen(), listen()
    info = standalone.egress.room_audio(room, tmp_path / "out", webhooks=[
        api.WebhookConfig(url=everything.url, signing_key=API_KEY),
        api.WebhookConfig(url=ended.url, signing_key=API_KEY, filter_params=api.FilterParams(
            include_events=["egress_ended"])),
        api.WebhookConfig(url=rest.url, signing_key=API_KEY, filter_params=api.FilterParams(
            exclude_events=["egress_started", "egress_ended"]))])
    standalone.hooks.wait_active(info.egress_id)
    standalone.egress.stop(info.egress_id)
    for hooks in (standalone.hooks, everything, ended):
        hooks.wait_ended(info.egress_id)
    rest.wait("egress_updated", info.egress_id, "EGRESS_ENDING")
    assert standalone.hooks.statuses(info.egress_id) == LIFE
    assert everything.statuses(info.egress_id) == LIFE
    assert ended.statuses(info.egress_id) == LIFE[3:]
    assert rest.statuses(info.egress_id) == LIFE[1:3]
    one, other = standalone.hooks.events[-1], everything.events[-1]
    assert one["id"].startswith("EV_") and abs(int(one["createdAt"]) - time.time()) < 60
    assert one["egressInfo"] == other["egressInfo"]


def test_webhooks_wait_for_their_listener(standalone, publish, room, listen, tmp_path):
    standalone = standalone()
    speaking(standalone, publish, room)
    hooks = listen()
    port = int(hooks.url.split(":")[2].split("/")[0])
    hooks.close()
    info = standalone.egress.room_audio(room, tmp_path / "out", webhooks=[
        api.WebhookConfig(url=hooks.url, signing_key=API_KEY)])
    standalone.hooks.wait_active(info.egress_id)
    standalone.egress.stop(info.egress_id)
    standalone.hooks.wait_ended(info.egress_id)
    hooks = listen(port)
    hooks.wait_ended(info.egress_id)
    assert hooks.statuses(info.egress_id) == LIFE
