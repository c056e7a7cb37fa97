#!/bin/sh
# Whether every symbol that a board's fragments ask for is still in the configuration that Buildroot makes of them: one
# that a newer release renamed, or whose conditions are not met, is dropped by it without a word.
#
# check-config.sh --against BUILDROOT            asks Buildroot itself
# check-config.sh --against BUILDROOT --record   and writes what it accepted to buildroot/accepted
# check-config.sh                                compares with buildroot/accepted: what was asked for and accepted then
set -eu

top=$(cd "$(dirname "$0")/../.." && pwd)
accepted=$top/buildroot/accepted
buildroot='' record=''
while [ $# -gt 0 ]; do
    case $1 in
        --against) buildroot=$(cd "$2" && pwd); shift ;;
        --record) record=yes ;;
        *) printf 'check-config.sh does not know %s\n' "$1" >&2; exit 2 ;;
    esac
    shift
done
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
boards=$("$top/buildroot/scripts/config.sh" --boards)
bad=0

# "BOARD LINE" of all that is asked for; a developer build is a board of its own here.
for board in $boards; do
    for build in release developer; do
        case $build in
            release) name=$board which='' ;;
            *) name=$board-$build which=$build ;;
        esac
        "$top/buildroot/scripts/config.sh" "$board" "$which" >"$work/$name.asked"
        sed "s/^/$name /" "$work/$name.asked" >>"$work/all"
    done
done

if [ -n "$buildroot" ]; then
    version=$(sed -n 's/^export BR2_VERSION := //p' "$buildroot/Makefile")
    for asked in "$work"/*.asked; do
        name=$(basename "$asked" .asked)
        mkdir "$work/$name"
        make -s -C "$buildroot" O="$work/$name" BR2_EXTERNAL="$top/buildroot" BR2_DEFCONFIG="$asked" defconfig >"$work/log" 2>&1 || {
            cat "$work/log"; exit 1
        }
        while IFS= read -r line; do
            case $line in
                \#*)
                    symbol=${line#\# } symbol=${symbol%% *}
                    ! grep -q "^$symbol=" "$work/$name/.config" && continue ;;
                *) grep -Fxq -e "$line" "$work/$name/.config" && continue ;;
            esac
            printf '%s: lost: %s\n' "$name" "$line"
            bad=1
        done <"$asked"
    done
    [ $bad -eq 0 ] || exit 1
    printf 'every symbol of every board is in the configuration of %s\n' "$version"
    [ -n "$record" ] || exit 0
fi

# One line for each thing asked for, with the boards that do: readable in a diff.
awk '{ board = $1; sub(/^[^ ]+ /, ""); boards[$0] = boards[$0] " " board }
     END { for (line in boards) print line "  <-" boards[line] }' "$work/all" | LC_ALL=C sort >"$work/now"
if [ -n "$record" ]; then
    {
        printf '# What the boards ask for, all of which Buildroot %s accepted. Written by check-config.sh --record.\n' "$version"
        cat "$work/now"
    } >"$accepted"
    exit 0
fi
grep -v '^# What' "$accepted" | diff - "$work/now" && exit 0
printf 'the fragments ask for something else than what Buildroot last accepted: check it with BUILDROOT=DIR make image-check\n' >&2
exit 1
