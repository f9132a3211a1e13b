"""python -m analyser FILE [--json]: says what is in a recording of the tests' publisher."""
import argparse
import json
import sys

from . import analyse
from .decode import DecodeError


def main() -> int:
    parser = argparse.ArgumentParser(prog="analyser", description=__doc__)
    parser.add_argument("file")
    parser.add_argument("--json", action="store_true", help="everything, as JSON")
    parser.add_argument("--fps", type=int, default=30, help="the publisher's frame rate")
    parser.add_argument("--frozen-after", type=float, default=0.2, metavar="SECONDS",
                        help="for how long one picture may stay without being called frozen")
    parser.add_argument("--region", metavar="LEFT,TOP,RIGHT,BOTTOM",
                        help="the part of the picture to look at, in fractions")
    options = parser.parse_args()
    region = tuple(map(float, options.region.split(","))) if options.region else None
    try:
        recording = analyse(options.file, options.fps, options.frozen_after, region)
    except DecodeError as error:
        print(f"analyser: {error}", file=sys.stderr)
        return 1
    print(json.dumps(recording.to_dict(), indent=1) if options.json else recording.report())
    return 0


if __name__ == "__main__":
    sys.exit(main())
