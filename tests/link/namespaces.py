"""The networks of a link, each a namespace:

    where we are, with the server          the middle                    the program's
    link<pid> ── veth ── near (the forwarder) far ── veth ── link0 10.98.x.y

The forwarder takes every frame from one side and puts it on the other, or not. Our end has no address
of its own and answers for all of ours: WebRTC clients beside the server would take one for a way to
it, which goes away with the link.
"""
import array
import ctypes
import fcntl
import os
import socket
import struct
import subprocess

import forwarder

_CLONE_NEWNET = 0x40000000
_libc = ctypes.CDLL(None, use_errno=True)


class SetupError(Exception):
    """The system refuses what a link needs."""


def _unshare_network():
    if _libc.unshare(_CLONE_NEWNET) != 0:
        raise SetupError(f"no network namespace: {os.strerror(ctypes.get_errno())}; see scripts/netns")


def _ip(*arguments):
    run = subprocess.run(["ip", *map(str, arguments)], capture_output=True, text=True, check=False)
    if run.returncode != 0:
        raise SetupError(f"ip {' '.join(map(str, arguments))}: {run.stderr.strip()}")


def _no_offload(interface):
    """Frames are to be complete on the wire: with their checksums, and none longer than it allows."""
    set_tx_checksum, set_gso, set_gro = 0x17, 0x24, 0x2c
    siocethtool = 0x8946
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        for command in (set_tx_checksum, set_gso, set_gro):
            value = array.array("B", struct.pack("II", command, 0))
            request = struct.pack("16sP", interface.encode(), value.buffer_info()[0])
            fcntl.ioctl(any_socket, siocethtool, request + bytes(40 - len(request)))


def _up(interface, address=None):
    if address:
        _ip("addr", "add", address, "dev", interface)
    _ip("link", "set", interface, "up")
    _no_offload(interface)


def _address():
    """The program's, of this process alone."""
    index = os.getpid() % 65536
    return f"10.98.{index >> 8}.{index & 255}/32"


def enter(control, seed, commands):
    """Puts this process behind a link, which has obeyed these commands."""
    program = os.getpid()
    ready_read, ready_write = os.pipe()
    go_read, go_write = os.pipe()
    failed_read, failed_write = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(ready_read)
        os.close(go_write)
        os.close(failed_read)
        _run_middle(program, control, seed, commands, ready_write, go_read, failed_write)
    os.close(ready_write)
    os.close(go_read)
    os.close(failed_write)
    os.waitpid(child, 0)

    middle = os.read(ready_read, 16).decode()
    if middle:
        address = _address()
        name = f"link{program}"
        _ip("link", "add", name, "type", "veth", "peer", "name", "near", "netns", middle)
        _up(name)
        _ip("route", "add", address, "dev", name)
        _unshare_network()
        _ip("link", "set", "lo", "up")
        _ip("link", "add", "link0", "type", "veth", "peer", "name", "far", "netns", middle)
        _up("link0", address)
        _ip("route", "add", "default", "dev", "link0")
        os.write(go_write, b"go")
        os.close(go_write)
    # The forwarder closes its end when it works.
    problem = os.read(failed_read, 1000).decode()
    if problem or not middle:
        raise SetupError(problem or "the link's forwarder has not started")


def _run_middle(program, control, seed, commands, ready, go, failed):
    """The forwarder's process. It is nobody's child, so that the program has none that it does not
    know of."""
    if os.fork() != 0:
        os._exit(0)
    try:
        os.setsid()
        watch = os.pidfd_open(program)
        # The program may be the last one to leave the network that it was started in, which is to stay.
        os.open("/proc/self/ns/net", os.O_RDONLY)
        _unshare_network()
        os.write(ready, str(os.getpid()).encode())
        os.close(ready)
        if os.read(go, 2) == b"go":
            _up("near")
            _up("far")
            link = forwarder.Forwarder("near", "far", control, seed, commands, watch)
            os.close(failed)
            failed = None
            # Whoever reads what the program writes is not to wait for us.
            nothing = os.open(os.devnull, os.O_RDWR)
            for stream in range(3):
                os.dup2(nothing, stream)
            link.run()
    except Exception as error:
        if failed is not None:
            os.write(failed, str(error).encode())
    finally:
        os._exit(0)
