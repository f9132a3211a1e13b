"""Google Cloud Storage, against an emulator with Google's tokens and signed URLs in front of it."""
import contextlib
import json

import pytest
from cases import TYPE, StoreCases, expect_ok
from gcs_server import Gcs


@pytest.fixture(scope="module")
def gcs():
    with contextlib.closing(Gcs()) as server:
        yield server


class TestGcs(StoreCases):
    has_parallel_parts = False
    exists_with_last_part = True

    @pytest.fixture
    def server(self, gcs):
        return gcs

    def check_refusal(self, answer):
        assert "invalid_grant" in answer["error"] and "token" in answer["error"], answer

    def kind_of(self, request):
        if request.method != "PUT":
            return None
        return "status" if "*/" in request.headers["content-range"] else "content"

    def test_token_is_kept(self, server, tool, small, large):
        before = server.n_tokens
        expect_ok(tool.do("put", "a", file=small, type=TYPE))
        expect_ok(tool.do("upload", "b", file=large, type=TYPE, part_bytes=self.part_bytes))
        assert server.n_tokens == before + 1

    def test_token_ends(self, server, tool, small):
        expect_ok(tool.do("put", "a", file=small, type=TYPE))
        server.revoke()
        expect_ok(tool.do("put", "b", file=small, type=TYPE))
        assert server.read("b") == small.read_bytes()

    def test_token_of_no_use(self, server, tool, monkeypatch, small):
        monkeypatch.setattr(server, "token_seconds", -1)
        answer = tool.do("put", "refused", file=small, type=TYPE, attempts=2)
        assert answer["code"] == "unauthenticated" and "Invalid Credentials" in answer["error"], answer
        assert not answer["retryable"]

    def test_default_credentials(self, server, store, tmp_path, small):
        path = tmp_path / "credentials.json"
        path.write_text(server.credentials())
        tool = store(server.storage(gcs={}), {"GOOGLE_APPLICATION_CREDENTIALS": str(path)})
        expect_ok(tool.do("put", "default", file=small, type=TYPE))
        assert server.read("default") == small.read_bytes()

    def test_bad_credentials(self, server, store):
        broken = json.loads(server.credentials()) | {"private_key": "-----BEGIN PRIVATE KEY-----"}
        for credentials in ("", "{}", json.dumps(broken)):
            opened = store(server.storage(gcs={"credentials_json": credentials})).opened
            assert opened["code"] == "invalid_argument" and opened["blame"] == "request", opened

    def test_session_is_gone(self, server, tool, large):
        upload = self.begin(tool, "gone")
        parts = self.ranges(large)
        expect_ok(self.put_part(tool, "gone", upload, large, parts[0]))
        answer = self.put_part(tool, "gone", upload + "x", large, parts[1])
        assert not answer["ok"] and not answer["retryable"], answer
        assert "upload_id" not in answer["error"]

    def test_part_in_wrong_order(self, server, tool, large):
        upload = self.begin(tool, "order")
        answer = self.put_part(tool, "order", upload, large, self.ranges(large)[1])
        assert answer["code"] == "data_loss" and not answer["retryable"], answer

    def test_other_content(self, server, tool, small, large):
        """What is completed is compared with what was put."""
        upload = self.begin(tool, "other")
        tags = [expect_ok(self.put_part(tool, "other", upload, large, part))["tag"] for part in self.ranges(large)]
        answer = tool.do("complete", "other", upload=upload, tags=list(reversed(tags)))
        assert answer["code"] == "data_loss" and not answer["retryable"], answer
        expect_ok(tool.do("complete", "other", upload=upload, tags=tags))
