#!/bin/sh
# Makes what the tests in a virtual machine need, below target/vm, once for each version of the files it is made of:
#
#   guest/vmlinuz, guest/initrd, guest/root.squashfs   Debian trixie with systemd, every file system, Samba, an NFS server
#   system/...                                         the same of what a board's image consists of, without our own part
#   qemu                                               starts the emulator: the system's, or one out of Debian trixie
#
# Needs mmdebstrap and squashfs-tools (tests/setup.sh vm installs them) and Debian's packages. Nothing is installed.
set -eu

cd "$(dirname "$0")/../.."
target=${CARGO_TARGET_DIR:-target}
here=tests/vm
vm=$target/vm
suite=trixie

say() { printf 'vm: %s\n' "$*"; }

# Where this system gets Debian from has the other releases beside its own. Elsewhere mmdebstrap knows a place.
mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 'Origin: Debian' 'Label: Debian' 2>/dev/null |
    head -n 1)

# What a guest is made of: everything that this script reads.
made_of() { find "$here/build.sh" "$here/guest" -type f | LC_ALL=C sort | xargs sha256sum | sha256sum | cut -c1-16; }

# On the guest: an init, the agent that runs the tests' commands, what makes file systems, what serves shares, and what
# finds names by multicast and answers to them.
packages="systemd-sysv udev kmod mount iproute2 qemu-guest-agent busybox-static sqlite3 \
e2fsprogs fdisk dosfstools exfatprogs ntfs-3g btrfs-progs xfsprogs hfsprogs xorriso udftools cryptsetup-bin \
samba nfs-kernel-server cifs-utils avahi-daemon systemd-resolved libnss-resolve"
# On the board's system: what Buildroot puts on the image (board/common/fragments), and the agent.
system_packages="systemd-sysv udev kmod mount iproute2 qemu-guest-agent busybox-static sqlite3 \
e2fsprogs fdisk dosfstools nftables rauc rauc-service dbus-broker systemd-resolved libnss-resolve systemd-timesyncd tzdata"

# debian NAME PACKAGES: makes it.
debian() {
    name=$1 packages=$2
    key=$(made_of)
    [ "$(cat "$vm/$name/made-of" 2>/dev/null)" = "$key" ] && return 0
    say "making the $name out of Debian $suite (two minutes)"
    rm -rf "${vm:?}/$name" "$vm/$name.new"
    mkdir -p "$vm/$name.new"
    # shellcheck disable=SC2086
    mmdebstrap --variant=minbase --components=main,non-free --include="$(echo $packages | tr ' ' ,)" \
        --aptopt='Apt::Install-Recommends "false"' \
        --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' \
        --dpkgopt='path-exclude=/usr/share/locale/*' --dpkgopt='path-exclude=/usr/share/info/*' \
        --customize-hook="$here/guest/customize.sh \"\$1\" $here/guest $name" \
        --customize-hook="download /boot/vmlinuz $vm/$name.new/vmlinuz" \
        --customize-hook="download /boot/initrd $vm/$name.new/initrd" \
        --customize-hook='rm -rf "$1"/boot/*' \
        "$suite" - ${mirror:+"$mirror"} |
        mksquashfs - "$vm/$name.new/root.squashfs" -tar -comp lz4 -quiet -no-progress
    echo "$key" >"$vm/$name.new/made-of"
    mv "$vm/$name.new" "$vm/$name"
}

# The system's emulator where there is one. Else, since a Debian that took QEMU's tools from backports cannot install the
# emulator beside them, one out of trixie that runs from its own folder, with its own loader.
qemu() {
    if command -v qemu-system-x86_64 >/dev/null 2>&1; then
        ln -sfn "$(command -v qemu-system-x86_64)" "$vm/qemu"
        return 0
    fi
    tree=$vm/qemu-$suite
    [ -x "$vm/qemu" ] && [ -d "$tree" ] && return 0
    say "unpacking QEMU out of Debian $suite into $tree"
    rm -rf "$tree" "$tree.new"
    mmdebstrap --quiet --variant=extract --include=qemu-system-x86 "$suite" "$tree.new" ${mirror:+"$mirror"}
    mv "$tree.new" "$tree"
    cat >"$vm/qemu" <<EOF
#!/bin/sh
tree=\${0%/*}/${tree##*/}
exec "\$tree/usr/lib64/ld-linux-x86-64.so.2" --library-path "\$tree/usr/lib/x86_64-linux-gnu" \\
    "\$tree/usr/bin/qemu-system-x86_64" -L "\$tree/usr/share/qemu" -L "\$tree/usr/share/seabios" "\$@"
EOF
    chmod +x "$vm/qemu"
}

mkdir -p "$vm"
qemu
debian guest "$packages"
# The short form has no use for it.
[ "${SEMOIR_VM_TESTS:-}" = short ] || debian system "$system_packages"
