"""What goes wrong between here and the store can be tried again, and nothing is half done."""
import datetime
import email.utils

import pytest


def is_complete(request):
    return request.method == "POST" and "uploadId=" in request.target


def test_busy(store, moto, proxy, small):
    tool = store(moto.storage(proxy.url))
    proxy.fail(503, "SlowDown", retry_after=3, times=2)
    for _ in range(2):
        failed = tool.do("put", "faults/busy", file=small)
        assert (failed["ok"], failed["retryable"], failed["code"]) == (False, True, "unavailable")
        assert failed["retry_after_ms"] == 3000
        assert "SlowDown" in failed["error"]
    assert moto.keys("faults/busy") == []
    tool.must("put", "faults/busy", file=small)
    assert moto.content("faults/busy") == small.read_bytes()


def test_retry_after_as_a_date(store, moto, proxy, small):
    """By the clock of the one who says it."""
    then = datetime.datetime(2001, 1, 1, tzinfo=datetime.timezone.utc)
    proxy.fail(503, headers={
        "Date": email.utils.format_datetime(then, usegmt=True),
        "Retry-After": email.utils.format_datetime(then + datetime.timedelta(seconds=20), usegmt=True)})
    assert store(moto.storage(proxy.url)).do("put", "x", file=small)["retry_after_ms"] == 20_000


def test_request_cut(store, moto, proxy, large):
    """In the middle of a file, and of a part: neither is there."""
    tool = store(moto.storage(proxy.url))
    proxy.cut_request(100_000)
    failed = tool.do("put", "faults/cut", file=large)
    assert (failed["ok"], failed["retryable"], failed["blame"]) == (False, True, "destination")
    assert moto.keys("faults/cut") == []

    proxy.cut_request(1_000_000, skip=2)
    done = tool.do("upload", "faults/cut", file=large, attempts=2)
    assert (done["ok"], done["attempts"]) == (True, 6)
    assert moto.content("faults/cut") == large.read_bytes()


@pytest.mark.parametrize("after_bytes", [0, 10, 60])
def test_answer_cut(store, moto, proxy, small, after_bytes):
    """Nobody knows whether it is there; putting it again does no harm."""
    tool = store(moto.storage(proxy.url))
    proxy.cut_answer(after_bytes)
    done = tool.do("put", "faults/answer", file=small, attempts=2)
    assert (done["ok"], done["attempts"]) == (True, 2)
    assert moto.content("faults/answer") == small.read_bytes()


@pytest.mark.parametrize("after_bytes", [0, 60])
def test_answer_to_complete_cut(store, moto, proxy, large, after_bytes):
    """The upload is gone when it is completed again, and the object is there."""
    tool = store(moto.storage(proxy.url))
    proxy.cut_answer(after_bytes, when=is_complete)
    key = f"faults/complete-{after_bytes}"
    done = tool.do("upload", key, file=large, attempts=2)
    assert (done["ok"], done["attempts"]) == (True, 6)
    assert moto.content(key) == large.read_bytes()
    assert moto.uploads(key) == []


def test_completed_unheard(store, moto, proxy, large):
    """The store does not know the upload any more, and what became of it cannot be found out at once:
    then by the next attempt, and not by sending it all again."""
    tool = store(moto.storage(proxy.url))
    proxy.cut_answer(0, when=is_complete)
    proxy.fail(404, "NoSuchUpload", when=is_complete, times=2)
    proxy.fail(503, body=b"", when=lambda request: request.method == "HEAD")
    done = tool.do("upload", "faults/unheard", file=large, attempts=3)
    assert (done["ok"], done["attempts"]) == (True, 7), done
    assert [request.method for request in proxy.requests][-5:] == ["POST", "POST", "HEAD", "POST", "HEAD"]
    assert moto.content("faults/unheard") == large.read_bytes()


def test_complete_fails_late(store, moto, proxy, large):
    """As an answer of 200 that is an error."""
    tool = store(moto.storage(proxy.url))
    proxy.fail(200, "InternalError", when=is_complete)
    done = tool.do("upload", "faults/late", file=large, attempts=2)
    assert (done["ok"], done["attempts"]) == (True, 6)
    assert moto.content("faults/late") == large.read_bytes()

    proxy.fail(200, "InternalError", when=is_complete)
    failed = tool.do("upload", "faults/late-2", file=large)
    assert not failed["ok"] and "InternalError" in failed["error"]
    assert moto.keys("faults/late-2") == [] and moto.uploads("faults/late-2") == []


def test_another_process_completes(store, moto, proxy, large):
    """What was begun is named by what the store calls it."""
    proxy.fail(503, when=is_complete)
    failed = store(moto.storage(proxy.url)).do("upload", "faults/later", file=large, keep=True)
    assert not failed["ok"] and moto.uploads("faults/later") == ["faults/later"]
    later = store(moto.storage())
    later.must("complete", "faults/later", upload=failed["upload"], tags=failed["tags"])
    assert moto.content("faults/later") == large.read_bytes()


def test_away(store, moto, proxy, small):
    tool = store(moto.storage(proxy.url))
    proxy.refuse()
    failed = tool.do("put", "faults/away", file=small)
    assert (failed["retryable"], failed["code"]) == (True, "unavailable")
    proxy.accept()
    tool.must("put", "faults/away", file=small)


def test_slow(store, moto, proxy, small):
    """As long as something moves it goes on."""
    proxy.slow(20_000)
    store(moto.storage(proxy.url)).must("put", "faults/slow", file=small)
    assert moto.content("faults/slow") == small.read_bytes()


def test_dead(store, moto, proxy, small):
    """Nothing moves: given up after half a minute."""
    proxy.hang()
    failed = store(moto.storage(proxy.url)).do("put", "faults/dead", file=small)
    assert (failed["retryable"], failed["code"]) == (True, "deadline_exceeded")


@pytest.mark.parametrize("hours", [-5, 30 * 24])
def test_clock(store, moto, proxy, small, hours):
    """The store has another time: the first answer says which."""
    def now():
        return datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(hours=hours)

    def is_skewed(request):
        dated = datetime.datetime.strptime(request.headers["x-amz-date"], "%Y%m%dT%H%M%SZ")
        return abs(dated.replace(tzinfo=datetime.timezone.utc) - now()) > datetime.timedelta(minutes=15)

    tool = store(moto.storage(proxy.url))
    proxy.fail(403, "RequestTimeTooSkewed", when=is_skewed, times=None,
               headers={"Date": email.utils.format_datetime(now(), usegmt=True)})
    done = tool.do("put", "faults/clock", file=small, attempts=5)
    assert (done["ok"], done["attempts"]) == (True, 2)
    assert tool.do("put", "faults/clock", file=small)["attempts"] == 1


def test_not_worth_it(store, moto, proxy, small):
    proxy.fail(403, "AccessDenied")
    failed = store(moto.storage(proxy.url)).do("put", "x", file=small, attempts=5)
    assert (failed["ok"], failed["attempts"], failed["code"]) == (False, 1, "permission_denied")
