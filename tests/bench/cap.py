"""What leaves a machine under a cap, counted by the kernel: eight hungry leechers, anchors beside ours, then ours under other caps,
and under one that changes while it runs.

Counted are bytes of IP: headers, ACKs and what is sent again are in it, the link's own framing (14 bytes a packet) is not, as
nobody's cap knows the link. Without segmentation offload, so that each packet counts its own headers.
"""

import json
import os
import sys
import tempfile
import time
from dataclasses import dataclass

import origins
import swarm_net
import table
from box import Box
from content import Content
from link import Meter
from program import Program
from swarm_net import SwarmNet
from units import KIB, MIB, duration

LEECHERS = 8
PIECE = 256 * KIB
ANCHORS = ["lt", "transmission", "aria2"]
SHARED = 1 * MIB
OURS = {"256 kbit/s": 32_000, "1 Mbit/s": 125_000, "8 Mbit/s": 1_000_000, "64 Mbit/s": 8_000_000, "no cap": 0}

# Seconds: a start has its own column, and the others begin after it; how long each cap stands that changes; how long
# "no cap" is watched at most.
START, STANDS, FREE = 5, 10, 10
CHANGES = {"1 MiB/s": MIB, "256 kbit/s": 32_000, "4 MiB/s": 4 * MIB, "1 MiB/s again": MIB, "none": None, "1 MiB/s after none": MIB}
# Content for "no cap": enough for FREE seconds on the link of a fast machine's namespaces, in copies of the leechers' own too.
FREE_SIZE = 1024 * MIB

# Goals, parts of the cap. "Not above it" leaves room for what a sample's edge is worth: 32 KiB of 20 MiB.
MEAN, TENS, ONES, BURST, OBEYED = (-0.02, 0.002), 0.02, 0.08, 0.10, 1.0
# The least rate at which anybody is asked to keep a tenth of a second's accuracy.
GOALS_FROM = 32_000


@dataclass
class Bench:
    origins: origins.Origins
    work: str
    seconds: int
    congestion: str
    anchors: list
    only: str


def plan_rows(bench):
    """Names of caps, caps and origins, in turn."""
    every = [("1 MiB/s", SHARED, name) for name in ["semoir"] + (bench.anchors or ANCHORS)]
    every += [(name, rate, "semoir") for name, rate in OURS.items()]
    return [row for row in every if bench.only in f"{row[0]} {row[2]}"]


def changes(bench):
    return "changed" if bench.only in "changed while running" else None


def lasts(bench):
    whole = sum((FREE if rate == 0 else bench.seconds) + 10 for _, rate, _ in plan_rows(bench))
    return whole + (len(CHANGES) * STANDS + 15 if changes(bench) else 0)


class Hungry:
    """A net, and leechers on it that want more than the origin may send; `up` is what each gives the others."""

    def __init__(self, bench, work, up):
        self.bench, self.work, self.up = bench, work, up
        self.net = SwarmNet(os.path.join(work, "log"), LEECHERS, congestion=bench.congestion)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.net.close()

    def feed(self, torrent, pieces, original, dial=None):
        """The leechers, which wait for the origin to announce itself, or dial it."""
        plan = os.path.join(self.work, "plan.json")
        with open(plan, "w", encoding="utf-8") as file:
            json.dump({"torrent": torrent, "folder": os.path.join(self.work, "swarm"), "pieces": pieces, "device": self.net.device,
                       "peers": [{"kind": "libtorrent", "up": self.up}] * LEECHERS, "frame": self.net.frame,
                       "original": original, "limit": 3600, "dial": dial}, file)
        program = Program([sys.executable, os.path.join(origins.HERE, "observer.py"), plan], os.path.join(self.work, "observer"),
                          self.net.swarm.within, talks=True)
        program.line()
        return program


