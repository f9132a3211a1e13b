"""Where keys come from."""
import contextlib
import json
import subprocess

import pytest
from metadata import AUTHORIZATION, EXTERNAL_ID, WEB_TOKEN, Metadata
from moto_server import BUCKET


def without_keys(moto, **s3):
    return moto.storage(access_key=None, secret=None, **s3)


@pytest.fixture
def lender(moto):
    """A metadata service that lends keys of the role."""
    with contextlib.closing(Metadata(moto.lend())) as made:
        yield made


def check(moto, tool, small, key):
    assert tool.opened["ok"], tool.opened
    tool.must("put", key, file=small)
    assert moto.content(key) == small.read_bytes()


def test_session_token(store, moto, small):
    access_key, secret, token = moto.lend()
    tool = store(moto.storage(access_key=access_key, secret=secret, session_token=token)
                 | {"generate_presigned_url": True})
    check(moto, tool, small, "keys/session")
    assert "X-Amz-Security-Token=" in tool.do("location", "keys/session")["location"]


def test_environment(store, moto, small):
    check(moto, store(without_keys(moto), {"AWS_ACCESS_KEY_ID": moto.access_key,
                                           "AWS_SECRET_ACCESS_KEY": moto.secret}), small, "keys/env")
    access_key, secret, token = moto.lend()
    check(moto, store(without_keys(moto), {"AWS_ACCESS_KEY_ID": access_key, "AWS_SECRET_ACCESS_KEY": secret,
                                           "AWS_SESSION_TOKEN": token}), small, "keys/env-session")


SHARED = """; of somebody
[default]
aws_access_key_id = AKIAWRONG
aws_secret_access_key = wrong

# the right one
[recorder]\r
aws_access_key_id={0}\r
aws_secret_access_key = {1}\r
s3 =
  max_concurrent_requests = 20
"""


def test_shared_file(store, moto, small, tmp_path):
    path = tmp_path / "credentials"
    path.write_text(SHARED.format(moto.access_key, moto.secret))
    files = {"AWS_SHARED_CREDENTIALS_FILE": str(path)}
    check(moto, store(without_keys(moto), files | {"AWS_PROFILE": "recorder"}), small, "keys/shared")
    wrong = store(without_keys(moto), files).do("put", "keys/default", file=small)
    assert "InvalidAccessKeyId" in wrong["error"]

    missing = store(without_keys(moto), files | {"AWS_PROFILE": "nobody"}).opened
    assert (missing["code"], missing["blame"]) == ("unauthenticated", "request")
    assert "'nobody'" in missing["error"]

    (tmp_path / ".aws").mkdir()
    path.rename(tmp_path / ".aws/credentials")
    check(moto, store(without_keys(moto), {"HOME": str(tmp_path), "AWS_PROFILE": "recorder"}), small,
          "keys/home")


def in_config(tmp_path, **profiles) -> dict:
    """The environment of somebody with these profiles in ~/.aws/config."""
    (tmp_path / ".aws").mkdir(exist_ok=True)
    (tmp_path / ".aws/config").write_text("".join(
        f"[{'' if name == 'default' else 'profile '}{name}]\n" +
        "".join(f"{key} = {value}\n" for key, value in settings.items())
        for name, settings in profiles.items()))
    return {"HOME": str(tmp_path)}


def static(moto) -> dict:
    return {"aws_access_key_id": moto.access_key, "aws_secret_access_key": moto.secret}


def test_config_file(store, moto, small, tmp_path):
    """Keys may be in either file; that of credentials counts more."""
    home = in_config(tmp_path, default=static(moto), recorder={"region": "eu-west-1"})
    check(moto, store(without_keys(moto), home), small, "keys/config")
    (tmp_path / ".aws/credentials").write_text("[recorder]\n" + "".join(
        f"{key} = {value}\n" for key, value in static(moto).items()))
    recorder = home | {"AWS_PROFILE": "recorder"}
    tool = store(without_keys(moto, region=None) | {"generate_presigned_url": True}, recorder)
    check(moto, tool, small, "keys/both")
    assert "%2Feu-west-1%2F" in tool.do("location", "keys/both")["location"]
    elsewhere = tmp_path / "elsewhere"
    (tmp_path / ".aws/config").rename(elsewhere)
    check(moto, store(without_keys(moto), home | {"AWS_CONFIG_FILE": str(elsewhere)}), small, "keys/elsewhere")


