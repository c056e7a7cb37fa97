#!/bin/sh
# Installs what is missing, and says what it installs.
#
#   tests/setup.sh build    what `make run` and `make demo` need beside a Rust toolchain: a C compiler, node, npm
#   tests/setup.sh test     the clients and the test runner, libtorrent, the media, what makes network namespaces, and a router
#   tests/setup.sh bench    the clients, libtorrent, and what makes network namespaces
#   tests/setup.sh media    the media alone
#   tests/setup.sh browser  what the page's tests in a browser need
#   tests/setup.sh image    what makes and checks the image's parts, and what Buildroot asks of a computer
#   tests/setup.sh smoke    what boots the built image: QEMU for ARM, what makes a stick, libtorrent
#   tests/setup.sh vm       what makes the virtual machine, its guest, and the client that downloads from it
#
# Debian packages are installed by name (through sudo when not root); all else goes below target/.
set -eu

cd "$(dirname "$0")/.."
target=${CARGO_TARGET_DIR:-target}
missing=

say() { printf 'setup: %s\n' "$*"; }
fail() { printf 'setup: %s\n' "$*" >&2; exit 1; }
has() { command -v "$1" >/dev/null 2>&1; }

# need COMMAND PACKAGE: remembers the package when the command is not there.
need() {
    has "$1" || case " $missing " in *" $2 "*) ;; *) missing="$missing $2" ;; esac
}

as_root() {
    if [ "$(id -u)" -eq 0 ]; then "$@"
    elif has sudo; then sudo "$@"
    else fail "these Debian packages are missing, and there is no sudo to install them with:$missing"
    fi
}

install_missing() {
    [ -n "$missing" ] || return 0
    has apt-get || fail "these are missing, and this machine has no apt-get to install them with:$missing"
    say "installing from Debian:$missing"
    as_root apt-get update -qq
    # The list is made of package names above: it is meant to be split.
    # shellcheck disable=SC2086
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing >/dev/null
    missing=
}

# Whether node is at least 20.19, as web/package.json asks.
node_is_new_enough() {
    has node && node -e 'const [a, b] = process.versions.node.split(".").map(Number); process.exit(a > 20 || (a === 20 && b >= 19) ? 0 : 1)'
}

# Debian bookworm's node is 18, Vite 8 wants 20.19: npm's own package of node fills the gap, for this project only.
ensure_node() {
    PATH="$PWD/$target/node/node_modules/node/bin:$PATH"
    node_is_new_enough && return 0
    say "installing node 22 into $target/node with npm (the page's build needs node 20.19, here is $(node --version))"
    npm install --silent --no-fund --no-audit --prefix "$target/node" node@22
    node_is_new_enough || fail "node 22 did not install; install node 20.19 or newer and run this again"
}

build() {
    has cargo || fail "there is no Rust toolchain; install one (rustup, or Debian's rustc and cargo, 1.95 or newer) and run this again"
    need cc build-essential
    need npm npm
    need node nodejs
    install_missing
    ensure_node
}

# The Python that has libtorrent: our own environment, or the system's when it has it already.
libtorrent() {
    if "$target/venv/bin/python" -c 'import libtorrent' 2>/dev/null; then return 0; fi
    if python3 -c 'import libtorrent' 2>/dev/null; then return 0; fi
    say "installing libtorrent from PyPI into $target/venv"
    rm -rf "$target/venv"
    python3 -m venv "$target/venv" || fail "python3 cannot make a virtual environment; install python3-venv"
    "$target/venv/bin/python" -m pip install --quiet --disable-pip-version-check 'libtorrent>=2.0.9,<3'
    "$target/venv/bin/python" -c 'import libtorrent'
}

