/usr/bin/python3 - <<'PY'
import http.client, os
connection = http.client.HTTPSConnection("api.github.com")
connection.set_debuglevel(9)
connection.request("GET", "/echo", headers={"Authorization": "Bearer " + os.environ["GITHUB_TOKEN"]})
print(connection.getresponse().read())
PY