def test_role_of_a_profile(store, moto, small, lender, tmp_path):
    role = {"role_arn": moto.role, "source_profile": "base", "external_id": EXTERNAL_ID}
    sts = {"AWS_ENDPOINT_URL_STS": lender.url, "AWS_PROFILE": "recorder"}
    home = in_config(tmp_path, base=static(moto), recorder=role) | sts
    check(moto, store(without_keys(moto), home), small, "keys/profile-role")
    home = in_config(tmp_path, recorder=role | static(moto) | {"source_profile": "recorder"}) | sts
    check(moto, store(without_keys(moto), home), small, "keys/profile-own-role")
    path = tmp_path / "token"
    path.write_text(WEB_TOKEN)
    home = in_config(tmp_path, recorder={"role_arn": moto.role, "web_identity_token_file": path}) | sts
    check(moto, store(without_keys(moto), home), small, "keys/profile-web")
    del role["source_profile"]
    home = in_config(tmp_path, recorder=role | {"credential_source": "Environment"}) | sts
    check(moto, store(without_keys(moto), home | {"AWS_ACCESS_KEY_ID": moto.access_key,
                                                  "AWS_SECRET_ACCESS_KEY": moto.secret}),
          small, "keys/profile-environment")


def printed(moto, **more) -> str:
    return json.dumps({"Version": 1, "AccessKeyId": moto.access_key, "SecretAccessKey": moto.secret} | more)


def test_credential_process(store, moto, small, tmp_path):
    program = tmp_path / "a program"
    program.write_text(f"#!/bin/sh\necho x >> {tmp_path}/runs\n[ \"$1\" = 'two words' ] && cat {tmp_path}/key\n")
    program.chmod(0o755)
    (tmp_path / "key").write_text(printed(moto))
    home = in_config(tmp_path, default={"credential_process": f'"{program}" "two words"'})
    tool = store(without_keys(moto), home)
    check(moto, tool, small, "keys/process")
    check(moto, tool, small, "keys/process-again")
    assert (tmp_path / "runs").read_text() == "x\n"

    access_key, secret, token = moto.lend()
    (tmp_path / "key").write_text(printed(moto, AccessKeyId=access_key, SecretAccessKey=secret,
                                          SessionToken=token, Expiration="2020-01-01T00:00:00Z"))
    check(moto, store(without_keys(moto), home), small, "keys/process-session")
    assert len((tmp_path / "runs").read_text()) > 4, "one that has ended is asked for anew"


@pytest.mark.parametrize(("profile", "said"), [
    ({"credential_process": "/nowhere/at/all"}, "/nowhere/at/all"),
    ({"credential_process": "false"}, "false has failed"),
    ({"credential_process": "echo {}"}, "echo has printed no key"),
    ({"credential_process": "'"}, "the command"),
    ({"sso_session": "me"}, "single sign-on"),
    ({"role_arn": "arn:aws:iam::1:role/a"}, "has a role_arn, but no source_profile"),
    ({"role_arn": "arn:aws:iam::1:role/a", "credential_source": "Magic"}, "Ec2InstanceMetadata"),
    ({"role_arn": "arn:aws:iam::1:role/a", "source_profile": "circle"}, "too many"),
    ({"role_arn": "arn:aws:iam::1:role/a", "source_profile": "nobody"}, "'nobody'"),
    ({"aws_access_key_id": "A"}, "no aws_secret_access_key"),
])
def test_wrong_profile(store, moto, tmp_path, profile, said):
    home = in_config(tmp_path, default=profile,
                     circle={"role_arn": "arn:aws:iam::1:role/a", "source_profile": "default"})
    opened = store(without_keys(moto), home).opened
    assert (opened["code"], opened["blame"], opened["retryable"]) == ("unauthenticated", "request", False)
    assert said in opened["error"], opened


