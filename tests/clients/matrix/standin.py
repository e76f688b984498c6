"""Stand-ins for hosts of the internet, on loopback with TLS: each answers as such a host does, and only to whoever shows the credential."""

import asyncio
import base64
import gzip
import hashlib
import http.server
import io
import json
import os
import socketserver
import ssl
import subprocess
import tarfile
import threading
import zipfile
from concurrent import futures

import grpc
import websockets
import websockets.asyncio.server

import registries


class StandIns:
    """All of them. `seen` counts requests that showed the credential, by host."""

    def __init__(self, folder, value):
        self.folder, self.value, self.seen = folder, value, {}
        self.lock = threading.Lock()
        self.registry = registries.Registry()
        self.first_event_seen = threading.Event()
        self.chain, self.key = os.path.join(folder, "host.pem"), os.path.join(folder, "host.key")
        self.addresses = {}
        http_address = serve_http(self)
        for host in HTTP_HOSTS:
            self.addresses[host] = http_address
        self.addresses["grpc.example.test"] = serve_grpc(self)
        self.addresses["ws.example.test"] = serve_websockets(self)

    def shows(self, host, headers):
        """Whether a request shows the credential in one of the ways that its host takes."""
        said = headers.get("authorization") or ""
        scheme, _, rest = said.partition(" ")
        ways = [said, rest if scheme.lower() in ("bearer", "token") else "", headers.get("x-api-key") or ""]
        if scheme.lower() == "basic":
            ways.append(base64.b64decode(rest).decode().partition(":")[2])
        shown = self.value in ways
        if shown:
            with self.lock:
                self.seen[host] = self.seen.get(host, 0) + 1
        return shown


LARGE_BYTES = 1 << 30
EVENT_SECONDS = 30
PIECE = os.urandom(1 << 20)
HTTP_HOSTS = ["api.example.test", "git.example.test", "pypi.example.test", "npm.example.test", "crates.example.test", registries.Registry.host, *registries.ANSWERS]


def tls_context(standins, protocols=None):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(standins.chain, standins.key)
    if protocols:
        context.set_alpn_protocols(protocols)
    return context


