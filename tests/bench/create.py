#!/usr/bin/env python3
"""How fast `semoir create` hashes, beside mktorrent and transmission-create on the same files in the same run.

    tests/bench/create.py target/release/semoir [--size 4GiB] [--files 2000] [--piece 2MiB] [--runs 5] [--work DIR]

Two releases of --size bytes each, one file and --files files, are written to a temporary folder in --work and read once, so
that the page cache holds them and only the programs' own work is measured. The programs take turns, --runs times; the table
shows medians. Speed counts from start to exit; processor seconds are the kernel's own figures (wait4), and so is peak memory
(VmHWM, read every few milliseconds while the program runs: what wait4 says of memory includes this script's, before exec).
Prints a Markdown table, and says of each goal whether it is met; with --check the exit status is 1 when one is missed.
"""

import argparse
import os
import select
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

from units import size

GOALS = (
    ("speed beside mktorrent -t2", lambda ours, others: ours.speed / others["mktorrent -t2"].speed, ">=", 1.0),
    ("CPU s/GB beside transmission-create", lambda ours, others: ours.cpu / others["transmission-create"].cpu, "<=", 1.1),
    ("peak memory, MiB", lambda ours, others: ours.rss, "<=", 64.0),
)


class Figures:
    """Medians of one program's runs: GB/s, processor seconds per GB, peak MiB."""

    def __init__(self, runs, total):
        gigabytes = total / 1e9
        self.speed = statistics.median(gigabytes / wall for wall, _, _ in runs)
        self.cpu = statistics.median(cpu / gigabytes for _, cpu, _ in runs)
        self.rss = statistics.median(rss / 1024 for _, _, rss in runs)
        self.slowest = min(gigabytes / wall for wall, _, _ in runs)
        self.fastest = max(gigabytes / wall for wall, _, _ in runs)


def programs(semoir, piece):
    """What each program is called with, by name; mktorrent takes a power of two, transmission-create KiB."""
    return {
        "semoir": lambda path, out: [semoir, "create", path, "-o", out, "--piece-length", str(piece)],
        "mktorrent -t2": lambda path, out: ["mktorrent", "-t", "2", "-l", str(piece.bit_length() - 1), "-o", out, path],
        "transmission-create": lambda path, out: ["transmission-create", "-s", str(piece >> 10), "-o", out, path],
    }


# Seconds between two looks at a program's memory.
LOOK = 0.005


def high_water(pid):
    """The most memory a running program has held so far, KiB; 0 once it has ended."""
    try:
        with open(f"/proc/{pid}/status", encoding="ascii", errors="replace") as status:
            return next((int(line.split()[1]) for line in status if line.startswith("VmHWM:")), 0)
    except (FileNotFoundError, ProcessLookupError):
        return 0


def measure(command):
    with tempfile.TemporaryFile() as complaint:
        started = time.monotonic()
        # Popen returns after exec, so that what is looked at is the program's memory, not this script's.
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=complaint)
        exited = os.pidfd_open(process.pid)
        peak = 0
        try:
            while not select.select([exited], [], [], LOOK)[0]:
                peak = max(peak, high_water(process.pid))
        finally:
            os.close(exited)
        wall = time.monotonic() - started
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode != 0:
            complaint.seek(0)
            sys.exit(f"{command[0]} failed:\n{complaint.read().decode(errors='replace')}")
    return wall, usage.ru_utime + usage.ru_stime, peak


def write(path, length):
    """Bytes that no file system shares or packs."""
    with open(path, "wb", buffering=0) as file:
        while length > 0:
            length -= file.write(os.urandom(min(length, 8 << 20)))


def prepare(work, total, files):
    single = os.path.join(work, "single.bin")
    write(single, total)
    folder = os.path.join(work, "folder")
    for index in range(files):
        path = os.path.join(folder, f"{index % 20:02}")
        os.makedirs(path, exist_ok=True)
        # Sums to the total, in lengths that fit no piece.
        begin, end = (total * part // files for part in (index, index + 1))
        write(os.path.join(path, f"{index:05}.bin"), end - begin)
    return {"one file": single, f"{files} files": folder}


def warm(path):
    paths = [path] if os.path.isfile(path) else [os.path.join(d, f) for d, _, fs in os.walk(path) for f in fs]
    for path in paths:
        with open(path, "rb", buffering=0) as file:
            while file.read(8 << 20):
                pass


def bench(case, path, commands, total, runs, out):
    warm(path)
    samples = {name: [] for name in commands}
    for _ in range(runs):
        for name, command in commands.items():
            if os.path.exists(out):
                os.remove(out)
            samples[name].append(measure(command(path, out)))
    figures = {name: Figures(runs, total) for name, runs in samples.items()}
    ours = figures["semoir"]
    for name, its in figures.items():
        print(
            f"| {case} | {name} | {its.speed:.2f} ({its.slowest:.2f}-{its.fastest:.2f}) | {its.cpu:.3f} | {its.rss:.1f} "
            f"| {ours.speed / its.speed:.2f} | {ours.cpu / its.cpu:.2f} |"
        )
    return [(case, goal, value(ours, figures), sign, bound) for goal, value, sign, bound in GOALS]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("semoir", help="the release build of semoir")
    parser.add_argument("--size", type=size, default=size("4GiB"), help="bytes of each release")
    parser.add_argument("--files", type=int, default=2000)
    parser.add_argument("--piece", type=size, default=size("2MiB"))
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--work", default="/dev/shm", help="where the files go; memory by default")
    parser.add_argument("--check", action="store_true", help="exit status 1 when a goal is missed")
    arguments = parser.parse_args()
    for tool in ("mktorrent", "transmission-create"):
        if shutil.which(tool) is None:
            sys.exit(f"{tool} is not installed; Debian has it in mktorrent and transmission-cli")
    commands = programs(os.path.abspath(arguments.semoir), arguments.piece)
    with tempfile.TemporaryDirectory(dir=arguments.work, prefix="semoir-bench-") as work:
        print(f"{arguments.size >> 20} MiB, pieces of {arguments.piece >> 10} KiB, {os.cpu_count()} processors, "
              f"medians of {arguments.runs} runs\n")
        print("| release | program | GB/s (slowest-fastest) | CPU s/GB | peak MiB | our speed / its | our CPU / its |")
        print("|---|---|---|---|---|---|---|")
        verdicts = []
        out = os.path.join(work, "out.torrent")
        for case, path in prepare(work, arguments.size, arguments.files).items():
            verdicts += bench(case, path, commands, arguments.size, arguments.runs, out)
    print()
    missed = False
    for case, goal, value, sign, bound in verdicts:
        met = value >= bound if sign == ">=" else value <= bound
        missed |= not met
        print(f"- {case}: {goal}: {value:.2f} {sign} {bound}: {'met' if met else 'MISSED'}")
    sys.exit(missed and arguments.check)


main()
