"""All the tables, those left out and why, and how long they take."""

import os
import shutil
import subprocess
import sys

import cap
import cost
import first_copy
import idle
import latency
import peers
import scan
import swarm_net
import table
from origins import HERE, Origins
from program import Failed
from units import duration

IN_SPACES = ("first-copy", "cap", "latency")


def without(asked, tables):
    """Why a table cannot be made here, by name."""
    reasons = {}
    if why := swarm_net.why_not():
        why = f"it needs network namespaces: run it as root ({why})"
        reasons |= {name: why for name in IN_SPACES}
    elif "latency" in tables and (why := latency.why_not()):
        reasons["latency"] = why
    relay = os.path.join(os.path.dirname(asked.semoir), "examples", "relay")
    if not os.path.exists(relay):
        for name in ("first-copy", "latency"):
            reasons.setdefault(name, "the relay is not built: cargo build --release --example relay")
    for tool in ("transmission-daemon", "aria2c"):
        if shutil.which(tool) is None:
            reasons |= {name: f"there is no {tool} here; `tests/setup.sh bench` installs it" for name in tables if name not in ("create", "scan")}
    return relay, {name: why for name, why in reasons.items() if name in tables}


def create(asked):
    table.head("Making torrents")
    command = [sys.executable, os.path.join(HERE, "create.py"), asked.semoir]
    command += ["--runs", str(asked.create_runs), "--work", asked.work]
    command += ["--check"] if asked.check else []
    return subprocess.run(command + (["--size", "1GiB"] if asked.quick else []), check=False).returncode


def run(asked):
    """Prints every table asked for; the status to exit with."""
    relay, missing = without(asked, asked.tables)
    for name, why in missing.items():
        print(f"The table {name} is left out: {why}.")
    started = Origins(asked.semoir)
    goals = table.Goals()
    firsts = first_copy.Bench(started, asked.work, relay, asked.runs, asked.size, asked.cap, asked.congestion, asked.anchors,
                              asked.rows)
    caps = cap.Bench(started, asked.work, asked.seconds, asked.congestion, asked.anchors, asked.rows)
    latencies = latency.Bench(started, asked.work, relay, asked.runs, asked.seconds, asked.congestion, asked.anchors, asked.rows)
    costs = cost.Bench(started, asked.work, asked.runs, asked.cost_size, asked.anchors)
    idles = idle.Bench(started, asked.work, asked.torrents, asked.anchors)
    crowds = peers.Bench(started, asked.work, asked.peers, asked.anchors)
    scans = scan.Bench(started, asked.work, asked.runs)
    parts = {
        "create": (lambda: 20 * asked.create_runs, lambda: create(asked)),
        "first-copy": (lambda: first_copy.lasts(firsts), lambda: first_copy.main(firsts, goals)),
        "cap": (lambda: cap.lasts(caps), lambda: cap.main(caps, goals)),
        "latency": (lambda: latency.lasts(latencies), lambda: latency.main(latencies, goals)),
        "cost": (lambda: cost.lasts(costs), lambda: cost.main(costs, goals)),
        "idle": (lambda: idle.lasts(idles), lambda: idle.main(idles, goals)),
        "peers": (lambda: peers.lasts(crowds), lambda: peers.main(crowds, goals)),
        "scan": (lambda: scan.lasts(scans), lambda: scan.main(scans, goals)),
    }
    tables = [name for name in asked.tables if name not in missing]
    print(f"Tables: {', '.join(tables) or 'none'}; about {duration(sum(parts[name][0]() for name in tables))}, "
          f"{os.cpu_count()} processors, load {table.load():.1f}.", flush=True)
    failed = 0
    for name in tables:
        try:
            failed |= parts[name][1]() or 0
        except Failed as failure:
            failed = 1
            goals.say()
            print(f"\nThe table {name} ends here: {failure}", flush=True)
    if goals.missed:
        print(f"\n{goals.missed} goals were missed.")
    return 1 if failed or (asked.check and goals.missed) else 0
