"""What runs below a program: a browser is many processes."""
import contextlib
import dataclasses
import os
import pathlib
import re

TICKS_PER_S = os.sysconf("SC_CLK_TCK")


@dataclasses.dataclass(frozen=True)
class Running:
    pid: int
    parent: int
    started: int     # in ticks since the machine did: with the pid, it names a process for ever
    cpu_s: float
    kind: str        # "egress", "browser", "renderer", "gpu-process", "network", "Xvfb", "pulseaudio" …

    def is_there(self) -> bool:
        found = look_at(self.pid)
        return found is not None and found.started == self.started


def _kind(pid: int, name: str) -> str:
    command = pathlib.Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
    if "chromium" not in name:
        return name
    if service := re.search(r"--utility-sub-type=(\w+)\.", command):
        return service[1]
    found = re.search(r"--type=([\w-]+)", command)
    return found[1] if found else "browser"


def look_at(pid: int) -> Running | None:
    """None if there is no such process, or nothing but its exit code any more."""
    try:
        text = pathlib.Path(f"/proc/{pid}/stat").read_text()
        name = text[text.index("(") + 1:text.rindex(")")]
        fields = text.rpartition(")")[2].split()
        if fields[0] in "ZX":
            return None
        return Running(pid, int(fields[1]), int(fields[19]),
                       (int(fields[11]) + int(fields[12])) / TICKS_PER_S, _kind(pid, name))
    except OSError:
        return None


def below(pid: int) -> list:
    """All that it has started, and what those have."""
    everything = []
    for folder in pathlib.Path("/proc").iterdir():
        with contextlib.suppress(ValueError):
            if found := look_at(int(folder.name)):
                everything.append(found)
    pids, found = {pid}, []
    while more := [one for one in everything if one.parent in pids and one.pid not in pids]:
        pids |= {one.pid for one in more}
        found += more
    return found


def memory_mb(pid: int) -> float:
    """What it has in memory, without what other programs have there as well."""
    status = pathlib.Path(f"/proc/{pid}/status").read_text()
    return int(re.search(r"^RssAnon:\s+(\d+)", status, re.M)[1]) / 1024


def page_of(running: list) -> Running:
    """The process of the page: browsers have others of that kind, but they do nothing."""
    return max((one for one in running if one.kind == "renderer"), key=lambda one: one.cpu_s)


def one_of(running: list, kind: str) -> Running:
    [found] = [one for one in running if one.kind == kind]
    return found


def is_sandboxed(pid: int, than: int) -> bool:
    """Whether it sees less of the machine than another process, and may make but few system calls."""
    filters = re.search(r"^Seccomp:\s+(\d)", pathlib.Path(f"/proc/{pid}/status").read_text(), re.M)[1]
    return filters == "2" and all(
        os.readlink(f"/proc/{pid}/ns/{kind}") != os.readlink(f"/proc/{than}/ns/{kind}")
        for kind in ("user", "pid", "net"))
