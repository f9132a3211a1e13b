"""Azure Blob Storage, against Azurite."""
import contextlib
import datetime

import pytest
from azurite import ACCOUNT, Azurite
from cases import TYPE, StoreCases, expect_ok


@pytest.fixture(scope="module")
def azurite(tmp_path_factory):
    with contextlib.closing(Azurite(tmp_path_factory.mktemp("azurite"))) as server:
        yield server


def until(minutes: int):
    return datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(minutes=minutes)


class TestAzure(StoreCases):
    @pytest.fixture
    def server(self, azurite):
        return azurite

    def check_refusal(self, answer):
        assert answer["code"] == "permission_denied"
        assert "AuthorizationFailure" in answer["error"] or "AuthenticationFailed" in answer["error"]

    def check_aborted(self, server, tool, upload, large):
        """Azure forgets by itself: what was put is in nobody's way."""
        expect_ok(tool.do("upload", "aborted", file=large, type=TYPE, part_bytes=self.part_bytes))
        assert server.read("aborted") == large.read_bytes()

    def kind_of(self, request):
        return request.target.partition("comp=")[2]

    def test_two_uploads_to_one_name(self, server, tool, small, large):
        upload = self.begin(tool, "both")
        tags = [expect_ok(self.put_part(tool, "both", upload, large, part))["tag"] for part in self.ranges(large)]
        expect_ok(tool.do("upload", "other", file=small, type=TYPE))
        other = self.begin(tool, "both")
        expect_ok(self.put_part(tool, "both", other, small, {"index": 0, "offset": 0, "length": 100, "is_last": True}))
        expect_ok(tool.do("complete", "both", upload=upload, tags=tags))
        assert server.read("both") == large.read_bytes()

    def test_sas(self, server, store, small, large):
        sas = server.sas("cw", until(10))
        tool = store(server.storage(azure={"account_name": ACCOUNT, "sas_token": "?" + sas}))
        expect_ok(tool.do("put", "by sas", file=small, type=TYPE))
        assert server.read("by sas") == small.read_bytes()
        expect_ok(tool.do("upload", "by sas 2", file=large, type=TYPE, part_bytes=self.part_bytes))
        assert server.read("by sas 2") == large.read_bytes()

    @pytest.mark.parametrize("permission, minutes", [("cw", -10), ("r", 10)], ids=["ended", "for others"])
    def test_bad_sas(self, server, store, tmp_path, small, permission, minutes):
        sas = server.sas(permission, until(minutes))
        tool = store(server.storage(azure={"account_name": ACCOUNT, "sas_token": sas}))
        answer = tool.do("put", "refused", file=small, type=TYPE, attempts=2)
        assert not answer["ok"] and answer["code"] == "permission_denied" and not answer["retryable"], answer
        signature = sas.partition("sig=")[2].partition("&")[0]
        assert signature not in answer["error"] + (tmp_path / "store-tool.log").read_text()

    def test_no_container(self, server, store, small):
        tool = store(server.storage(bucket="nothing"))
        answer = tool.do("put", "refused", file=small, type=TYPE)
        assert answer["code"] == "not_found" and "ContainerNotFound" in answer["error"], answer