def serve_http(standins):
    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_):
            pass

        def do(self):
            host = self.headers["host"].partition(":")[0]
            if self.path == "/large":
                self.large(host)
                return
            body = read_body(self)
            if host == registries.Registry.host:
                standins.registry.answer(standins, self, body)
                return
            if not standins.shows(host, self.headers):
                self.answer(401, b"who are you?", [("www-authenticate", 'Basic realm="stand-in"')])
                return
            if self.path == "/events":
                self.events()
                return
            ANSWERS[host](standins, self, body)

        def events(self):
            """Two events; the second only when somebody said that the first was there."""
            standins.first_event_seen.clear()
            self.send_response(200)
            self.send_header("content-type", "text/event-stream")
            self.send_header("transfer-encoding", "chunked")
            self.end_headers()
            self.chunk(b"data: one\n\n")
            if standins.first_event_seen.wait(EVENT_SECONDS):
                self.chunk(b"data: two\n\n")
            self.chunk(b"")

        def chunk(self, bytes_):
            self.wfile.write(b"%x\r\n%s\r\n" % (len(bytes_), bytes_))

        def large(self, host):
            """Takes as many bytes as come, and gives as many."""
            left = LARGE_BYTES if self.command == "POST" else 0
            while left > 0:
                left -= len(self.rfile.read(min(left, 1 << 20)))
            if not standins.shows(host, self.headers):
                self.answer(401, b"who are you?")
                return
            self.send_response(200)
            self.send_header("content-length", str(0 if self.command == "POST" else LARGE_BYTES))
            self.end_headers()
            for _ in range(0 if self.command == "POST" else LARGE_BYTES >> 20):
                self.wfile.write(PIECE)

        do_GET = do_POST = do_PUT = do_HEAD = do

        def answer(self, status, body, headers=()):
            self.send_response(status)
            for name, value in headers:
                self.send_header(name, value)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

    class Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
        daemon_threads = True
        request_queue_size = 64

        def finish_request(self, request, address):
            context = tls_context(standins, ["http/1.1"])
            try:
                request = context.wrap_socket(request, server_side=True)
            except (ssl.SSLError, OSError):
                return
            super().finish_request(request, address)

        def handle_error(self, *_):
            pass

    server = Server(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return "127.0.0.1:%d" % server.server_address[1]


def read_body(handler):
    if "chunked" in (handler.headers.get("transfer-encoding") or ""):
        body = b""
        while True:
            size = int(handler.rfile.readline().split(b";")[0], 16)
            body += handler.rfile.read(size)
            handler.rfile.readline()
            if size == 0:
                return body
    return handler.rfile.read(int(handler.headers.get("content-length") or 0))


def api(standins, handler, body):
    """An API: JSON, and the streams of two model providers."""
    if handler.path == "/events/seen":
        standins.first_event_seen.set()
    if handler.path.endswith("/chat/completions"):
        pieces = [{"id": "1", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [{"index": 0, "delta": {"content": word}, "finish_reason": None}]} for word in ("hello ", "world")]
        events = "".join("data: %s\n\n" % json.dumps(piece) for piece in pieces) + "data: [DONE]\n\n"
        handler.answer(200, events.encode(), [("content-type", "text/event-stream")])
    elif handler.path.endswith("/messages"):
        events = [
            {"type": "message_start", "message": {"id": "m", "type": "message", "role": "assistant", "model": "m", "content": [], "stop_reason": None, "stop_sequence": None, "usage": {"input_tokens": 1, "output_tokens": 1}}},
            {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
            {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "hello world"}},
            {"type": "content_block_stop", "index": 0},
            {"type": "message_delta", "delta": {"stop_reason": "end_turn", "stop_sequence": None}, "usage": {"output_tokens": 2}},
            {"type": "message_stop"},
        ]
        text = "".join("event: %s\ndata: %s\n\n" % (event["type"], json.dumps(event)) for event in events)
        handler.answer(200, text.encode(), [("content-type", "text/event-stream")])
    else:
        handler.answer(200, json.dumps({"authorized": True, "bytes": len(body)}).encode(), [("content-type", "application/json")])


def git(standins, handler, body):
    """`git http-backend`, as web servers run it."""
    path, _, query = handler.path.partition("?")
    env = {
        "PATH": os.environ["PATH"],
        "GIT_PROJECT_ROOT": standins.folder,
        "GIT_HTTP_EXPORT_ALL": "1",
        "REMOTE_USER": "agent",
        "REQUEST_METHOD": handler.command,
        "PATH_INFO": path,
        "QUERY_STRING": query,
        "CONTENT_TYPE": handler.headers.get("content-type") or "",
        "CONTENT_LENGTH": str(len(body)),
        "HTTP_CONTENT_ENCODING": handler.headers.get("content-encoding") or "",
        "GIT_PROTOCOL": handler.headers.get("git-protocol") or "",
    }
    said = subprocess.run(["git", "http-backend"], input=body, env=env, capture_output=True, check=False).stdout
    head, _, rest = said.partition(b"\r\n\r\n")
    headers = [tuple(line.split(": ", 1)) for line in head.decode().split("\r\n") if ": " in line]
    status = next((int(value.split()[0]) for name, value in headers if name.lower() == "status"), 200)
    handler.answer(status, rest, [(name, value) for name, value in headers if name.lower() not in ("status", "content-length")])


def wheel():
    """A package of one module, as PEP 427 has it."""
    bytes_ = io.BytesIO()
    with zipfile.ZipFile(bytes_, "w") as file:
        file.writestr("standin_package.py", "WORD = 'from the index'\n")
        file.writestr("standin_package-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: standin-package\nVersion: 1.0\n")
        file.writestr("standin_package-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nGenerator: x\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        file.writestr("standin_package-1.0.dist-info/RECORD", "")
    return bytes_.getvalue()


def pypi(standins, handler, _body):
    """A private index (PEP 503)."""
    if handler.path.endswith(".whl"):
        handler.answer(200, WHEEL, [("content-type", "application/octet-stream")])
    else:
        digest = hashlib.sha256(WHEEL).hexdigest()
        link = '<a href="/files/standin_package-1.0-py3-none-any.whl#sha256=%s">standin_package-1.0-py3-none-any.whl</a>' % digest
        handler.answer(200, ("<!DOCTYPE html><html><body>%s</body></html>" % link).encode(), [("content-type", "text/html")])


def tarball(files):
    bytes_ = io.BytesIO()
    with tarfile.open(fileobj=bytes_, mode="w") as file:
        for name, text in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(text)
            entry.mode = 0o644
            file.addfile(entry, io.BytesIO(text.encode()))
    return gzip.compress(bytes_.getvalue(), mtime=0)


def npm(standins, handler, _body):
    """A private registry of one package."""
    if handler.path.endswith(".tgz"):
        handler.answer(200, NPM_PACKAGE, [("content-type", "application/octet-stream")])
        return
    integrity = "sha512-" + base64.b64encode(hashlib.sha512(NPM_PACKAGE).digest()).decode()
    version = {"name": "standin-package", "version": "1.0.0", "dist": {"tarball": "https://npm.example.test/standin-package/-/standin-package-1.0.0.tgz", "integrity": integrity}}
    body = {"name": "standin-package", "dist-tags": {"latest": "1.0.0"}, "time": {"1.0.0": "2026-01-01T00:00:00Z"}, "versions": {"1.0.0": version}}
    handler.answer(200, json.dumps(body).encode(), [("content-type", "application/json")])


def crates(standins, handler, _body):
    """A private sparse index that wants a token for everything (RFC 3139)."""
    if handler.path == "/index/config.json":
        config = {"dl": "https://crates.example.test/dl", "api": "https://crates.example.test", "auth-required": True}
        handler.answer(200, json.dumps(config).encode(), [("content-type", "application/json")])
    elif handler.path.startswith("/index/"):
        line = {"name": "standin-package", "vers": "1.0.0", "deps": [], "cksum": hashlib.sha256(CRATE).hexdigest(), "features": {}, "yanked": False}
        handler.answer(200, (json.dumps(line) + "\n").encode(), [("content-type", "text/plain")])
    else:
        handler.answer(200, CRATE, [("content-type", "application/octet-stream")])


WHEEL = wheel()
NPM_PACKAGE = tarball({"package/package.json": '{"name":"standin-package","version":"1.0.0","main":"index.js"}', "package/index.js": "module.exports = 'from the registry';\n"})
CRATE = tarball({"standin-package-1.0.0/Cargo.toml": '[package]\nname = "standin-package"\nversion = "1.0.0"\nedition = "2021"\n', "standin-package-1.0.0/src/lib.rs": "pub const WORD: &str = \"from the registry\";\n"})
ANSWERS = {"api.example.test": api, "git.example.test": git, "pypi.example.test": pypi, "npm.example.test": npm, "crates.example.test": crates, **registries.ANSWERS}


def serve_grpc(standins):
    def echo(request, context):
        metadata = dict(context.invocation_metadata())
        if not standins.shows("grpc.example.test", {"authorization": metadata.get("authorization", "")}):
            context.abort(grpc.StatusCode.UNAUTHENTICATED, "who are you?")
        context.set_trailing_metadata((("x-said", metadata["authorization"]),))
        return metadata["authorization"].encode() + b" said " + request

    def count(request, context):
        if not standins.shows("grpc.example.test", {"authorization": dict(context.invocation_metadata()).get("authorization", "")}):
            context.abort(grpc.StatusCode.UNAUTHENTICATED, "who are you?")
        for number in range(int(request)):
            yield b"%d" % number

    handlers = {"Echo": grpc.unary_unary_rpc_method_handler(echo), "Count": grpc.unary_stream_rpc_method_handler(count)}
    server = grpc.server(futures.ThreadPoolExecutor(8))
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("standin.Service", handlers),))
    with open(standins.key, "rb") as key, open(standins.chain, "rb") as chain:
        credentials = grpc.ssl_server_credentials([(key.read(), chain.read())])
    port = server.add_secure_port("127.0.0.1:0", credentials)
    server.start()
    standins.grpc = server
    return "127.0.0.1:%d" % port


def serve_websockets(standins):
    ready = threading.Event()
    address = []

    async def echo(socket):
        async for message in socket:
            await socket.send(message)

    def check(connection, request):
        if not standins.shows("ws.example.test", {"authorization": request.headers.get("authorization", "")}):
            return connection.respond(401, "who are you?")

    async def run():
        context = tls_context(standins, ["http/1.1"])
        async with websockets.asyncio.server.serve(echo, "127.0.0.1", 0, ssl=context, process_request=check, ping_interval=None) as server:
            address.append("127.0.0.1:%d" % server.sockets[0].getsockname()[1])
            ready.set()
            await asyncio.get_running_loop().create_future()

    threading.Thread(target=lambda: asyncio.run(run()), daemon=True).start()
    ready.wait(10)
    return address[0]
