"""The programs store-tool, which does to stores what it is told, and upload-tool, which is the uploader."""
import contextlib
import json
import os
import pathlib
import subprocess

BUILD = pathlib.Path(os.environ["EGRESS"]).parent
TOOL = pathlib.Path(os.environ.get("STORE_TOOL", BUILD / "tests/store-tool"))
UPLOAD_TOOL = BUILD / "tests/upload-tool"


def environment_of_tools() -> dict:
    """Without what it says of stores and proxies."""
    kept = {name: value for name, value in os.environ.items()
            if not name.startswith("AWS_") and not name.lower().endswith("_proxy")}
    return kept | {"AWS_EC2_METADATA_DISABLED": "true", "HOME": "/nonexistent"}


def upload_lines(storage: dict, **job) -> str:
    """What upload-tool is told."""
    return f"{json.dumps(storage)}\n{json.dumps(job, default=str)}\n"


def upload(storage: dict, log, **job) -> dict:
    """One file through the uploader: its answer."""
    done = subprocess.run([UPLOAD_TOOL], input=upload_lines(storage, **job), text=True, stdout=subprocess.PIPE,
                          stderr=log, env=environment_of_tools(), check=False)
    assert done.stdout, f"upload-tool has ended with {done.returncode}"
    return json.loads(done.stdout)


class Growing:
    """A file that is there but for its last byte; `end` says how it goes on, and gives the answer."""

    def __init__(self, storage: dict, log, **job):
        self._popen = subprocess.Popen([UPLOAD_TOOL], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log,
                                       text=True, env=environment_of_tools())
        self._popen.stdin.write(upload_lines(storage, **job))
        self._popen.stdin.flush()

    def end(self, word: str) -> dict:
        answer, _ = self._popen.communicate(json.dumps(word) + "\n", timeout=120)
        assert answer, f"upload-tool has ended with {self._popen.returncode}"
        return json.loads(answer)

    def close(self):
        self._popen.kill()
        self._popen.communicate()


class StoreTool:
    """`opened` is the answer to the description: {"ok": True}, or what is wrong with it."""

    def __init__(self, storage: dict, environment: dict, log):
        self._popen = subprocess.Popen(
            [TOOL], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True,
            env=environment_of_tools() | environment)
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
