#!/usr/bin/env python3
"""The image, as its owner meets it: power on, page, claim; a USB stick, a release shared, a client that downloads it and
finds it whole; the plug pulled, and the box its owner's still; an update from the page. Started by buildroot/scripts/smoke.sh, which makes the card.

    run.py WORK CARD BIOS BUNDLE [developer]

WORK is a folder for whatever is left behind, CARD the image on a larger disk, BIOS U-Boot, BUNDLE the update that was made with
the image: the same system, for the other slot. A developer build is asked from
inside too: how long it took to start, what it holds in memory, how much of the system its service could reach.
"""

import hashlib
import os
import re
import subprocess
import sys
import time

import libtorrent as lt

from machine import Failed, Machine
from owner import Owner, Refused

# Seconds that anything may take of a whole emulated boot on a busy computer; on an idle one it is half a minute.
PATIENCE = int(os.environ.get("SMOKE_SECONDS", "600"))
# Seconds to look at the idle box, and to count what it writes to its card. None by default.
IDLE = int(os.environ.get("SMOKE_IDLE_SECONDS", "0"))
# Seconds after which an idle box has settled: what the first start and the release had to write is written then.
SETTLE = 60

# What is on the stick: a folder of two files, of enough pieces that some are asked for in parallel.
RELEASE = "Concert in the barn"
FILES = {"first half.flac": 9_000_001, "second half.flac": 5_000_003}
STICK_MIB = 48
# Where the stick's only partition begins, in sectors of 512 bytes, as on sticks that are bought.
SECTORS = 2048
# Seconds after which what was given away is on the card, whatever happens (the ledger's pace, and some).
LEDGER = 15
# A second's work or less, in Python, of one processor.
ADDITIONS = 10_000_000
# What `systemd-analyze security` may find at most.
EXPOSURE = 2.0

SEEDING = ("spreading", "supporting", "retired")
SYSTEM_TOOLS = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"


def say(words):
    print(f"smoke: {words}", file=sys.stderr, flush=True)


def load():
    """Whose computer is slow says so beside each time that was measured."""
    return f"load of this computer: {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors"


def speed():
    """What times on different computers, and of the same one on different days, can be compared by."""
    begun, total = time.process_time(), 0
    for number in range(ADDITIONS):
        total += number
    return f"{ADDITIONS / 1e6:.0f} million additions take it {time.process_time() - begun:.2f} s"


def sum_of(path):
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def make_stick(work):
    """A stick with a FAT partition and the release on it. Its image, and the sum of each file."""
    content, image = os.path.join(work, RELEASE), os.path.join(work, "stick")
    os.mkdir(content)
    for name, size in FILES.items():
        with open(os.path.join(content, name), "wb") as file:
            file.write(os.urandom(size))
    with open(image, "wb") as file:
        file.truncate(STICK_MIB << 20)

    def run(command, **more):
        subprocess.run(command, check=True, env={**os.environ, "PATH": SYSTEM_TOOLS, "MTOOLS_SKIP_CHECK": "1"},
                       stdout=subprocess.DEVNULL, **more)
    run(["sfdisk", "-q", image], input=f"label: dos\n{SECTORS},,0c\n".encode())
    run(["mkfs.vfat", "-F", "32", "-s", "1", "-n", "HOLIDAY", "--offset", str(SECTORS), image])
    run(["mcopy", "-s", "-i", f"{image}@@{SECTORS * 512}", content, "::"])
    return image, {name: sum_of(os.path.join(content, name)) for name in FILES}


