"""Real clients inside devboxes of TIGHTLIP_BINARY, against stand-ins that check the credential. `matrix.py [--core] [--write FILE] [NAME...]`.

Each row is a client as people call it. It passes when the client says what it should, the stand-in was shown the true credential meanwhile, and nothing that the devbox said holds it.
"""

import json
import os
import secrets
import shutil
import subprocess
import sys
import tempfile
import time

from row import IDLE_SECONDS, Row
from rows import CORE, NOT_BROKERED, ROWS
from standin import HTTP_HOSTS, LARGE_BYTES, StandIns

HERE = os.path.dirname(os.path.abspath(__file__))
BINARY = os.environ["TIGHTLIP_BINARY"]
# Windows of HTTP/2 and what is under way between two sockets.
GROWTH_KIB_MAX = 32 * 1024
# A JVM or a compiler on a busy machine.
SECONDS_MAX = 300
HOSTS = HTTP_HOSTS + ["grpc.example.test", "ws.example.test"]


def sh(*words, **more):
    return subprocess.run(words, check=True, capture_output=True, text=True, **more).stdout


def certificates(folder):
    """An authority, and one certificate for all hosts."""
    at = lambda name: os.path.join(folder, name)
    names = ",".join("DNS:" + host for host in HOSTS)
    sh("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj", "/CN=stand-ins", "-keyout", at("ca.key"), "-out", at("ca.pem"))
    sh("openssl", "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=stand-in", "-keyout", at("host.key"), "-out", at("host.csr"))
    with open(at("ext"), "w", encoding="utf-8") as file:
        file.write("subjectAltName=%s\nbasicConstraints=CA:FALSE\nauthorityKeyIdentifier=keyid\nextendedKeyUsage=serverAuth\n" % names)
    sh("openssl", "x509", "-req", "-in", at("host.csr"), "-CA", at("ca.pem"), "-CAkey", at("ca.key"), "-CAcreateserial", "-days", "2", "-extfile", at("ext"), "-out", at("host.pem"))


def repository(folder):
    """A bare repository that may be pushed to."""
    env = {**os.environ, "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_NOSYSTEM": "1", "GIT_AUTHOR_NAME": "x", "GIT_AUTHOR_EMAIL": "x@x", "GIT_COMMITTER_NAME": "x", "GIT_COMMITTER_EMAIL": "x@x"}
    source = os.path.join(folder, "source")
    sh("git", "init", "-q", "-b", "main", source, env=env)
    with open(os.path.join(source, "file"), "w", encoding="utf-8") as file:
        file.write("from the repository\n")
    sh("git", "-C", source, "add", ".", env=env)
    sh("git", "-C", source, "commit", "-q", "-m", "first", env=env)
    bare = os.path.join(folder, "repo.git")
    sh("git", "clone", "-q", "--bare", source, bare, env=env)
    sh("git", "-C", bare, "config", "http.receivepack", "true", env=env)


class Served:
    """A throw-away server with one secret, bound to every stand-in."""

    def __init__(self, folder):
        certificates(folder)
        repository(folder)
        self.value = "matrix-" + secrets.token_urlsafe(40)
        self.standins = StandIns(folder, self.value)
        self.data = os.path.join(folder, "data")
        os.mkdir(self.data, 0o700)
        resolve = ", ".join('"%s:443" = "%s"' % pair for pair in self.standins.addresses.items())
        with open(os.open(os.path.join(self.data, "tightlip.toml"), os.O_CREAT | os.O_WRONLY, 0o600), "w", encoding="utf-8") as file:
            file.write('[gateway]\nupstream_ca = "%s"\nresolve = { %s }\n' % (os.path.join(folder, "ca.pem"), resolve))
        self.env = {"PATH": os.environ["PATH"], "HOME": folder, "TIGHTLIP_DATA": self.data}
        self.server = subprocess.Popen([BINARY, "up", "--listen", "127.0.0.1:0", "--json"], env=self.env, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        json.loads(self.server.stdout.readline())
        hosts = [word for host in HOSTS for word in ("--host", host)]
        sh(BINARY, "secret", "set", "TOKEN", *hosts, input=self.value, env=self.env)

    def run(self, row, folder):
        work = tempfile.mkdtemp(dir=folder)
        for name, text in row.files.items():
            path = os.path.join(work, name)
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "w", encoding="utf-8") as file:
                file.write(text)
        read = [word for path in row.read if os.path.exists(path) for word in ("--ro", path)]
        command = [BINARY, "run", "--secret", "TOKEN", *read, "--", "/bin/bash", "-ec", row.command]
        return subprocess.run(command, cwd=work, env=self.env, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=SECONDS_MAX, check=False)

    def stop(self):
        self.server.terminate()
        self.server.wait(30)


