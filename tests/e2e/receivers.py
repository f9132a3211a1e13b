"""Servers that take streams: what an egress streams to."""
import contextlib
import http.server
import pathlib
import queue
import signal
import socket
import subprocess
import threading
import time
import urllib.parse

from server import ADDRESS
from service import HttpServer
from waiting import Deadline, wait_until

MODULES = pathlib.Path("/usr/lib/nginx/modules")


class Publications:
    """Is asked by nginx about each publication: refuses keys that begin with "bad"."""

    def __init__(self, ports):
        self._events = queue.Queue()
        publications = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                url = urllib.parse.urlparse(self.path)
                name = urllib.parse.parse_qs(url.query).get("name", [""])[0]
                self.send_response(403 if name.startswith("bad") else 200)
                self.send_header("Content-Length", "0")
                self.end_headers()
                publications._events.put((url.path.strip("/"), name))

            def log_message(self, *arguments):
                pass

        self._server = HttpServer((ADDRESS, ports.take()), Handler)
        self.url = f"http://{ADDRESS}:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def wait(self, event: str, key: str, timeout=60):
        """The next of them."""
        deadline = time.monotonic() + timeout
        seen = []
        while (event, key) not in seen:
            try:
                seen.append(self._events.get(timeout=max(0.0, deadline - time.monotonic())))
            except queue.Empty:
                raise Deadline(f"no {event} of {key}; there were {seen}") from None

    def close(self):
        self._server.shutdown()
        self._server.server_close()


class RtmpServer:
    """nginx; starts at once. Each publication becomes an FLV file. With a certificate it takes RTMPS
    on another port."""

    def __init__(self, folder: pathlib.Path, ports, certificate=None):
        self.folder = folder / "rtmp"
        (self.folder / "recordings").mkdir(parents=True)
        self.publications = Publications(ports)
        self.port = ports.take()
        self.tls_port = ports.take()
        tls = f"""
            stream {{
                server {{
                    listen {ADDRESS}:{self.tls_port} ssl;
                    ssl_certificate {certificate[0]};
                    ssl_certificate_key {certificate[1]};
                    proxy_pass {ADDRESS}:{self.port};
                }}
            }}""" if certificate else ""
        (self.folder / "nginx.conf").write_text(f"""
            load_module {MODULES}/ngx_rtmp_module.so;
            {f"load_module {MODULES}/ngx_stream_module.so;" if certificate else ""}
            daemon off;
            master_process off;
            user root;
            pid {self.folder}/nginx.pid;
            error_log {self.folder}/error.log info;
            events {{ }}
            rtmp {{
                access_log off;
                server {{
                    listen {ADDRESS}:{self.port};
                    notify_method get;
                    application live {{
                        live on;
                        record all;
                        record_path {self.folder}/recordings;
                        record_unique on;
                        on_publish {self.publications.url}/publish;
                        on_publish_done {self.publications.url}/publish_done;
                    }}
                }}
            }}
            {tls}""")
        self._popen = None
        self.start()

    def url(self, key: str) -> str:
        return f"rtmp://{ADDRESS}:{self.port}/live/{key}"

    def tls_url(self, key: str, host=ADDRESS) -> str:
        return f"rtmps://{host}:{self.tls_port}/live/{key}"

    def start(self):
        with open(self.folder / "nginx.log", "ab") as log:
            self._popen = subprocess.Popen(
                ["nginx", "-p", self.folder, "-e", self.folder / "error.log",
                 "-c", self.folder / "nginx.conf"],
                stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        wait_until(self._answers, "nginx has started", 30)

    def _answers(self) -> bool:
        if self._popen.poll() is not None:
            raise Deadline(f"nginx ended: {(self.folder / 'nginx.log').read_text()[-2000:]}")
        try:
            socket.create_connection((ADDRESS, self.port), 1).close()
            return True
        except OSError:
            return False

    def recordings(self, key: str) -> list:
        """The files of this key, in the order of their beginning."""
        return sorted((self.folder / "recordings").glob(f"{key}-*.flv"),
                      key=lambda path: int(path.stem.split("-")[-1]))

    def wait_bytes(self, key: str, size: int, index=0):
        """Until so much of its recording is there."""
        wait_until(lambda: len(self.recordings(key)) > index and
                   self.recordings(key)[index].stat().st_size >= size, f"{size} bytes of {key}")

    def freeze(self):
        self._popen.send_signal(signal.SIGSTOP)

    def thaw(self):
        self._popen.send_signal(signal.SIGCONT)

    def kill(self):
        if self._popen.poll() is None:
            self._popen.kill()
        self._popen.wait()

    def close(self):
        self.kill()
        self.publications.close()


class SrtReceiver:
    """srt-live-transmit, which writes what comes to a file; starts at once."""

    def __init__(self, folder: pathlib.Path, url: str, name="srt"):
        self.path = folder / f"{name}.ts"
        self._file = open(self.path, "ab")
        with open(folder / f"{name}.log", "ab") as log:
            self._popen = subprocess.Popen(
                ["srt-live-transmit", "-q", "-a:no", url, "file://con"],
                stdout=self._file, stderr=log, stdin=subprocess.DEVNULL)

    def wait_bytes(self, size: int):
        wait_until(lambda: self.path.stat().st_size >= size, f"{size} bytes by SRT")

    def kill(self):
        if self._popen.poll() is None:
            self._popen.kill()
        self._popen.wait()

    def close(self):
        self.kill()
        self._file.close()


class SlowLink:
    """To a server of this machine, over a network that carries only so much."""

    def __init__(self, ports, port: int, bytes_per_s: float):
        self.port = ports.take()
        self.bytes_per_s = bytes_per_s
        self._target = port
        self._listener = socket.socket()
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        # What is on its way is little, so that it is felt soon.
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16_384)
        self._listener.bind((ADDRESS, self.port))
        self._listener.listen()
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            server = socket.create_connection((ADDRESS, self._target))
            threading.Thread(target=self._carry, args=(client, server, True), daemon=True).start()
            threading.Thread(target=self._carry, args=(server, client, False), daemon=True).start()

    def _carry(self, source, target, is_slow):
        try:
            while data := source.recv(4096):
                target.sendall(data)
                if is_slow:
                    time.sleep(len(data) / self.bytes_per_s)
        except OSError:
            pass
        finally:
            for end in (source, target):
                with contextlib.suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)

    def close(self):
        self._listener.close()


def make_certificate(folder: pathlib.Path, address=ADDRESS) -> tuple:
    """Signed by itself: (certificate, key)"""
    certificate, key = folder / "certificate.pem", folder / "key.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj",
         f"/CN={address}", "-addext", f"subjectAltName=IP:{address}", "-keyout", key, "-out",
         certificate], check=True, capture_output=True)
    return certificate, key