def download(machine, torrent, into):
    """A client on this computer downloads it from the box, with loopback between them, and checks every piece again."""
    session = lt.session({
        "listen_interfaces": "127.0.0.1:0", "outgoing_interfaces": "127.0.0.1", "enable_dht": False, "enable_lsd": False,
        "enable_upnp": False, "enable_natpmp": False, "enable_outgoing_utp": False, "enable_incoming_utp": False,
        "alert_mask": lt.alert.category_t.status_notification,
    })
    params = lt.load_torrent_file(torrent)
    # The box is told of by its address alone: its tracker's would be the one that it has in its own network.
    params.trackers, params.save_path = [], into
    params.flags &= ~(lt.torrent_flags.auto_managed | lt.torrent_flags.paused)
    handle = session.add_torrent(params)

    def whole():
        status = handle.status()
        if not status.is_seeding and status.num_peers == 0:
            handle.connect_peer(("127.0.0.1", machine.ports["peers"]))
        return status.is_seeding
    _, took = machine.wait("the client has all of it", PATIENCE, whole)
    session.pop_alerts()
    handle.force_recheck()
    machine.wait("the client looks at its files again", PATIENCE, lambda: any(
        isinstance(alert, lt.torrent_checked_alert) for alert in session.pop_alerts()))
    if not handle.status().is_seeding:
        raise Failed("the client's files are not what the torrent says")
    return took


def look_inside(machine):
    """What only a developer build tells."""
    machine.log_in(PATIENCE)
    machine.run("dmesg -n 1; export SYSTEMD_PAGER= SYSTEMD_COLORS=0")
    machine.wait("the box has started", PATIENCE, lambda: "running" in machine.run("systemctl is-system-running; true"))
    time.sleep(SETTLE)
    say("systemd-analyze:\n" + machine.run("systemd-analyze"))
    say("slowest units:\n" + machine.run("systemd-analyze blame | head -n 12"))
    say("memory:\n" + machine.run("free -m") + "\n" + machine.run(
        "grep -E '^Vm(HWM|RSS)|^Rss' /proc/$(systemctl show -P MainPID semoir)/status"))
    score = machine.run("systemd-analyze security semoir.service | tail -n 1")
    say(score)
    found = re.search(r"[0-9]+\.[0-9]", score)
    if not found or float(found[0]) > EXPOSURE:
        raise Failed(f"the service is more exposed than {EXPOSURE}: {score}")
    failed = machine.run("systemctl --failed --plain --no-legend")
    if failed.strip():
        raise Failed(f"units that failed: {failed}")


def nothing_failed(machine):
    """The console shows what did not come up, and nothing else (`quiet`)."""
    failed = re.findall(r"\[[^\n]*(?:FAILED|DEPEND)[^\n]*", machine.console())
    if failed:
        raise Failed(f"not all of it came up: {failed}")


def first_life(machine, owner, work, developer):
    """From a new card to a release that was given away once."""
    machine.wait("the page", PATIENCE, owner.has_page)
    say(f"the page is there {time.monotonic() - machine.started:.1f} s after power-on ({load()})")
    nothing_failed(machine)
    code, _ = machine.wait("the console shows a setup code", PATIENCE,
                           lambda: re.search(r"setup code ([0-9A-Z]+-[0-9A-Z]+)", machine.console()))
    owner.claim(code[1])
    say("claimed with the code on the console")

    stick, sums = make_stick(work)
    plugged = time.monotonic()
    machine.plug(stick)
    drive, took = machine.wait("the stick is there", PATIENCE, owner.drive)
    say(f"the stick is there after {took:.1f} s: {drive['name']} ({drive.get('file_system')})")
    release, _ = machine.wait("the stick's folder is listed", PATIENCE, lambda: owner.release(RELEASE))
    say(f"what is on it is listed {time.monotonic() - plugged:.1f} s after it was plugged in ({load()})")
    owner.api("POST", f"/releases/{release['id']}/share")
    release, took = machine.wait("it is given away", PATIENCE, lambda: owner.release(RELEASE, *SEEDING))
    say(f"shared, hashed and given away after {took:.1f} s: {release['size']} bytes ({load()})")

    torrent = os.path.join(work, "release.torrent")
    with open(torrent, "wb") as file:
        file.write(owner.torrent(release))
    got = os.path.join(work, "downloads")
    os.mkdir(got)
    took = download(machine, torrent, got)
    for name, wanted in sums.items():
        if sum_of(os.path.join(got, RELEASE, name)) != wanted:
            raise Failed(f"{name} is not what is on the stick")
    say(f"a client on this computer has it after {took:.1f} s, every piece and both files' sums right ({load()})")
    machine.wait("the box counts it", PATIENCE, lambda: owner.release(RELEASE)["payload_bytes"] >= release["size"])

    time.sleep(LEDGER)

    if developer:
        look_inside(machine)
    if IDLE:
        time.sleep(SETTLE)
        before, began = machine.written(), time.monotonic()
        time.sleep(IDLE)
        machine.check()
        hours = (time.monotonic() - began) / 3600
        count, orders = (after - was for after, was in zip(machine.written(), before))
        say(f"idle, with a page that nobody looks at, it wrote {count} bytes to its card in {IDLE} s, in {orders} orders: "
            f"{count / hours / 1024:.0f} KiB an hour")


