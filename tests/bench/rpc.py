"""The two JSON-RPCs that clients are asked with: Transmission's and aria2's."""

import json
import urllib.error
import urllib.request


class Unanswered(Exception):
    """The client is not there, or refuses."""


def post(url, body, headers):
    request = urllib.request.Request(url, json.dumps(body).encode(), {"Content-Type": "application/json", **headers})
    with urllib.request.urlopen(request, timeout=10) as answer:
        return json.load(answer)


class Transmission:
    """Its RPC answers 409 with a session id first, which later requests carry."""

    def __init__(self, port):
        self.url, self.session = f"http://127.0.0.1:{port}/transmission/rpc", ""

    def call(self, method, **arguments):
        body = {"method": method, "arguments": arguments}
        for _ in range(2):
            try:
                answer = post(self.url, body, {"X-Transmission-Session-Id": self.session})
            except urllib.error.HTTPError as error:
                self.session = error.headers.get("X-Transmission-Session-Id", "")
            except OSError as error:
                raise Unanswered(str(error)) from error
            else:
                if answer["result"] == "success":
                    return answer["arguments"]
                raise Unanswered(f"{method}: {answer['result']}")
        raise Unanswered(f"{method}: no session")

    def torrents(self, *fields):
        return self.call("torrent-get", fields=list(fields))["torrents"]


class Aria2:
    def __init__(self, port):
        self.url = f"http://127.0.0.1:{port}/jsonrpc"

    def call(self, method, *parameters):
        try:
            return post(self.url, {"jsonrpc": "2.0", "id": 1, "method": f"aria2.{method}", "params": parameters}, {})["result"]
        except (OSError, KeyError) as error:
            raise Unanswered(f"{method}: {error}") from error

    def active(self, *fields):
        return self.call("tellActive", list(fields))
