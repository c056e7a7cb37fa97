#!/usr/bin/env python3
"""Runs one swarm of leechers and its tracker in the swarm's namespace, and writes down when the swarm owns the content.

    observer.py PLAN        a JSON file:

    torrent, folder, pieces   what they fetch, where to, and how many pieces it has
    peers                     one object each: kind (libtorrent, transmission, aria2), up and down (bytes/s, 0: no limit),
                              joins (seconds), leaves (the part of the content it leaves with), refuses (relays next to nothing),
                              waited (whether "all" waits for it)
    device, frame             the link whose bytes are counted, and how much longer each is than in IP
    dial                      the origin's address, if it does not announce itself: an array of IP and port
    original                  the file to compare theirs with
    limit                     seconds until it gives up

Prints a line of JSON when the origin has announced itself (the start), and one with the result.
"""

import filecmp
import json
import os
import signal
import sys
import time
import traceback

import leecher_clients
import leecher_libtorrent
import swarm_net
from tracker import Tracker

KINDS = {"libtorrent": leecher_libtorrent.Leecher, "transmission": leecher_clients.Transmission, "aria2": leecher_clients.Aria2}

# Seconds between two looks at the swarm, and between two at what each has from the origin.
LOOK, COUNT = 0.1, 0.5
# Seconds for the origin to announce itself, verifying the content included; and after that, so that it has settled.
READY, SETTLE = 60, 1
# A TCP segment's headers with timestamps, without IP options: what is left of a packet is the stream.
HEADERS = 52


def say(**what):
    print(json.dumps(what), flush=True)


class Swarm:
    def __init__(self, plan):
        self.plan, self.all = plan, set(range(plan["pieces"]))
        self.leechers, self.gone, self.done, self.held = {}, set(), {}, {}
        self.events, self.payload = {}, {}
        self.started, self.before = time.monotonic(), self.link()

    def link(self):
        with open("/proc/self/net/dev", encoding="ascii") as devices:
            bytes_, packets = swarm_net.received(devices, self.plan["device"])
        return bytes_ - self.plan["frame"] * packets, packets

    def join(self, now):
        for index, peer in enumerate(self.plan["peers"]):
            if index not in self.leechers and now >= peer.get("joins", 0):
                folder = os.path.join(self.plan["folder"], str(index))
                os.makedirs(folder, exist_ok=True)
                self.leechers[index] = KINDS[peer["kind"]](index, peer, self.plan["torrent"], folder)
                if self.plan.get("dial"):
                    self.leechers[index].dial(*self.plan["dial"])

    def count(self):
        for index, leecher in self.leechers.items():
            if index not in self.gone:
                self.payload[index] = leecher.received()

    def look(self, now):
        for index, leecher in self.leechers.items():
            if index in self.gone or index in self.done:
                continue
            self.held[index], complete = leecher.look()
            leaves = self.plan["peers"][index].get("leaves")
            if complete:
                self.done[index] = round(now, 2)
            elif leaves and len(self.held[index]) >= leaves * len(self.all):
                self.payload[index] = leecher.received()
                leecher.leave()
                self.gone.add(index)
                self.held[index] = set()

    def event(self, name, now):
        if name not in self.events:
            self.count()
            bytes_, packets = (after - before for after, before in zip(self.link(), self.before))
            self.events[name] = {"seconds": now, "wire": bytes_, "stream": bytes_ - HEADERS * packets,
                                 "payload": sum(self.payload.values())}

    def complete(self, now):
        """Notes what has been reached, and says whether that is everything."""
        if set().union(*self.held.values()) == self.all:
            self.event("first", now)
        if len(self.done) >= min(3, len(self.plan["peers"])):
            self.event("three", now)
        waited = [index for index, peer in enumerate(self.plan["peers"]) if peer.get("waited", True)]
        if all(index in self.done for index in waited):
            self.event("all", now)
        return "all" in self.events

    def run(self):
        counted = 0
        while True:
            now = time.monotonic() - self.started
            self.join(now)
            self.look(now)
            if self.complete(now) or now > self.plan["limit"]:
                return
            if now - counted >= COUNT:
                counted = now
                self.count()
            time.sleep(max(0.01, LOOK - (time.monotonic() - self.started - now)))

    def wrong(self):
        """Those that say they have everything, and do not."""
        name = os.path.basename(self.plan["original"])

        def same(index):
            # libtorrent writes what it has verified a moment later.
            for _ in range(50):
                try:
                    if filecmp.cmp(self.plan["original"], os.path.join(self.plan["folder"], str(index), name), shallow=False):
                        return True
                except FileNotFoundError:
                    pass
                time.sleep(0.1)
            return False

        return [index for index in self.done if not same(index)]

    def stop(self):
        for leecher in self.leechers.values():
            leecher.stop()


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        plan = json.load(file)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    tracker = Tracker(swarm_net.TRACKER, swarm_net.TRACKER_PORT)
    say(tracker=True)
    deadline = time.monotonic() + READY
    while not plan.get("dial") and tracker.left.get(swarm_net.ORIGIN) != 0:
        if time.monotonic() > deadline:
            sys.exit("the origin has not announced itself")
        time.sleep(0.05)
    time.sleep(SETTLE)
    say(started=time.monotonic())
    swarm = Swarm(plan)
    try:
        swarm.run()
        sent = {index: leecher.sent() for index, leecher in swarm.leechers.items() if index not in swarm.gone}
        say(events=swarm.events, done=swarm.done, gone=sorted(swarm.gone), wrong=swarm.wrong(), sent=sent,
            held={index: len(held) for index, held in swarm.held.items()})
        status = 0
    except BaseException as error:
        status = 1
        if not isinstance(error, SystemExit):
            traceback.print_exc()
    swarm.stop()
    sys.stdout.flush()
    sys.stderr.flush()
    # libtorrent's sessions take seconds to end, which nobody waits for.
    os._exit(status)


main()
