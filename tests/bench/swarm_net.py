"""Two network namespaces, an origin's and its swarm's, with one link between them that is counted and may be far away.

    origin, 198.18.0.2   <- veth, or two TUN devices with a relay between them ->   tracker 198.18.0.1, leechers 198.18.1.1 ...

All that the origin sends crosses the link, so the link's counters are the truth from outside; leechers talk to one
another over their loopback. 198.18/15 is for benchmarks (RFC 2544), and libtorrent lifts its limits for private networks.
The namespaces have no names: they live as long as a process that holds each, and those die with the bench.
"""

import ctypes
import os
import re
import socket
import subprocess
import threading

from program import Failed, LIBC, Program

ORIGIN, TRACKER, PEER_PORT, TRACKER_PORT = "198.18.0.2", "198.18.0.1", 6881, 6969
ANNOUNCE = f"http://{TRACKER}:{TRACKER_PORT}/announce"

CLONE_NEWNET = 0x40000000
# Packets that wait in a TUN device for the relay: it reads at once, so that this is only for when it is not scheduled.
TUN_QUEUE = 4000


def leecher_ip(index):
    return f"198.18.1.{index + 1}"


def why_not():
    """Why no namespaces can be made here, or None."""
    for tool in ("unshare", "nsenter", "ip", "ss"):
        if subprocess.run(["sh", "-c", f"command -v {tool}"], capture_output=True).returncode:
            return f"there is no `{tool}` here (Debian: util-linux, iproute2)"
    tried = subprocess.run(["unshare", "--net", "true"], capture_output=True, text=True)
    return None if tried.returncode == 0 else tried.stderr.strip() or "unshare --net fails"


class Space:
    """A network namespace of its own."""

    def __init__(self, log):
        self.holder = Program(["unshare", "--net", "sleep", "infinity"], log)
        self.path = f"/proc/{self.holder.pid}/ns/net"
        ours = os.readlink("/proc/self/ns/net")
        self.holder.wait("a network namespace", lambda: os.readlink(self.path) != ours, step=0.01)
        self.within = ("nsenter", f"--net={self.path}")

    def run(self, *command, text=None):
        done = subprocess.run([*self.within, *command], input=text, capture_output=True, text=True)
        if done.returncode:
            raise Failed(f"{' '.join(command)}: {done.stderr.strip()}\n{text or ''}")
        return done.stdout

    def ip(self, *lines):
        self.run("ip", "-batch", "-", text="".join(line + "\n" for line in lines))

    def counters(self, device):
        """Bytes and packets that came in through a device, as the kernel counts them."""
        with open(f"/proc/{self.holder.pid}/net/dev", encoding="ascii") as devices:
            return received(devices, device)

    def connect(self, address):
        """A socket of this namespace, for this process, which stays in its own."""
        made = []

        def inside():
            with open(self.path, "rb") as space:
                if LIBC.setns(space.fileno(), CLONE_NEWNET):
                    made.append(OSError(ctypes.get_errno(), "setns"))
                    return
            try:
                made.append(socket.create_connection(address, 10))
            except OSError as error:
                made.append(error)

        # The namespace is the thread's, and goes with it.
        thread = threading.Thread(target=inside)
        thread.start()
        thread.join()
        if isinstance(made[0], OSError):
            raise made[0]
        return made[0]


def received(lines, device):
    """Bytes and packets of one device, out of /proc/net/dev."""
    figures = next(line for line in lines if line.strip().startswith(device + ":")).split(":")[1].split()
    return int(figures[0]), int(figures[1])


class SwarmNet:
    """`origin` and `swarm` are the spaces; `device` is the swarm's end of the link, and each of its counted packets is
    `frame` bytes longer than it is in IP. No segment is counted as one packet: offload is off, or the kernel undoes it."""

    def __init__(self, log, leechers, delay=0, relay=None, congestion="cubic"):
        self.relay = None
        self.origin, self.swarm = Space(log), None
        try:
            self.swarm = Space(log)
            addresses = [TRACKER] + [leecher_ip(index) for index in range(leechers)]
            if delay:
                self.device, self.frame = "far", 0
                self.lay_far(log, relay, delay, addresses)
            else:
                self.device, self.frame = "near", 14
                self.lay_near(addresses)
            self.choose(congestion, "default" if delay else "198.18.0.0/15", addresses)
        except BaseException:
            self.close()
            raise

    def lay_near(self, addresses):
        self.swarm.ip(f"link add near type veth peer name uplink netns {self.origin.holder.pid}",
                      *(f"addr add {ip}/15 dev near" for ip in addresses), "link set near up gso_max_segs 1")
        self.origin.ip(f"addr add {ORIGIN}/15 dev uplink", "link set uplink up gso_max_segs 1")

    def lay_far(self, log, relay, delay, addresses):
        self.relay = Program([relay, self.origin.path, "uplink", self.swarm.path, "far", int(delay * 500_000)], log, talks=True)
        if self.relay.line() != "up":
            raise self.relay.failed("it does not come up")
        self.origin.ip(f"addr add {ORIGIN}/32 dev uplink", f"link set uplink txqueuelen {TUN_QUEUE} up gso_max_segs 1",
                       "route add default dev uplink")
        self.swarm.ip(*(f"addr add {ip}/32 dev far" for ip in addresses), f"link set far txqueuelen {TUN_QUEUE} up gso_max_segs 1",
                      "route add default dev far")

    def choose(self, congestion, link, addresses):
        """Sets the congestion control by route, which needs no sysctl that the system may hold back: of the link, and of
        what the leechers send one another. Where it cannot be set, `congestion()` says what ran instead."""
        for space, device, own in ((self.origin, "uplink", [ORIGIN]), (self.swarm, self.device, addresses)):
            space.ip("link set lo up")
            space.run("sh", "-c", "echo 1 > /proc/sys/net/ipv4/tcp_no_metrics_save")
            try:
                space.ip(f"route replace {link} dev {device} src {own[0]} congctl {congestion}",
                         *(f"route replace local {ip} dev {device} table local proto kernel src {ip} congctl {congestion}"
                           for ip in own))
            except Failed:
                pass

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        for program in (self.relay, self.swarm and self.swarm.holder, self.origin.holder):
            if program:
                program.stop()

    def sent(self):
        """Bytes of IP, and packets, that the origin has sent."""
        bytes_, packets = self.swarm.counters(self.device)
        return bytes_ - self.frame * packets, packets

    def congestion(self):
        """The congestion control of the origin's connections with peers, as the kernel says."""
        said = self.origin.run("ss", "-tinH", "state", "established")
        return sorted(set(re.findall(r"\b(cubic|bbr\d?|reno|vegas|westwood|dctcp|htcp|bic|illinois|lp)\b", said)))