def measure(bench, rate, origin):
    """One origin under one cap: the meter, when it began to send, and when the measuring ended."""
    with tempfile.TemporaryDirectory(dir=bench.work, prefix="semoir-bench-") as work:
        # More than the origin can send in the time, so that it never runs out of what nobody has.
        length = FREE_SIZE if rate == 0 else max(64 * PIECE, int(rate * (bench.seconds + 15) * 1.2) // PIECE * PIECE)
        content = Content(os.path.join(work, "seed"), length, PIECE, tracker=swarm_net.ANNOUNCE)
        with Hungry(bench, work, max(rate, 64 * KIB) if rate else 0) as hungry, Meter(hungry.net) as meter:
            with hungry.feed(content.torrent, content.pieces, content.path) as leechers:
                with bench.origins.start(origin, content, os.path.join(work, "home"), swarm_net.ORIGIN, swarm_net.PEER_PORT, rate,
                                         hungry.net.origin.within, swarm_net.ANNOUNCE) as program:
                    started = json.loads(leechers.line())["started"]
                    end = time.monotonic() + (FREE if rate == 0 else bench.seconds)
                    while time.monotonic() < end:
                        time.sleep(0.25)
                        program.check()
                        if rate == 0 and meter.bytes[-1] > length * 0.9:
                            break
                    end = time.monotonic() - 0.2
            return meter, started, end


def row(bench, name, rate, origin, goals):
    meter, started, end = measure(bench, rate, origin)
    cap = origins.rate_as_set(origin, rate) if rate else 0
    begun = meter.begins(cap or MIB) or end - START - 1
    silent = f"{max(0, begun - started):.1f} s"
    if not rate:
        low, high = meter.windows(begun + 0.5, end, min(1, end - begun - 0.6))
        table.row(name, origins.label(origin), f"{meter.rate(begun + 0.5, end) / MIB:.0f} MiB/s",
                  f"{low / MIB:.0f} … {high / MIB:.0f} MiB/s", "", "", silent, f"{table.load():.1f}")
        return
    steady = begun + START
    mean = meter.rate(steady, end) / cap - 1
    ones, tens = (meter.windows(steady, end, length) for length in (1, min(10, end - steady)))
    ones, tens = ([rate / cap - 1 for rate in window] for window in (ones, tens))
    # From before it began, so that its first bytes are in the first second.
    burst = meter.windows(begun - 1, steady, 1)[1] / cap - 1
    table.row(name, origins.label(origin), table.percent(mean), " … ".join(map(table.percent, ones)),
              " … ".join(map(table.percent, tens)), table.percent(burst), silent, f"{table.load():.1f}")
    if origin.startswith("semoir") and rate >= GOALS_FROM:
        goals.between(f"{name}, {origin}, mean", mean, mean, *MEAN)
        goals.between(f"{name}, {origin}, 10 s windows", *tens, -TENS, TENS)
        goals.between(f"{name}, {origin}, 1 s windows", *ones, -ONES, ONES)
        goals.at_most(f"{name}, {origin}, first seconds over the cap", burst, BURST, "{:.3f}")


def change(bench, goals):
    """One box whose owner changes the cap again and again."""
    length = (sum(rate or 0 for rate in CHANGES.values()) * STANDS * 2 + FREE_SIZE) // PIECE * PIECE
    with tempfile.TemporaryDirectory(dir=bench.work, prefix="semoir-bench-") as work, Hungry(bench, work, 64 * KIB) as hungry:
        content = Content(os.path.join(work, "source"), length, PIECE)
        # A box leaves files alone that were written to a moment ago.
        os.utime(content.path, (0, 10 ** 9))
        log = os.path.join(work, "box")
        with Box(bench.origins.semoir, os.path.join(work, "data"), content.folder, log, swarm_net.ORIGIN, hungry.net.origin) as box:
            names, rates = list(CHANGES), list(CHANGES.values())
            release = box.program.wait("the box seeds", lambda: box.seeded(1))[0]
            torrent = os.path.join(work, "box.torrent")
            with open(torrent, "wb") as file:
                file.write(box.raw("GET", f"/releases/{release['id']}/torrent"))
            with Meter(hungry.net) as meter, hungry.feed(torrent, release["pieces"], content.path, box.peers) as leechers:
                box.call("PATCH", "/settings", {"upstream_cap": rates[0], "keep": True})
                leechers.line()
                box.program.wait("the leechers are served", lambda: meter.begins(rates[0]))
                time.sleep(START)
                moments = []
                for index, rate in enumerate(rates):
                    # When the owner asks, not when he is answered.
                    moments.append(time.monotonic())
                    if index:
                        box.call("PATCH", "/settings", {"upstream_cap": rate})
                    # Content is finite: no cap stands for a moment only.
                    time.sleep(STANDS if rate else 2)
                    box.program.check()
                moments.append(time.monotonic())
    table.columns("from", "to", "obeyed after", "the second after the change", "from then on, 1 s windows", "load")
    for index in range(1, len(rates)):
        begin, until, rate = moments[index], moments[index + 1], rates[index]
        first = meter.rate(begin, begin + 1)
        if rate is None:
            table.row(names[index - 1], names[index], "", f"{first / MIB:.1f} MiB/s", "", f"{table.load():.1f}")
            continue
        took = meter.obeys(begin, until, rate, ONES)
        later = " … ".join(table.percent(one / rate - 1) for one in meter.windows(begin + (took or 0), until, 1))
        obeyed = "never" if took is None else f"{took:.2f} s"
        table.row(names[index - 1], names[index], obeyed, table.percent(first / rate - 1), later, f"{table.load():.1f}")
        goals.at_most(f"{names[index]}, obeyed after, s", took, OBEYED)


def main(bench, goals):
    if rows := plan_rows(bench):
        table.head(f"Wire bytes against a cap: {LEECHERS} hungry leechers",
                   f"{bench.seconds} s each, the first {START} s of sending in a column of their own; windows slide; about "
                   f"{duration(lasts(bench))}.")
        table.columns("cap", "origin", "mean", "worst 1 s windows", "worst 10 s windows", "highest of the first seconds",
                      "silent for", "load")
        for name, rate, origin in rows:
            table.progress(f"{name}: {origins.label(origin)}")
            row(bench, name, rate, origin, goals)
        goals.say()
    if changes(bench):
        table.head("A cap that changes while it runs: semoir serve",
                   f"Obeyed: every second from then on is within {100 * ONES:.0f} % of the new cap.")
        change(bench, goals)
        goals.say()
