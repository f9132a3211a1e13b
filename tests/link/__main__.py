"""Runs a program behind a link that loses, delays or cuts on command, or sends such a command.

    python3 tests/link --control SOCKET [--seed N] [--first COMMAND]… PROGRAM [ARG…]
    python3 tests/link --tell SOCKET loss 0.05 [udp|tcp|all][:PORT] [down|up|both]
    python3 tests/link --tell SOCKET delay MS [JITTER_MS]
    python3 tests/link --tell SOCKET cut | heal | stats

The program gets a network of its own, from which the addresses of the network that it was started
in are reached over the link; so this is for where scripts/netns leads. The program keeps its process
id, signals and exit code. The link goes down with it.
"""
import argparse
import json
import os
import sys

import namespaces

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from link import tell  # noqa: E402


def main() -> int:
    parser = argparse.ArgumentParser(prog="link", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--control", metavar="SOCKET", help="where to take commands")
    what.add_argument("--tell", metavar="SOCKET", help="send a command to a link that runs")
    parser.add_argument("--seed", type=int, default=1, help="of what is lost and when")
    parser.add_argument("--first", metavar="COMMAND", action="append", default=[],
                        help="holds before the program starts")
    parser.add_argument("words", nargs=argparse.REMAINDER, help="the program, or the command")
    options = parser.parse_args()
    if not options.words:
        parser.error("a program or a command is missing")
    try:
        if options.tell:
            print(json.dumps(tell(options.tell, *options.words)))
            return 0
        namespaces.enter(options.control, options.seed, options.first)
        try:
            os.execvp(options.words[0], options.words)
        except OSError as error:
            raise namespaces.SetupError(f"{options.words[0]}: {error.strerror}") from error
    except (OSError, ValueError, namespaces.SetupError) as error:
        print(f"link: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