@pytest.mark.parametrize("variable", ["AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"])
def test_endpoint_of_the_environment(store, moto, small, variable):
    storage = moto.storage()
    del storage["endpoint"]
    tool = store(storage, {variable: moto.url})
    check(moto, tool, small, f"keys/{variable}")
    assert tool.do("location", f"keys/{variable}")["location"].startswith(moto.url)


def test_web_identity(store, moto, small, lender, tmp_path):
    path = tmp_path / "token"
    path.write_text(WEB_TOKEN + "\n")
    environment = {"AWS_WEB_IDENTITY_TOKEN_FILE": str(path), "AWS_ROLE_ARN": moto.role,
                   "AWS_ENDPOINT_URL_STS": lender.url}
    check(moto, store(without_keys(moto), environment), small, "keys/web")

    path.write_text("another")
    refused = store(without_keys(moto), environment).opened
    assert (refused["code"], refused["retryable"]) == ("permission_denied", False)
    assert "AccessDenied: not you" in refused["error"]

    path.unlink()
    missing = store(without_keys(moto), environment).opened
    assert "AWS_WEB_IDENTITY_TOKEN_FILE" in missing["error"] and not missing["retryable"]


def test_container(store, moto, small, lender, tmp_path):
    path = tmp_path / "token"
    path.write_text(AUTHORIZATION + "\n")
    environment = {"AWS_CONTAINER_CREDENTIALS_FULL_URI": f"{lender.url}/container"}
    check(moto, store(without_keys(moto), environment | {"AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": str(path)}),
          small, "keys/container-file")
    check(moto, store(without_keys(moto), environment | {"AWS_CONTAINER_AUTHORIZATION_TOKEN": AUTHORIZATION}),
          small, "keys/container")
    refused = store(without_keys(moto), environment).opened
    assert (refused["code"], refused["retryable"]) == ("unauthenticated", False)

    elsewhere = store(without_keys(moto), {
        "AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://192.0.2.1/container",
        "AWS_CONTAINER_AUTHORIZATION_TOKEN": AUTHORIZATION}).opened
    assert "AWS_CONTAINER_CREDENTIALS_FULL_URI" in elsewhere["error"]


def instance(lender):
    return {"AWS_EC2_METADATA_DISABLED": "", "AWS_EC2_METADATA_SERVICE_ENDPOINT": lender.url}


def test_instance(store, moto, small, lender):
    """Not by a proxy, which is somewhere else."""
    environment = instance(lender) | {"http_proxy": "http://127.0.0.1:1", "no_proxy": "127.0.0.1"}
    tool = store(without_keys(moto) | {"proxy": {"url": lender.url}}, environment)
    assert tool.opened["ok"]
    tool = store(without_keys(moto), environment)
    check(moto, tool, small, "keys/instance")
    asked = len(lender.requests)
    check(moto, tool, small, "keys/instance-again")
    assert len(lender.requests) == asked


@pytest.mark.parametrize(("host", "environment"), [
    ("169.254.169.254", {"AWS_EC2_METADATA_DISABLED": ""}),
    ("169.254.170.2", {"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI": "/container",
                       "AWS_CONTAINER_AUTHORIZATION_TOKEN": AUTHORIZATION}),
])
def test_well_known_addresses(store, moto, small, host, environment):
    """Where nothing else is said. Nobody else has them in the tests' network."""
    subprocess.run(["ip", "address", "add", f"{host}/32", "dev", "lo"], check=True)
    with contextlib.closing(Metadata(moto.lend(), address=(host, 80))) as lender:
        check(moto, store(without_keys(moto), environment), small, f"keys/{host}")
        assert lender.requests
    subprocess.run(["ip", "address", "delete", f"{host}/32", "dev", "lo"], check=True)


