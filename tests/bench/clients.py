"""How Transmission and aria2 are told what to do: the same for seeders and leechers."""

import json
import os

ARIA2_QUIET = ("--enable-dht=false", "--enable-dht6=false", "--bt-enable-lpd=false", "--disable-ipv6=true", "--no-conf=true",
               "--file-allocation=none", "--summary-interval=0", "--show-console-readout=false", "--seed-ratio=0.0")


def transmission(home, content, ip, port, rpc, up=0):
    """A daemon with nothing in it yet; `up` is rounded to kB/s, the unit it knows. Its watch folder takes torrents."""
    watch = os.path.join(home, "watch")
    os.makedirs(watch, exist_ok=True)
    settings = {
        "bind-address-ipv4": ip, "bind-address-ipv6": "::1", "dht-enabled": False, "download-dir": content, "encryption": 0,
        "idle-seeding-limit-enabled": False, "incomplete-dir-enabled": False, "lpd-enabled": False, "peer-congestion-algorithm": "",
        "peer-limit-global": 5000, "peer-limit-per-torrent": 2000, "peer-port": port, "peer-port-random-on-start": False,
        "pex-enabled": True, "port-forwarding-enabled": False, "ratio-limit-enabled": False, "rename-partial-files": False,
        "rpc-authentication-required": False, "rpc-bind-address": "127.0.0.1", "rpc-host-whitelist-enabled": False,
        "rpc-port": rpc, "rpc-whitelist-enabled": False, "speed-limit-up": transmission_rate(up) // 1000,
        "speed-limit-up-enabled": bool(up), "start-added-torrents": True, "utp-enabled": False,
        "watch-dir": watch, "watch-dir-enabled": True,
    }
    with open(os.path.join(home, "settings.json"), "w", encoding="utf-8") as file:
        json.dump(settings, file)
    return ["transmission-daemon", "--foreground", "--config-dir", home]


def transmission_rate(rate):
    """What Transmission makes of a rate: whole kB/s."""
    return round(rate / 1000) * 1000


def aria2(content, port, torrents, up=0, more=()):
    return ["aria2c", *ARIA2_QUIET, f"--dir={content}", f"--listen-port={port}", f"--max-overall-upload-limit={int(up)}",
            f"--max-concurrent-downloads={len(torrents) + 1}", *more, *torrents]
