"""S3 against moto, which checks what is signed."""
import contextlib
import datetime
import email.header
import urllib.parse
import urllib.request

import botocore.auth
import botocore.awsrequest
import botocore.credentials
import certificates
import pytest
from moto_server import BUCKET, Moto
from web_proxy import WebProxy

ODD_KEYS = [
    "with space.mp4",
    "ünï/cödé 日本.mp4",
    "a+b=c&d?.mp4",
    "par(en)s!'*.mp4",
    "at:@,;$#[].mp4",
    "%41%2F.mp4",
    "./dot.mp4",
    "a//b/../c.mp4",
    'quote"<>\\^`{}|.mp4',
    "tilde~-_.mp4",
]


@pytest.mark.parametrize("key", ODD_KEYS)
def test_odd_keys(store, moto, small, key):
    tool = store(moto.storage())
    tool.must("put", key, file=small)
    assert moto.content(key) == small.read_bytes()
    uploaded = "parts/" + key
    tool.must("upload", uploaded, file=small)
    assert moto.content(uploaded) == small.read_bytes()


def test_what_is_said_about_it(store, moto, small, large):
    storage = moto.storage(metadata={"Room": "standup", "a-b": "two  words", "a": "ü\r\nx: y",
                                     "empty": ""},
                           tagging="project=a%20b&x=y", content_disposition='attachment; filename="a b.mp4"',
                           server_side_encryption="AES256", storage_class="STANDARD_IA")
    tool = store(storage)
    tool.must("put", "said/put.mp4", file=small, type="video/mp4")
    tool.must("upload", "said/parts.mp4", file=large, type="video/mp4")
    for key, path in (("said/put.mp4", small), ("said/parts.mp4", large)):
        head = moto.s3.head_object(Bucket=BUCKET, Key=key)
        assert head["ContentLength"] == path.stat().st_size
        assert head["ContentType"] == "video/mp4"
        assert head["ContentDisposition"] == 'attachment; filename="a b.mp4"'
        assert head["ServerSideEncryption"] == "AES256"
        assert head["StorageClass"] == "STANDARD_IA"
        assert head["Metadata"]["room"] == "standup"
        assert head["Metadata"]["a-b"] == "two  words"
        assert email.header.decode_header(head["Metadata"]["a"]) == [("ü\r\nx: y".encode(), "utf-8")]
        assert head["Metadata"]["empty"] == ""
        tags = moto.s3.get_object_tagging(Bucket=BUCKET, Key=key)["TagSet"]
        assert {tag["Key"]: tag["Value"] for tag in tags} == {"project": "a b", "x": "y"}


def test_kms(store, moto, small):
    """A key alone says how to encrypt."""
    store(moto.storage(kms_key_id="some-key")).must("put", "kms.mp4", file=small)
    head = moto.s3.head_object(Bucket=BUCKET, Key="kms.mp4")
    assert (head["ServerSideEncryption"], head["SSEKMSKeyId"]) == ("aws:kms", "some-key")


def test_defaults(store, moto, small):
    store(moto.storage()).must("put", "defaults.mp4", file=small)
    head = moto.s3.head_object(Bucket=BUCKET, Key="defaults.mp4")
    assert head["ContentDisposition"] == "inline"
    assert head["ContentType"] == "application/octet-stream"


def test_parts(store, moto, large):
    done = store(moto.storage()).do("upload", "parts.mp4", file=large)
    assert done["ok"] and len(done["tags"]) == 3
    assert moto.content("parts.mp4") == large.read_bytes()
    assert moto.uploads("parts.mp4") == []


def test_nothing_is_there_before_it_is_complete(store, moto, large):
    tool = store(moto.storage())
    wrong = tool.do("upload", "half.mp4", file=large, part_bytes=1 << 20, keep=True)  # S3 wants 5 MiB
    assert not wrong["ok"] and not wrong["retryable"] and "EntityTooSmall" in wrong["error"]
    assert moto.keys("half.mp4") == []
    assert moto.uploads("half.mp4") == ["half.mp4"]

    given_up = tool.do("upload", "half.mp4", file=large, part_bytes=1 << 20)
    assert not given_up["ok"]
    assert moto.uploads("half.mp4") == ["half.mp4"]  # only that which was to be kept


def test_empty(store, moto, tmp_path):
    (tmp_path / "empty").touch()
    store(moto.storage()).must("put", "empty.mp4", file=tmp_path / "empty")
    assert moto.content("empty.mp4") == b""


