"""What the link does to packets, seen from both sides. Runs where scripts/netns leads."""
import os
import signal
import socket
import subprocess
import sys
import threading

import pytest

from waiting import wait_until

from . import Link

SERVER = "10.99.0.1"

# Behind the link: sends that many datagrams, at some distance, and says how many came back.
PINGER = """
import select, socket, sys, time
count, gap, wait = int(sys.argv[2]), float(sys.argv[3]), float(sys.argv[4])
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.connect(("10.99.0.1", int(sys.argv[1])))
back = []
def read_for(seconds):
    end = time.monotonic() + seconds
    while len(back) < count and select.select([s], [], [], max(0, end - time.monotonic()))[0]:
        back.append(int.from_bytes(s.recv(100), "big"))
print("started", flush=True)
sys.stdin.readline()
for n in range(count):
    s.send(n.to_bytes(4, "big"))
    read_for(gap)
read_for(wait)
print(len(back), back != sorted(back), flush=True)
"""


@pytest.fixture(autouse=True)
def network():
    assert "EGRESS_NETNS" in os.environ, "run this through scripts/netns"


@pytest.fixture
def echo():
    """The port of a server that sends datagrams back."""
    server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    server.bind((SERVER, 0))

    def run():
        while True:
            data, address = server.recvfrom(2000)
            if not data:
                return
            server.sendto(data, address)
    thread = threading.Thread(target=run)
    thread.start()
    yield server.getsockname()[1]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as end:
        end.sendto(b"", server.getsockname())
    thread.join()
    server.close()


@pytest.fixture
def link():
    with Link() as it:
        yield it


def start(link, code, *arguments):
    return subprocess.Popen([*link.wrapper, sys.executable, "-c", code, *map(str, arguments)],
                            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def ping(link, port, prepare=lambda: None, count=2000, gap=0.0005, wait=2.0):
    """(how many came back, whether some overtook others)"""
    program = start(link, PINGER, port, count, gap, wait)
    assert program.stdout.readline() == "started\n"
    prepare()
    out, _ = program.communicate("go\n", timeout=60)
    assert program.returncode == 0
    came, overtaken = out.split()
    return int(came), overtaken == "True"


def test_good_link_loses_nothing(link, echo):
    assert ping(link, echo) == (2000, False)


def test_loss(link, echo):
    came, _ = ping(link, echo, lambda: link.loss(0.05))
    assert 0.87 < came / 2000 < 0.93  # 5 % each way


def test_loss_of_one_protocol_one_way(link, echo):
    came, _ = ping(link, echo, lambda: link.loss(0.2, "udp", "up"))
    assert 0.76 < came / 2000 < 0.84
    assert ping(link, echo, lambda: link.loss(0.9, "tcp")) == (2000, False)


def test_loss_of_a_port(link, echo):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.bind((SERVER, 0))
        others = other.getsockname()[1]
    assert ping(link, echo, lambda: link.loss(1, f"udp:{others}"), count=50) == (50, False)
    assert ping(link, echo, lambda: link.loss(1, f"tcp:{echo}"), count=50) == (50, False)
    assert ping(link, echo, lambda: link.loss(1, f"udp:{echo}"), count=20, wait=0.3)[0] == 0


def test_loss_from_the_start(echo):
    with Link(first=["loss 1 udp", "delay 1"]) as link:
        assert ping(link, echo, count=20, wait=0.3)[0] == 0


def test_wrong_command(link):
    program = start(link, "import sys; sys.stdin.readline()")
    link.wait_up()
    with pytest.raises(ValueError):
        link.loss(1, "udp:x")
    program.communicate("\n", timeout=10)


def test_wrong_first_command():
    with Link(first=["dance"]) as link:
        done = subprocess.run([*link.wrapper, "true"], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "dance" in done.stderr


def test_statistics(link, echo):
    program = start(link, PINGER + "sys.stdin.read()", echo, 500, 0.0005, 0.2)
    assert program.stdout.readline() == "started\n"
    assert link.stats()["up_passed"] == 0
    link.loss(0.5, "udp", "up")
    program.stdin.write("go\n")
    program.stdin.flush()
    came = int(program.stdout.readline().split()[0])
    stats = link.stats()  # while the program waits for its input to end
    assert stats["up_passed"] == stats["down_passed"] == came
    assert stats["up_passed"] + stats["up_lost"] == 500
    assert stats["down_lost"] == 0
    program.communicate(timeout=10)


def test_cut_and_heal(link, echo):
    assert ping(link, echo, link.cut, count=20, gap=0.01, wait=0.3)[0] == 0
    assert ping(link, echo, lambda: (link.cut(), link.heal()), count=20)[0] == 20


def test_delay_and_jitter(link, echo):
    program = start(link, """
import select, socket, sys, time
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.settimeout(5)
s.connect(("10.99.0.1", int(sys.argv[1])))
sys.stdin.readline()
start = time.monotonic()
s.send(b"ping")
s.recv(100)
print(time.monotonic() - start)
""", echo)
    link.delay(100)
    out, _ = program.communicate("go\n", timeout=10)
    assert 0.2 <= float(out) < 0.5
    came, overtaken = ping(link, echo, lambda: link.delay(5, 40), count=300)
    assert came == 300 and overtaken


def test_tcp_survives_loss(link):
    with socket.create_server((SERVER, 0)) as server:
        program = start(link, """
import socket, sys
s = socket.create_connection(("10.99.0.1", int(sys.argv[1])))
sys.stdin.readline()
got = 0
while data := s.recv(65536):
    got += len(data)
print(got)
""", server.getsockname()[1])
        client, _ = server.accept()
        link.loss(0.02)
        program.stdin.write("go\n")
        program.stdin.flush()
        client.sendall(bytes(1_000_000))
        client.close()
        out, _ = program.communicate(timeout=60)
    assert int(out) == 1_000_000


def test_program_is_itself(link):
    program = start(link, "import os, sys, time; print(os.getpid(), flush=True); time.sleep(60)")
    assert int(program.stdout.readline()) == program.pid
    program.send_signal(signal.SIGTERM)
    assert program.wait(10) == -signal.SIGTERM


def test_link_ends_with_the_program(link):
    program = start(link, "import sys; sys.stdin.readline()")
    link.wait_up()
    name = f"link{program.pid}"
    assert _has_interface(name)
    program.communicate("\n", timeout=10)
    assert program.returncode == 0
    wait_until(lambda: not _has_interface(name), "its interface is gone", 10)


def _has_interface(name):
    return name in (interface for _, interface in socket.if_nameindex())


def test_several_at_once(echo):
    with Link() as one, Link() as other:
        first, second = (start(link, PINGER, echo, 200, 0.001, 1) for link in (one, other))
        assert first.stdout.readline() == second.stdout.readline() == "started\n"
        one.cut()
        results = [program.communicate("go\n", timeout=30)[0].split()[0] for program in (first, second)]
    assert results == ["0", "200"]


def test_wrong_commands(link):
    program = start(link, "import sys; sys.stdin.readline()")
    for words in (["loss", "2"], ["loss", "x"], ["loss", "0.1", "sctp"], ["delay"], ["dance"], []):
        with pytest.raises(ValueError):
            link.tell(*words)
    program.communicate("\n", timeout=10)


def test_program_that_is_not_there(link):
    done = subprocess.run([*link.wrapper, "/no/such/program"], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "no/such/program" in done.stderr
