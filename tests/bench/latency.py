"""What an origin without a cap does to a call on the same line: milliseconds added at a narrow uplink with a second of buffer, and
how much of the uplink is used.

Added is what a datagram of the call took beyond the median on the empty line; a lost one took as long as it was waited for.
"""

import json
import os
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass

import call_log
import house_net
import origins
import swarm_net
import table
from content import Content
from house_net import HouseNet
from link import Meter
from program import Failed, Program
from units import KIB, duration

LEECHERS = 6
PIECE = 256 * KIB
# What each leecher gives the others, bytes/s: little, so that they go on wanting.
UP = 64 * KIB
RATES = {"5 Mbit/s": 5_000_000, "20 Mbit/s": 20_000_000}
ANCHORS = ["lt", "lt-utp", "transmission"]

# Seconds: the call on the empty line; from the first bytes until an origin has found its rate; what a run costs beside.
EMPTY, SETTLES, OVERHEAD = 3, 30, 15

# Goals: milliseconds added, and the part of the line in use.
P95, USED = 25.0, 0.90


@dataclass
class Bench:
    origins: origins.Origins
    work: str
    relay: str
    runs: int
    seconds: int
    congestion: str
    anchors: list
    only: str


def plan_rows(bench):
    """Names of rates, rates and origins, in turn."""
    every = [(name, rate, origin) for name, rate in RATES.items() for origin in ["semoir"] + (bench.anchors or ANCHORS)]
    return [row for row in every if bench.only in f"{row[0]} {row[2]}"]


def lasts(bench):
    return len(plan_rows(bench)) * bench.runs * (EMPTY + SETTLES + bench.seconds + OVERHEAD)


def run(bench, rate, origin):
    """One origin on one line: what the call says, and the part of the line in use."""
    with tempfile.TemporaryDirectory(dir=bench.work, prefix="semoir-bench-") as work:
        # More than the line carries in the time.
        length = int(rate / 8 * (SETTLES + bench.seconds + 20)) // PIECE * PIECE
        content = Content(os.path.join(work, "seed"), length, PIECE, tracker=swarm_net.ANNOUNCE)
        with HouseNet(os.path.join(work, "log"), rate, LEECHERS, bench.relay, bench.congestion) as net, \
                call_log.Call(net, os.path.join(work, "call")) as call, Meter(net) as meter:
            base = call.base(EMPTY)
            with feed(net, content, work, "utp" in origin) as leechers:
                with bench.origins.start(origin, content, os.path.join(work, "home"), swarm_net.ORIGIN, swarm_net.PEER_PORT, 0,
                                         net.origin.within, swarm_net.ANNOUNCE) as program:
                    leechers.line()
                    program.wait("the leechers are served", lambda: meter.begins(rate / 8))
                    time.sleep(SETTLES)
                    begin = time.monotonic()
                    added = call.added(base, bench.seconds)
                    end = begin + bench.seconds
                    program.check()
            return added, meter.rate(begin, end) * 8 / rate


def feed(net, content, work, utp):
    """The leechers, which wait for the origin to announce itself."""
    plan = os.path.join(work, "plan.json")
    peer = {"kind": "libtorrent", "up": UP, "utp": utp}
    with open(plan, "w", encoding="utf-8") as file:
        json.dump({"torrent": content.torrent, "folder": os.path.join(work, "swarm"), "pieces": content.pieces, "device": net.device,
                   "peers": [peer] * LEECHERS, "frame": net.frame, "original": content.path, "limit": 3600}, file)
    program = Program([sys.executable, os.path.join(origins.HERE, "observer.py"), plan], os.path.join(work, "observer"),
                      net.swarm.within, talks=True)
    program.line()
    return program


def row(bench, name, rate, origin, goals):
    seen, loads = [], []
    for turn in range(bench.runs):
        table.progress(f"{name}: {origins.label(origin)}, run {turn + 1} of {bench.runs}")
        try:
            seen.append(run(bench, rate, origin))
        except Failed as failure:
            goals.judge(f"{name}, {origin}: a run failed: {failure}", False, "failed", "none")
        loads.append(table.load())
    if not seen:
        return
    p50, p95, most = (statistics.median(call_log.part(added, part) for added, _ in seen) for part in (0.5, 0.95, 1.0))
    used = statistics.median(used for _, used in seen)
    table.row(name, origins.label(origin), f"{p50:.1f}", f"{p95:.1f}", f"{most:.1f}", f"{100 * used:.1f} %", table.loads(loads))
    if origin == "semoir":
        goals.at_most(f"{name}, {origin}, 95 % of the call, ms added", p95, P95, "{:.1f}")
        goals.judge(f"{name}, {origin}, of the line in use", used >= USED, f"{100 * used:.1f} %", f"≥ {100 * USED:.0f} %")


def main(bench, goals):
    table.head(f"A call beside an origin without a cap: {LEECHERS} leechers, 20 ms away, {bench.congestion}",
               f"A second of buffer at the uplink; medians of {bench.runs} runs of {bench.seconds} s, once {SETTLES} s have passed; "
               f"about {duration(lasts(bench))}.")
    table.columns("uplink", "origin", "added, p50 ms", "p95", "most", "in use", "load")
    for name, rate, origin in plan_rows(bench):
        row(bench, name, rate, origin, goals)
    goals.say()


def why_not():
    return house_net.why_not()
