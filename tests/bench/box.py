"""`semoir serve`, met through its listeners as its owner meets it."""

import http.client
import json
import socket
import urllib.parse

from program import Failed, Program

PASSWORD = "correct horse battery staple"


class Box:
    """A running box that shares what lies in `source`. `space` is the network namespace it lives in, if not ours."""

    def __init__(self, semoir, data, source, log, ip="127.0.0.1", space=None):
        self.space, self.cookie = space, ""
        command = [semoir, "serve", "--offline", "--data", data, "--source", source, "--admin", f"{ip}:0", "--public", f"{ip}:0",
                   "--peer", f"{ip}:0"]
        self.program = Program(command, log, space.within if space else (), talks=True)
        said = {}
        # The setup code comes last, and not from a box that has its owner.
        while not {"admin", "public", "peers"} <= said.keys() or not (said.get("setup") or self.claimed(said)):
            word, _, rest = self.program.line().partition(" ")
            said[word] = rest.strip()
        self.address = address(said["admin"])
        host, _, port = said["peers"].rpartition(":")
        self.peers = (host, int(port))
        if "setup" in said:
            self.open("POST", "/box/claim", {"code": said["setup"].removeprefix("code "), "password": PASSWORD})
        else:
            self.open("POST", "/session", {"password": PASSWORD})

    def claimed(self, said):
        self.address = address(said["admin"])
        return self.call("GET", "/box")["claimed"]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.program.stop()

    def request(self, method, path, body):
        connection = http.client.HTTPConnection(*self.address)
        connect = self.space.connect if self.space else socket.create_connection
        connection.sock = connect(self.address)
        try:
            connection.request(method, "/api/v1" + path, None if body is None else json.dumps(body),
                               {"Content-Type": "application/json", "Cookie": self.cookie, "Connection": "close"})
            answer = connection.getresponse()
            return answer, answer.read()
        finally:
            connection.close()

    def open(self, method, path, body):
        """A request that opens a session."""
        answer, said = self.request(method, path, body)
        if answer.status >= 300:
            raise Failed(f"{method} {path}: {answer.status} {said.decode(errors='replace')}")
        self.cookie = answer.headers["Set-Cookie"].split(";")[0]

    def raw(self, method, path, body=None):
        answer, said = self.request(method, path, body)
        if answer.status >= 300:
            raise Failed(f"{method} {path}: {answer.status} {said.decode(errors='replace')}")
        return said

    def call(self, method, path, body=None):
        said = self.raw(method, path, body)
        return json.loads(said) if said else None

    def seeded(self, count):
        """Its releases, once it seeds so many."""
        releases = self.call("GET", "/overview")["releases"]
        seeding = [release for release in releases if release["stage"] in ("spreading", "supporting", "retired")]
        return seeding if len(seeding) >= count else None


def address(url):
    parts = urllib.parse.urlsplit(url)
    return parts.hostname, parts.port
