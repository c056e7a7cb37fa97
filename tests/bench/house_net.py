"""A house on a narrow line, in four network namespaces: an origin and a family behind a router, and the swarm beyond its uplink.

    origin 198.18.0.2 ----.
                           router -- uplink, narrow, a second of buffer -- 20 ms there and back -- tracker, leechers, echo
    family 198.18.2.2 ----'

The uplink is `tbf`, a rate and a queue that drops at its end, as home routers have.
"""

import swarm_net
from program import Failed, Program
from swarm_net import ORIGIN, TRACKER, TUN_QUEUE, Space, leecher_ip

FAMILY, ECHO_PORT = "198.18.2.2", 7777
# The router's addresses towards both.
TO_ORIGIN, TO_FAMILY = "198.18.9.1", "198.18.2.1"
# Seconds one way beyond the uplink; what the uplink keeps before it drops.
DISTANCE, BUFFER = 0.010, "burst 5kb latency 1000ms"


class HouseNet:
    """`rate` is the uplink's, bits per second. All that is sent over it is counted, in bytes of IP."""

    def __init__(self, log, rate, leechers, relay, congestion="cubic"):
        self.rate, self.device, self.frame, self.relay, self.spaces = rate, "far", 0, None, []
        try:
            self.origin, self.family, self.router, self.swarm = (self.space(log) for _ in range(4))
            addresses = [TRACKER] + [leecher_ip(index) for index in range(leechers)]
            self.lay_house(congestion)
            self.lay_far(log, relay, addresses, congestion)
            for space in (self.origin, self.family, self.swarm):
                space.run("sh", "-c", "echo 1 > /proc/sys/net/ipv4/tcp_no_metrics_save")
            self.router.run("sh", "-c", "echo 1 > /proc/sys/net/ipv4/ip_forward")
            self.router.run("sh", "-c", f"tc qdisc add dev uplink root tbf rate {rate}bit {BUFFER}")
        except BaseException:
            self.close()
            raise

    def space(self, log):
        space = Space(log)
        self.spaces.append(space)
        return space

    def lay_house(self, congestion):
        for space, device, own, gate in ((self.origin, "lan", ORIGIN, TO_ORIGIN), (self.family, "home", FAMILY, TO_FAMILY)):
            self.router.ip(f"link add {device} type veth peer name eth netns {space.holder.pid}", f"addr add {gate}/32 dev {device}",
                           f"link set {device} up", f"route add {own}/32 dev {device}")
            space.ip("link set lo up", f"addr add {own}/32 dev eth", "link set eth up", f"route add {gate}/32 dev eth",
                     f"route add default via {gate} src {own} congctl {congestion}")

    def lay_far(self, log, relay, addresses, congestion):
        self.relay = Program([relay, self.router.path, "uplink", self.swarm.path, "far", int(DISTANCE * 1e6)], log, talks=True)
        if self.relay.line() != "up":
            raise self.relay.failed("it does not come up")
        self.router.ip("addr add 198.19.0.1/24 dev uplink", f"link set uplink txqueuelen {TUN_QUEUE} up",
                       f"route add {TRACKER}/32 dev uplink", "route add 198.18.1.0/24 dev uplink")
        self.swarm.ip("link set lo up", *(f"addr add {ip}/32 dev far" for ip in addresses), f"link set far txqueuelen {TUN_QUEUE} up",
                      f"route add default dev far src {TRACKER} congctl {congestion}")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        if self.relay:
            self.relay.stop()
        for space in self.spaces:
            space.holder.stop()

    def sent(self):
        """Bytes of IP, and packets, that left over the uplink."""
        with open(f"/proc/{self.router.holder.pid}/net/dev", encoding="ascii") as devices:
            figures = next(line for line in devices if line.strip().startswith("uplink:")).split(":")[1].split()
        return int(figures[8]), int(figures[9])


def why_not():
    """Why no such house can be built here, or None."""
    if why := swarm_net.why_not():
        return why
    space = None
    try:
        space = Space("/dev/null")
        space.run("sh", "-c", "ip link add x type veth peer name y && tc qdisc add dev x root tbf rate 5mbit burst 5kb latency 1000ms")
    except Failed as failure:
        return f"there is no tbf here: {failure}"
    finally:
        if space:
            space.holder.stop()
    return None
