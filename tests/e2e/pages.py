"""Web pages for browsers to show (tests/pages), and what tests and pages tell each other."""
import base64
import collections
import http.server
import os
import pathlib
import queue
import ssl
import subprocess
import threading
import time
import urllib.parse

from server import ADDRESS
from service import HttpServer
from waiting import Deadline

FOLDER = pathlib.Path(__file__).resolve().parent.parent / "pages"
TYPES = {".html": "text/html; charset=utf-8", ".js": "text/javascript; charset=utf-8",
         ".webm": "video/webm"}


class Pages:
    """A web server. Beside the files of a folder and those in `more` (path -> bytes), it has
    /status/CODE    an answer with that status
    /redirect?to=   a redirection
    /download       a file to be saved
    /tell/WORD      tells the test a word, and what is in the query
    /wait/WORD      is answered when the test says that word
    /once/WORD      is answered with 200 the first time, and with 204 from then on
    """

    def __init__(self, ports, *, certificate=None, folder=FOLDER, more=(), login=None):
        """With a login (user:password), it answers nobody else."""
        self._folder = pathlib.Path(folder)
        self._authorization = login and "Basic " + base64.b64encode(login.encode()).decode()
        self._told = queue.Queue()
        self._heard = []
        self._said = set()
        self._asked = set()
        self._news = threading.Condition()
        self._more = dict(more)
        self.requests = []   # paths, in order
        self._seconds = collections.defaultdict(list)  # tag -> the queries of "second"
        pages = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                pages._answer(self)

            def log_message(self, *arguments):
                pass

        self._server = HttpServer((ADDRESS, ports.take()), Handler)
        self.port = self._server.server_port
        scheme = "http"
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
            scheme = "https"
        self.base = f"{scheme}://{ADDRESS}:{self.port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def url(self, name: str, **query) -> str:
        """Of a page of tests/pages: url("lively", tag=3)."""
        text = urllib.parse.urlencode({key: str(value) for key, value in query.items()})
        return f"{self.base}/{name}.html" + (f"?{text}" if text else "")

    def wait(self, word: str, timeout=60, **values) -> dict:
        """The query of that word of a page, with these values in it; also of one that came before."""
        deadline = time.monotonic() + timeout
        while True:
            for n, (told, query) in enumerate(self._heard):
                if told == word and all(query.get(key) == value for key, value in values.items()):
                    del self._heard[n]
                    return query
            try:
                self._heard.append(self._told.get(timeout=max(0.0, deadline - time.monotonic())))
            except queue.Empty:
                raise Deadline(f"no page told {word!r}; requests were {self.requests}") from None

    def wait_seconds(self, count: int, tag: int):
        """Until the page of that tag has begun so many more seconds of its sound and picture."""
        while not self._told.empty():
            self._heard.append(self._told.get())
        self._heard = [(word, query) for word, query in self._heard if word != "second"]
        for _ in range(count):
            self.wait("second", tag=str(tag))

    def could_draw(self, tag: int) -> bool:
        """Whether the lively page of that tag had the time to draw its frames and to play its sound: on a
        machine that is too busy, no recording of it can have them, or have them in step."""
        told = {key: float(value) for key, value in self._seconds[str(tag)][-1].items()}
        return told["slip_ms"] < 30 and told["missed"] <= 0.02 * told["drawn"] and told["stall_ms"] < 100

    def own_ms(self, tag: int) -> dict:
        """By how much the lively page of that tag itself has drawn the first picture of each second of the wall
        clock later than its sound was heard."""
        return {int(told["second"]): float(told["own_ms"]) for told in self._seconds[str(tag)]}

    def say(self, word: str):
        with self._news:
            self._said.add(word)
            self._news.notify_all()

    def close(self):
        self.say("")
        self._server.shutdown()
        self._server.server_close()

    def _answer(self, handler):
        if self._authorization not in (None, handler.headers["Authorization"]):
            self._send(handler, 401, WWW_Authenticate='Basic realm="pages"')
            return
        address = urllib.parse.urlsplit(handler.path)
        query = dict(urllib.parse.parse_qsl(address.query))
        self.requests.append(address.path)
        _, kind, *rest = address.path.split("/")
        if kind == "tell":
            if rest[0] == "second":
                self._seconds[query["tag"]].append(query)
            self._told.put((rest[0], query))
            self._send(handler, 204)
        elif kind == "wait":
            with self._news:
                self._news.wait_for(lambda: {rest[0], ""} & self._said)
            self._send(handler, 204)
        elif kind == "once":
            is_first = rest[0] not in self._asked
            self._asked.add(rest[0])
            self._send(handler, 200 if is_first else 204)
        elif kind == "status":
            self._send(handler, int(rest[0]), b"<p>What was asked for is not there.</p>", "text/html")
        elif kind == "redirect":
            self._send(handler, 302, Location=query["to"])
        elif kind == "download":
            self._send(handler, 200, bytes(1000), "application/octet-stream",
                       Content_Disposition='attachment; filename="saved.bin"')
        else:
            self._send_file(handler, address.path)

    def _send_file(self, handler, path: str):
        file = self._folder / path[1:]
        if path in self._more:
            body = self._more[path]
        elif file.parent == self._folder and file.is_file():
            body = file.read_bytes()
        else:
            self._send(handler, 404)
            return
        self._send(handler, 200, body, TYPES[file.suffix])

    @staticmethod
    def _send(handler, status: int, body=b"", kind="text/plain", **headers):
        try:
            handler.send_response(status)
            for name, value in headers.items():
                handler.send_header(name.replace("_", "-"), value)
            handler.send_header("Content-Type", kind)
            handler.send_header("Content-Length", str(len(body)))
            handler.send_header("Cache-Control", "no-store")
            handler.end_headers()
            handler.wfile.write(body)
        except OSError:
            pass  # the browser has gone


def make_film(folder: pathlib.Path, *what, turns=1) -> pathlib.Path:
    """For clip.html: so many turns of the publisher's loop, as `what` says to `make-media`."""
    def make(codec):
        return subprocess.run([os.environ["PUBLISHER"], "make-media", "-codec", codec, *map(str, what)],
                              capture_output=True, text=True, check=True).stdout.strip()

    def join(path, *inputs):
        subprocess.run(["ffmpeg", "-v", "error", *map(str, inputs), "-c", "copy", path], check=True)
        return path
    # The Opus loop has a second in front, in which the encoder settles.
    turn = join(folder / "turn.webm", "-r", 30, "-i", make("vp8"), "-ss", 1, "-i", make("opus"))
    return join(folder / "film.webm", "-stream_loop", turns - 1, "-i", turn)


def make_certificate(folder: pathlib.Path) -> pathlib.Path:
    """Of nobody that anybody trusts."""
    path = folder / "certificate.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
         "-days", "30", "-subj", f"/CN={ADDRESS}", "-addext", f"subjectAltName=IP:{ADDRESS}",
         "-keyout", path, "-out", path], check=True, capture_output=True)
    return path
