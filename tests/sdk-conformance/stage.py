"""The simulator's control API, a loopback webhook receiver, and one line per check."""

import http.server
import json
import pathlib
import queue
import sys
import threading
import urllib.request


class Control:
    """The control API, called plainly: it is not LINE's."""

    def __init__(self, base_url):
        self.base_url = base_url

    def call(self, method, path, body=None):
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.base_url}/control{path}", data, method=method)
        request.add_header("Content-Type", "application/json")
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.load(answer)

    def post(self, path, body=None):
        return self.call("POST", path, {} if body is None else body)

    def get(self, path):
        return self.call("GET", path)


class Receiver:
    """Keeps each webhook's exact body and signature."""

    def __init__(self):
        received = self.received = queue.Queue()

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                received.put((body.decode(), self.headers["x-line-signature"]))
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{server.server_port}/hook"
        threading.Thread(target=server.serve_forever, daemon=True).start()

    def next(self):
        return self.received.get(timeout=10)


class Checks:
    """Prints every check and remembers whether any failed."""

    def __init__(self):
        self.failed = 0
        self.passed = 0

    def that(self, name, good, detail=""):
        print(f"{'ok  ' if good else 'FAIL'} python: {name}{'' if good else f'  {detail}'}", flush=True)
        self.passed += bool(good)
        self.failed += not good

    def equal(self, name, found, wanted):
        self.that(name, found == wanted, f"{found!r} is not {wanted!r}")

    def refused(self, name, status, error_type, call, message=None):
        """`call` must raise the SDK's error with this status; returns it."""
        try:
            call()
        except error_type as error:
            said = (error.body or b"").decode() if isinstance(error.body, bytes) else str(error.body)
            good = error.status == status and (message is None or message in said)
            self.that(name, good, f"{error.status} {said}")
            return error
        self.that(name, False, "was accepted")
        return None

    def every_endpoint(self, requests):
        wanted = (pathlib.Path(__file__).parent / "endpoints.txt").read_text().split("\n")
        called = {request["endpoint"] for request in requests}
        missing = [line for line in wanted if line and line not in called]
        self.that(f"all {len([line for line in wanted if line])} endpoints were called", not missing, missing)

    def end(self):
        print(f"python: {self.passed} passed, {self.failed} failed")
        sys.exit(1 if self.failed else 0)
