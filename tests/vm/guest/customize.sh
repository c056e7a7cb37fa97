#!/bin/sh
# Run by mmdebstrap on the unpacked guest: adds the kernel, an initial RAM disk, and the settings of the test.
#
#   customize.sh ROOT FOLDER guest|system
set -eu

root=$1
from=$2
kind=$3

# Finding names is left to systemd-resolved, which does not run here.
rm -f "$root/etc/resolv.conf"
cp /etc/resolv.conf "$root/etc/resolv.conf"

# The kernel by hand: its package would bring a generator of initial RAM disks, and a minute of its work.
kernel=$(chroot "$root" apt-cache depends linux-image-amd64 | sed -n 's/^ *Depends: \(linux-image-.*\)$/\1/p' | head -n 1)
(cd "$root/tmp" && chroot "$root" sh -c "cd /tmp && apt-get download -qq $kernel")
chroot "$root" sh -c 'dpkg-deb --fsys-tarfile /tmp/linux-image-*.deb | tar -C / -x --keep-directory-symlink && rm /tmp/linux-image-*.deb'
release=$(ls "$root/usr/lib/modules")
mv "$root/boot/vmlinuz-$release" "$root/boot/vmlinuz"

# The modules of machines that the guest is not.
modules=$root/usr/lib/modules/$release/kernel
keep() {
    dir=$1
    shift
    for entry in "$dir"/*; do
        wanted=no
        for name in "$@"; do [ "${entry##*/}" = "$name" ] && wanted=yes; done
        [ "$wanted" = yes ] || rm -rf "$entry"
    done
}
keep "$modules/drivers" block cdrom char hid input md net scsi usb virtio watchdog
keep "$modules/drivers/watchdog" i6300esb.ko.xz watchdog.ko.xz
keep "$modules/drivers/char" hw_random virtio_console.ko.xz
keep "$modules/drivers/net" dummy.ko.xz net_failover.ko.xz veth.ko.xz virtio_net.ko.xz
keep "$modules/drivers/scsi" scsi_mod.ko.xz scsi_common.ko.xz scsi_debug.ko.xz sd_mod.ko.xz sg.ko.xz sr_mod.ko.xz
keep "$modules/drivers/usb" common core host storage
keep "$modules/net" 802 bridge core dns_resolver ipv4 ipv6 key llc netfilter packet sched sunrpc unix
rm -rf "$modules/sound" "$modules/arch/x86/kvm" "$modules/arch/x86/events"
chroot "$root" depmod "$release"

# The initial RAM disk: a static shell and the modules that find the root.
case $kind in
    guest) init=init needed='virtio_pci virtio_blk virtio_net squashfs overlay ext4' ;;
    # The watchdog is in the kernel of a board.
    system) init=init-system needed='virtio_pci virtio_blk virtio_net squashfs ext4 i6300esb' ;;
esac
work=$root/tmp/initrd
mkdir -p "$work/bin" "$work/modules" "$work/dev" "$work/proc" "$work/sys" "$work/root"
cp "$root/usr/bin/busybox" "$work/bin/busybox"
cp "$from/$init" "$work/init"
chmod +x "$work/init"
for module in $needed; do
    chroot "$root" modprobe --set-version "$release" --show-depends "$module" |
        sed -n 's/^insmod \(.*\.ko.*\)$/\1/p'
done | awk '!seen[$1]++ { print $1 }' >"$root/tmp/modules"
while read -r file; do
    name=$(basename "$file" .xz)
    chroot "$root" busybox xz -dc "$file" >"$work/modules/$name"
    echo "$name" >>"$work/modules/order"
done <"$root/tmp/modules"
(cd "$work" && find . | LC_ALL=C sort | chroot "$root" sh -c 'cd /tmp/initrd && busybox cpio -o -H newc 2>/dev/null') |
    gzip -9 >"$root/boot/initrd"
rm -rf "$work" "$root/tmp/modules"

if [ "$kind" = system ]; then
    # What Buildroot's has not: its own way to log in, names of devices, what a user session needs. What starts is decided
    # when our part is laid over it (tests/vm/press.rs).
    for unit in getty.target systemd-binfmt.service proc-sys-fs-binfmt_misc.automount dev-hugepages.mount dev-mqueue.mount \
        sys-kernel-debug.mount sys-kernel-tracing.mount sys-kernel-config.mount sys-fs-fuse-connections.mount \
        modprobe@configfs.service modprobe@drm.service modprobe@efi_pstore.service modprobe@fuse.service \
        systemd-pcrphase.service systemd-user-sessions.service systemd-logind.service ldconfig.service systemd-sysusers.service \
        systemd-journal-catalog-update.service systemd-hwdb-update.service systemd-update-done.service \
        systemd-update-utmp.service systemd-update-utmp-runlevel.service; do
        ln -sf /dev/null "$root/etc/systemd/system/$unit"
    done
    ln -sf multi-user.target "$root/usr/lib/systemd/system/default.target"
    rm -rf "$root"/usr/lib/udev/hwdb.bin "$root"/usr/lib/udev/hwdb.d
    exit 0
fi

# What the test adds to the system: that nothing starts but the agent, what the overlay enables and what a test asks for.
# Debian has every service start that is installed, and much that a machine of this kind has no use for.
cp -R "$from/root/." "$root/"
chroot "$root" systemctl --quiet preset-all
ln -sf multi-user.target "$root/usr/lib/systemd/system/default.target"
for unit in getty.target systemd-binfmt.service proc-sys-fs-binfmt_misc.automount dev-hugepages.mount dev-mqueue.mount \
    sys-kernel-debug.mount sys-kernel-tracing.mount sys-kernel-config.mount sys-fs-fuse-connections.mount \
    modprobe@configfs.service modprobe@drm.service modprobe@efi_pstore.service modprobe@fuse.service \
    systemd-journal-flush.service systemd-random-seed.service systemd-pcrphase.service systemd-user-sessions.service \
    systemd-udev-load-credentials.service systemd-network-generator.service systemd-tmpfiles-clean.timer \
    systemd-networkd.service systemd-networkd.socket systemd-networkd-persistent-storage.service systemd-logind.service ldconfig.service \
    systemd-sysusers.service systemd-journal-catalog-update.service systemd-update-utmp.service systemd-update-utmp-runlevel.service; do
    ln -sf /dev/null "$root/etc/systemd/system/$unit"
done
# What a system does once after it was put together is done.
touch "$root/etc/.updated" "$root/var/.updated"
rm -rf "$root"/var/cache/apt/*.bin "$root"/var/lib/apt/lists/*
