"""What recording costs. See bench/run, which provides everything that this needs."""
import argparse
import contextlib
import datetime
import os
import pathlib
import platform
import re
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent
sys.path[:0] = [str(ROOT / "tests/e2e"), str(ROOT / "tests")]

import floor  # noqa: E402
import measure  # noqa: E402
import table  # noqa: E402
from cases import CASES, Stage  # noqa: E402
from publisher import Publisher  # noqa: E402
from server import Ports, Server  # noqa: E402

INTRODUCTION = """\
`bench/run` makes this: `egress record` in a room of a real livekit-server, in which one participant
sends 1280x720 pictures at 30 a second (1.7 Mbit/s) and Opus (64 kbit/s). *cores* is the processor time
while it records; *CPU s per s* is that of the whole run, from start to exit, connecting and finishing
the file included, by the seconds recorded. The floor, taken right after each recording, is
`gst-launch-1.0` with the same material from a file, through the same decoders, scalers and encoders,
set the same, sound too, and nothing else.

Peak MB is what was resident at most, with the libraries that other programs share; *own MB* is what the
program had written to by the end of the recording and shares with none: what one more recording beside
others needs. *active* and *first
content* count from the start of the program: until the log says that it records, and until the instant
at which what is recorded first was sent. The program starts right after a key frame; the next one comes
half a second later. *exit* counts from SIGINT. A/V is picture less sound at each beep; *dropped* and
*twice* count the publisher's pictures. *others' cores* is how many processors were busy with what does
not belong to the measurement."""


def _first_line(*command) -> str:
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    return (run.stdout.strip().splitlines() or [""])[0]


def machine() -> list:
    """What the figures depend on, as lines of Markdown."""
    info = pathlib.Path("/proc/cpuinfo").read_text()
    model = re.search(r"^model name\s*:\s*(.*)$", info, re.MULTILINE)
    memory_kb = int(re.search(r"^MemTotal:\s*(\d+)", pathlib.Path("/proc/meminfo").read_text(),
                              re.MULTILINE)[1])
    system = platform.freedesktop_os_release().get("PRETTY_NAME", platform.system())
    server = _first_line(os.environ["LIVEKIT_SERVER"], "--version")
    gstreamer = re.search(r"[\d.]+$", _first_line("gst-launch-1.0", "--gst-version"))
    return [
        f"- {model[1] if model else platform.machine()}, {len(os.sched_getaffinity(0))} processors, "
        f"{memory_kb / 1024 / 1024:.1f} GB; {system}, Linux {platform.release().split('-')[0]}",
        f"- GStreamer {gstreamer[0] if gstreamer else '?'}, {server}",
        f"- egress {_first_line('git', '-C', ROOT, 'describe', '--always', '--dirty')}"]


def load() -> str:
    return "load average " + " ".join(f"{value:.2f}" for value in os.getloadavg())


def measure_all(stage: Stage, cases: list, rounds: int) -> list:
    """A round of each case after the other, so that what disturbs one does not hit all its rounds."""
    found = {case: [] for case in cases}
    for n in range(rounds):
        for case in cases:
            print(f"round {n + 1} of {rounds}: {case.title} ({load()})", file=sys.stderr)
            found[case].append(stage.run(case))
    return list(found.items())


def head(title: str, introduction: str, rounds: int, seconds: float, load_before: str) -> list:
    """The first lines of what a bench prints."""
    several = f"{rounds} of {seconds:g} s each; medians (and from where to where)" if rounds > 1 \
        else f"one of {seconds:g} s each"
    today = datetime.datetime.now(datetime.timezone.utc).date()
    return [f"# {title}", "", introduction, "", "## The machine",
            f"{today}, {several}; {load_before} before, {load()} after.", "", *machine()]


def report(measured: list, rounds: int, seconds: float, load_before: str) -> str:
    lines = [*head("What recording costs", INTRODUCTION, rounds, seconds, load_before), ""]
    if warning := table.disturbance(measured):
        lines += [warning, ""]
    lines += ["## Results", *table.results_table(measured), "", "## Aims",
              *table.aims_table(measured), ""]
    return "\n".join(lines)


def parse_arguments(prog, cases, rounds, seconds, least_seconds):
    """What a bench of such cases is told. rounds and seconds are the defaults; fewer seconds than the
    last are refused."""
    parser = argparse.ArgumentParser(prog=prog)
    parser.add_argument("--rounds", type=int, default=rounds)
    parser.add_argument("--seconds", type=float, default=seconds)
    parser.add_argument("--cases", default=",".join(case.name for case in cases))
    parser.add_argument("--write", action="store_true")
    arguments = parser.parse_args()
    names = arguments.cases.split(",")
    if unknown := set(names) - {case.name for case in cases}:
        parser.error(f"there is no case {', '.join(sorted(unknown))}")
    if arguments.rounds < 1 or arguments.seconds < least_seconds:
        parser.error(f"there must be at least one round, of {least_seconds} seconds")
    arguments.cases = [case for case in cases if case.name in names]
    return arguments


def run(arguments, make_stage, make_report, path: pathlib.Path) -> int:
    """Measures all cases, prints the report, and writes it into `path` if that is wanted."""
    load_before = load()
    stage = make_stage()
    try:
        measured = measure_all(stage, arguments.cases, arguments.rounds)
    except measure.Failed as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    text = make_report(measured, arguments.rounds, arguments.seconds, load_before)
    print(text)
    if arguments.write:
        path.write_text(text)
    return 0


def main() -> int:
    arguments = parse_arguments("bench/run", CASES, rounds=1, seconds=20, least_seconds=2)
    with contextlib.ExitStack() as stack:
        folder = pathlib.Path(stack.enter_context(tempfile.TemporaryDirectory()))
        floors = floor.Floor(os.environ["PUBLISHER"], folder)
        # GStreamer's registry of plugins exists, and the files are in the page cache.
        floors.run("sound")

        def make_stage():
            server = Server(folder, Ports(0))
            stack.callback(server.stop)
            publisher = stack.enter_context(contextlib.closing(Publisher(server, folder)))
            return Stage(server, publisher, floors, folder, arguments.seconds)

        return run(arguments, make_stage, report, HERE / "RESULTS.md")


if __name__ == "__main__":
    sys.exit(main())
