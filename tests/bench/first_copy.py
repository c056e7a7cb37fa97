"""How much a capped origin has to send before a swarm owns the content: semoir beside libtorrent's super-seeding.

Copies are bytes of the TCP streams that the origin sent, over the content's size, by the link's own count: payload, and 0.1 to
0.3 % of protocol messages. The leechers' count of payload only checks it: one that completes closes its connections before it
can be asked what came through them. Time is in units of size/cap; semoir's cap counts all bytes of IP, so that it can reach
1.00 @ 1.04 at best, libtorrent's counts payload.
"""

import json
import os
import shutil
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass

import origins
import swarm_net
import table
from content import Content
from program import Failed, Program
from rows import ALL, FIRST, THREE, rows
from swarm_net import SwarmNet
from units import KIB, MIB, duration

PIECE = 512 * KIB
# A run ends after so many lengths of size/cap, and not before so many seconds.
PATIENCE, LEAST = 8, 60
# At the first full copy the leechers' count and the link's must agree, protocol messages and what is in flight aside.
PROTOCOL, FLIGHT = 0.02, 1 * MIB
# What a leecher that refuses to relay may have sent all the same.
REFUSED = 2 * MIB
# Seconds a run takes beside the transfer itself.
OVERHEAD = 8


@dataclass
class Bench:
    """What the options say."""

    origins: origins.Origins
    work: str
    relay: str
    runs: int
    size: int
    cap: int
    congestion: str
    anchors: list
    only: str


def chosen(bench):
    return [row for row in rows() if bench.only in row.name]


def players(bench, row):
    """Who takes turns in a row."""
    ours = ["semoir"] + (["semoir --generous"] if row.generous and bench.origins.generous else [])
    return ours + (bench.anchors or row.anchors)


def lasts(bench):
    """Seconds that all takes, about."""
    return sum(len(players(bench, row)) * bench.runs * (OVERHEAD + row.lasts * bench.size / bench.cap) for row in chosen(bench))


def run(bench, row, origin):
    """One run: the observer's result, with copies and times in it."""
    with tempfile.TemporaryDirectory(dir=bench.work, prefix="semoir-bench-") as work:
        content = Content(os.path.join(work, "seed"), bench.size, PIECE, tracker=swarm_net.ANNOUNCE)
        log, plan = os.path.join(work, "log"), os.path.join(work, "plan.json")
        with SwarmNet(log, len(row.peers), row.delay, bench.relay, bench.congestion) as net:
            ideal = bench.size / bench.cap
            with open(plan, "w", encoding="utf-8") as file:
                json.dump({"torrent": content.torrent, "folder": os.path.join(work, "swarm"), "pieces": content.pieces,
                           "peers": row.peers, "device": net.device, "frame": net.frame, "original": content.path,
                           "limit": max(PATIENCE * ideal, LEAST)}, file)
            command = [sys.executable, os.path.join(origins.HERE, "observer.py"), plan]
            with Program(command, os.path.join(work, "observer"), net.swarm.within, talks=True) as observer:
                observer.line()
                home = os.path.join(work, "home")
                with bench.origins.start(origin, content, home, swarm_net.ORIGIN, swarm_net.PEER_PORT, bench.cap, net.origin.within,
                                         swarm_net.ANNOUNCE) as program:
                    observer.line()
                    time.sleep(3)
                    program.check()
                    congestion = net.congestion()
                    result = json.loads(observer.line())
                    program.check()
                    keep_logs(work, row, origin, result)
    result.update(congestion=congestion, load=table.load())
    for event in result["events"].values():
        event["time"] = event["seconds"] / ideal
        event["copies"] = event["stream"] / bench.size
        event["wire"] /= bench.size
    return result


def keep_logs(work, row, origin, result):
    """SEMOIR_BENCH_LOGS=DIR keeps what origin and observer wrote, and the observer's result."""
    if kept := os.environ.get("SEMOIR_BENCH_LOGS"):
        to = os.path.join(kept, f"{row.name} {origin} {time.time():.0f}".replace("/", "-"))
        os.makedirs(to, exist_ok=True)
        for name in ("observer", "home/log", "log"):
            shutil.copy(os.path.join(work, name), os.path.join(to, name.replace("/", "-")))
        with open(os.path.join(to, "result.json"), "w", encoding="utf-8") as file:
            json.dump(result, file, indent=1)


