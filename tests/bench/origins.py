"""What seeds in a bench: semoir and its anchors, each started on the same content, each under the same cap."""

import json
import os
import shutil
import subprocess
import sys

import clients
import rpc
from program import Program

HERE = os.path.dirname(os.path.abspath(__file__))
# Transmission's RPC, where one of them runs at a time: in a namespace of its own, or on a machine that has it free.
RPC_PORT = 9099

NAMES = {"lt": "libtorrent", "lt-utp": "libtorrent, uTP", "lt-ss": "libtorrent, super-seeding", "transmission": "Transmission", "aria2": "aria2"}


def label(name):
    return NAMES.get(name, name)


def rate_as_set(name, rate):
    """The cap a program makes of the one it is given."""
    return clients.transmission_rate(rate) if name == "transmission" else rate


class Origins:
    """Starts them. `semoir` is the binary; its arguments beyond the usual stand in the name: `semoir --generous`."""

    def __init__(self, semoir):
        self.semoir = os.path.abspath(semoir)
        said = subprocess.run([self.semoir, "seed", "--help"], capture_output=True, text=True, check=True)
        self.generous = "--generous" in said.stdout

    def start(self, name, content, home, ip, port, cap=0, within=(), tracker=None):
        """One program with one torrent, not yet waited for: its announce says that it is ready. `cap`: bytes/s, 0 for none."""
        os.makedirs(home, exist_ok=True)
        program, *more = name.split()
        match program:
            case "semoir":
                command = [self.semoir, "seed", content.folder, "--torrent", content.torrent, "--listen", f"{ip}:{port}", "--keep",
                           "--offline", "--no-dht", "--json", "--state", os.path.join(home, "state"), *more]
                command += ["--cap", str(cap)] if cap else []
                command += ["--tracker", tracker] if tracker else []
            case "lt" | "lt-ss" | "lt-utp":
                command = libtorrent(ip, port, [content.torrent], content.folder, cap, program == "lt-ss", utp=program == "lt-utp")
            case "transmission":
                command = clients.transmission(home, content.folder, ip, port, RPC_PORT, cap)
                shutil.copy(content.torrent, os.path.join(home, "watch"))
            case "aria2":
                command = clients.aria2(content.folder, port, [content.torrent], cap, ("--check-integrity=true",))
            case _:
                raise ValueError(f"nobody here is called {name}")
        return Program(command, os.path.join(home, "log"), within, cwd=home, env={"HOME": home})


def libtorrent(ip, port, torrents, folder, cap=0, super_seeding=False, verified=False, utp=False):
    plan = {"ip": ip, "port": port, "cap": cap, "folder": folder, "super": super_seeding, "verified": verified,
            "utp": utp, "torrents": torrents}
    return [sys.executable, os.path.join(HERE, "seed_libtorrent.py"), json.dumps(plan)]


def transmission_seeds(count):
    """Whether the Transmission on RPC_PORT seeds so many torrents."""
    try:
        return sum(torrent["status"] == 6 for torrent in rpc.Transmission(RPC_PORT).torrents("status")) >= count
    except rpc.Unanswered:
        return False
