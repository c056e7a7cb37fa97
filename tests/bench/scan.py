"""How long it takes to look through a source of 100,000 files that is known and warm, beside `find` on the same files.

Two sources: one release of all the files, and a thousand releases of a hundred. The box lists them when it is new; what is
measured is the look after that, which is what every half minute and every drive that returns costs. It is timed from the
outside: one small file more is put beside them, the box is told to look, and the clock stops when it lists that one. `find`
prints path, size, time of change and inode of every file, which is what a look compares.
"""

import os
import statistics
import subprocess
import tempfile
import time
from dataclasses import dataclass

import origins
import table
from box import Box
from units import MIB

IP = "127.0.0.1"
FILES = 100_000
# Seconds a look may take; seconds until the first one is awaited; how often is looked whether it is done.
GOAL, BOUND, LOOK = 5.0, 600, 0.02
SHAPES = {"one release": (1, FILES), "1,000 releases": (1000, FILES // 1000)}


@dataclass
class Bench:
    origins: origins.Origins
    work: str
    runs: int


def lasts(bench):
    return len(SHAPES) * (60 + 10 * bench.runs)


def make(source, folders, files):
    for folder in range(folders):
        path = os.path.join(source, f"release {folder:04}")
        os.makedirs(path)
        for file in range(files):
            with open(os.path.join(path, f"track {file:06} of a longer name.flac"), "wb") as out:
                out.write(b"s")


def find(source):
    started = time.monotonic()
    with open(os.devnull, "wb") as nowhere:
        subprocess.run(["find", source, "-type", "f", "-printf", "%p %s %T@ %i\n"], stdout=nowhere, check=True)
    return time.monotonic() - started


def names(box):
    return {release["name"] for release in box.call("GET", "/overview")["releases"]}


def look(box, source, number):
    """Seconds from the order to look until what is new is listed, and the processor seconds of it."""
    name = f"new {number}"
    with open(os.path.join(source, name), "wb") as out:
        out.write(b"s")
    cpu, started = box.program.cpu(), time.monotonic()
    box.call("POST", "/sources/rescan")
    while name not in names(box):
        box.program.check()
        if time.monotonic() - started > BOUND:
            return BOUND, 0.0
        time.sleep(LOOK)
    return time.monotonic() - started, box.program.cpu() - cpu


def shape(bench, folders, files):
    with tempfile.TemporaryDirectory(dir=bench.work, prefix="semoir-scan-") as work:
        source, data = os.path.join(work, "source"), os.path.join(work, "data")
        make(source, folders, files)
        anchors = [find(source) for _ in range(bench.runs)]
        with Box(bench.origins.semoir, data, source, os.path.join(work, "log"), IP) as box:
            # What is not shared is looked at all the same, and nothing is hashed beside what is measured.
            (ours,) = [one for one in box.call("GET", "/overview")["sources"] if one["kind"] == "folder"]
            box.call("PATCH", f"/sources/{ours['id']}", {"auto_share": False})
            started = time.monotonic()
            box.program.wait("the box lists everything", lambda: len(names(box)) >= folders, BOUND, step=0.1)
            first = time.monotonic() - started
            box.program.settle()
            looks = [look(box, source, number) for number in range(bench.runs)]
            memory = box.program.rss()
    return anchors, first, looks, memory


def main(bench, goals):
    table.head("Looking through 100,000 files", "Warm, seconds; medians.")
    table.columns("source", "find", "first look", "look (slowest)", "CPU s", "look / find", "MiB after", "load")
    for name, (folders, files) in SHAPES.items():
        anchors, first, looks, memory = shape(bench, folders, files)
        anchor = statistics.median(anchors)
        took = statistics.median(seconds for seconds, _ in looks)
        slowest = max(seconds for seconds, _ in looks)
        cpu = statistics.median(cpu for _, cpu in looks)
        table.row(name, f"{anchor:.2f}", f"{first:.2f}", f"{took:.2f} ({slowest:.2f})", f"{cpu:.2f}", f"{took / anchor:.1f}",
                  f"{memory / MIB:.0f}", f"{table.load():.1f}")
        goals.at_most(f"{name}: seconds of a look", took, GOAL)
    goals.say()
