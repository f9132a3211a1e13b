"""What is larger than memory, through the uploader itself: it needs as much memory as the parts that are on their way at
a time, however large the file is."""
import contextlib

import pytest
from sink_server import Sink
from store_tool import upload

MIB = 1 << 20
# Of holes, but for its end: it takes no disk.
SIZE = 5 * 1024 * MIB + 7
CALLS = 4
# What a part on its way may take beside itself: its thread, libcurl's buffers, and what the allocator loses.
MARGIN = 2 * MIB


@pytest.fixture(scope="module")
def sink():
    with contextlib.closing(Sink()) as server:
        yield server


@pytest.fixture
def sent(sink, tmp_path):
    """sent(storage, size) -> (what the sink has of it, the answer of the uploader)"""
    def send(storage, size):
        path = tmp_path / f"{size}.ts"
        with open(path, "wb") as file:
            file.truncate(size)
            file.seek(size - 3)
            file.write(b"end")
        key = f"{storage['kind']}/a b/{size}.ts"
        with open(tmp_path / "upload-tool.log", "ab") as log:
            answer = upload(storage, log, spool=tmp_path / "spool", key=key, file=path, type="video/mp2t", calls=CALLS)
        assert answer["error"] is None and answer["size"] == size, (answer, sink.refusals)
        assert sink.refusals == []
        assert not list((tmp_path / "spool").glob("EG_*")), "what is stored is not in the spool"
        return sink.find(storage, key), answer
    return send


@pytest.mark.xdist_group("heavy")
@pytest.mark.timeout(600)
@pytest.mark.parametrize("kind, part, size", [("s3", 5 * MIB, SIZE), ("azure", 4 * MIB, SIZE // 5)], ids=["s3", "azure"])
def test_memory(sink, sent, kind, part, size):
    storage = getattr(sink, kind)()
    _, at_rest = sent(storage, 1000)
    stored, answer = sent(storage, size)
    assert stored.is_complete and stored.size == size
    assert sorted(set(stored.sizes.values())) == [size % part, part]
    assert len(stored.sizes) == -(-size // part) <= 10_000
    grown = (answer["peak_kb"] - at_rest["peak_kb"]) * 1024
    assert part <= grown <= CALLS * (part + MARGIN), f"{grown / MIB:.1f} MiB for {CALLS} parts of {part / MIB:g} MiB"


def test_sink_checks(sink, tmp_path):
    """What the tests above rely on: a wrong key is refused."""
    wrong = {"s3": sink.s3() | {"s3": sink.s3()["s3"] | {"secret": "wrong"}},
             "azure": sink.azure() | {"azure": sink.azure()["azure"] | {"account_key": "d3Jvbmc="}}}
    for kind, storage in wrong.items():
        path = tmp_path / kind
        path.write_bytes(b"x")
        with open(tmp_path / "upload-tool.log", "ab") as log:
            answer = upload(storage, log, spool=tmp_path / f"{kind}-spool",
                            key="refused", file=path)
        assert "upload failed" in answer["error"], answer
    assert sorted(set(sink.refusals)) == ["AuthenticationFailed", "SignatureDoesNotMatch"]
    sink.refusals.clear()
