#!/bin/sh
# key.sh DIR: makes a key and its certificate in DIR, for signing updates, where there is none yet.
set -eu

dir=${1:?key.sh DIR}
[ ! -e "$dir/key.pem" ] || exit 0
mkdir -p "$dir"
umask 077
# Thirty years: boxes check the signature against it, and have no way to get another but an update.
openssl req -x509 -newkey rsa:3072 -nodes -days 10957 -subj "/CN=Semoir updates of one working copy" \
    -keyout "$dir/key.pem.new" -out "$dir/cert.pem" 2>/dev/null
mv "$dir/key.pem.new" "$dir/key.pem"