def gateways_peak(served):
    """The most memory that the gateway ever had, in KiB (proc(5), VmHWM)."""
    children = sh("pgrep", "-P", str(served.server.pid)).split()
    for pid in children:
        with open("/proc/%s/cmdline" % pid, "rb") as file:
            if b"__gateway" in file.read():
                with open("/proc/%s/status" % pid, encoding="utf-8") as status:
                    return next(int(line.split()[1]) for line in status if line.startswith("VmHWM"))
    raise RuntimeError("no gateway")


def transfer(served, folder):
    """One GiB each way, over HTTP/1.1 and HTTP/2: by how much the gateway's peak memory grew, in MiB, and why that is wrong, where it is."""
    head = "-sS --fail -o /dev/null -w '%{http_version} %{size_download} %{size_upload} ' -H \"Authorization: Bearer $TOKEN\" https://api.example.test/large"
    row = lambda command: Row("", "", "api.example.test", command, "")
    served.run(row("curl " + head.replace("/large", "/x")), folder)
    before, begun, said = gateways_peak(served), time.monotonic(), ""
    for protocol, spoken in (("--http1.1", "1.1 "), ("--http2", "2 ")):
        for way in ("", "-T - -X POST -H 'Transfer-Encoding:' -H 'Content-Length: %d' " % LARGE_BYTES):
            ran = served.run(row("head -c %d /dev/zero | curl %s %s%s" % (LARGE_BYTES if way else 0, protocol, way, head)), folder)
            said += ran.stdout
            if ran.returncode != 0 or str(LARGE_BYTES) not in ran.stdout or not ran.stdout.startswith(spoken):
                return None, "%s %s: code %d: %s" % (protocol, way, ran.returncode, ran.stdout + ran.stderr)
    grown, took = gateways_peak(served) - before, time.monotonic() - begun
    print("pass  4 transfers of 1 GiB in %.0f s: the gateway's peak grew by %.1f MiB" % (took, grown / 1024), flush=True)
    return grown / 1024, None if grown < GROWTH_KIB_MAX else "the gateway's peak grew by %d KiB" % grown


def judge(served, row, folder):
    """What became of a row: none where it passed, else why not."""
    before = served.standins.seen.get(row.host, 0)
    try:
        ran = served.run(row, folder)
    except subprocess.TimeoutExpired:
        return "it did not end within %d s" % SECONDS_MAX
    if served.value in ran.stdout or served.value in ran.stderr:
        return "it showed the value"
    if ran.returncode != 0 or row.says not in ran.stdout:
        return "code %d: %s" % (ran.returncode, (ran.stdout + ran.stderr)[-1500:])
    if served.standins.seen.get(row.host, 0) == before:
        return "the stand-in was shown no credential"
    return None


def refused(served, row, folder):
    """What became of a client that is not brokered: none where it is told so, else why not."""
    if row.inside:
        ran = served.run(row, folder)
    else:
        work = tempfile.mkdtemp(dir=folder)
        ran = subprocess.run(["/bin/bash", "-ec", row.command % BINARY], cwd=work, env=served.env, capture_output=True, text=True, timeout=SECONDS_MAX, check=False)
    said = ran.stdout + ran.stderr
    return None if row.says in said and (ran.returncode != 0 or not row.inside) else "code %d: %s" % (ran.returncode, said[-1500:])


