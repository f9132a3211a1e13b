"""moto, which answers as S3, STS and IAM do, and checks signatures, rights and session tokens."""
import json
import os
import pathlib
import re
import sys
import time

import boto3
import botocore.config

from process import Process

# Its first calls are free: those that make what all others need.
FREE_CALLS = 6
BUCKET = "recordings"
ROLE = "recorder"
REGION = "us-east-1"
ALL_RIGHTS = json.dumps({"Version": "2012-10-17",
                         "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]})


class Moto:
    """`tls`: the files of a certificate, its key and its authority. `checks` False: anybody may do anything.
    `access_key` and `secret` are those of a user who may do everything, as may `role`."""

    def __init__(self, folder: pathlib.Path, tls=None, checks=True):
        arguments = [] if tls is None else ["-s", "-c", tls[0], "-k", tls[1]]
        self._authority = None if tls is None else str(tls[2])
        self._process = Process(
            [pathlib.Path(sys.executable).parent / "moto_server", "-H", "127.0.0.1", "-p", "0", *arguments],
            log=folder / "moto.log", lines_from="stderr",
            env=os.environ | ({"INITIAL_NO_AUTH_ACTION_COUNT": str(FREE_CALLS)} if checks else {}))
        self.url, self.port = self._read_address()
        self.access_key = self.secret = "nobody"
        self._prepare()
        self.s3 = self.client("s3")

    def _read_address(self):
        deadline = time.monotonic() + 120
        while (line := self._process.next_line(deadline)) is not None:
            found = re.search(r"Running on (https?://127\.0\.0\.1:(\d+))", line)
            if found:
                return found[1], int(found[2])
        raise AssertionError(f"moto has ended: {self._process.lines[-8:]}")

    def client(self, service: str):
        return boto3.client(
            service, endpoint_url=self.url, region_name=REGION, aws_access_key_id=self.access_key,
            aws_secret_access_key=self.secret, verify=self._authority,
            config=botocore.config.Config(s3={"addressing_style": "path"}, retries={"max_attempts": 0}))

    def _prepare(self):
        self.client("s3").create_bucket(Bucket=BUCKET)
        iam = self.client("iam")
        iam.create_user(UserName="user")
        iam.put_user_policy(UserName="user", PolicyName="all", PolicyDocument=ALL_RIGHTS)
        role = iam.create_role(RoleName=ROLE, AssumeRolePolicyDocument=ALL_RIGHTS)
        iam.put_role_policy(RoleName=ROLE, PolicyName="all", PolicyDocument=ALL_RIGHTS)
        key = iam.create_access_key(UserName="user")["AccessKey"]
        self.role = role["Role"]["Arn"]
        self.access_key, self.secret = key["AccessKeyId"], key["SecretAccessKey"]

    def storage(self, url=None, **s3) -> dict:
        """The description of the bucket for store-tool; `s3` replaces settings of that kind."""
        keys = {"access_key": self.access_key, "secret": self.secret, "force_path_style": True}
        return {"kind": "s3", "bucket": BUCKET, "endpoint": url or self.url, "s3": keys | s3}

    def lend(self, session="lent") -> tuple:
        """A key of the role: access key, secret, session token."""
        keys = self.client("sts").assume_role(RoleArn=self.role, RoleSessionName=session)["Credentials"]
        return keys["AccessKeyId"], keys["SecretAccessKey"], keys["SessionToken"]

    def content(self, key: str) -> bytes:
        return self.s3.get_object(Bucket=BUCKET, Key=key)["Body"].read()

    def keys(self, prefix="") -> list:
        found = self.s3.list_objects_v2(Bucket=BUCKET, Prefix=prefix)
        return [entry["Key"] for entry in found.get("Contents", [])]

    def uploads(self, prefix="") -> list:
        """Those that were begun, and neither completed nor given up."""
        found = self.s3.list_multipart_uploads(Bucket=BUCKET)
        return [entry["Key"] for entry in found.get("Uploads", []) if entry["Key"].startswith(prefix)]

    def close(self):
        self._process.close()
