#!/bin/sh
# config.sh BOARD [developer]: prints the board's whole Buildroot configuration, put together from its fragments: what
# all boards have, then its family's, then its own, and last the file that EXTRA names, for what is one computer's alone: a
# mirror, a toolchain, how many jobs. A later line replaces an earlier one of the same symbol.
# config.sh --boards: prints the names of the boards.
set -eu

top=$(cd "$(dirname "$0")/../.." && pwd)

if [ "${1:-}" = --boards ]; then
    for meta in "$top"/board/*/meta; do basename "$(dirname "$meta")"; done
    exit
fi

board=${1:-}
if [ -z "$board" ] || [ ! -f "$top/board/$board/meta" ]; then
    printf 'there is no board "%s"; there are: %s\n' "$board" "$("$0" --boards | tr '\n' ' ')" >&2
    exit 1
fi
FAMILY=''
# shellcheck source=board/rpi4/meta
. "$top/board/$board/meta"

set -- "$top"/board/common/fragments/*.config \
    ${FAMILY:+"$top/board/$FAMILY/family.config"} \
    "$top/board/$board/board.config" \
    ${2:+"$top/board/common/$2.config"} \
    ${EXTRA:+"$EXTRA"}
awk '
    /^BR2_[A-Za-z0-9_]+=/ { name = $0; sub(/=.*/, "", name) }
    /^# BR2_[A-Za-z0-9_]+ is not set$/ { name = $2 }
    /^#/ && !/ is not set$/ || /^$/ { next }
    { if (!(name in line)) order[++count] = name; line[name] = $0 }
    END { for (i = 1; i <= count; i++) print line[order[i]] }
' "$@"
printf 'BR2_ROOTFS_POST_SCRIPT_ARGS="%s"\n' "$board"