# Real films, music, sounds and pictures, out of three Debian packages: nothing of them is installed.
media() {
    media="$target/testdata/source/media"
    [ -d "$media" ] && return 0
    has apt-get || fail "the tests' media come from Debian packages, and this machine has no apt-get"
    say "fetching media from the Debian packages xine-ui, sound-theme-freedesktop, frozen-bubble-data"
    work="$target/testdata/packages"
    rm -rf "$work" && mkdir -p "$work"
    fetched=yes
    (cd "$work" && apt-get download -qq xine-ui sound-theme-freedesktop frozen-bubble-data 2>/dev/null) || fetched=no
    if [ "$fetched" = no ]; then
        as_root apt-get update -qq
        (cd "$work" && apt-get download -qq xine-ui sound-theme-freedesktop frozen-bubble-data)
    fi
    for package in "$work"/*.deb; do dpkg -x "$package" "$work/root"; done
    made="$work/media"
    mkdir -p "$made/films" "$made/sounds" "$made/music" "$made/pictures"
    find "$work/root" -type f \( -name '*.mpg' -o -name '*.mpv' \) -exec cp {} "$made/films/" \;
    find "$work/root" -type f -name '*.oga' -exec cp {} "$made/sounds/" \;
    find "$work/root" -type f -name '*.ogg' -exec cp {} "$made/music/" \;
    find "$work/root" -type f -path '*skins*' -name '*.png' -exec cp {} "$made/pictures/" \;
    for kind in films sounds music pictures; do
        [ -n "$(ls -A "$made/$kind")" ] || fail "the Debian packages hold no $kind any more; name others in tests/setup.sh"
    done
    mkdir -p "$(dirname "$media")"
    mv "$made" "$media"
    rm -rf "$work"
}

# The clients that tests and benches run beside ours.
clients() {
    build
    need transmission-daemon transmission-daemon
    need transmission-create transmission-cli
    need aria2c aria2
    need mktorrent mktorrent
    need python3 python3
    install_missing
    if ! "$target/venv/bin/python" -c 'import libtorrent' 2>/dev/null && ! python3 -c 'import libtorrent, ensurepip' 2>/dev/null; then
        python3 -c 'import ensurepip' 2>/dev/null || { missing=python3-venv; install_missing; }
    fi
    libtorrent
}

# What makes network namespaces, and a narrow line between them.
spaces() {
    need ip iproute2
    need tc iproute2
    need nsenter util-linux
}

# What makes file systems, and loop devices to mount them from. Some are in /usr/sbin, which is not in everybody's path.
drives() {
    PATH="$PATH:/usr/sbin:/sbin"
    need losetup mount
    need blkid util-linux
    need mkfs.ext4 e2fsprogs
    need mkfs.xfs xfsprogs
    need mkfs.btrfs btrfs-progs
    need mkfs.vfat dosfstools
    need mkfs.exfat exfatprogs
    need mkfs.ntfs ntfs-3g
}

# What the image's tests make its parts with; Buildroot itself builds its own.
image_parts() {
    PATH="$PATH:/usr/sbin:/sbin"
    need genimage genimage
    need rauc rauc
    need mtype mtools
    need mkfs.vfat dosfstools
    need mke2fs e2fsprogs
    need mksquashfs squashfs-tools
    need sfdisk fdisk
    need shellcheck shellcheck
    need openssl openssl
    need systemd-analyze systemd
    need nft nftables
}

# What a computer needs that builds the image (Buildroot's manual, "system requirements").
image() {
    build
    image_parts
    for pair in make:make gcc:build-essential g++:build-essential patch:patch perl:perl rsync:rsync cpio:cpio unzip:unzip \
        bc:bc file:file wget:wget git:git python3:python3 xz:xz-utils bzip2:bzip2; do
        need "${pair%%:*}" "${pair#*:}"
    done
    install_missing
}

bench() {
    spaces
    clients
}

# The test runner.
runner() {
    cargo nextest --version >/dev/null 2>&1 && return 0
    say "installing cargo-nextest (it is compiled: some minutes)"
    cargo install --quiet --locked cargo-nextest
}

tests() {
    spaces
    # A router of the house, and its packet filter.
    need miniupnpd miniupnpd-nftables
    need nft nftables
    drives
    image_parts
    clients
    runner
    media
}

browser() {
    build
    has chromium || need "${CHROMIUM:-chromium}" chromium
    install_missing
}

# What boots the image, and what is plugged into it and downloads from it.
smoke() {
    PATH="$PATH:/usr/sbin:/sbin"
    need qemu-system-aarch64 qemu-system-arm
    need mkfs.vfat dosfstools
    need mcopy mtools
    need sfdisk fdisk
    need python3 python3-venv
    install_missing
    libtorrent
}

# The machine's own parts go below target/vm; of Debian's packages only the tools that make them are installed.
vm() {
    clients
    runner
    need mmdebstrap mmdebstrap
    need mksquashfs squashfs-tools
    need mke2fs e2fsprogs
    # The board's system is put together by the image's own scripts.
    image_parts
    install_missing
    tests/vm/build.sh
}

case "${1:-}" in
    build) build ;;
    test) tests ;;
    bench) bench ;;
    media) media ;;
    image) image ;;
    smoke) smoke ;;
    browser) browser ;;
    vm) vm ;;
    *) fail "tests/setup.sh build|test|bench|media|image|smoke|browser|vm" ;;
esac
