"""A store for what is too large to be kept. It checks signatures, by the vendors' own signers, and the checksum of
every part, counts, and throws away what it was sent. It speaks as much of S3 and of Azure as an upload needs, and
plain HTTP, which nothing is checked of."""
import base64
import hashlib
import hmac
import http.server
import re
import secrets
import socket
import threading
import urllib.parse
import xml.sax.saxutils

import azure.core.pipeline
import azure.core.rest
import botocore.auth
import botocore.awsrequest
import botocore.credentials
from azure.storage.blob._shared.authentication import SharedKeyCredentialPolicy

BUCKET = "recordings"
ACCOUNT = "acct1"
REGION = "us-east-1"
PIECE_BYTES = 1 << 18


class Refused(Exception):
    def __init__(self, status: int, code: str):
        super().__init__(code)
        self.status = status
        self.code = code


class Object:
    """`sizes` of what was sent, by the names of the parts; which belong to it when it `is_complete`."""

    def __init__(self):
        self.sizes = {}
        self.tags = {}
        self.is_complete = False

    @property
    def size(self) -> int:
        return sum(self.sizes.values())


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def setup(self):
        super().setup()
        self.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def handle_one(self):
        url = urllib.parse.urlsplit(self.path)
        self.query = dict(urllib.parse.parse_qsl(url.query, keep_blank_values=True))
        self.key = urllib.parse.unquote(url.path)
        self.left = int(self.headers.get("Content-Length", 0))
        if self.headers.get("Expect", "").lower() == "100-continue":
            self.send_response_only(100)
            self.end_headers()
        try:
            self.dialect()
        except Refused as refused:
            self.server.sink.refusals.append(refused.code)
            self.discard()
            self.answer(refused.status, f"<Error><Code>{refused.code}</Code><Message>Refused.</Message></Error>")

    do_PUT = do_POST = handle_one

    def dialect(self):
        told = self.headers.get("Authorization", "")
        if told.startswith("AWS4-HMAC-SHA256 "):
            self.s3(told)
        elif told.startswith("SharedKey "):
            self.azure(told)
        elif self.key.startswith("/plain/") and self.command == "PUT":
            self.discard()
            self.answer(201)
        else:
            raise Refused(403, "AccessDenied")

    def pieces(self):
        buffer = memoryview(self.server.sink.buffer())
        while self.left > 0:
            n = self.rfile.readinto1(buffer[:min(self.left, len(buffer))])
            if n == 0:
                raise ConnectionError("the body is cut")
            self.left -= n
            yield buffer[:n]

    def discard(self):
        for _ in self.pieces():
            pass

    def digest(self, algorithm: str):
        state = hashlib.new(algorithm)
        for piece in self.pieces():
            state.update(piece)
        return state

    def small_body(self) -> str:
        """And its checksums are those that were told."""
        body = self.rfile.read(self.left)
        self.left = 0
        told = self.headers.get("x-amz-content-sha256")
        if told is not None and told != hashlib.sha256(body).hexdigest():
            raise Refused(400, "XAmzContentSHA256Mismatch")
        return body.decode()

    def find(self) -> Object:
        return self.server.sink.objects.setdefault(self.key, Object())

    # S3

    def s3(self, told: str):
        self.check_s3(told)
        n_bytes = self.left
        if self.command == "POST" and "uploads" in self.query:
            self.small_body()
            self.server.sink.objects[self.key] = Object()
            self.answer(200, "<InitiateMultipartUploadResult xmlns='http://s3.amazonaws.com/doc/2006-03-01/'>"
                             f"<UploadId>{secrets.token_hex(16)}</UploadId></InitiateMultipartUploadResult>")
        elif self.command == "PUT":
            digest = self.digest("sha256").hexdigest()
            if digest != self.headers["x-amz-content-sha256"]:
                raise Refused(400, "XAmzContentSHA256Mismatch")
            self.keep(self.query.get("partNumber", "1"), n_bytes, f'"{digest[:32]}"',
                      is_complete="partNumber" not in self.query)
            self.answer(200, etag=f'"{digest[:32]}"')
        elif self.command == "POST" and "uploadId" in self.query:
            parts = re.findall(r"<Part><PartNumber>(\d+)</PartNumber><ETag>(.*?)</ETag></Part>", self.small_body())
            tags = {number: xml.sax.saxutils.unescape(tag, {"&quot;": '"'}) for number, tag in parts}
            self.complete(tags, [str(i + 1) for i in range(len(parts))])
            self.answer(200, "<CompleteMultipartUploadResult xmlns='http://s3.amazonaws.com/doc/2006-03-01/'>"
                             "<ETag>\"e\"</ETag></CompleteMultipartUploadResult>")
        else:
            raise Refused(400, "NotImplemented")

    def check_s3(self, told: str):
        names = re.search(r"SignedHeaders=([^,]+)", told)[1].split(";")
        if not {"host", "x-amz-date", "x-amz-content-sha256"} <= set(names):
            raise Refused(403, "AccessDenied")
        request = botocore.awsrequest.AWSRequest(
            self.command, f"http://{self.headers['Host']}{self.path}", {n: self.headers[n] for n in names})
        request.context["timestamp"] = self.headers["x-amz-date"]
        keys = botocore.credentials.Credentials(self.server.sink.access_key, self.server.sink.secret)
        signer = botocore.auth.S3SigV4Auth(keys, "s3", REGION)
        text = signer.string_to_sign(request, signer.canonical_request(request))
        wanted = (f"AWS4-HMAC-SHA256 Credential={signer.scope(request)}, SignedHeaders={';'.join(sorted(names))}, "
                  f"Signature={signer.signature(text, request)}")
        if re.sub(r",\s*", ", ", told) != wanted:
            raise Refused(403, "SignatureDoesNotMatch")

    # Azure

    def azure(self, told: str):
        self.check_azure(told)
        n_bytes = self.left
        if self.command != "PUT" or self.query.get("comp", "block") not in ("block", "blocklist"):
            raise Refused(400, "NotImplemented")
        if self.query.get("comp") == "blocklist":
            names = re.findall("<Latest>(.*?)</Latest>", self.small_body())
            self.complete(dict.fromkeys(names, ""), sorted(names, key=base64.b64decode))
        else:
            digest = base64.b64encode(self.digest("md5").digest()).decode()
            if digest != self.headers["Content-MD5"]:
                raise Refused(400, "Md5Mismatch")
            self.keep(self.query.get("blockid", "1"), n_bytes, "", is_complete="comp" not in self.query)
        self.answer(201)

    def check_azure(self, told: str):
        headers = {name.lower(): value for name, value in self.headers.items() if name.lower() != "authorization"}
        request = azure.core.rest.HttpRequest(self.command, f"http://{self.headers['Host']}{self.path}",
                                              headers=headers)
        policy = SharedKeyCredentialPolicy(ACCOUNT, self.server.sink.azure_key)
        policy.on_request(azure.core.pipeline.PipelineRequest(
            request, azure.core.pipeline.PipelineContext(None)))
        if not hmac.compare_digest(told, request.headers["Authorization"]):
            raise Refused(403, "AuthenticationFailed")

    # Both

    def keep(self, part: str, n_bytes: int, tag: str, is_complete: bool):
        with self.server.sink.lock:
            found = self.find()
            if found.is_complete:  # and is replaced now
                found = self.server.sink.objects[self.key] = Object()
            found.sizes[part] = n_bytes
            found.tags[part] = tag
            found.is_complete = is_complete

    def complete(self, tags: dict, order: list):
        """All parts, none left out, in order."""
        with self.server.sink.lock:
            found = self.find()
            if tags != found.tags or list(tags) != order:
                raise Refused(400, "InvalidPart")
            found.is_complete = True

    def answer(self, status: int, text="", etag=None):
        body = text.encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        if etag is not None:
            self.send_header("ETag", etag)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_args):
        pass


