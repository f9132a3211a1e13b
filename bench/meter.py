"""Runs a command and says what it has used: python3 -I -S meter.py OUTPUT COMMAND [ARG…]

Writes a line of JSON into OUTPUT when the command has started, and one when it has ended. A process
of its own, since the peak memory that the kernel reports of a child is at least what its parent had
when it forked: this one imports next to nothing."""
import json
import os
import signal
import sys
import time


def write(output, **values):
    os.write(output, json.dumps(values).encode() + b"\n")


def main():
    output = os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o644)
    # Not ru_maxrss, which began with that of the parent.
    with open("/proc/self/status", encoding="ascii") as status:
        own_kb = next(int(line.split()[1]) for line in status if line.startswith("VmHWM:"))
    start_ns = time.time_ns()
    pid = os.posix_spawnp(sys.argv[2], sys.argv[2:], os.environ, setsigdef=[signal.SIGPIPE])
    write(output, pid=pid, start_ns=start_ns)
    _, status, usage = os.wait4(pid, 0)
    write(output, end_ns=time.time_ns(), exit=os.waitstatus_to_exitcode(status),
          cpu_s=usage.ru_utime + usage.ru_stime, peak_kb=usage.ru_maxrss, least_kb=own_kb)


main()
