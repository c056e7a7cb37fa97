"""A libtorrent leecher, in the observer's process, and a libtorrent seeder's settings."""

import os

import libtorrent as lt

import swarm_net


def session(ip, port, up=0, **more):
    """A session that speaks plain TCP only, finds peers through its tracker only, and is never queued. 0: no limit."""
    return lt.session({**{
        "listen_interfaces": f"{ip}:{port}", "outgoing_interfaces": ip, "enable_dht": False, "enable_lsd": False,
        "enable_upnp": False, "enable_natpmp": False, "enable_outgoing_utp": False, "enable_incoming_utp": False,
        "out_enc_policy": 2, "upload_rate_limit": int(up), "aio_threads": 2, "alert_mask": 0,
        "announce_to_all_trackers": True, "active_limit": 5000, "active_seeds": 5000}, **more})


# uTP (BEP 29) and no TCP.
UTP = {"enable_outgoing_utp": True, "enable_incoming_utp": True, "enable_outgoing_tcp": False, "enable_incoming_tcp": False}


def add(session, torrent, folder, flags=0):
    parameters = lt.load_torrent_file(torrent)
    parameters.save_path = folder
    parameters.flags = parameters.flags & ~(lt.torrent_flags.auto_managed | lt.torrent_flags.paused) | flags
    return session.add_torrent(parameters)


# One that refuses to relay unchokes nobody, but for the one whom libtorrent unchokes whatever it is told; to him it sends so
# many bytes/s, which lets its HAVEs through and is less than half a piece in two minutes. With this limit alone it would hold
# up all others, who wait long for blocks that they have asked for.
REFUSES = {"choking_algorithm": 0, "unchoke_slots_limit": 0, "optimistic_unchoke_interval": 1 << 30}
REFUSING = 2 << 10


def refuse(session):
    """Lets a session send its fellow leechers next to nothing, and the origin what it likes."""
    others = session.create_peer_class("others")
    session.set_peer_class(others, {"upload_limit": REFUSING})
    there = lt.ip_filter()
    there.add_rule(swarm_net.leecher_ip(0), swarm_net.leecher_ip(253), 1 << others)
    session.set_peer_class_filter(there)


class Leecher:
    """`peer` is its row of the plan (see observer.py)."""

    def __init__(self, index, peer, torrent, folder):
        os.makedirs(folder, exist_ok=True)
        self.session = session(swarm_net.leecher_ip(index), swarm_net.PEER_PORT, peer["up"],
                               download_rate_limit=int(peer.get("down", 0)), **(REFUSES if peer.get("refuses") else {}),
                               **(UTP if peer.get("utp") else {}))
        if peer.get("refuses"):
            refuse(self.session)
        self.handle = add(self.session, torrent, folder)
        self.closed, self.now = 0, 0

    def dial(self, ip, port):
        self.handle.connect_peer((ip, port))

    def look(self):
        """The pieces it holds, verified, and whether those are all."""
        status = self.handle.status(lt.torrent_handle.query_pieces)
        return {index for index, held in enumerate(status.pieces) if held}, status.is_seeding or status.is_finished

    def received(self):
        """Payload bytes from the origin, as far as connections that are still there tell."""
        for peer in self.handle.get_peer_info():
            if peer.ip[0] == swarm_net.ORIGIN:
                # A lower figure than before is a new connection's.
                if peer.total_download < self.now:
                    self.closed += self.now
                self.now = peer.total_download
        return self.closed + self.now

    def sent(self):
        """Payload bytes to anybody."""
        return self.handle.status().total_payload_upload

    def leave(self):
        self.session.remove_torrent(self.handle)

    def stop(self):
        pass
