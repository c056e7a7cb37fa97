"""The rows of the table of first copies: which leechers come, and what is asked of our figures (data, no code)."""

from dataclasses import dataclass, field

from units import MIB

# Events: the swarm holds a full copy; three hold everything; all do (of uneven peers: all that the row waits for).
FIRST, THREE, ALL = "first", "three", "all"


@dataclass
class Goal:
    """`bound` on a figure, or, with `beside`, on its ratio to the best anchor's in the same run. Infinity: it comes about."""

    event: str
    figure: str
    bound: float
    beside: bool = False


@dataclass
class Row:
    name: str
    peers: list
    goals: list
    generous: list = None
    # Seconds of round trip between the origin and its swarm.
    delay: float = 0
    # Leechers whose end the row is about, where it is not all of them.
    note: str = ""
    # How long one run takes, in lengths of size/cap: for the estimate of how long all take.
    lasts: float = 2
    anchors: list = field(default_factory=lambda: ["lt-ss"])


def even(count, apart, up):
    return [{"kind": "libtorrent", "up": up, "joins": index * apart} for index in range(count)]


def firsts(copies, time):
    return [Goal(FIRST, "copies", copies), Goal(FIRST, "time", time)]


FAST = firsts(1.02, 1.09) + [Goal(THREE, "copies", 1.05), Goal(ALL, "copies", 1.10), Goal(ALL, "time", 1, beside=True)]
THRIFTY = firsts(1.02, 1.09) + [Goal(THREE, "copies", 1.10), Goal(ALL, "copies", 1.30), Goal(ALL, "time", 1.10, beside=True)]
GENEROUS = [Goal(ALL, "copies", 1, beside=True), Goal(ALL, "time", 1, beside=True)]

UNEVEN = [
    {"kind": "libtorrent", "up": 2 * MIB},
    {"kind": "libtorrent", "up": MIB // 16},
    {"kind": "libtorrent", "up": 2 * MIB, "refuses": True, "waited": False},
    {"kind": "libtorrent", "up": 2 * MIB},
    {"kind": "libtorrent", "up": 2 * MIB, "leaves": 0.5, "waited": False},
    {"kind": "libtorrent", "up": MIB // 16},
    {"kind": "libtorrent", "up": 2 * MIB, "down": MIB // 8, "waited": False},
    {"kind": "libtorrent", "up": 2 * MIB},
]


def rows():
    for up in (4, 2):
        for count, apart in ((8, 4), (20, 1.6)):
            for seconds, when in ((0, "at once"), (apart, f"one per {apart:g} s")):
                yield Row(f"{count} {when}, {up} MiB/s up", even(count, seconds, up * MIB), FAST if up == 4 else THRIFTY,
                          GENEROUS if up == 2 else None, lasts=1.6 if up == 4 else 2.3)
    yield Row("uneven", UNEVEN, firsts(1.10, 1.15) + [Goal(THREE, "copies", 1.20), Goal(ALL, "time", float("inf"))], lasts=4,
              note="8 at once: two upload 64 KiB/s, one downloads 128 KiB/s, one leaves at half, one relays next to nothing, the "
                   "others upload 2 MiB/s; \"all\" are the three fast and the two slow uploaders")
    mixed = [{"kind": kind, "up": 2 * MIB} for kind in ("transmission", "aria2") * 3]
    yield Row("Transmission and aria2", mixed, firsts(1.10, 1.20), lasts=3,
              note="3 and 3 at once, 2 MiB/s up, each asked over its RPC")
    yield Row("80 ms RTT", even(8, 0, 4 * MIB), firsts(1.05, 1.15), delay=0.08, lasts=1.8,
              note="8 at once, 4 MiB/s up, 80 ms between them and the origin, none among them")
