"""How tests wait for what nobody tells of."""
import time


class Deadline(AssertionError):
    """Something did not happen in time."""


def wait_until(condition, what: str, timeout=60):
    """Asks until the answer is true, and returns that. The deadline only bounds how long a broken program
    keeps a test from failing."""
    deadline = time.monotonic() + timeout
    while not (found := condition()):
        if time.monotonic() > deadline:
            raise Deadline(f"{what}: not within {timeout} s")
        time.sleep(0.02)
    return found
