"""Transmission and aria2 as leechers, each a daemon of its own, asked over its RPC which pieces it holds."""

import base64
import os
import shutil

import clients
import rpc
import swarm_net
from program import Program

# Ports of their RPCs, on the loopback of the swarm's namespace.
RPC_PORT = 9100


def bits(field):
    return {index * 8 + bit for index, byte in enumerate(field) for bit in range(8) if byte & 128 >> bit}


class Daemon:
    """What both are to the observer. Neither says what it has of one peer, so that the link's count has to do."""

    def __init__(self, index, folder, command):
        self.rpc_port = RPC_PORT + index
        self.program = Program(command, os.path.join(folder, "log"), env={"HOME": folder})

    def look(self):
        self.program.check()
        try:
            return self.ask()
        except rpc.Unanswered:
            return set(), False

    def received(self):
        return 0

    def leave(self):
        self.program.stop()

    stop = leave


class Transmission(Daemon):
    def __init__(self, index, peer, torrent, folder):
        home = os.path.join(folder, "home")
        command = clients.transmission(home, folder, swarm_net.leecher_ip(index), swarm_net.PEER_PORT, RPC_PORT + index, peer["up"])
        shutil.copy(torrent, os.path.join(home, "watch"))
        super().__init__(index, folder, command)
        self.rpc = rpc.Transmission(self.rpc_port)

    def ask(self):
        """`pieces` are those it has verified."""
        for torrent in self.rpc.torrents("pieces", "leftUntilDone", "status", "sizeWhenDone"):
            done = torrent["leftUntilDone"] == 0 and torrent["sizeWhenDone"] > 0
            return bits(base64.b64decode(torrent["pieces"])), done
        return set(), False

    def sent(self):
        return sum(torrent["uploadedEver"] for torrent in self.rpc.torrents("uploadedEver"))


class Aria2(Daemon):
    def __init__(self, index, peer, torrent, folder):
        ip, port = swarm_net.leecher_ip(index), swarm_net.PEER_PORT + 1 + index
        more = (f"--interface={ip}", "--enable-rpc=true", f"--rpc-listen-port={RPC_PORT + index}", "--bt-save-metadata=false")
        super().__init__(index, folder, clients.aria2(folder, port, [torrent], peer["up"], more))
        self.rpc = rpc.Aria2(self.rpc_port)

    def ask(self):
        """A bit is set once the piece's hash was right."""
        for download in self.rpc.active("bitfield", "seeder"):
            return bits(bytes.fromhex(download.get("bitfield", ""))), download.get("seeder") == "true"
        return set(), False

    def sent(self):
        return sum(int(download["uploadLength"]) for download in self.rpc.active("uploadLength"))
