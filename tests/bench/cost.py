"""What it costs to send: processor seconds for a GiB over loopback to one libtorrent leecher, under no cap, in turn.

Counted are the seeder's own threads, kernel time included, from the moment the leecher dials until it has everything, or
has had a minute (Transmission sends some 10 MiB/s to one peer, however idle the machine is); so is peak memory. Verifying the content before that is left out, receiving and hashing it is the leecher's.
"""

import os
import shutil
import statistics
import tempfile
import time
from dataclasses import dataclass

import leecher_libtorrent
import origins
import table
from content import Content
from sockets import free_port, handshake
from units import GIB, MIB, duration

PIECE = 2 * MIB
ANCHORS = ["aria2", "lt", "transmission"]
IP, LEECHER = "127.0.0.1", "127.0.0.2"
GOAL, BESIDE = 0.6, "aria2"
# What says something about a GiB.
LEAST = 8 * MIB
# Seconds a leecher has; for the estimate of how long all takes: for a GiB, and for a start.
LONGEST, PACE, START = 60, 5, 6


@dataclass
class Bench:
    origins: origins.Origins
    work: str
    runs: int
    size: int
    anchors: list


def lasts(bench):
    names = ["semoir"] + (bench.anchors or ANCHORS)
    return bench.runs * sum(START + (LONGEST if name == "transmission" else PACE * bench.size / GIB) for name in names)


@dataclass
class Sample:
    """Processor seconds and wall seconds for a GiB, peak memory in bytes."""

    cpu: float
    wall: float
    peak: int


def download(torrent, folder, port, program):
    """Fetches what one seeder gives in the time; seconds it took, and bytes of payload."""
    session = leecher_libtorrent.session(LEECHER, free_port(LEECHER))
    handle = leecher_libtorrent.add(session, torrent, folder)
    started = time.monotonic()
    handle.connect_peer((IP, port))
    while not (status := handle.status()).is_seeding and time.monotonic() - started < LONGEST:
        program.check()
        time.sleep(0.02)
    took = time.monotonic() - started
    session.remove_torrent(handle)
    if status.total_payload_download < LEAST:
        raise program.failed(f"the leecher got {status.total_payload_download >> 20} MiB in {took:.0f} s")
    return took, status.total_payload_download


def measure(bench, content, origin):
    with tempfile.TemporaryDirectory(dir=bench.work, prefix="semoir-bench-") as work:
        port = free_port(IP)
        with bench.origins.start(origin, content, os.path.join(work, "home"), IP, port) as program:
            program.wait("it serves the torrent", lambda: handshake((IP, port), content.info_hash), 120)
            program.settle(60)
            program.forget_peak()
            before = program.cpu()
            took, sent = download(content.torrent, os.path.join(work, "got"), port, program)
            return Sample((program.cpu() - before) / (sent / GIB), took / (sent / GIB), program.peak())


def main(bench, goals):
    # The content, and a leecher's copy.
    room = shutil.disk_usage(bench.work).free * 8 // 10 // 2
    size = min(bench.size, room) // PIECE * PIECE
    notes = [f"{size / GIB:.3g} GiB over loopback to one libtorrent leecher, medians of {bench.runs} runs in turn; about "
             f"{duration(lasts(bench))}."]
    if size < bench.size:
        notes.append(f"{bench.work} has no room for two copies of {bench.size / GIB:g} GiB.")
    table.head("What sending costs", *notes)
    names = ["semoir"] + (bench.anchors or ANCHORS)
    samples, loads = {name: [] for name in names}, {name: [] for name in names}
    with tempfile.TemporaryDirectory(dir=bench.work, prefix="semoir-bench-") as work:
        content = Content(os.path.join(work, "seed"), size, PIECE)
        for turn in range(bench.runs):
            for name in names:
                table.progress(f"{origins.label(name)}, run {turn + 1} of {bench.runs}")
                samples[name].append(measure(bench, content, name))
                loads[name].append(table.load())
    cpu = {name: statistics.median(sample.cpu for sample in its) for name, its in samples.items()}
    table.columns("seeder", "CPU s/GiB", f"beside {BESIDE}", "GiB/s", "peak RSS, MiB", "load")
    for name, its in samples.items():
        low, high = min(sample.cpu for sample in its), max(sample.cpu for sample in its)
        table.row(origins.label(name), f"{cpu[name]:.2f} ({low:.2f}-{high:.2f})",
                  f"{cpu[name] / cpu[BESIDE]:.2f}" if BESIDE in cpu else "",
                  f"{1 / statistics.median(sample.wall for sample in its):.2f}",
                  f"{statistics.median(sample.peak for sample in its) / MIB:.0f}", table.loads(loads[name]))
    if BESIDE in cpu:
        goals.at_most(f"CPU s/GiB beside {BESIDE}'s", cpu["semoir"] / cpu[BESIDE], GOAL)
    goals.say()
