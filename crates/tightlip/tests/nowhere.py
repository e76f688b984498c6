import json, socket, ssl

def attempt(name, act):
    try:
        print(f"{name}: {act()}")
    except OSError:
        print(f"{name}: refused")

def connect(family, address):
    def act():
        s = socket.socket(family, socket.SOCK_STREAM)
        s.settimeout(3)
        s.connect(address)
        return "CONNECTED"
    return act

def udp():
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.settimeout(0.5)
    try:
        s.sendto(b"hello", ("192.0.2.1", 443))
        s.sendto(b"hello", ("192.0.2.1", 443))
        return s.recv(100)
    except OSError:
        return "silent"

attempt("loopback", connect(socket.AF_INET, ("127.0.0.1", @PORT@)))
attempt("raw", lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP) and "OPENED")
attempt("packet", lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0) and "OPENED")
attempt("udp", udp)
attempt("unix", connect(socket.AF_UNIX, "@UNIX@"))
attempt("abstract", connect(socket.AF_UNIX, "\0/tmp/.X11-unix/X0"))
attempt("ssh", connect(socket.AF_INET, ("192.0.2.1", 22)))

context = ssl.create_default_context()
context.check_hostname = False
context.verify_mode = ssl.CERT_NONE
for address in ("169.254.169.254", "127.0.0.1", "192.0.2.1", "2001:db8::1"):
    raw = socket.create_connection((address, 443), 3)
    tls = context.wrap_socket(raw, server_hostname="api.github.com")
    tls.sendall(b"GET / HTTP/1.1\r\nHost: api.github.com\r\nConnection: close\r\n\r\n")
    answer = b""
    while True:
        part = tls.recv(65536)
        if not part:
            break
        answer += part
    print("https", address, json.loads(answer.split(b"\r\n\r\n", 1)[1])["code"])
