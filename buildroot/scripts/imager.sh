#!/bin/sh
# imager.sh BOARD RELEASE IMAGE PACKED: prints a list of systems as Raspberry Pi Imager asks for it, with one in it: IMAGE, and
# PACKED, which is what Imager downloads. `rpi-imager --repo FILE` takes the list; Imager 2 has it among its options, too.
#
# SEMOIR_URL is where PACKED and semoir.svg are going to lie, for everybody; without it they are taken from where they are.
# `init_format` is what makes Imager offer its customisation: `semoir first-boot` reads what it then writes. "systemd" is known
# to all versions since 1.7; those from 2.0.2 to 2.0.10 leave out an entry whose format they do not know.
set -eu

board=${1:?imager.sh BOARD RELEASE IMAGE PACKED} release=${2:?} image=${3:?} packed=${4:?}
top=$(cd "$(dirname "$0")/../.." && pwd)
NAME='' IMAGER=''
# shellcheck source=board/rpi4/meta
. "$top/board/$board/meta"
[ -n "$IMAGER" ] || { printf 'imager: Raspberry Pi Imager knows no %s\n' "$board" >&2; exit 1; }

folder=$(cd "$(dirname "$packed")" && pwd)
NAME=$NAME IMAGER=$IMAGER RELEASE=$release URL=${SEMOIR_URL:-file://$folder} python3 - "$image" "$packed" <<'END'
import hashlib, json, os, sys, time

image, packed = sys.argv[1:]
with open(image, "rb") as file:
    content = hashlib.file_digest(file, "sha256").hexdigest()
with open(packed, "rb") as file:
    download = hashlib.file_digest(file, "sha256").hexdigest()
url = os.environ["URL"].rstrip("/")
entry = {
    "name": "Semoir " + os.environ["RELEASE"],
    "description": "Gives files away over BitTorrent and spends your upstream on the first copies alone. For " + os.environ["NAME"],
    "icon": url + "/semoir.svg",
    "url": url + "/" + os.path.basename(packed),
    "extract_size": os.path.getsize(image),
    "extract_sha256": content,
    "image_download_size": os.path.getsize(packed),
    "image_download_sha256": download,
    "release_date": time.strftime("%Y-%m-%d", time.gmtime(os.path.getmtime(image))),
    "init_format": "systemd",
    "devices": [os.environ["IMAGER"]],
}
json.dump({"os_list": [entry]}, sys.stdout, indent=1)
print()
END
