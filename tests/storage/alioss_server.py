"""A stand-in for Alibaba's OSS. What it has of OSS is the signature, which Alibaba's own library checks, the
checksums, and what is answered."""
import base64
import hashlib
import hmac
import http.server
import re
import secrets
import threading
import time
import urllib.parse
import xml.sax.saxutils

import oss2
import oss2.http
import oss2.utils

BUCKET = "recordings"
ACCESS_KEY = "the-access-key"


def crc64(content: bytes) -> int:
    crc = oss2.utils.Crc64()
    crc.update(content)
    return crc.crc


def element(name: str, **texts) -> bytes:
    inner = "".join(f"<{key}>{xml.sax.saxutils.escape(value)}</{key}>" for key, value in texts.items())
    return f'<?xml version="1.0" encoding="UTF-8"?>\n<{name}>{inner}</{name}>'.encode()


class Refused(Exception):
    def __init__(self, status: int, code: str):
        super().__init__(code)
        self.status = status
        self.code = code


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def handle_one(self):
        self.body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        url = urllib.parse.urlsplit(self.path)
        self.query = dict(urllib.parse.parse_qsl(url.query, keep_blank_values=True))
        self.bucket, _, self.key = urllib.parse.unquote(url.path[1:]).partition("/")
        try:
            self.check()
            self.run()
        except Refused as refused:
            self.answer(refused.status, element("Error", Code=refused.code, Message="Refused.",
                                                RequestId="1", HostId="here"))

    do_PUT = do_POST = do_GET = do_HEAD = do_DELETE = handle_one

    def check(self):
        if self.bucket != BUCKET:
            raise Refused(404, "NoSuchBucket")
        if "Signature" in self.query:
            who, told = self.query.pop("OSSAccessKeyId"), self.query.pop("Signature")
            date = self.query.pop("Expires")
            if int(date) < time.time():
                raise Refused(403, "AccessDenied")
        else:
            found = re.fullmatch("OSS (.*):(.*)", self.headers.get("Authorization", ""))
            if found is None:
                raise Refused(403, "AccessDenied")
            who, told, date = found[1], found[2], self.headers["Date"]
        if who != ACCESS_KEY:
            raise Refused(403, "InvalidAccessKeyId")
        if not hmac.compare_digest(told, self.signature(date)):
            raise Refused(403, "SignatureDoesNotMatch")
        md5 = self.headers.get("Content-MD5")
        if md5 is not None and md5 != base64.b64encode(hashlib.md5(self.body).digest()).decode():
            raise Refused(400, "InvalidDigest")
        if self.command in ("PUT", "POST") and self.body and md5 is None:
            raise Refused(400, "MissingChecksum")

    def signature(self, date: str) -> str:
        """By the library's signer, which has no name for others than itself."""
        auth = oss2.ProviderAuth(oss2.credentials.StaticCredentialsProvider(ACCESS_KEY, self.server.oss.secret))
        request = oss2.http.Request(self.command, self.path, params=self.query,
                                    headers=dict(self.headers) | {"date": date})
        credentials = auth.credentials_provider.get_credentials()
        return auth._ProviderAuth__make_signature(request, self.bucket, self.key, credentials)

    def run(self):
        name = f"{self.command} {'&'.join(sorted(self.query))}".strip()
        calls = {"PUT": self.put, "GET": self.get, "HEAD": self.get, "POST uploads": self.begin,
                 "PUT partNumber&uploadId": self.put_part, "POST uploadId": self.complete,
                 "DELETE uploadId": self.abort}
        if name not in calls:
            raise Refused(400, "NotImplemented")
        calls[name]()

    def store(self, content, content_type):
        self.server.oss.objects[self.key] = (content, content_type)

    def put(self):
        self.store(self.body, self.headers["Content-Type"])
        self.answer(200, crc=crc64(self.body))

    def get(self):
        if self.key not in self.server.oss.objects:
            raise Refused(404, "NoSuchKey")
        content, _ = self.server.oss.objects[self.key]
        self.answer(200, content, crc=crc64(content))

    def begin(self):
        upload = secrets.token_hex(16).upper()
        self.server.oss.uploads[upload] = (self.key, self.headers["Content-Type"], {})
        self.answer(200, element("InitiateMultipartUploadResult", Bucket=BUCKET, Key=self.key, UploadId=upload))

    def find_upload(self):
        key, content_type, parts = self.server.oss.uploads.get(self.query["uploadId"], (None, None, None))
        if key != self.key:
            raise Refused(404, "NoSuchUpload")
        return content_type, parts

    def put_part(self):
        _, parts = self.find_upload()
        etag = f'"{hashlib.md5(self.body).hexdigest().upper()}"'
        parts[int(self.query["partNumber"])] = (etag, self.body)
        self.answer(200, etag=etag, crc=crc64(self.body))

    def complete(self):
        content_type, parts = self.find_upload()
        told = re.findall(r"<Part><PartNumber>(\d+)</PartNumber><ETag>(.*?)</ETag></Part>", self.body.decode())
        told = [(int(number), xml.sax.saxutils.unescape(etag, {"&quot;": '"'})) for number, etag in told]
        if told != sorted(told):
            raise Refused(400, "InvalidPartOrder")
        if any(number not in parts or parts[number][0] != etag for number, etag in told):
            raise Refused(400, "InvalidPart")
        content = b"".join(parts[number][1] for number, _ in told)
        self.store(content, content_type)
        del self.server.oss.uploads[self.query["uploadId"]]
        self.answer(200, element("CompleteMultipartUploadResult", Bucket=BUCKET, Key=self.key, ETag='"E-2"'),
                    crc=crc64(content))

    def abort(self):
        self.find_upload()
        del self.server.oss.uploads[self.query["uploadId"]]
        self.answer(204)

    def answer(self, status, body=b"", etag=None, crc=None):
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        if etag is not None:
            self.send_header("ETag", etag)
        if crc is not None:
            self.send_header("x-oss-hash-crc64ecma", str(crc))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, *_args):
        pass


class Alioss:
    """`objects`: content and type by key. `uploads` that are not completed."""

    kind = "alioss"

    def __init__(self):
        self.secret = secrets.token_hex(20)
        self.objects = {}
        self.uploads = {}
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.oss = self
        self.port = self._server.server_port
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    def storage(self, port=None, **changes) -> dict:
        return {"kind": self.kind, "bucket": BUCKET, "endpoint": f"http://127.0.0.1:{port or self.port}",
                "alioss": {"access_key": ACCESS_KEY, "secret": self.secret}} | changes

    def wrong_storage(self, port=None) -> dict:
        return self.storage(port, alioss={"access_key": ACCESS_KEY, "secret": "wrong"})

    def secrets(self) -> list:
        return [self.secret]

    def read(self, key: str) -> bytes:
        return self.objects[key][0]

    def content_type(self, key: str) -> str:
        return self.objects[key][1]

    def exists(self, key: str) -> bool:
        return key in self.objects

    def close(self):
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(60)
