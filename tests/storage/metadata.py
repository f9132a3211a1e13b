"""What lends keys: to containers and machines in a cloud, and for tokens, as AWS's documentation says it."""
import datetime
import http.server
import json
import threading
import urllib.parse

TOKEN = "a-token-of-the-metadata-service"
ROLE = "the role"
AUTHORIZATION = "what-the-container-knows"
WEB_TOKEN = "a-token/of+the=cluster"
EXTERNAL_ID = "what+the=owner,wants/to.hear"

LENT = """<{0}Response xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><{0}Result><Credentials>
<AccessKeyId>{1}</AccessKeyId><SecretAccessKey>{2}</SecretAccessKey><SessionToken>{3}</SessionToken>
<Expiration>{4}</Expiration></Credentials></{0}Result></{0}Response>"""
DENIED = """<ErrorResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><Error><Type>Sender</Type>
<Code>AccessDenied</Code><Message>not you</Message></Error></ErrorResponse>"""


class Metadata:
    """Lends `keys` (access_key, secret, session_token), for `seconds`. `requests` are the paths."""

    def __init__(self, keys: tuple, seconds=3600, address=("127.0.0.1", 0)):
        self.keys = keys
        self.seconds = seconds
        self.requests = []
        metadata = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_PUT(self):
                metadata.requests.append(self.path)
                is_right = (self.path == "/latest/api/token"
                            and self.headers.get("X-aws-ec2-metadata-token-ttl-seconds", "").isdigit())
                self.answer(200 if is_right else 400, TOKEN)

            def do_GET(self):
                metadata.requests.append(self.path)
                keys_path = "/latest/meta-data/iam/security-credentials/"
                if self.path == "/container":
                    is_known = self.headers.get("Authorization") == AUTHORIZATION
                    self.answer(200 if is_known else 401, metadata.lend())
                elif self.headers.get("X-aws-ec2-metadata-token") != TOKEN:
                    self.answer(401, "")
                elif self.path == keys_path:
                    self.answer(200, ROLE + "\n")
                elif self.path == keys_path + "the%20role":
                    self.answer(200, metadata.lend())
                else:
                    self.answer(404, "")

            def do_POST(self):
                """What moto does not do while it checks signatures."""
                body = self.rfile.read(int(self.headers["Content-Length"])).decode()
                form = dict(urllib.parse.parse_qsl(body))
                metadata.requests.append(form["Action"])
                is_signed = self.headers.get("Authorization", "").startswith("AWS4-HMAC-SHA256 ")
                is_right = form["Version"] == "2011-06-15" and (
                    (not is_signed and form.get("WebIdentityToken") == WEB_TOKEN)
                    if form["Action"] == "AssumeRoleWithWebIdentity"
                    else (is_signed and form.get("ExternalId") == EXTERNAL_ID))
                lent = LENT.format(form["Action"], *metadata.keys, metadata.end())
                self.answer(200 if is_right else 403, lent if is_right else DENIED)

            def answer(self, status, text):
                self.send_response(status)
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text.encode())

            def log_message(self, *_args):
                pass

        self._server = http.server.ThreadingHTTPServer(address, Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def lend(self) -> str:
        access_key, secret, token = self.keys
        return json.dumps({"Code": "Success", "Type": "AWS-HMAC", "AccessKeyId": access_key,
                           "SecretAccessKey": secret, "Token": token,
                           "Expiration": self.end()})

    def end(self) -> str:
        end = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=self.seconds)
        return end.strftime("%Y-%m-%dT%H:%M:%SZ")

    def close(self):
        self._server.shutdown()
        self._server.server_close()
