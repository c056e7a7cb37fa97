"""What connected peers cost: hundreds of plain sockets on one release that shake hands, introduce themselves as leechers with a
part of the content, say that they are interested, and ask for nothing.
"""

import os
import select
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import origins
import table
from content import Content
from sockets import connect, free_port, handshake, introduce
from units import KIB, MIB, duration

PIECE, SIZE = 256 * KIB, 256 * MIB
ANCHORS = ["lt", "transmission"]
IP = "127.0.0.1"
# The part of the content each peer has, and how much of it comes as HAVEs.
PART, HAVES = 0.3, 10
# How many dial at once (Transmission takes half a second to answer); seconds after the last of them, and of the measuring.
AT_ONCE, SETTLE, WATCH = 16, 10, 20
GOAL = 30 * KIB
# Fewer connected peers than this of those that dialled say nothing.
ENOUGH = 0.9


@dataclass
class Bench:
    origins: origins.Origins
    work: str
    peers: int
    anchors: list


def lasts(bench):
    return (1 + len(bench.anchors or ANCHORS)) * (SETTLE + WATCH + 15 + bench.peers * 0.02)


class Crowd:
    """Connected sockets; what comes in on them is read and forgotten."""

    def __init__(self):
        self.sockets, self.poll, self.ended = {}, select.epoll(), threading.Event()
        self.thread = threading.Thread(target=self.read)
        self.thread.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.ended.set()
        self.thread.join()
        for connection in list(self.sockets.values()):
            connection.close()
        self.poll.close()

    def join(self, address, content, index):
        """One more, from an address of its own: clients take one connection from an address only."""
        own = f"127.{1 + index // 250}.1.{1 + index % 250}"
        try:
            connection = connect(address, content.info_hash, own)
            if connection is None:
                return
            introduce(connection, content.pieces, PART, HAVES, 6881)
        except OSError:
            return
        connection.setblocking(False)
        self.sockets[connection.fileno()] = connection
        self.poll.register(connection, select.EPOLLIN)

    def read(self):
        while not self.ended.is_set():
            for fd, _ in self.poll.poll(0.2):
                connection = self.sockets.get(fd)
                try:
                    gone = connection is None or not connection.recv(1 << 16)
                except BlockingIOError:
                    gone = False
                except OSError:
                    gone = True
                if gone and connection:
                    self.poll.unregister(fd)
                    self.sockets.pop(fd).close()

    def connected(self):
        return len(self.sockets)


def measure(bench, content, origin):
    """Peers still connected at the end, bytes for each of them, the part of a processor used, the program's memory before."""
    with tempfile.TemporaryDirectory(dir=bench.work, prefix="semoir-bench-") as work:
        port = free_port(IP)
        with bench.origins.start(origin, content, os.path.join(work, "home"), IP, port) as program, Crowd() as crowd:
            program.wait("it serves the torrent", lambda: handshake((IP, port), content.info_hash), 120)
            program.settle()
            before = program.rss()
            with ThreadPoolExecutor(AT_ONCE) as dialling:
                list(dialling.map(lambda index: crowd.join((IP, port), content, index), range(bench.peers)))
            time.sleep(SETTLE)
            program.check()
            cpu, started = program.cpu(), time.monotonic()
            time.sleep(WATCH)
            used = (program.cpu() - cpu) / (time.monotonic() - started)
            program.check()
            connected = crowd.connected()
            return connected, (program.rss() - before) / max(1, connected), used, before


def main(bench, goals):
    table.head(f"{bench.peers} connected peers on one release",
               f"Each holds {PART:.0%} of {SIZE // PIECE} pieces and asks for none; about {duration(lasts(bench))}.")
    table.columns("seeder", "connected", "KiB for each", "CPU", "RSS before, MiB", "load")
    with tempfile.TemporaryDirectory(dir=bench.work, prefix="semoir-bench-") as work:
        content = Content(os.path.join(work, "seed"), SIZE, PIECE)
        for name in ["semoir"] + (bench.anchors or ANCHORS):
            table.progress(origins.label(name))
            connected, each, used, before = measure(bench, content, name)
            table.row(origins.label(name), connected, f"{each / KIB:.1f}", f"{used:.2%}", f"{before / MIB:.1f}",
                      f"{table.load():.1f}")
            if name == "semoir":
                enough = ENOUGH * bench.peers
                goals.judge("peers that stay connected", connected >= enough, connected, f"≥ {enough:.0f}")
                goals.at_most("KiB for each peer", each / KIB, GOAL / KIB, "{:.1f}")
    goals.say()