def second_life(machine, owner):
    """After the plug was pulled."""
    machine.wait("the page, after the plug was pulled", PATIENCE, owner.has_page)
    say(f"after the plug was pulled the page is there {time.monotonic() - machine.started:.1f} s after power-on ({load()})")
    nothing_failed(machine)
    owner.sign_in()
    release, _ = machine.wait("the release is known", PATIENCE, lambda: next(
        (one for one in owner.overview()["releases"] if one["name"] == RELEASE), None))
    if release["payload_bytes"] < release["size"]:
        raise Failed(f"it has forgotten what it gave away: {release['payload_bytes']} of {release['size']} bytes")
    say("it is its owner's still, and knows what it gave away")


def update(machine, owner, bundle):
    """An altered update is refused; the whole one is sent, checked and installed, and the box starts again."""
    with open(bundle, "rb") as file:
        whole = file.read()
    # In the signature, which is at the end: `rauc info` sees that; what is altered elsewhere, the installation sees.
    altered = bytearray(whole)
    altered[-200] ^= 1
    status, said = owner.send_update(bytes(altered), PATIENCE)
    if status < 400 and said["state"] == "ready":
        raise Failed(f"an altered update is taken: {said}")
    begun = time.monotonic()
    status, said = owner.send_update(whole, PATIENCE)
    if status != 200 or said["state"] != "ready":
        raise Failed(f"the update is not taken: {status} {said}")
    sent = time.monotonic() - begun
    owner.api("POST", "/box/update/install")

    def installed():
        now = owner.system()["update"]
        if now.get("problem"):
            raise Failed(f"the update is not installed: {now}")
        return now["state"] == "installed"
    _, took = machine.wait("the update is installed", PATIENCE, installed)
    say(f"an altered update is refused; the whole one ({len(whole)} bytes) is sent and checked in {sent:.1f} s, "
        f"installed in {took:.1f} s ({load()})")
    owner.api("POST", "/box/power", {"action": "restart"})
    machine.wait_restart(PATIENCE)


def updated_life(machine, owner):
    """With the update, in the other slot."""
    machine.wait("the page, of the update", PATIENCE, owner.has_page)
    say(f"the update's page is there {time.monotonic() - machine.started:.1f} s after the restart ({load()})")
    nothing_failed(machine)
    owner.sign_in()

    def kept():
        last = owner.system().get("last") or {}
        if last.get("outcome") not in (None, "trying", "kept"):
            raise Failed(f"the update is not kept: {last}")
        return last.get("outcome") == "kept"
    machine.wait("the update is kept", PATIENCE, kept)
    slot = owner.system()["slot"]
    if slot != "B":
        raise Failed(f"the update is kept, and slot {slot} runs")
    say("the update is kept, in slot B")


def main():
    work, card, bios, bundle, *build = sys.argv[1:]
    machine = None
    say(f"of this computer: {speed()}")
    try:
        with Machine(work, card, bios) as machine:
            first_life(machine, Owner(machine.ports["page"], machine.ports["public"]), work, bool(build))
        with Machine(work, card, bios) as machine:
            owner = Owner(machine.ports["page"], machine.ports["public"])
            second_life(machine, owner)
            update(machine, owner, bundle)
        with Machine(work, card, bios) as machine:
            updated_life(machine, Owner(machine.ports["page"], machine.ports["public"]))
    except (Failed, Refused) as error:
        end = machine.console()[-4000:] if machine else ""
        sys.exit(f"{end}\nsmoke: {error}")
    say("passed")


if __name__ == "__main__":
    main()
