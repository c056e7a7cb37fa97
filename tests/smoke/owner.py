"""The box's pages, as its owner meets them."""

import http.client
import json
import urllib.request

PASSWORD = "a password for the smoke test"

# Seconds that an answer may take, of an emulated processor that hashes a password or a drive meanwhile.
ANSWER = 60
# Seconds to wait for a page that is perhaps not there yet. QEMU takes a connection at once, and asks the box for it again after
# one second, two, four, and so on: who stayed on the line would not see when the page came.
LOOK = 2


class Refused(Exception):
    """The box answered with something else than what was asked for."""


class Owner:
    """Somebody at a browser, who may not be signed in yet."""

    def __init__(self, page, public):
        self.page, self.public, self.cookie = page, public, None

    def ask(self, method, path, body=None, seconds=ANSWER):
        """One request; the answer and what came with it."""
        connection = http.client.HTTPConnection("127.0.0.1", self.page, timeout=seconds)
        headers = {"Content-Type": "application/json", "Connection": "close"}
        if self.cookie:
            headers["Cookie"] = self.cookie
        try:
            connection.request(method, path, None if body is None else json.dumps(body), headers)
            answer = connection.getresponse()
            return answer, answer.read()
        finally:
            connection.close()

    def api(self, method, path, body=None):
        """A request that must go well."""
        answer, said = self.ask(method, "/api/v1" + path, body)
        if answer.status >= 300:
            raise Refused(f"{method} {path}: {answer.status} {said.decode(errors='replace')}")
        if answer.headers["Set-Cookie"]:
            self.cookie = answer.headers["Set-Cookie"].split(";")[0]
        return json.loads(said) if said else None

    def has_page(self):
        """Whether the page is there, with its program in it."""
        try:
            answer, said = self.ask("GET", "/", seconds=LOOK)
        except (OSError, http.client.HTTPException):
            return False
        return answer.status == 200 and b"<script" in said

    def claim(self, code):
        self.api("POST", "/box/claim", {"code": code, "password": PASSWORD})

    def sign_in(self):
        self.api("POST", "/session", {"password": PASSWORD})

    def send_update(self, bundle, seconds):
        """Sends an update's bundle. The answer's status, and what it says."""
        connection = http.client.HTTPConnection("127.0.0.1", self.page, timeout=seconds)
        try:
            headers = {"Content-Type": "application/octet-stream", "Cookie": self.cookie, "Connection": "close"}
            connection.request("PUT", "/api/v1/box/update", bundle, headers)
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read())
        finally:
            connection.close()

    def system(self):
        return self.api("GET", "/box/system")

    def overview(self):
        return self.api("GET", "/overview")

    def drive(self):
        """The drive that is plugged in."""
        return next((one for one in self.overview()["sources"] if one["kind"] == "drive" and one["present"]), None)

    def release(self, name, *stages):
        """The release of that name, once it is in one of these stages; without any, once it is not away."""
        for one in self.overview()["releases"]:
            if one["name"] == name and (one["stage"] in stages if stages else one["stage"] != "absent"):
                return one
        return None

    def torrent(self, release):
        """Its .torrent, from the page that is the world's."""
        url = f"http://127.0.0.1:{self.public}/t/{release['info_hash']}.torrent"
        with urllib.request.urlopen(url, timeout=ANSWER) as answer:
            return answer.read()
