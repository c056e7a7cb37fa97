#!/bin/sh
# check-kernel.sh BOARD CONFIG: whether all that the board's kernel fragments ask for is in the kernel's configuration, which
# drops what it does not know, or whose conditions are not met, with a warning that nobody reads.
set -eu

board=$1 config=$2
top=$(cd "$(dirname "$0")/../.." && pwd)
FAMILY=''
# shellcheck source=board/rpi4/meta
. "$top/board/$board/meta"

lost=$(cat "$top"/board/common/kernel/*.config "$top/board/${FAMILY:-$board}/kernel.config" | awk -v config="$config" '
    BEGIN { while ((getline line <config) > 0) has[line] = 1 }
    /^CONFIG_[A-Za-z0-9_]+=[^ ]/ {
        # What was asked for as a module may be in the kernel itself.
        built = $0; sub(/=m$/, "=y", built)
        if (!($0 in has) && !(built in has)) print
    }
    /^# CONFIG_[A-Za-z0-9_]+ is not set$/ { if (($2 "=y") in has || ($2 "=m") in has) print }
')
[ -z "$lost" ] || { printf 'the kernel of %s lost:\n%s\n' "$board" "$lost" >&2; exit 1; }
printf 'the kernel of %s has all that was asked for\n' "$board"
