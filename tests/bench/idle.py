"""What torrents cost that nobody asks for: memory for each, processor time, open files.

Each program runs twice, with one torrent and with all; what lies between the two is the torrents'. Nobody verifies content in
what is measured: a box has been restarted after hashing (its state before that has a row of its own), Transmission after
verifying, libtorrent and aria2 are told that the content is right. Some of the torrents are asked for by a peer's handshake,
so that a program which has lost them does not look thrifty.
"""

import os
import shutil
import tempfile
import time
from dataclasses import dataclass

import clients
import origins
import table
from box import Box
from content import Content
from program import Failed, Program
from sockets import free_port, handshake
from units import KIB, MIB, duration

LENGTH, PIECE = 64 * KIB, 64 * KIB
ANCHORS = ["transmission", "lt", "aria2"]
IP = "127.0.0.1"
# Seconds that processor time is counted over, and for a program to take in its torrents.
WATCH, BOUND = 30, 300
# How many are asked for.
ASKED = 10
MEMORY, CPU, FILES = 5 * KIB, 0.001, 0.1


@dataclass
class Bench:
    origins: origins.Origins
    work: str
    torrents: int
    anchors: list


@dataclass
class Figures:
    rss: int
    cpu: float
    files: int


def lasts(bench):
    anchors = bench.anchors or ANCHORS
    # Transmission verifies some ten torrents a second, however small.
    verifying = bench.torrents * 0.1 if "transmission" in anchors else 0
    return (2 + 2 * len(anchors)) * (15 + bench.torrents * 0.01) + (2 + len(anchors)) * WATCH + verifying


def look(program, address, hashes, watch):
    """The figures of a program that has nothing to do."""
    for info_hash in hashes[::max(1, len(hashes) // ASKED)]:
        program.wait("it serves every torrent", lambda: handshake(address, info_hash), BOUND)
    program.settle()
    cpu, started = program.cpu(), time.monotonic()
    time.sleep(watch)
    program.check()
    return Figures(program.rss(), (program.cpu() - cpu) / max(watch, time.monotonic() - started), program.files())


def semoir(bench, library, work, watch):
    """A box, after hashing and after a restart."""
    log, data = os.path.join(work, "log"), os.path.join(work, "data")
    count = len(library)
    for content in library:
        # A box leaves files alone that were written to a moment ago.
        os.utime(content.path, (0, 10 ** 9))

    def box():
        return Box(bench.origins.semoir, data, library[0].folder, log, IP)

    with box() as fresh:
        fresh.call("PATCH", "/settings", {"keep": True})
        releases = fresh.program.wait("the box seeds everything", lambda: fresh.seeded(count), BOUND, step=1)
        hashes = [bytes.fromhex(release["info_hash"]) for release in releases]
        hashed = look(fresh.program, fresh.peers, hashes, watch)
    with box() as again:
        again.program.wait("the box seeds everything again", lambda: again.seeded(count), BOUND, step=1)
        return hashed, look(again.program, again.peers, hashes, watch)


def anchor(bench, name, library, work, watch):
    port, folder = free_port(IP), library[0].folder
    torrents, hashes = [content.torrent for content in library], [content.info_hash for content in library]
    match name:
        case "lt":
            command = origins.libtorrent(IP, port, torrents, folder, verified=True)
        case "aria2":
            command = clients.aria2(folder, port, torrents, more=("--bt-seed-unverified=true", "--console-log-level=error"))
        case "transmission":
            command = clients.transmission(work, folder, IP, port, origins.RPC_PORT)
            verify(command, torrents, work)
        case _:
            raise Failed(f"idle knows no {name}")
    with Program(command, os.path.join(work, "log"), cwd=work, env={"HOME": work}) as program:
        return look(program, (IP, port), hashes, watch)


def verify(command, torrents, work):
    """Transmission takes the torrents in, verifies them, and ends."""
    for torrent in torrents:
        shutil.copy(torrent, os.path.join(work, "watch"))
    with Program(command, os.path.join(work, "log"), env={"HOME": work}) as program:
        program.wait("it seeds everything", lambda: origins.transmission_seeds(len(torrents)), BOUND, step=1)
    for left in os.listdir(os.path.join(work, "watch")):
        os.remove(os.path.join(work, "watch", left))


def library(folder, count):
    os.makedirs(os.path.join(folder, "torrents"))
    return [Content(os.path.join(folder, "files"), LENGTH, PIECE, f"{index:05}.bin", torrents=os.path.join(folder, "torrents"))
            for index in range(count)]


def measure(bench, name, count, watch):
    with tempfile.TemporaryDirectory(dir=bench.work, prefix="semoir-bench-") as work:
        contents, home = library(work, count), os.path.join(work, "home")
        os.makedirs(home)
        if name == "semoir":
            return semoir(bench, contents, home, watch)
        return (anchor(bench, name, contents, home, watch),)


def main(bench, goals):
    table.head(f"{bench.torrents} idle torrents of {LENGTH // KIB} KiB",
               f"Processor time over {WATCH} s; memory is RSS, with all of them less with one; about {duration(lasts(bench))}.")
    table.columns("seeder", "KiB for each", "CPU", "open files, with one", "with all", "RSS with one, MiB", "load")
    for name in ["semoir"] + (bench.anchors or ANCHORS):
        table.progress(origins.label(name))
        labels = ["semoir, just hashed", "semoir, restarted"] if name == "semoir" else [origins.label(name)]
        few, many = measure(bench, name, 1, 1), measure(bench, name, bench.torrents, WATCH)
        for what, one, all_ in zip(labels, few, many):
            each = (all_.rss - one.rss) / (bench.torrents - 1)
            table.row(what, f"{each / KIB:.1f}", f"{all_.cpu:.3%}", one.files, all_.files, f"{one.rss / MIB:.1f}",
                      f"{table.load():.1f}")
            if name == "semoir":
                goals.at_most(f"{what}, KiB for each torrent", each / KIB, MEMORY / KIB, "{:.1f}")
                goals.at_most(f"{what}, CPU, %", 100 * all_.cpu, 100 * CPU, "{:.3f}")
                goals.at_most(f"{what}, open files for each torrent", (all_.files - one.files) / bench.torrents, FILES)
    goals.say()
