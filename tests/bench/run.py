#!/usr/bin/env python3
"""The project's benches: semoir beside other programs, in the same run, as Markdown tables.

    tests/bench/run.py target/release/semoir [TABLE…] [options]

    create      making torrents (create.py, which has options of its own)
    first-copy  what an origin sends before a swarm owns the content
    cap         bytes on the wire against a cap, second by second; a cap that changes
    latency     what a family's call feels of an origin without a cap, on a narrow uplink
    cost        processor seconds for a GiB sent
    idle        a thousand torrents nobody asks for
    peers       five hundred connected peers
    scan        looking through a source of 100,000 files

All of them by default. first-copy, cap and latency make network namespaces, which needs root or a system that lets a user make
them; without, they are left out, which is said. Every goal is printed as met or MISSED; with --check a missed one makes
the exit status 1. --quick runs everything once, smaller: figures to look at, not to compare.
Needs Python 3.11, libtorrent (PyPI), transmission-daemon, aria2, iproute2: `tests/setup.sh bench` installs them.
"""

import argparse
import importlib.util
import os
import signal
import subprocess
import sys

import swarm_net
from program import Failed, allow_many_files
from units import GIB, MIB, size

TABLES = ("create", "first-copy", "cap", "latency", "cost", "idle", "peers", "scan")
# Set once this runs in a user namespace of its own.
IN_USER_SPACE = "SEMOIR_BENCH_IN_USER_SPACE"


def options():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("semoir", help="the release build of semoir")
    parser.add_argument("tables", nargs="*", metavar="TABLE", help=", ".join(TABLES))
    parser.add_argument("--runs", type=int, help="runs of each row of first-copy, latency and cost (3), and of create (5)")
    parser.add_argument("--anchors", type=lambda text: text.split(","), default=[], metavar="A,B",
                        help="instead of each table's own: lt, lt-ss, lt-utp, transmission, aria2")
    parser.add_argument("--check", action="store_true", help="exit status 1 when a goal is missed")
    parser.add_argument("--quick", action="store_true", help="everything once, smaller")
    parser.add_argument("--rows", default="", metavar="TEXT", help="first-copy, cap, latency: only rows with this in their name")
    parser.add_argument("--size", type=size, help="first-copy: bytes of content (128MiB)")
    parser.add_argument("--cap", type=size, default=4 * MIB, help="first-copy: the origin's cap, bytes/s (4MiB)")
    parser.add_argument("--seconds", type=int, help="cap, latency: how long each row lasts (45)")
    parser.add_argument("--cost-size", type=size, help="cost: bytes of content (4GiB)")
    parser.add_argument("--torrents", type=int, help="idle: how many (1000)")
    parser.add_argument("--peers", type=int, help="peers: how many (500)")
    parser.add_argument("--congestion", default="cubic", help="TCP congestion control in the namespaces (cubic)")
    parser.add_argument("--work", default="/dev/shm", help="where the files go; memory by default")
    asked = parser.parse_args()
    for name in asked.tables:
        if name not in TABLES:
            parser.error(f"there is no table {name}")
    small = {"runs": 1, "size": 32 * MIB, "seconds": 20, "cost_size": GIB, "torrents": 200, "peers": 200}
    usual = {"runs": 3, "size": 128 * MIB, "seconds": 45, "cost_size": 4 * GIB, "torrents": 1000, "peers": 500}
    asked.create_runs = asked.runs or (1 if asked.quick else 5)
    for name, value in (small if asked.quick else usual).items():
        if getattr(asked, name) is None:
            setattr(asked, name, value)
    asked.tables = [name for name in TABLES if not asked.tables or name in asked.tables]
    return asked


def find_libtorrent():
    """Goes on in the Python that tests/setup.sh installed libtorrent for, where this one has none."""
    if importlib.util.find_spec("libtorrent"):
        return
    target = os.environ.get("CARGO_TARGET_DIR") or os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "target")
    python = os.path.abspath(os.path.join(target, "venv", "bin", "python"))
    if not os.path.exists(python) or os.path.abspath(sys.executable) == python:
        sys.exit("there is no libtorrent for Python here; `tests/setup.sh bench` installs it")
    os.execv(python, [python, *sys.argv])


def become_root():
    """Goes on as the root of a user namespace, where namespaces cannot be made otherwise: what is made there is the user's."""
    if IN_USER_SPACE in os.environ or swarm_net.why_not() is None:
        return
    space = ["unshare", "--user", "--map-root-user"]
    if subprocess.run([*space, "--net", "true"], capture_output=True, check=False).returncode == 0:
        os.execvpe("unshare", [*space, sys.executable, *sys.argv], {**os.environ, IN_USER_SPACE: "1"})


def stop(*_):
    raise KeyboardInterrupt


def main():
    asked = options()
    find_libtorrent()
    become_root()
    allow_many_files()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, stop)
    # Only now: the tables import libtorrent.
    import tables
    sys.exit(tables.run(asked))


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit("stopped")
    except Failed as failure:
        sys.exit(str(failure))
