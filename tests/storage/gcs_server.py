"""Google Cloud Storage: an emulator, which knows no rights, and in front of it what Google has besides. That
makes tokens for who shows a JWT that is signed by the account's key, wants one with each call but those to
sessions, whose names are secrets, checks signed URLs, and remembers what became of sessions."""
import collections
import datetime
import hashlib
import http.client
import http.server
import json
import secrets
import threading
import time
import urllib.parse

import jwt
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from gcp_storage_emulator.server import create_server

BUCKET = "recordings"
EMAIL = "recorder@project.iam.gserviceaccount.com"
SCOPE = "https://www.googleapis.com/auth/devstorage.read_write"
JWT_GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
Reply = collections.namedtuple("Reply", "status headers body")


def fail(status: int, message: str, **more) -> Reply:
    body = more or {"error": {"code": status, "message": message}}
    return Reply(status, {"Content-Type": "application/json"}, json.dumps(body).encode())


def make_key():
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def handle_one(self):
        length = int(self.headers.get("Content-Length", 0))
        body = self.rfile.read(length)
        if len(body) < length:  # hung up: the emulator gets what there is, as a store would
            self.headers.replace_header("Content-Length", str(len(body)))
        reply = self.server.gcs.handle(self.command, self.path, self.headers, body)
        self.send_response(reply.status)
        for name, value in reply.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(reply.body)))
        self.end_headers()
        self.wfile.write(reply.body)

    do_PUT = do_POST = do_GET = do_DELETE = handle_one

    def log_message(self, *_args):
        pass


