#!/bin/sh
# smoke.sh BOARD [developer]: boots the image that `make image` built in QEMU, from its own disk, and lives an owner's first
# hour with it: power on, U-Boot, kernel, root, first boot, page; claimed with the code that it shows; a USB stick plugged
# in, a release on it shared and downloaded by a client on this computer; the plug pulled, and on again; updated from its
# page. Says how long each took. tests/smoke/run.py does it; this makes the card. Only the board `qemu` is a machine that
# QEMU has whole.
#
# SMOKE_SECONDS is how long anything may take (600), SMOKE_IDLE_SECONDS how long to count what an idle box writes (0).
set -eu

top=$(cd "$(dirname "$0")/../.." && pwd)
board=${1:-qemu} build=${2:-}
images=$top/target/image/$board${build:+-$build}/images

fail() { printf 'smoke: %s\n' "$*" >&2; exit 1; }

[ "$board" = qemu ] || fail "QEMU has no machine that is a whole $board; BOARD=qemu is what can be booted"
[ -f "$images/semoir.img" ] || fail "there is no image: make image BOARD=$board"
command -v qemu-system-aarch64 >/dev/null || fail "there is no qemu-system-aarch64 (Debian's qemu-system-arm)"
# The one with libtorrent: tests/setup.sh smoke makes it where the system's own has none.
python=${CARGO_TARGET_DIR:-$top/target}/venv/bin/python
[ -x "$python" ] || python=python3

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM

# A card of its own, larger than the image: the data partition has to grow.
cp --sparse=always "$images/semoir.img" "$work/card"
truncate -s 4G "$work/card"
# Written, as a card is that was flashed: or else the box's first flush waits for all of it.
sync "$work/card"
"$python" "$top/tests/smoke/run.py" "$work" "$work/card" "$images/u-boot.bin" "$images/semoir.raucb" ${build:+"$build"}
