"""An HTTP tracker (BEP 3, 23) for one swarm, in the observer's process."""

import random
import socket
import struct
import threading
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

# Seconds between announces: asked for, and the least.
INTERVAL, LEAST = 30, 5


class Tracker:
    """`left` holds what each address said it lacks, in bytes."""

    def __init__(self, ip, port):
        self.left, self.peers, self.lock = {}, {}, threading.Lock()
        tracker = self

        class Announce(BaseHTTPRequestHandler):
            def log_message(self, *_):
                pass

            def do_GET(self):
                body = tracker.announce(self.client_address[0], urllib.parse.urlsplit(self.path).query)
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

        server = ThreadingHTTPServer((ip, port), Announce)
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()

    def announce(self, ip, query):
        said = dict(pair.split("=", 1) for pair in query.split("&") if "=" in pair)
        swarm, port = urllib.parse.unquote_to_bytes(said.get("info_hash", "")), int(said.get("port", 0))
        with self.lock:
            if said.get("event") == "stopped":
                self.peers.pop((swarm, ip, port), None)
            else:
                self.peers[(swarm, ip, port)] = True
                self.left[ip] = int(said.get("left", 1))
            others = [peer for peer in self.peers if peer[0] == swarm and peer[1:] != (ip, port)]
        random.shuffle(others)
        compact = b"".join(socket.inet_aton(ip) + struct.pack(">H", port) for _, ip, port in others[:int(said.get("numwant", 50))])
        return b"d8:intervali%de12:min intervali%de5:peers%d:%se" % (INTERVAL, LEAST, len(compact), compact)
