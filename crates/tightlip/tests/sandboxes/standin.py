"""Stand-ins for an API, a git server and a package index, on loopback with TLS: each answers only to whoever shows the credential. Prints its address."""

import base64
import hashlib
import http.server
import io
import os
import socketserver
import ssl
import subprocess
import sys
import time
import zipfile

FOLDER, VALUE = sys.argv[1], sys.argv[2]


def wheel():
    """A package of one module, as PEP 427 has it."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as file:
        file.writestr("standin_package.py", "WORD = 'from the index'\n")
        file.writestr("standin_package-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: standin-package\nVersion: 1.0\n")
        file.writestr("standin_package-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nGenerator: x\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        file.writestr("standin_package-1.0.dist-info/RECORD", "")
    return content.getvalue()


WHEEL = wheel()


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def credential(self):
        scheme, _, rest = (self.headers.get("authorization") or "").partition(" ")
        return base64.b64decode(rest).decode().partition(":")[2] if scheme.lower() == "basic" else rest

    def do_GET(self):
        body = self.body()
        with open(os.path.join(FOLDER, "heard"), "a") as heard:
            heard.write("%s %s%s\n%s\n" % (self.command, self.headers["host"], self.path, self.headers))
        if self.credential() != VALUE:
            self.answer(401, b"who are you?", [("www-authenticate", 'Basic realm="stand-in"')])
            return
        host = self.headers["host"].partition(":")[0]
        {"git.example.test": self.git, "pypi.example.test": self.pypi}.get(host, self.api)(body)

    do_POST = do_PUT = do_GET

    def body(self):
        if "chunked" not in (self.headers.get("transfer-encoding") or ""):
            return self.rfile.read(int(self.headers.get("content-length") or 0))
        body = b""
        while True:
            size = int(self.rfile.readline().split(b";")[0], 16)
            body += self.rfile.read(size)
            self.rfile.readline()
            if size == 0:
                return body

    def answer(self, status, body, headers=()):
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def api(self, _body):
        if self.path == "/endless":
            self.send_response(200)
            self.send_header("transfer-encoding", "chunked")
            self.end_headers()
            while True:
                self.wfile.write(b"5\r\nmore\n\r\n")
                self.wfile.flush()
                time.sleep(0.05)
        self.answer(200, ("authorized; you said " + (self.headers.get("authorization") or "")).encode())

    def pypi(self, _body):
        """A private index (PEP 503)."""
        if self.path.endswith(".whl"):
            self.answer(200, WHEEL)
            return
        digest = hashlib.sha256(WHEEL).hexdigest()
        link = '<a href="/files/standin_package-1.0-py3-none-any.whl#sha256=%s">standin_package-1.0-py3-none-any.whl</a>' % digest
        self.answer(200, ("<!DOCTYPE html><html><body>%s</body></html>" % link).encode(), [("content-type", "text/html")])

    def git(self, body):
        """`git http-backend`, as web servers run it."""
        path, _, query = self.path.partition("?")
        env = {
            "PATH": os.environ["PATH"],
            "GIT_PROJECT_ROOT": FOLDER,
            "GIT_HTTP_EXPORT_ALL": "1",
            "GIT_CONFIG_COUNT": "1",
            "GIT_CONFIG_KEY_0": "safe.directory",
            "GIT_CONFIG_VALUE_0": "*",
            "REMOTE_USER": "agent",
            "REQUEST_METHOD": self.command,
            "PATH_INFO": path,
            "QUERY_STRING": query,
            "CONTENT_TYPE": self.headers.get("content-type") or "",
            "CONTENT_LENGTH": str(len(body)),
            "HTTP_CONTENT_ENCODING": self.headers.get("content-encoding") or "",
            "GIT_PROTOCOL": self.headers.get("git-protocol") or "",
        }
        said = subprocess.run(["git", "http-backend"], input=body, env=env, capture_output=True, check=False).stdout
        head, _, rest = said.partition(b"\r\n\r\n")
        headers = [tuple(line.split(": ", 1)) for line in head.decode().split("\r\n") if ": " in line]
        status = next((int(value.split()[0]) for name, value in headers if name.lower() == "status"), 200)
        self.answer(status, rest, [(name, value) for name, value in headers if name.lower() not in ("status", "content-length")])


class Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def finish_request(self, request, address):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(os.path.join(FOLDER, "fullchain.pem"), os.path.join(FOLDER, "privkey.pem"))
        try:
            super().finish_request(context.wrap_socket(request, server_side=True), address)
        except (ssl.SSLError, OSError):
            pass

    def handle_error(self, *_):
        pass


server = Server(("127.0.0.1", 0), Handler)
print("127.0.0.1:%d" % server.server_address[1], flush=True)
server.serve_forever()
