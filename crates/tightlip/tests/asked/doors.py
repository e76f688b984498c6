import http.client, os, socket

def look(name, act):
    try:
        act()
        print("REACHED " + name)
    except (OSError, http.client.HTTPException):
        print("closed " + name)

def ask(host, path):
    def act():
        connection = http.client.HTTPConnection(host, int("@PORT@"), timeout=5)
        connection.request("GET", path)
        connection.getresponse().read()
    return act

def connect(path):
    def act():
        # A stream or packets: each is tried.
        for kind in (socket.SOCK_STREAM, socket.SOCK_SEQPACKET):
            try:
                return socket.socket(socket.AF_UNIX, kind).connect(path)
            except OSError as error:
                last = error
        raise last
    return act

data = "@DATA@/"
look("api 127.0.0.1", ask("127.0.0.1", "/v1/secrets"))
look("api localhost", ask("localhost", "/v1/secrets"))
look("metrics 127.0.0.1", ask("127.0.0.1", "/metrics"))
for name in ("gateway.sock", "control.sock"):
    look(name, connect(data + name))
for name in ("store/tightlip.db", "gateway/gateway.db", "gateway/root.key", "gateway/keyring.json", "gateway/admin-key", "api/signing.key", "api-key", "tightlip.toml"):
    look(name, lambda: open(data + name, "rb").read())
