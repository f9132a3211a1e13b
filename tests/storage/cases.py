"""What every store has to do. A class for each kind of store inherits these tests, and has a fixture `server`."""
import concurrent.futures
import contextlib
import pathlib
import random
import urllib.error
import urllib.request

import pytest
from fault_proxy import FaultProxy

TYPE = "video/mp4"
KEYS = ["a b/ü.mp4", "a+b=c&d?", "par(en)s!'*", ":@,;$", "%41", "rooms/2026-11-29T185759.mp4", "#~^`{}|\"<>[]"]


def get(url: str) -> bytes:
    with urllib.request.urlopen(url, timeout=60) as answer:
        return answer.read()


def expect_ok(answer: dict) -> dict:
    assert answer["ok"], answer
    return answer


class StoreCases:
    has_parallel_parts = True
    exists_with_last_part = False
    part_bytes = 1 << 20

    @pytest.fixture
    def large(self, tmp_path):
        """Of 12 parts, no two of which are the same."""
        path = tmp_path / "large"
        path.write_bytes(random.Random(1).randbytes(11 * self.part_bytes + 7))
        return path

    @pytest.fixture
    def faults(self, server):
        with contextlib.closing(FaultProxy(server.port)) as made:
            yield made

    @pytest.fixture
    def tool(self, server, store):
        return store(server.storage())

    @pytest.fixture
    def tool_behind(self, server, store, faults):
        """Its requests meet the faults."""
        return store(server.storage(faults.port))

    @pytest.fixture(autouse=True)
    def no_secrets(self, server, tmp_path):
        yield
        log = tmp_path / "store-tool.log"
        said = log.read_text() if log.exists() else ""
        for secret in server.secrets():
            assert secret not in said

    @pytest.mark.parametrize("key", KEYS)
    def test_keys(self, server, store, small, key):
        tool = store(server.storage(generate_presigned_url=True))
        expect_ok(tool.do("put", key, file=small, type=TYPE))
        assert server.read(key) == small.read_bytes()
        assert server.content_type(key) == TYPE
        assert get(expect_ok(tool.do("location", key))["location"]) == small.read_bytes()
        expect_ok(tool.do("upload", key + "2", file=small, type=TYPE))
        assert server.read(key + "2") == small.read_bytes()

    def test_empty(self, server, tool, tmp_path):
        (tmp_path / "empty").write_bytes(b"")
        expect_ok(tool.do("put", "empty", file=tmp_path / "empty", type=TYPE))
        assert server.read("empty") == b""

    def test_line_ends(self, server, tool, tmp_path):
        """What looks like text stays as it is."""
        content = b"\r\n--a\r\nx: y\r\n\r\n\n\r--\r\n"
        (tmp_path / "lines").write_bytes(content)
        expect_ok(tool.do("put", "lines", file=tmp_path / "lines", type=TYPE))
        assert server.read("lines") == content

    def test_overwrite(self, server, tool, small, large):
        for file, how in ((small, "put"), (large, "upload"), (small, "upload"), (large, "put")):
            expect_ok(tool.do(how, "again", file=file, type=TYPE, part_bytes=self.part_bytes))
            assert server.read("again") == file.read_bytes()

    def test_parts(self, server, tool, large):
        expect_ok(tool.do("upload", "large", file=large, type=TYPE, part_bytes=self.part_bytes))
        assert server.read("large") == large.read_bytes()
        assert server.content_type("large") == TYPE

    def begin(self, tool, key):
        return expect_ok(tool.do("begin", key, type=TYPE))["upload"]

    def ranges(self, file: pathlib.Path):
        size = file.stat().st_size
        offsets = range(0, size, self.part_bytes)
        return [{"index": index, "offset": offset, "length": min(self.part_bytes, size - offset),
                 "is_last": offset + self.part_bytes >= size} for index, offset in enumerate(offsets)]

    def put_part(self, tool, key, upload, file, part):
        return tool.do("put_part", key, upload=upload, file=file, **part)

    def test_part_again(self, server, tool, large):
        upload = self.begin(tool, "again")
        tags = []
        for part in self.ranges(large):
            first = expect_ok(self.put_part(tool, "again", upload, large, part))
            again = expect_ok(self.put_part(tool, "again", upload, large, part))
            assert first["tag"] == again["tag"]
            tags.append(again["tag"])
        expect_ok(tool.do("complete", "again", upload=upload, tags=tags))
        assert server.read("again") == large.read_bytes()

    def test_another_process(self, server, store, large):
        """Goes on with what one has begun, and completes what another has done."""
        upload = self.begin(store(server.storage()), "passed on")
        tags = [expect_ok(self.put_part(store(server.storage()), "passed on", upload, large, part))["tag"]
                for part in self.ranges(large)]
        if not self.exists_with_last_part:
            assert not server.exists("passed on")
        expect_ok(store(server.storage()).do("complete", "passed on", upload=upload, tags=tags))
        assert server.read("passed on") == large.read_bytes()

    def test_parallel(self, server, store, large):
        if not self.has_parallel_parts:
            return
        tools = [store(server.storage()) for _ in range(3)]
        upload = self.begin(tools[0], "parallel")
        parts = self.ranges(large)
        order = [*reversed(parts)]
        with concurrent.futures.ThreadPoolExecutor(len(tools)) as pool:
            def run(i):
                return [(part["index"], expect_ok(self.put_part(tools[i], "parallel", upload, large, part))["tag"])
                        for part in order[i::len(tools)]]
            done = sum(pool.map(run, range(len(tools))), [])
        expect_ok(tools[0].do("complete", "parallel", upload=upload, tags=[tag for _, tag in sorted(done)]))
        assert server.read("parallel") == large.read_bytes()

    def test_abort(self, server, tool, large):
        upload = self.begin(tool, "aborted")
        part = self.ranges(large)[0]
        expect_ok(self.put_part(tool, "aborted", upload, large, part))
        expect_ok(tool.do("abort", "aborted", upload=upload))
        assert not server.exists("aborted")
        self.check_aborted(server, tool, upload, large)

    def check_aborted(self, server, tool, upload, large):
        answer = self.put_part(tool, "aborted", upload, large, self.ranges(large)[0])
        assert not answer["ok"] and not answer["retryable"] and answer["code"] == "not_found"

    def test_wrong_key(self, server, store, small):
        tool = store(server.wrong_storage())
        for what in ("put", "upload"):
            answer = tool.do(what, "refused", file=small, type=TYPE, attempts=3)
            assert not answer["ok"] and not answer["retryable"] and answer["attempts"] <= 2, answer
            self.check_refusal(answer)
        assert not server.exists("refused")

    def check_refusal(self, answer):
        raise NotImplementedError

    def test_busy(self, server, tool_behind, faults, small, large):
        faults.fail(503, retry_after=7)
        answer = tool_behind.do("put", "busy", file=small, type=TYPE)
        assert not answer["ok"] and answer["retryable"] and answer["retry_after_ms"] == 7000, answer
        faults.fail(503)
        faults.fail(429, skip=1)
        faults.fail(500, skip=2)
        expect_ok(tool_behind.do("upload", "busy", file=large, type=TYPE, part_bytes=self.part_bytes, attempts=3))
        assert server.read("busy") == large.read_bytes()

    @pytest.mark.parametrize("at", [0, 100_000])
    def test_cut_request(self, server, tool_behind, faults, large, at):
        """Cut off while content is sent."""
        faults.cut_request(at, when=lambda request: request.length > at)
        expect_ok(tool_behind.do("put", "cut", file=large, type=TYPE, attempts=3))
        assert server.read("cut") == large.read_bytes()
        faults.cut_request(at, when=lambda request: request.length > 200_000, skip=1)
        answer = tool_behind.do("upload", "cut2", file=large, type=TYPE, part_bytes=self.part_bytes, attempts=3)
        expect_ok(answer)
        assert answer["attempts"] > len(self.ranges(large)) + 2
        assert server.read("cut2") == large.read_bytes()

    def test_cut_answers(self, server, store, faults, large):
        """All was done, but nobody heard of it: the first answer of each kind of call is lost."""
        tool = store(server.storage(faults.port))
        seen = set()

        def is_first(request):
            kind = self.kind_of(request)
            return kind is not None and kind not in seen and not seen.add(kind)
        faults.cut_answer(0, when=is_first, times=None)
        answer = tool.do("upload", "deaf", file=large, type=TYPE, part_bytes=self.part_bytes, attempts=4)
        expect_ok(answer)
        assert len(seen) >= 2
        assert server.read("deaf") == large.read_bytes()

    def kind_of(self, request):
        """Of calls whose answer matters; None for others."""
        return request.method

    def test_refused_connection(self, server, tool_behind, faults, small):
        faults.refuse()
        answer = tool_behind.do("put", "nobody", file=small, type=TYPE)
        assert not answer["ok"] and answer["retryable"] and answer["code"] == "unavailable", answer
        faults.accept()
        expect_ok(tool_behind.do("put", "nobody", file=small, type=TYPE))
        assert server.read("nobody") == small.read_bytes()

    def test_presigned_is_of_its_object(self, server, store, small):
        tool = store(server.storage(generate_presigned_url=True))
        for key in ("one.mp4", "two.mp4"):
            expect_ok(tool.do("put", key, file=small, type=TYPE))
        url = expect_ok(tool.do("location", "one.mp4"))["location"]
        with pytest.raises(urllib.error.HTTPError, match="403"):
            get(url.replace("one.mp4", "two.mp4"))