def test_nowhere(store, moto):
    """Is an error before anything is recorded, and says what would be right."""
    missing = store(without_keys(moto)).opened
    assert (missing["code"], missing["blame"], missing["retryable"]) == ("unauthenticated", "request", False)
    assert "access_key" in missing["error"]


def test_renewed_before_it_ends(store, moto, small, lender):
    """Keys that are about to end are asked for again each time, and used as long as they last."""
    lender.seconds = 60
    tool = store(without_keys(moto), instance(lender))
    check(moto, tool, small, "keys/short")
    asked = len(lender.requests)
    check(moto, tool, small, "keys/short-2")
    assert len(lender.requests) > asked

    lender.close()
    check(moto, tool, small, "keys/short-3")


def test_expired(store, moto, small, lender, proxy):
    """Said by the store: another key is asked for."""
    tool = store(without_keys(moto) | {"endpoint": proxy.url}, instance(lender))
    check(moto, tool, small, "keys/fresh")
    first = lender.keys
    lender.keys = moto.lend("second")
    proxy.fail(400, "ExpiredToken")
    done = tool.do("put", "keys/expired", file=small, attempts=2)
    assert (done["ok"], done["attempts"]) == (True, 2)
    assert [first[0] in r.headers["authorization"] for r in proxy.requests] == [True, True, False]

    fixed = store(moto.storage(proxy.url))
    proxy.fail(400, "ExpiredToken")
    failed = fixed.do("put", "keys/expired", file=small, attempts=2)
    assert (failed["ok"], failed["attempts"]) == (False, 1)


def test_role(store, moto, small, proxy):
    storage = moto.storage(proxy.url, assume_role_arn=moto.role)
    check(moto, store(storage, {"AWS_ENDPOINT_URL_STS": moto.url}), small, "keys/role")
    assert moto.access_key not in proxy.requests[0].headers["authorization"]
    assert "x-amz-security-token" in proxy.requests[0].headers


def test_external_id(store, moto, small, lender):
    """moto takes any."""
    environment = {"AWS_ENDPOINT_URL_STS": lender.url}
    good = moto.storage(assume_role_arn=moto.role, assume_role_external_id=EXTERNAL_ID)
    check(moto, store(good, environment), small, "keys/external")
    for wrong in (None, "something else"):
        refused = store(moto.storage(assume_role_arn=moto.role, assume_role_external_id=wrong), environment)
        assert refused.opened["code"] == "permission_denied"
    check(moto, store(good, {"AWS_ENDPOINT_URL_STS": moto.url}), small, "keys/external-moto")


def test_role_of_found_keys(store, moto, small, lender):
    environment = instance(lender) | {"AWS_ENDPOINT_URL": moto.url}
    check(moto, store(without_keys(moto, assume_role_arn=moto.role), environment), small, "keys/role-of-role")


def test_role_refused(store, moto):
    environment = {"AWS_ENDPOINT_URL_STS": moto.url}
    refused = store(moto.storage(secret="wrong", assume_role_arn=moto.role), environment).opened
    assert (refused["code"], refused["retryable"]) == ("permission_denied", False)
    assert "cannot assume the role" in refused["error"]


def test_lender_is_away(store, moto, small, proxy):
    """When it starts nothing is lost yet: the role is assumed when it is needed."""
    proxy.fail(503, body=b"", times=2)
    tool = store(moto.storage(assume_role_arn=moto.role), {"AWS_ENDPOINT_URL_STS": proxy.url})
    assert tool.opened["ok"]
    done = tool.do("put", "keys/away", file=small, attempts=2)
    assert (done["ok"], done["attempts"]) == (True, 2)
    assert moto.s3.head_object(Bucket=BUCKET, Key="keys/away")
