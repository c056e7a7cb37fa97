#!/usr/bin/env python3
"""A libtorrent client on loopback, driven by JSON lines on stdin, one answer a line on stdout.

    {"op": "start", "torrent": PATH | "magnet": URI, "dir": PATH, "ip": "127.x.y.z", "down": BYTES_PER_S, "up": BYTES_PER_S}
    {"op": "status"}   -> {"have", "total", "complete", "peers", "downloaded", "error"}
    {"op": "files"}    -> {"files": [path relative to dir, in the torrent's order]}
    {"op": "peer", "ip": IP, "port": N} -> {}: dials it
    {"op": "recheck"}  -> {}: reads the content from disk again
    {"op": "inspect", "torrent": PATH} -> {"info_hash", "piece_length", "pieces", "files"} or {"error"}; needs no start

Ends when stdin closes.
"""
import json
import sys

import libtorrent as lt


def session(ip, down, up):
    """DHT, LSD, port mapping and uTP off; encryption and everything else as libtorrent ships it."""
    ses = lt.session({
        "listen_interfaces": f"{ip}:0",
        "outgoing_interfaces": ip,
        "enable_dht": False,
        "enable_lsd": False,
        "enable_upnp": False,
        "enable_natpmp": False,
        "enable_incoming_utp": False,
        "enable_outgoing_utp": False,
        # Ask as often as the tracker allows, not every five minutes, and dial again at once: the other peer may be
        # unable to dial this one.
        "min_announce_interval": 1,
        "min_reconnect_time": 2,
        "allow_multiple_connections_per_ip": True,
        "download_rate_limit": down,
        "upload_rate_limit": up,
        "alert_mask": lt.alert.category_t.error_notification,
    })
    # Peers on 127/8 are put in a class of their own that knows no limits; here they belong to everybody's class.
    everyone = lt.ip_filter()
    everyone.add_rule("0.0.0.0", "255.255.255.255", 1 << lt.session.global_peer_class_id)
    ses.set_peer_class_filter(everyone)
    return ses


def start(request):
    ses = session(request["ip"], request["down"], request["up"])
    if "magnet" in request:
        params = lt.parse_magnet_uri(request["magnet"])
    else:
        params = lt.load_torrent_file(request["torrent"])
    params.save_path = request["dir"]
    params.flags &= ~(lt.torrent_flags.auto_managed | lt.torrent_flags.paused)
    return ses, ses.add_torrent(params)


def status(ses, torrent):
    for alert in ses.pop_alerts():
        print(alert.message(), file=sys.stderr, flush=True)
    now = torrent.status()
    return {
        "have": now.total_wanted_done,
        "total": now.total_wanted,
        "complete": now.is_seeding,
        "peers": now.num_peers,
        "downloaded": now.total_payload_download,
        "error": now.errc.message() if now.errc.value() else None,
    }


def layout(info):
    """The files of a torrent; libtorrent 2.0 calls it otherwise."""
    return info.layout() if hasattr(info, "layout") else info.files()


def files(torrent):
    storage = layout(torrent.torrent_file())
    return {"files": [storage.file_path(i) for i in range(storage.num_files())]}


def inspect(path):
    try:
        info = lt.load_torrent_file(path).ti
    except RuntimeError as error:
        return {"error": str(error)}
    storage = layout(info)
    return {
        "info_hash": str(info.info_hashes().v1),
        "piece_length": info.piece_length(),
        "pieces": info.num_pieces(),
        "files": [[storage.file_path(i), storage.file_size(i)] for i in range(storage.num_files())],
    }


def main():
    ses = torrent = None
    for line in sys.stdin:
        request = json.loads(line)
        op = request["op"]
        answer = {}
        if op == "start":
            ses, torrent = start(request)
        elif op == "status":
            answer = status(ses, torrent)
        elif op == "files":
            answer = files(torrent)
        elif op == "peer":
            torrent.connect_peer((request["ip"], request["port"]))
        elif op == "recheck":
            torrent.force_recheck()
        elif op == "inspect":
            answer = inspect(request["torrent"])
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