class Gcs:
    """`tokens` are those that are good, with their ends; `n_tokens` is how many were asked for."""

    kind = "gcp"

    def __init__(self):
        self._key = make_key()
        self._lock = threading.Lock()
        self.tokens = {}
        self.n_tokens = 0
        self.token_seconds = 3600
        self._sessions = {}  # what became of those that have ended
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.gcs = self
        self.port = self._server.server_port
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()
        self._emulator = create_server("127.0.0.1", 0, in_memory=True, default_bucket=BUCKET)
        self._emulator.start()
        self._emulator_port = self._emulator._api._httpd.server_port

    # The side of the tests.

    def credentials(self, key=None, token_uri=None) -> str:
        pem = (key or self._key).private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
                                               serialization.NoEncryption()).decode()
        return json.dumps({"type": "service_account", "project_id": "project", "private_key_id": "1",
                           "private_key": pem, "client_email": EMAIL,
                           "token_uri": token_uri or self.token_uri})

    @property
    def token_uri(self):
        return f"http://127.0.0.1:{self.port}/token"

    def storage(self, port=None, **changes) -> dict:
        return {"kind": self.kind, "bucket": BUCKET, "endpoint": f"http://127.0.0.1:{port or self.port}",
                "gcs": {"credentials_json": self.credentials()}} | changes

    def wrong_storage(self, port=None) -> dict:
        return self.storage(port, gcs={"credentials_json": self.credentials(make_key())})

    def secrets(self) -> list:
        lines = json.loads(self.credentials())["private_key"].splitlines()
        return [lines[1], *self.tokens, "upload_id"]

    def revoke(self):
        with self._lock:
            self.tokens.clear()

    def _object(self, key: str, media=False) -> Reply:
        name = urllib.parse.quote(key, safe="")
        return self._ask("GET", f"/storage/v1/b/{BUCKET}/o/{name}{'?alt=media' if media else ''}", {}, b"")

    def read(self, key: str) -> bytes:
        reply = self._object(key, media=True)
        assert reply.status == 200, reply
        return reply.body

    def content_type(self, key: str) -> str:
        return json.loads(self._object(key).body)["contentType"]

    def exists(self, key: str) -> bool:
        return self._object(key).status == 200

    def close(self):
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(60)
        self._emulator.stop()

    # The side of the program.

    def handle(self, method, path, headers, body) -> Reply:
        url = urllib.parse.urlsplit(path)
        query = dict(urllib.parse.parse_qsl(url.query))
        if url.path == "/token":
            return self._make_token(dict(urllib.parse.parse_qsl(body.decode())))
        if "X-Goog-Signature" in query:
            return self._read_signed(url, query, headers)
        if "upload_id" in query:
            return self._session(method, path, query["upload_id"], headers, body)
        if not self._is_allowed(headers):
            return fail(401, "Invalid Credentials")
        return self._ask(method, path, headers, body)

    def _make_token(self, form) -> Reply:
        self.n_tokens += 1
        try:
            assert form["grant_type"] == JWT_GRANT
            claims = jwt.decode(form["assertion"], self._key.public_key(), algorithms=["RS256"],
                                audience=self.token_uri, options={"require": ["exp", "iat", "iss", "aud"]})
        except (jwt.PyJWTError, AssertionError, KeyError) as error:
            return fail(400, "", error="invalid_grant", error_description=f"Invalid JWT: {error}")
        if claims["iss"] != EMAIL or claims["scope"] != SCOPE or claims["exp"] - claims["iat"] > 3600:
            return fail(400, "", error="invalid_scope", error_description="Not for this.")
        token = "ya29." + secrets.token_hex(20)
        with self._lock:
            self.tokens[token] = time.monotonic() + self.token_seconds
        body = {"access_token": token, "expires_in": self.token_seconds, "token_type": "Bearer"}
        return Reply(200, {"Content-Type": "application/json"}, json.dumps(body).encode())

    def _is_allowed(self, headers) -> bool:
        kind, _, token = headers.get("Authorization", "").partition(" ")
        with self._lock:
            return kind == "Bearer" and self.tokens.get(token, 0) > time.monotonic()

    def _session(self, method, path, upload, headers, body) -> Reply:
        if method == "DELETE":
            self._sessions[upload] = fail(404, "No such upload.")
            return Reply(499, {}, b"")
        if upload in self._sessions:
            return self._sessions[upload]
        reply = self._ask(method, path, headers, body)
        if reply.status == 200:
            self._sessions[upload] = reply
        # The emulator's word for nothing, for which Google has none.
        if reply.headers.get("Range") == "bytes=0-0":
            del reply.headers["Range"]
        return reply

    def _read_signed(self, url, query, headers) -> Reply:
        signed, _, signature = url.query.partition("&X-Goog-Signature=")
        canonical = "\n".join(["GET", url.path, signed, f"host:{headers['Host']}", "", "host", "UNSIGNED-PAYLOAD"])
        date = query["X-Goog-Date"]
        scope = f"{date[:8]}/auto/storage/goog4_request"
        text = "\n".join(["GOOG4-RSA-SHA256", date, scope, hashlib.sha256(canonical.encode()).hexdigest()])
        age = datetime.datetime.now(datetime.timezone.utc) - datetime.datetime.strptime(
            date + "+0000", "%Y%m%dT%H%M%SZ%z")
        try:
            self._key.public_key().verify(bytes.fromhex(signature), text.encode(), padding.PKCS1v15(),
                                          hashes.SHA256())
        except InvalidSignature:
            return fail(403, "SignatureDoesNotMatch")
        if query["X-Goog-Credential"] != f"{EMAIL}/{scope}" or age.total_seconds() > int(query["X-Goog-Expires"]):
            return fail(403, "AccessDenied")
        return self._object(urllib.parse.unquote(url.path.removeprefix(f"/{BUCKET}/")), media=True)

    def _ask(self, method, path, headers, body) -> Reply:
        """The emulator, one call at a time, as it likes it."""
        kept = {name: value for name, value in headers.items() if name.lower() not in ("connection", "content-length")}
        with self._lock:
            connection = http.client.HTTPConnection("127.0.0.1", self._emulator_port)
            connection.request(method, path, body=body, headers=kept | {"Content-Length": str(len(body))})
            answer = connection.getresponse()
            reply = Reply(answer.status, {name: answer.headers[name] for name in ("Location", "Range", "Content-Type")
                                          if name in answer.headers}, answer.read())
            connection.close()
        return reply
