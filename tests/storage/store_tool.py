"""The program store-tool, which does to stores what it is told."""
import contextlib
import json
import os
import pathlib
import subprocess

BUILD = pathlib.Path(os.environ["EGRESS"]).parent
TOOL = pathlib.Path(os.environ.get("STORE_TOOL", BUILD / "tests/store-tool"))


class StoreTool:
    """`opened` is the answer to the description: {"ok": True}, or what is wrong with it. What the
    environment says of stores and proxies is not passed on."""

    def __init__(self, storage: dict, environment: dict, log):
        kept = {name: value for name, value in os.environ.items()
                if not name.startswith("AWS_") and not name.lower().endswith("_proxy")}
        self._popen = subprocess.Popen(
            [TOOL], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True,
            env=kept | {"AWS_EC2_METADATA_DISABLED": "true", "HOME": "/nonexistent"} | environment)
        self.opened = self.send(storage)

    def send(self, line: dict) -> dict:
        self._popen.stdin.write(json.dumps(line) + "\n")
        self._popen.stdin.flush()
        answer = self._popen.stdout.readline()
        assert answer, f"store-tool has ended with {self._popen.wait(60)}"
        return json.loads(answer)

    def do(self, what: str, key=None, **more) -> dict:
        if "file" in more:
            more["file"] = str(more["file"])
        return self.send({"do": what, "key": key, **more})

    def must(self, what: str, key=None, **more) -> dict:
        answer = self.do(what, key, **more)
        assert answer["ok"], answer
        return answer

    def close(self):
        with contextlib.suppress(BrokenPipeError):
            self._popen.stdin.close()
        code = self._popen.wait(60)
        assert code == (0 if self.opened["ok"] else 1), f"store-tool has ended with {code}"