@pytest.mark.parametrize(("wrong", "said", "code"), [
    ({"secret": "wrong"}, "SignatureDoesNotMatch", "permission_denied"),
    ({"access_key": "AKIAUNKNOWNUNKNOWN00"}, "InvalidAccessKeyId", "permission_denied"),
    ({"session_token": "bogus"}, "InvalidToken", "invalid_argument"),
])
def test_wrong_keys(store, moto, small, wrong, said, code):
    """moto looks at session tokens of lent keys alone."""
    keys = dict(zip(("access_key", "secret"), moto.lend(), strict=False)) if "session_token" in wrong else {}
    failed = store(moto.storage(**keys, **wrong)).do("put", "wrong.mp4", file=small)
    assert (failed["ok"], failed["code"], failed["retryable"]) == (False, code, False)
    assert failed["blame"] == "destination"
    assert said in failed["error"] and "wrong.mp4" in failed["error"]
    assert moto.secret not in failed["error"]
    assert moto.keys("wrong.mp4") == []


def test_no_bucket(store, moto, small):
    failed = store(moto.storage() | {"bucket": "nobodys"}).do("put", "a.mp4", file=small)
    assert (failed["code"], failed["retryable"]) == ("not_found", False)
    assert "NoSuchBucket" in failed["error"]


def test_location(store, moto, small):
    tool = store(moto.storage())
    assert tool.do("location", "a b.mp4")["location"] == f"{moto.url}/{BUCKET}/a b.mp4"


@pytest.fixture(scope="module")
def open_moto(tmp_path_factory):
    """moto cannot check the signature of a URL; this one checks none."""
    with contextlib.closing(Moto(tmp_path_factory.mktemp("open-moto"), checks=False)) as server:
        yield server


@pytest.mark.parametrize("token", [None, "a+token/="])
@pytest.mark.parametrize("key", ["signed.mp4", "a+b=c&d? ü(1)'.mp4"])
def test_presigned(store, open_moto, small, monkeypatch, key, token):
    """It leads to the object, and is what AWS's own library makes of it."""
    tool = store(open_moto.storage(session_token=token) | {"generate_presigned_url": True})
    tool.must("put", key, file=small)
    url = tool.must("location", key)["location"]
    with urllib.request.urlopen(url, timeout=60) as answer:
        assert answer.read() == small.read_bytes()

    plain, _, query = url.partition("?")
    fields = dict(urllib.parse.parse_qsl(query))
    assert fields["X-Amz-Expires"] == str(7 * 24 * 3600)
    when = datetime.datetime.strptime(fields["X-Amz-Date"], "%Y%m%dT%H%M%SZ")
    monkeypatch.setattr(botocore.auth, "get_current_datetime", lambda *_args, **_more: when)
    request = botocore.awsrequest.AWSRequest("GET", plain)
    credentials = botocore.credentials.Credentials(open_moto.access_key, open_moto.secret, token)
    botocore.auth.S3SigV4QueryAuth(credentials, "s3", "us-east-1", expires=7 * 24 * 3600).add_auth(request)
    assert dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(request.url).query)) == fields


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    return certificates.make(tmp_path_factory.mktemp("certificates"), [
        "IP:127.0.0.1", "DNS:s3.us-east-1.amazonaws.com", "DNS:s3.eu-west-1.amazonaws.com",
        "DNS:*.s3.us-east-1.amazonaws.com", "DNS:*.s3.eu-west-1.amazonaws.com",
        "DNS:sts.us-east-1.amazonaws.com", "DNS:sts.eu-west-1.amazonaws.com"])


@pytest.fixture(scope="module")
def tls_moto(tmp_path_factory, certificate):
    authority, *files = certificate
    with contextlib.closing(Moto(tmp_path_factory.mktemp("tls-moto"), (*files, authority))) as server:
        yield server


def test_own_authority(store, tls_moto, certificate, small):
    good = tls_moto.storage() | {"ca_cert_file": str(certificate[0])}
    store(good).must("put", "tls.mp4", file=small)
    assert tls_moto.content("tls.mp4") == small.read_bytes()

    distrusted = store(tls_moto.storage()).do("put", "distrusted.mp4", file=small)
    assert (distrusted["code"], distrusted["retryable"]) == ("failed_precondition", False)
    assert "certificate" in distrusted["error"]

    missing = store(good | {"ca_cert_file": "/nonexistent.pem"}).do("put", "missing.mp4", file=small)
    assert (missing["code"], missing["blame"]) == ("invalid_argument", "request")
    assert "ca_cert_file" in missing["error"]


