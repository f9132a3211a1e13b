"""Files that are uploaded while they are recorded, by the uploader itself: what of them is in a store before they are
complete, and what when they are, or will never be."""
import contextlib
import random
import urllib.parse

import azure.core.exceptions
import pytest
from alioss_server import Alioss
from azurite import Azurite
from gcs_server import Gcs
from moto_server import BUCKET, Moto
from store_tool import Growing
from waiting import wait_until

MIB = 1 << 20


class OfMoto:
    part_bytes = 5 * MIB
    waits_for_head = False

    def __init__(self, folder):
        self._moto = Moto(folder)
        self.storage, self.close = self._moto.storage, self._moto.close

    def parts(self, key) -> list:
        s3 = self._moto.s3
        return [part["PartNumber"] for upload in s3.list_multipart_uploads(Bucket=BUCKET).get("Uploads", [])
                if upload["Key"] == key for part in
                s3.list_parts(Bucket=BUCKET, Key=key, UploadId=upload["UploadId"]).get("Parts", [])]

    def read(self, key):
        return self._moto.content(key) if key in self._moto.keys() else None

    def is_clean(self):
        return self._moto.uploads() == []


class OfAzurite:
    part_bytes = 4 * MIB
    waits_for_head = False

    def __init__(self, folder):
        self._azurite = Azurite(folder)
        self.storage, self.close = self._azurite.storage, self._azurite.close

    def parts(self, key) -> list:
        blob = self._azurite.client.get_blob_client(key)
        try:
            waiting = blob.get_block_list("uncommitted")[1]
        except azure.core.exceptions.ResourceNotFoundError:
            return []
        return [int(block.id.rpartition("-")[2]) + 1 for block in waiting]

    def read(self, key):
        return self._azurite.read(key) if self._azurite.exists(key) else None

    def is_clean(self):
        return True    # Azure forgets by itself


class OfAliOss:
    part_bytes = 8 * MIB
    waits_for_head = False

    def __init__(self, _folder):
        self._oss = Alioss()
        self.storage, self.close = self._oss.storage, self._oss.close

    def parts(self, key) -> list:
        return [part for name, _, parts in list(self._oss.uploads.values()) if name == key for part in list(parts)]

    def read(self, key):
        return self._oss.read(key) if self._oss.exists(key) else None

    def is_clean(self):
        return not self._oss.uploads


class CountingGcs(Gcs):
    """Which parts have come of the upload that was begun last."""

    begun = None
    parts = ()

    def handle(self, method, path, headers, body):
        reply = super().handle(method, path, headers, body)
        query = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(path).query))
        if "name" in query and "upload_id" not in query:
            self.parts = []
            self.begun = query["name"]
        elif body and reply.status == 308:
            self.parts.append(len(self.parts) + 1)
        return reply


class OfGcs:
    """It takes parts in their order, the first first."""

    part_bytes = 16 * MIB
    waits_for_head = True

    def __init__(self, _folder):
        self._gcs = CountingGcs()
        self.storage, self.close = self._gcs.storage, self._gcs.close

    def parts(self, key) -> list:
        return list(self._gcs.parts) if self._gcs.begun == key else []

    def read(self, key):
        return self._gcs.read(key) if self._gcs.exists(key) else None

    def is_clean(self):
        return True


@pytest.fixture(scope="module", params=[OfMoto, OfAzurite, OfAliOss, OfGcs], ids=["s3", "azure", "alioss", "gcs"])
def server(request, tmp_path_factory):
    with contextlib.closing(request.param(tmp_path_factory.mktemp("server"))) as made:
        yield made


@pytest.fixture
def key(request):
    return f"a b/{request.node.name}.ogg"


@pytest.fixture
def grow(server, tmp_path, key):
    """grow(content, head=0) -> Growing"""
    with contextlib.ExitStack() as stack:
        log = stack.enter_context(open(tmp_path / "upload-tool.log", "ab"))

        def start(content: bytes, head=0):
            path = tmp_path / "content"
            path.write_bytes(content)
            return stack.enter_context(contextlib.closing(Growing(
                server.storage(), log, spool=tmp_path / "spool", key=key, growing=path, head=head, type="audio/ogg")))
        yield start


@pytest.fixture
def content(server):
    """Of three parts and a bit."""
    return random.Random(1).randbytes(3 * server.part_bytes + 7)


@pytest.mark.parametrize("head", [0, 1000], ids=["whole", "head"])
def test_complete(server, grow, content, key, head):
    if head == 0:
        expected = [1, 2, 3]
    else:
        expected = [] if server.waits_for_head else [2, 3]
    growing = grow(content, head)
    wait_until(lambda: sorted(server.parts(key)) == expected, "what is whole is in the store")
    assert server.read(key) is None, "it is there when it is complete, and not before"
    answer = growing.end("complete")
    assert answer["error"] is None and answer["size"] == len(content), answer
    assert server.read(key) == content
    assert server.is_clean()


def test_dropped(server, grow, content, key):
    growing = grow(content)
    wait_until(lambda: 3 in server.parts(key), "what is whole is in the store")
    answer = growing.end("drop")
    assert answer["error"] is None and answer["location"] is None, answer
    assert server.read(key) is None
    assert server.is_clean()