class Sink:
    """`objects` by their paths: what is known of them. `refusals`: codes of what was refused."""

    def __init__(self):
        self.access_key, self.secret = "the-access-key", secrets.token_hex(20)
        self.azure_key = base64.b64encode(secrets.token_bytes(64)).decode()
        self.objects = {}
        self.refusals = []
        self.lock = threading.Lock()
        self._local = threading.local()
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._server.sink = self
        self.port = self._server.server_port
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    def buffer(self) -> bytearray:
        """Of the thread."""
        if not hasattr(self._local, "buffer"):
            self._local.buffer = bytearray(PIECE_BYTES)
        return self._local.buffer

    def s3(self) -> dict:
        """As upload-tool is told of it."""
        return {"kind": "s3", "bucket": BUCKET, "endpoint": f"http://127.0.0.1:{self.port}",
                "s3": {"access_key": self.access_key, "secret": self.secret, "region": REGION,
                       "force_path_style": True}}

    def azure(self) -> dict:
        return {"kind": "azure", "bucket": BUCKET, "endpoint": f"http://127.0.0.1:{self.port}",
                "azure": {"account_name": ACCOUNT, "account_key": self.azure_key}}

    def find(self, storage: dict, key: str) -> Object:
        """Without parts if nothing of it has come."""
        account = f"/{ACCOUNT}" if storage["kind"] == "azure" else ""
        return self.objects.get(f"{account}/{BUCKET}/{key}", Object())

    def plain_url(self, name: str) -> str:
        return f"http://127.0.0.1:{self.port}/plain/{name}"

    def close(self):
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(60)