AWS_NAMES = ["s3.us-east-1.amazonaws.com", "s3.eu-west-1.amazonaws.com",
             "recordings.s3.us-east-1.amazonaws.com", "recordings.s3.eu-west-1.amazonaws.com",
             "in-europe.s3.eu-west-1.amazonaws.com", "in-europe.s3.us-east-1.amazonaws.com",
             "sts.us-east-1.amazonaws.com", "sts.eu-west-1.amazonaws.com"]


@pytest.fixture
def internet(tls_moto):
    """A proxy behind which moto is AWS."""
    with contextlib.closing(WebProxy("user", "pass:word", dict.fromkeys(AWS_NAMES, tls_moto.port))) as made:
        yield made


def aws(moto, certificate, internet, **s3):
    storage = moto.storage(force_path_style=False, **s3) | {
        "ca_cert_file": str(certificate[0]),
        "proxy": {"url": internet.url, "username": "user", "password": "pass:word"}}
    del storage["endpoint"]
    return storage


def test_aws_by_a_proxy(store, tls_moto, certificate, internet, small, large):
    tool = store(aws(tls_moto, certificate, internet, region="us-east-1"))
    tool.must("put", "by/proxy.mp4", file=small)
    tool.must("upload", "by/parts.mp4", file=large)
    assert tls_moto.content("by/proxy.mp4") == small.read_bytes()
    assert tls_moto.content("by/parts.mp4") == large.read_bytes()
    assert {r.target for r in internet.requests} == {"recordings.s3.us-east-1.amazonaws.com:443"}
    assert tool.do("location", "by/a b.mp4")["location"] == "https://recordings.s3.amazonaws.com/by/a b.mp4"


def test_region_of_the_bucket(store, tls_moto, certificate, internet, small):
    """Neither region nor endpoint: AWS is asked."""
    tls_moto.s3.create_bucket(Bucket="in-europe",
                              CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    storage = aws(tls_moto, certificate, internet) | {"bucket": "in-europe"}
    tool = store(storage)
    tool.must("put", "a.mp4", file=small)
    tool.must("put", "b.mp4", file=small)
    assert [r.target for r in internet.requests][:2] == [
        "s3.us-east-1.amazonaws.com:443", "in-europe.s3.eu-west-1.amazonaws.com:443"]
    assert sum("s3.us-east-1." in r.target for r in internet.requests) == 1

    store(storage, {"AWS_REGION": "eu-west-1"}).must("put", "c.mp4", file=small)
    assert sum("s3.us-east-1." in r.target for r in internet.requests) == 1


def test_role_of_the_region(store, tls_moto, certificate, internet, small):
    """The service that lends keys is asked by the same proxy."""
    tool = store(aws(tls_moto, certificate, internet, region="eu-west-1", assume_role_arn=tls_moto.role))
    assert tool.opened["ok"]
    tool.must("put", "role.mp4", file=small)
    assert [r.target for r in internet.requests] == [
        "sts.eu-west-1.amazonaws.com:443", "recordings.s3.eu-west-1.amazonaws.com:443"]


@pytest.mark.parametrize("is_tls", [True, False])
def test_wrong_password_of_the_proxy(store, moto, tls_moto, certificate, internet, small, is_tls):
    storage = (aws(tls_moto, certificate, internet, region="us-east-1") if is_tls else moto.storage())
    storage |= {"proxy": {"url": internet.url, "username": "user", "password": "wrong"}}
    failed = store(storage).do("put", "refused.mp4", file=small)
    assert (failed["code"], failed["retryable"]) == ("unauthenticated", False)
    assert "the proxy wants another user or password" in failed["error"]


def test_plain_http_by_a_proxy(store, moto, internet, small):
    """Without TLS there is no tunnel."""
    storage = moto.storage() | {"proxy": {"url": internet.url, "username": "user", "password": "pass:word"}}
    store(storage).must("put", "plain proxy.mp4", file=small)
    assert moto.content("plain proxy.mp4") == small.read_bytes()
    assert [r.method for r in internet.requests] == ["PUT"]


def test_proxy_of_the_environment(store, moto, small):
    with contextlib.closing(WebProxy()) as proxy:
        store(moto.storage(), {"http_proxy": proxy.url}).must("put", "env.mp4", file=small)
        assert len(proxy.requests) == 1
