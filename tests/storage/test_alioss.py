"""Alibaba's OSS, against a stand-in that checks as Alibaba's own library signs."""
import contextlib

import pytest
from alioss_server import ACCESS_KEY, Alioss
from cases import TYPE, StoreCases, expect_ok


@pytest.fixture(scope="module")
def alioss():
    with contextlib.closing(Alioss()) as server:
        yield server


class TestAlioss(StoreCases):
    @pytest.fixture
    def server(self, alioss):
        return alioss

    def check_refusal(self, answer):
        assert answer["code"] == "permission_denied" and "SignatureDoesNotMatch" in answer["error"], answer

    def kind_of(self, request):
        return request.method + request.target.rpartition("?")[2].partition("=")[0]

    def test_nothing_is_left(self, server, tool, large):
        before = dict(server.uploads)
        expect_ok(tool.do("upload", "left", file=large, type=TYPE, part_bytes=self.part_bytes))
        tool.do("abort", "left again", upload=self.begin(tool, "left again"))
        assert server.uploads == before

    def test_unknown_access_key(self, server, store, small):
        keys = {"access_key": ACCESS_KEY + "2", "secret": server.secret}
        answer = store(server.storage(alioss=keys)).do("put", "refused", file=small, type=TYPE)
        assert answer["code"] == "permission_denied" and "InvalidAccessKeyId" in answer["error"], answer

    def test_missing_part(self, server, tool, large):
        upload = self.begin(tool, "missing")
        parts = self.ranges(large)
        tags = [expect_ok(self.put_part(tool, "missing", upload, large, part))["tag"] for part in parts]
        answer = tool.do("complete", "missing", upload=upload, tags=[*tags, tags[0]])
        assert not answer["ok"] and not answer["retryable"] and "InvalidPart" in answer["error"], answer
        expect_ok(tool.do("complete", "missing", upload=upload, tags=tags))
        assert server.read("missing") == large.read_bytes()