def version(row):
    if row.version is None:
        return ""
    said = subprocess.run(["/bin/bash", "-c", row.version], capture_output=True, text=True, check=False).stdout.strip()
    return said.splitlines()[0] if said else "?"


def document(results, grown):
    lines = [
        "# Clients in devboxes",
        "",
        "Written by `scripts/test-clients-matrix --write`, which runs each client below inside `tightlip run` against stand-ins on loopback that check the credential. None of them is given a flag, a proxy or a",
        "certificate for tightlip's sake; what a row sets is what that client needs anywhere to send this credential there. `$TOKEN` is the placeholder.",
        "",
        "| client | version | what it did | sets |",
        "|---|---|---|---|",
    ]
    lines += ["| %s | %s | %s | %s |" % (row.name, shown, row.did, row.sets or "nothing") for row, shown, _ in results]
    lines += [
        "",
        "What the rows show beside the credential:",
        "",
        "- gRPC: the stand-in speaks HTTP/2 alone and answers whoever shows the true credential, so both legs keep HTTP/2 with a secret attached.",
        "- WebSocket: a connection on which nobody said anything for %d s, pings included, takes the next message." % IDLE_SECONDS,
        "- Server-sent events: the stand-in says the second event only when the client has told, by another request, that it has the first. Nothing is held back.",
        "- Large bodies: 1 GiB each way, over HTTP/1.1 and over HTTP/2, made the gateway's peak memory (`VmHWM`) grow by %.1f MiB. %d MiB would fail." % (grown, GROWTH_KIB_MAX >> 10),
        "- Java says `Picked up JAVA_TOOL_OPTIONS` on its standard error. Debian's finds the trust store without the variable; others need it. Whoever sets it anew repeats what stands in it.",
        "",
        "Not brokered, and what is said then:",
        "",
        "| client | what happens |",
        "|---|---|",
    ]
    lines += ["| %s | %s |" % (row.name, row.happens) for row in NOT_BROKERED]
    return "\n".join(lines) + "\n"


def main():
    arguments = sys.argv[1:]
    write = arguments[arguments.index("--write") + 1] if "--write" in arguments else None
    names = [word for word in arguments if not word.startswith("--") and word != write]
    rows = [row for row in ROWS if (not names or row.name in names) and ("--core" not in arguments or row.name in CORE)]
    folder = tempfile.mkdtemp(prefix="tightlip-matrix-")
    served, results, failed, grown = Served(folder), [], 0, None
    try:
        for row in rows:
            shown, begun = version(row), time.monotonic()
            why = judge(served, row, folder)
            results.append((row, shown, why))
            failed += why is not None
            print("%s  %-28s %s  %.1f s%s" % ("FAIL" if why else "pass", row.name, shown, time.monotonic() - begun, "\n" + why if why else ""), flush=True)
        if len(rows) == len(ROWS):
            for row in NOT_BROKERED:
                why = refused(served, row, folder)
                failed += why is not None
                print("%s  not brokered: %s%s" % ("FAIL" if why else "pass", row.name, "\n" + why if why else ""), flush=True)
            grown, why = transfer(served, folder)
            failed += why is not None
            if why:
                print("FAIL  transfers of 1 GiB: " + why)
    finally:
        served.stop()
        shutil.rmtree(folder, ignore_errors=True)
    if not write and len(rows) == len(ROWS):
        with open(os.path.join(HERE, "../../../docs/clients.md"), encoding="utf-8") as file:
            told = file.read()
        untold = [row.name for row in ROWS + NOT_BROKERED if "| %s |" % row.name not in told]
        untold += [row.name for row in ROWS if "| %s |" % row.did not in told]
        failed += bool(untold)
        if untold:
            print("FAIL  docs/clients.md lacks %s: scripts/test-clients-matrix --write" % ", ".join(untold))
    if write and not failed:
        with open(write, "w", encoding="utf-8") as file:
            file.write(document(results, grown))
    print("matrix: %d rows, %d failed" % (len(results), failed))
    sys.exit(1 if failed or not results else 0)


main()
