#!/usr/bin/env python3
"""Seeds with libtorrent until it is killed, as an anchor: prints READY when it does.

    seed_libtorrent.py {"ip": …, "port": …, "cap": …, "folder": …, "super": bool, "verified": bool, "utp": bool, "torrents": […]}
"""

import json
import sys
import time

import libtorrent as lt

import leecher_libtorrent

# Room for as many peers as a bench brings.
PEERS = 2000


def main():
    plan = json.loads(sys.argv[1])
    session = leecher_libtorrent.session(plan["ip"], plan["port"], plan["cap"], connections_limit=PEERS,
                                         **(leecher_libtorrent.UTP if plan["utp"] else {}))
    flags = lt.torrent_flags.super_seeding if plan["super"] else 0
    flags |= lt.torrent_flags.seed_mode if plan["verified"] else 0
    handles = [leecher_libtorrent.add(session, torrent, plan["folder"], flags) for torrent in plan["torrents"]]
    while not all(handle.status().is_seeding for handle in handles):
        time.sleep(0.1)
    print("READY", flush=True)
    while True:
        time.sleep(3600)


main()
