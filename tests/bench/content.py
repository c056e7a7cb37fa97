"""Content nobody has seen before, and its torrent (BEP 3), written here so that no program under test has a part in it."""

import hashlib
import os

# Bytes written at a time; a multiple of no piece length larger than it.
STRETCH = 8 << 20


def bencode(value):
    match value:
        case int():
            return b"i%de" % value
        case str():
            return bencode(value.encode())
        case bytes():
            return b"%d:%s" % (len(value), value)
        case list():
            return b"l" + b"".join(map(bencode, value)) + b"e"
        case dict():
            return b"d" + b"".join(bencode(key) + bencode(value[key]) for key in sorted(value)) + b"e"


class Content:
    """One file of random bytes in `folder`, and its torrent beside that folder."""

    def __init__(self, folder, length, piece, name="content.bin", tracker=None, torrents=None):
        os.makedirs(folder, exist_ok=True)
        self.folder, self.length, self.piece, self.name = folder, length, piece, name
        self.path = os.path.join(folder, name)
        self.torrent = os.path.join(torrents or os.path.dirname(folder), name + ".torrent")
        stretch = max(STRETCH, piece)
        hashes = []
        with open(self.path, "wb", buffering=0) as file:
            for begin in range(0, length, stretch):
                data = memoryview(os.urandom(min(stretch, length - begin)))
                file.write(data)
                hashes += [hashlib.sha1(data[at:at + piece]).digest() for at in range(0, len(data), piece)]
        info = {"length": length, "name": name, "piece length": piece, "pieces": b"".join(hashes)}
        self.pieces, self.info_hash = len(hashes), hashlib.sha1(bencode(info)).digest()
        with open(self.torrent, "wb") as file:
            file.write(bencode({"info": info, **({"announce": tracker} if tracker else {})}))
