# Chooses the slot, as RAUC's manual has it: the first of BOOT_ORDER with tries left, one of which this boot takes. The
# box gives the slot its tries back when it serves; three boots that did not get so far, and the other slot is next.
test -n "${BOOT_ORDER}" || setenv BOOT_ORDER "A B"
test -n "${BOOT_A_LEFT}" || setenv BOOT_A_LEFT 3
test -n "${BOOT_B_LEFT}" || setenv BOOT_B_LEFT 3

setenv slot
for candidate in "${BOOT_ORDER}"; do
  if test -n "${slot}"; then
    # The slot is chosen.
  elif test "${candidate}" = "A"; then
    if test ${BOOT_A_LEFT} -gt 0; then
      setexpr BOOT_A_LEFT ${BOOT_A_LEFT} - 1
      setenv slot A
      setenv folder slot-a
      setenv root 5e301a7e-02
    fi
  elif test "${candidate}" = "B"; then
    if test ${BOOT_B_LEFT} -gt 0; then
      setexpr BOOT_B_LEFT ${BOOT_B_LEFT} - 1
      setenv slot B
      setenv folder slot-b
      setenv root 5e301a7e-03
    fi
  fi
done

if test -n "${slot}"; then
  saveenv
  setenv bootargs "console=tty0 console=ttyAMA0,115200 root=PARTUUID=${root} rootfstype=squashfs ro rootwait fsck.repair=yes panic=10 quiet rauc.slot=${slot}"
  load virtio 0:1 ${kernel_addr_r} ${folder}/Image && booti ${kernel_addr_r} - ${fdt_addr}
  echo "slot ${slot} does not start"
else
  echo "no slot has a try left: both get three again"
  setenv BOOT_A_LEFT 3
  setenv BOOT_B_LEFT 3
  saveenv
fi
reset