class Figures:
    """The medians of one origin's runs of one row; an event that some run never saw has none."""

    def __init__(self, results, peers, size):
        self.results, self.peers, self.size, self.medians = results, peers, size, {}
        for event in (FIRST, THREE, ALL):
            seen = [result["events"][event] for result in results if event in result["events"]]
            if seen and len(seen) == len(results):
                self.medians[event] = {figure: statistics.median(one[figure] for one in seen)
                                       for figure in ("copies", "time", "wire")}

    def get(self, event, figure):
        return self.medians[event][figure] if event in self.medians else None

    def cell(self, event):
        its = self.medians.get(event)
        return f"{its['copies']:.3f} @ {its['time']:.2f}" if its else "never"

    def doubts(self):
        """What is wrong with the runs themselves."""
        for result in self.results:
            if result["wrong"]:
                yield f"{len(result['wrong'])} leechers say they have everything, and what they have is WRONG"
            for index, peer in enumerate(self.peers):
                if peer.get("refuses") and result["sent"].get(str(index), 0) > REFUSED:
                    yield f"the leecher that was to relay nothing relayed {result['sent'][str(index)] / MIB:.1f} MiB"
            first = result["events"].get(FIRST)
            if first and first["payload"] and not 0 <= first["stream"] - first["payload"] <= PROTOCOL * self.size + FLIGHT:
                yield f"the link's count is {first['stream'] / first['payload']:.3f} of the leechers' own"


def judge(goals, row, wanted, name, ours, anchors):
    for goal in wanted:
        value, what = ours.get(goal.event, goal.figure), f"{row.name}, {name}, {goal.event}, {goal.figure}"
        if goal.bound == float("inf"):
            goals.judge(f"{row.name}, {name}, {goal.event}", value is not None, f"{value:.2f}" if value else "never", "ever")
            continue
        if not goal.beside:
            goals.at_most(what, value, goal.bound, "{:.3f}" if goal.figure == "copies" else "{:.2f}")
            continue
        best = min((figure for anchor in anchors if (figure := anchor.get(goal.event, goal.figure)) is not None), default=None)
        if best is not None:
            goals.at_most(f"{what} beside the best anchor's", value and value / best, goal.bound)


def bench_row(bench, row, goals):
    names = players(bench, row)
    results = {name: [] for name in names}
    for turn in range(bench.runs):
        for name in names:
            table.progress(f"{row.name}: {origins.label(name)}, run {turn + 1} of {bench.runs}")
            try:
                results[name].append(run(bench, row, name))
            except Failed as failure:
                goals.judge(f"{row.name}, {name}: a run failed: {failure}", False, "failed", "none")
    figures = {name: Figures(its, row.peers, bench.size) for name, its in results.items()}
    for name, its in figures.items():
        seen = sorted({congestion for result in its.results for congestion in result["congestion"]})
        wire = its.get(ALL, "wire") or its.get(FIRST, "wire")
        table.row(row.name, origins.label(name), *(its.cell(event) for event in (FIRST, THREE, ALL)), f"{wire:.3f}" if wire else "",
                  ", ".join(seen) or "?", table.loads([result["load"] for result in its.results] or [table.load()]))
        for doubt in its.doubts():
            goals.judge(f"{row.name}, {name}: {doubt}", False, "a doubtful run", "none")
    anchors = [figures[name] for name in names if not name.startswith("semoir")]
    judge(goals, row, row.goals, "semoir", figures["semoir"], anchors)
    if "semoir --generous" in figures:
        judge(goals, row, row.generous, "semoir --generous", figures["semoir --generous"], anchors)


def main(bench, goals):
    table.head(f"First copies: {bench.size // MIB} MiB, pieces of {PIECE // KIB} KiB, cap {bench.cap / MIB:g} MiB/s",
               f"Copies sent @ time ÷ {bench.size / bench.cap:g} s, medians of {bench.runs} runs in turn; about "
               f"{duration(lasts(bench))}.",
               *(f"{row.name}: {row.note}." for row in chosen(bench) if row.note))
    if not bench.origins.generous:
        goals.note("this semoir has no --generous: its rows are left out")
    table.columns("leechers", "origin", "first full copy", "3 complete", "all complete", "IP bytes ÷ size at the end", "TCP",
                  "load")
    for row in chosen(bench):
        bench_row(bench, row, goals)
    goals.say()
