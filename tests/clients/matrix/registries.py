"""Stand-ins of hosts that hand out code: Maven's, Go's, a container registry, and an API that a command line of its own calls."""

import gzip
import hashlib
import io
import json
import secrets
import zipfile


def github(_standins, handler, _body):
    """Who the token's user is."""
    if handler.path == "/user":
        json_answer(handler, {"login": "standin"})
    else:
        handler.answer(404, b"{}", [("content-type", "application/json")])


def maven(_standins, handler, _body):
    """A repository with a parent and a list of versions."""
    name, _, kind = handler.path.rpartition("/")[2].partition("-1.")
    text = POMS.get(name, "").encode()
    if not text or kind not in ("pom", "pom.sha1"):
        handler.answer(404, b"there is no such file")
    else:
        handler.answer(200, text if kind == "pom" else hashlib.sha1(text).hexdigest().encode(), [("content-type", "text/plain")])


POM = "<project><modelVersion>4.0.0</modelVersion><groupId>standin</groupId><artifactId>%s</artifactId><version>1</version><packaging>pom</packaging>%s</project>"
POMS = {
    "parent": POM % ("parent", "<properties><word>from the repository</word></properties>"),
    "versions": POM % ("versions", "<dependencyManagement><dependencies><dependency><groupId>x</groupId><artifactId>x</artifactId><version>1</version></dependency></dependencies></dependencyManagement>"),
}


def go(_standins, handler, _body):
    """A module proxy (golang.org/ref/mod, "GOPROXY protocol")."""
    at = "/standin.example/module/@v/"
    files = {
        "list": b"v1.0.0\n",
        "v1.0.0.info": b'{"Version": "v1.0.0", "Time": "2026-01-01T00:00:00Z"}',
        "v1.0.0.mod": b"module standin.example/module\n\ngo 1.19\n",
        "v1.0.0.zip": MODULE,
    }
    text = files.get(handler.path[len(at):]) if handler.path.startswith(at) else None
    handler.answer(404 if text is None else 200, text or b"not found")


def module():
    bytes_ = io.BytesIO()
    with zipfile.ZipFile(bytes_, "w") as file:
        file.writestr("standin.example/module@v1.0.0/go.mod", "module standin.example/module\n\ngo 1.19\n")
        file.writestr("standin.example/module@v1.0.0/module.go", 'package module\n\nconst Word = "from the module proxy"\n')
    return bytes_.getvalue()


class Registry:
    """A container registry: it takes tokens that its own token service handed out, and that one takes the credential (distribution's "Token Authentication")."""

    host = "registry.example.test"

    def __init__(self):
        self.issued = set()

    def answer(self, standins, handler, _body):
        path, _, _query = handler.path.partition("?")
        if path == "/token":
            self.issue(standins, handler)
            return
        scheme, _, token = (handler.headers.get("authorization") or "").partition(" ")
        if scheme.lower() != "bearer" or token not in self.issued:
            challenge = 'Bearer realm="https://%s/token",service="%s",scope="repository:standin:pull"' % (self.host, self.host)
            handler.answer(401, b'{"errors": [{"code": "UNAUTHORIZED"}]}', [("www-authenticate", challenge), ("docker-distribution-api-version", "registry/2.0")])
        elif path == "/v2/":
            handler.answer(200, b"{}", [("docker-distribution-api-version", "registry/2.0")])
        elif path in ("/v2/standin/manifests/1", "/v2/standin/manifests/" + digest(MANIFEST)):
            handler.answer(200, MANIFEST, [("content-type", MANIFEST_TYPE), ("docker-content-digest", digest(MANIFEST))])
        elif path.startswith("/v2/standin/blobs/") and path.rpartition("/")[2] in BLOBS:
            handler.answer(200, BLOBS[path.rpartition("/")[2]], [("content-type", "application/octet-stream")])
        else:
            handler.answer(404, b'{"errors": [{"code": "NAME_UNKNOWN"}]}')

    def issue(self, standins, handler):
        if not standins.shows(self.host, handler.headers):
            handler.answer(401, b'{"errors": [{"code": "UNAUTHORIZED"}]}', [("www-authenticate", 'Basic realm="tokens"')])
            return
        token = secrets.token_urlsafe(24)
        self.issued.add(token)
        json_answer(handler, {"token": token, "access_token": token, "expires_in": 300})


def json_answer(handler, body):
    handler.answer(200, json.dumps(body).encode(), [("content-type", "application/json")])


def digest(blob):
    return "sha256:" + hashlib.sha256(blob).hexdigest()


def descriptor(kind, blob):
    return {"mediaType": kind, "digest": digest(blob), "size": len(blob)}


MODULE = module()
MANIFEST_TYPE = "application/vnd.oci.image.manifest.v1+json"
# An archive of nothing: two blocks of zeros.
LAYER = gzip.compress(bytes(1024), mtime=0)
CONFIG = json.dumps({"architecture": "amd64", "os": "linux", "rootfs": {"type": "layers", "diff_ids": [digest(bytes(1024))]}, "config": {}}).encode()
MANIFEST = json.dumps({
    "schemaVersion": 2,
    "mediaType": MANIFEST_TYPE,
    "config": descriptor("application/vnd.oci.image.config.v1+json", CONFIG),
    "layers": [descriptor("application/vnd.oci.image.layer.v1.tar+gzip", LAYER)],
}).encode()
BLOBS = {digest(CONFIG): CONFIG, digest(LAYER): LAYER}
ANSWERS = {"api.github.com": github, "maven.example.test": maven, "go.example.test": go}
