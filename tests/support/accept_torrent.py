"""Loads a torrent with libtorrent and, given the folder its content lies in, has libtorrent check every piece.

    accept_torrent.py TORRENT [SAVE_PATH]      what libtorrent makes of the torrent
    accept_torrent.py --create SPEC            the info hash of libtorrent's own torrent

SPEC is a JSON file: {"root", "name", "files": [[path, length], ...], "piece_length", "private"}; paths lie below root, in
torrent order. Prints one JSON object; anything libtorrent refuses is an exception, and so a failure.
"""

import json
import sys
import tempfile
import time

import libtorrent as lt

# Seconds for one check; a check of a few hundred MiB takes one or two.
PATIENCE = 120

OFFLINE = {
    "listen_interfaces": "127.0.0.1:0",
    "enable_dht": False,
    "enable_lsd": False,
    "enable_upnp": False,
    "enable_natpmp": False,
    "alert_mask": lt.alert.category_t.error_notification,
}


def load(torrent):
    """The torrent's parameters, without its trackers: nothing here announces."""
    params = lt.load_torrent_file(torrent)
    trackers = list(params.trackers)
    params.trackers = []
    params.url_seeds, seeds = [], list(params.url_seeds)
    return params, trackers, seeds


def recheck(params, save_path):
    session = lt.session(OFFLINE)
    params.save_path = save_path
    params.flags &= ~(lt.torrent_flags.auto_managed | lt.torrent_flags.paused)
    params.flags |= lt.torrent_flags.upload_mode
    handle = session.add_torrent(params)
    handle.force_recheck()
    deadline = time.monotonic() + PATIENCE
    checking = (lt.torrent_status.states.checking_files, lt.torrent_status.states.checking_resume_data)
    status = handle.status()
    seen = False
    while time.monotonic() < deadline:
        status = handle.status()
        if status.state in checking:
            seen = True
        elif seen or status.progress == 1.0:
            break
        time.sleep(0.02)
    error = lt.alert.category_t.error_notification
    errors = [alert.message() for alert in session.pop_alerts() if alert.category() & error]
    return {
        "pieces_held": status.num_pieces,
        "progress": status.progress,
        "is_seeding": status.is_seeding,
        "errors": errors,
    }


def accept(torrent, save_path):
    params, trackers, seeds = load(torrent)
    info = params.ti
    files = info.files()
    report = {
        "info_hash": str(info.info_hashes().v1),
        "name": info.name(),
        "piece_length": info.piece_length(),
        "pieces": info.num_pieces(),
        "total": info.total_size(),
        "private": info.priv(),
        "trackers": trackers,
        "web_seeds": seeds,
        "files": [[files.file_path(i), files.file_size(i)] for i in range(files.num_files())],
    }
    if save_path is not None:
        report |= recheck(params, save_path)
    return report


def create(spec):
    with open(spec, encoding="utf-8") as file:
        spec = json.load(file)
    storage = lt.file_storage()
    for path, length in spec["files"]:
        storage.add_file(f"{spec['name']}/{path}" if path else spec["name"], length)
    torrent = lt.create_torrent(storage, spec["piece_length"], lt.create_torrent.v1_only)
    torrent.set_priv(spec["private"])
    lt.set_piece_hashes(torrent, spec["root"])
    with tempfile.NamedTemporaryFile(suffix=".torrent") as file:
        file.write(lt.bencode(torrent.generate()))
        file.flush()
        return {"info_hash": str(lt.load_torrent_file(file.name).ti.info_hashes().v1)}


def main(arguments):
    if arguments[0] == "--create":
        report = create(arguments[1])
    else:
        report = accept(arguments[0], arguments[1] if len(arguments) > 1 else None)
    json.dump(report, sys.stdout)


main(sys.argv[1:])
