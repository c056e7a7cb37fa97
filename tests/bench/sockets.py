"""A peer made of a plain socket: the handshake, and what a leecher says after it (BEP 3, 10)."""

import os
import random
import socket
import struct

from content import bencode

PROTOCOL = b"\x13BitTorrent protocol"
# The extension protocol's bit (BEP 10).
RESERVED = b"\0\0\0\0\0\x10\0\0"
HANDSHAKE = len(PROTOCOL) + 48
INTERESTED, HAVE, BITFIELD, EXTENDED = 2, 4, 5, 20


def free_port(ip):
    with socket.create_server((ip, 0)) as server:
        return server.getsockname()[1]


def receive(connection, length):
    """So many bytes; OSError when the other side ends before."""
    data = b""
    while len(data) < length:
        more = connection.recv(length - len(data))
        if not more:
            raise ConnectionResetError("the other side has closed")
        data += more
    return data


def connect(address, info_hash, own_ip=None, timeout=5):
    """A connection on which both have said their handshakes; None when the other side does not know the torrent."""
    connection = socket.create_connection(address, timeout, (own_ip, 0) if own_ip else None)
    try:
        connection.sendall(PROTOCOL + RESERVED + info_hash + b"-XX0100-" + os.urandom(12))
        answer = receive(connection, HANDSHAKE)
        if answer.startswith(PROTOCOL) and answer[28:48] == info_hash:
            return connection
    except OSError:
        pass
    connection.close()
    return None


def handshake(address, info_hash):
    """Whether somebody there has this torrent."""
    try:
        connection = connect(address, info_hash)
    except OSError:
        return False
    if connection:
        connection.close()
    return connection is not None


def message(kind, payload=b""):
    return struct.pack(">IB", 1 + len(payload), kind) + payload


def introduce(connection, pieces, part, haves, listens):
    """Says what a leecher says: extensions, a bitfield with `part` of the pieces, some HAVEs after it, that it is interested."""
    held = random.sample(range(pieces), max(1, int(pieces * part)))
    field = bytearray((pieces + 7) // 8)
    for index in held[haves:]:
        field[index // 8] |= 128 >> index % 8
    extensions = {"m": {"ut_metadata": 2, "ut_pex": 1}, "p": listens, "reqq": 250, "v": "a plain socket"}
    said = message(EXTENDED, b"\0" + bencode(extensions)) + message(BITFIELD, bytes(field)) + message(INTERESTED)
    connection.sendall(said + b"".join(message(HAVE, struct.pack(">I", index)) for index in held[:haves]))
