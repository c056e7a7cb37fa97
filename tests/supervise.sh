#!/bin/sh
# Runs a program, and runs it again for as long as it ends with 75: how a box asks to be started again (systemd takes that
# for a failure and does the same). Every other end is the end.
#
#   supervise.sh PROGRAM [ARGUMENT]…

export SEMOIR_SUPERVISED=1
pid=
# Whoever ends us means the program.
trap '[ -z "$pid" ] || kill -TERM "$pid" 2>/dev/null' TERM INT HUP

status=75
while [ "$status" -eq 75 ]; do
    "$@" &
    pid=$!
    # A signal interrupts a wait, and the program may take a while to end.
    while :; do
        wait "$pid"
        status=$?
        kill -0 "$pid" 2>/dev/null || break
    done
done
exit "$status"
