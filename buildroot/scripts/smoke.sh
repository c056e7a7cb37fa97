#!/bin/sh
# smoke.sh BOARD [developer]: boots the image that `make image` built in QEMU, from its own disk, and claims the box with
# the code that it shows: power on, U-Boot, kernel, root, first boot, page. Says how long it took until the page was there.
# Only the board `qemu` is a machine that QEMU has whole.
set -eu

top=$(cd "$(dirname "$0")/../.." && pwd)
board=${1:-qemu} build=${2:-}
images=$top/target/image/$board${build:+-$build}/images
# A whole emulated boot on a busy computer; on an idle one it is half a minute.
patience=${SMOKE_SECONDS:-600}

say() { printf 'smoke: %s\n' "$*" >&2; }
fail() { say "$*"; [ ! -f "${work:-/nonexistent}/console" ] || tail -n 40 "$work/console" >&2; exit 1; }

[ "$board" = qemu ] || fail "QEMU has no machine that is a whole $board; BOARD=qemu is what can be booted"
[ -f "$images/semoir.img" ] || fail "there is no image: make image BOARD=$board"
command -v qemu-system-aarch64 >/dev/null || fail "there is no qemu-system-aarch64 (Debian's qemu-system-arm)"

work=$(mktemp -d)
qemu=''
trap '[ -z "$qemu" ] || kill "$qemu" 2>/dev/null || true; rm -rf "$work"' EXIT
trap 'exit 130' INT TERM

# A card of its own, larger than the image: the data partition has to grow.
cp --sparse=always "$images/semoir.img" "$work/card"
truncate -s 4G "$work/card"
# A free port of this computer's, which is asked for by binding it.
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')

started=$(date +%s)
# No way out but to this computer: `restrict` keeps the box off the network it has.
qemu-system-aarch64 -M virt -cpu cortex-a53 -smp 2 -m 512 -nographic -no-reboot \
    -bios "$images/u-boot.bin" \
    -drive "if=none,id=card,format=raw,file=$work/card" -device virtio-blk-pci,drive=card \
    -netdev "user,id=home,restrict=on,hostfwd=tcp:127.0.0.1:$port-:80" -device virtio-net-pci,netdev=home \
    -device qemu-xhci -device i6300esb -watchdog-action reset \
    -serial "file:$work/console" -monitor none >"$work/qemu" 2>&1 &
qemu=$!

page=http://127.0.0.1:$port/
until curl -fsS -m 5 -o /dev/null "$page" 2>/dev/null; do
    kill -0 "$qemu" 2>/dev/null || { cat "$work/qemu" >&2; fail "the machine ended before there was a page"; }
    [ $(($(date +%s) - started)) -lt "$patience" ] || fail "there is no page after $patience s"
    sleep 1
done
say "the page is there $(($(date +%s) - started)) s after power-on (load of this computer: $(cut -d ' ' -f 1 /proc/loadavg))"

code=$(grep -ao 'setup code [0-9A-Z-]*' "$work/console" | tail -n 1 | cut -d ' ' -f 3)
[ -n "$code" ] || fail "the console shows no setup code"
curl -fsS -m 30 -o "$work/claimed" -H 'Content-Type: application/json' -H "Origin: ${page%/}" \
    --data "{\"code\":\"$code\",\"password\":\"a password for the smoke test\"}" "${page}api/v1/box/claim" || fail "the box is not claimed with the code it shows"
say "claimed with the code on the console"
