"""Forwards frames between two interfaces, and treats packets badly as it is told."""
import contextlib
import heapq
import json
import os
import random
import selectors
import socket
import time

_EVERYTHING = 0x0003  # ETH_P_ALL
_IPV4 = 0x0800
_ARP = 0x0806
_PROTOCOLS = {"tcp": (6,), "udp": (17,), "all": (6, 17, 1)}
_DIRECTIONS = {"down": ("down",), "up": ("up",), "both": ("down", "up")}


class Forwarder:
    """Between near, where the server is, and far, where the program is. Lives as long as the process
    that a pidfd stands for."""

    def __init__(self, near, far, control, seed, commands, watch):
        self._sockets = {"down": self._open(near), "up": self._open(far)}  # where frames come from
        self._random = {name: random.Random(f"{seed} {name}") for name in self._sockets}
        self._control_path = control
        self._watch = watch
        self._late = []       # heap of (when, number, direction, frame)
        self._number = 0
        self._counts = {f"{name}_{fate}": 0 for name in self._sockets for fate in ("passed", "lost")}
        self._heal()
        for command in commands:
            self._obey(command.split())
        self._selector = selectors.DefaultSelector()
        for name, end in self._sockets.items():
            self._selector.register(end, selectors.EVENT_READ, lambda name=name: self._receive(name))
        self._selector.register(watch, selectors.EVENT_READ, None)
        self._listen()

    def _listen(self):
        """The control socket appears when it can be used."""
        listener = socket.socket(socket.AF_UNIX)
        hidden = self._control_path + ".new"
        listener.bind(hidden)
        listener.listen()
        os.rename(hidden, self._control_path)
        self._selector.register(listener, selectors.EVENT_READ, lambda: self._accept(listener))

    @staticmethod
    def _open(interface):
        end = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(_EVERYTHING))
        end.bind((interface, _EVERYTHING))
        end.setblocking(False)
        return end

    def _heal(self):
        self._is_cut = False
        self._loss = {}       # fraction by (direction, number of the protocol, port or None)
        self._delay = self._jitter = 0.0

    def run(self):
        while True:
            wait = max(0.0, self._late[0][0] - time.monotonic()) if self._late else None
            for key, _ in self._selector.select(wait):
                if key.data is None:
                    with contextlib.suppress(FileNotFoundError):
                        os.unlink(self._control_path)
                    return
                key.data()
            while self._late and self._late[0][0] <= time.monotonic():
                _, _, direction, frame = heapq.heappop(self._late)
                self._send(direction, frame)

    def _receive(self, direction):
        while True:
            try:
                frame, address = self._sockets[direction].recvfrom(1 << 16)
            except BlockingIOError:
                return
            if address[2] != socket.PACKET_OUTGOING:
                self._treat(direction, frame)

    def _treat(self, direction, frame):
        kind = int.from_bytes(frame[12:14], "big")
        if kind == _ARP:
            # Trouble is somewhere far off: the next hop always answers.
            self._send(direction, frame)
        elif kind == _IPV4 and len(frame) > 33:
            loss = self._loss and self._loss_of(direction, frame)
            if self._is_cut or (loss and self._random[direction].random() < loss):
                self._counts[f"{direction}_lost"] += 1
                return
            self._counts[f"{direction}_passed"] += 1
            late = self._delay + self._jitter * (self._random[direction].random() if self._jitter else 0)
            if late:
                self._number += 1
                heapq.heappush(self._late, (time.monotonic() + late, self._number, direction, frame))
            else:
                self._send(direction, frame)

    def _loss_of(self, direction, frame):
        """That of the packet's protocol, or of one of its ports, whichever is more."""
        protocol, ports = frame[23], 14 + (frame[14] & 15) * 4
        found = [None]
        if protocol in _PROTOCOLS["tcp"] + _PROTOCOLS["udp"]:
            found += [int.from_bytes(frame[at:at + 2], "big") for at in (ports, ports + 2)]
        return max(self._loss.get((direction, protocol, port), 0.0) for port in found)

    def _send(self, direction, frame):
        to = self._sockets["up" if direction == "down" else "down"]
        try:
            to.send(frame)
        except OSError:
            pass  # the interface goes down with the program, or its queue is full: lost

    def _accept(self, listener):
        client, _ = listener.accept()
        with client, client.makefile("rw") as lines:
            client.settimeout(1)
            try:
                reply = self._obey(lines.readline().split())
            except (ValueError, IndexError, KeyError) as error:
                reply = {"error": f"not a command: {error}"}
            except OSError:
                return  # it has changed its mind
            lines.write(json.dumps(reply) + "\n")

    def _obey(self, words):
        command, *arguments = words
        if command == "loss":
            fraction, protocol, direction = arguments + ["1", "all", "both"][len(arguments):]
            if not 0 <= float(fraction) <= 1:
                raise ValueError(f"a loss of {fraction}; it is 0 to 1")
            protocol, _, port = protocol.partition(":")
            for way in _DIRECTIONS[direction]:
                for number in _PROTOCOLS[protocol]:
                    self._loss[way, number, int(port) if port else None] = float(fraction)
        elif command == "delay":
            self._delay = float(arguments[0]) / 1000
            self._jitter = float(arguments[1]) / 1000 if len(arguments) > 1 else 0.0
        elif command == "cut":
            self._is_cut = True
            self._late.clear()
        elif command == "heal":
            self._heal()
        elif command != "stats":
            raise ValueError(command)
        return dict(self._counts)
