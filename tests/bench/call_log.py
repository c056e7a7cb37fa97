"""The family's call in a house: its two ends, and what it took (see call.py)."""

import json
import os
import statistics
import sys

from house_net import ECHO_PORT
from program import Program
from swarm_net import TRACKER

CALL = [sys.executable, os.path.join(os.path.dirname(os.path.abspath(__file__)), "call.py")]
# Milliseconds that a lost datagram is taken to have been late by: as long as it is waited for.
LOST = 3000.0


class Call:
    def __init__(self, net, log):
        self.net, self.log = net, log
        self.echo = Program([*CALL, "echo", TRACKER, ECHO_PORT], log, net.swarm.within, talks=True)
        self.echo.line()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.echo.stop()

    def ring(self, seconds):
        with Program([*CALL, "ring", TRACKER, ECHO_PORT, seconds], self.log, self.net.family.within, talks=True) as ring:
            return json.loads(ring.line())

    def base(self, seconds):
        """The median on the empty line, ms."""
        took = self.ring(seconds)
        if None in took:
            raise self.echo.failed("the empty line loses datagrams")
        return statistics.median(took)

    def added(self, base, seconds):
        """What each datagram took beyond that, ms, in order of size."""
        return sorted(LOST if one is None else one - base for one in self.ring(seconds))


def part(values, share):
    """The value below which that part of the sorted values is."""
    return values[min(len(values) - 1, int(share * len(values)))]
