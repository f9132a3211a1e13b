"""Each kind of store, as the service's configuration names it. S3 is in test_storage.py; what a store's client has to do
otherwise is in tests/storage."""
import contextlib

import pytest

import stores  # noqa: F401: it makes tests/storage known, where these are:
from alioss_server import Alioss
from azurite import Azurite
from gcs_server import Gcs

BUCKETS = {"azure": "container_name"}
# As the stand-ins' own descriptions name what is of one kind.
MEMBERS = {"gcp": "gcs"}


def make_azure(folder):
    return Azurite(folder)


def make_gcp(_folder):
    return Gcs()


def make_alioss(_folder):
    return Alioss()


def configuration(server) -> dict:
    told = server.storage()
    kind = told.pop("kind")
    own = told.pop(MEMBERS.get(kind, kind))
    return {kind: {BUCKETS.get(kind, "bucket"): told.pop("bucket")} | told | own}


@pytest.mark.parametrize("make", [make_azure, make_gcp, make_alioss], ids=["azure", "gcp", "alioss"])
def test_configured(fleet, publish, room, make, tmp_path):
    with contextlib.closing(make(tmp_path)) as server:
        one = fleet(storage=configuration(server) | {"prefix": "of the service"})
        publisher = publish(one.server)
        publisher.join("alice", room)
        track = publisher.microphone("alice")
        egress_id = one.egress.track(room, track, "a b/sound.ogg").egress_id
        one.hooks.wait_active(egress_id)
        publisher.wait_media(1)
        one.egress.stop(egress_id)
        ended = one.hooks.wait_ended(egress_id)
        assert ended["status"] == "EGRESS_COMPLETE", ended
        [file] = ended["fileResults"]
        content = server.read("of the service/a b/sound.ogg")
        assert content.startswith(b"OggS") and len(content) == int(file["size"])
        assert server.content_type("of the service/a b/sound.ogg") == "audio/ogg"
        said = "\n".join(one.service.process.lines)
        assert not [secret for secret in server.secrets() if secret in said]
