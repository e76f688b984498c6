"""The rows of `--full` alone: clients that are large to install."""

import os

from row import API, PYTHON, Row

HERE = os.path.dirname(os.path.abspath(__file__))
TOOLS = os.environ.get("MATRIX_TOOLS", "")
MODULES = os.path.join(HERE, "tools/node_modules")
DENO = os.path.join(MODULES, "@deno/linux-x64-glibc/deno")

JAVA = """
import java.net.URI;
import java.net.http.*;

class Client {
    public static void main(String[] arguments) throws Exception {
        var request = HttpRequest.newBuilder(URI.create("%s/x")).header("Authorization", "Bearer " + System.getenv("TOKEN")).build();
        var reply = HttpClient.newHttpClient().send(request, HttpResponse.BodyHandlers.ofString());
        System.out.println(reply.version() + " " + reply.body());
    }
}
""" % API
OLDER_JAVA = """
import java.net.URL;
import javax.net.ssl.HttpsURLConnection;

class Client {
    public static void main(String[] arguments) throws Exception {
        var connection = (HttpsURLConnection) new URL("%s/x").openConnection();
        connection.setRequestProperty("Authorization", "Bearer " + System.getenv("TOKEN"));
        System.out.println(new String(connection.getInputStream().readAllBytes()));
    }
}
""" % API
SETTINGS = """<settings>
  <servers><server><id>standin</id><username>agent</username><password>${env.TOKEN}</password></server></servers>
</settings>
"""
POM = """<project>
  <modelVersion>4.0.0</modelVersion>
  <parent><groupId>standin</groupId><artifactId>parent</artifactId><version>1</version><relativePath/></parent>
  <artifactId>user</artifactId><packaging>pom</packaging><name>user ${word}</name>
  <repositories><repository><id>standin</id><url>https://maven.example.test/</url></repository></repositories>
  <dependencyManagement><dependencies>
    <dependency><groupId>standin</groupId><artifactId>versions</artifactId><version>1</version><type>pom</type><scope>import</scope></dependency>
  </dependencies></dependencyManagement>
</project>
"""
GO = """package main

import (
	"fmt"
	"io"
	"net/http"
	"os"
)

func main() {
	request, _ := http.NewRequest("GET", "%s/x", nil)
	request.Header.Set("Authorization", "Bearer "+os.Getenv("TOKEN"))
	reply, err := http.DefaultClient.Do(request)
	if err != nil {
		panic(err)
	}
	body, _ := io.ReadAll(reply.Body)
	fmt.Println(reply.Proto, string(body))
}
""" % API
GO_MODULE = 'package main\n\nimport (\n\t"fmt"\n\t"standin.example/module"\n)\n\nfunc main() { fmt.Println(module.Word) }\n'
PYPROJECT = """[project]
name = "user"
version = "0.1.0"
requires-python = ">=3.11"
dependencies = ["standin-package"]
[tool.poetry]
package-mode = false
[[tool.poetry.source]]
name = "standin"
url = "https://pypi.example.test/simple/"
priority = "primary"
"""
DENO_FETCH = "const r = await fetch('%s/x', { headers: { authorization: `Bearer ${Deno.env.get('TOKEN')}` } });\nconsole.log((await r.json()).authorized);\n" % API
NPM = {".npmrc": "registry=https://npm.example.test/\n//npm.example.test/:_authToken=${TOKEN}\n"}
USER = '{"name": "user", "version": "1.0.0", "dependencies": {"standin-package": "1.0.0"}}'
TOKEN_FLOW = """
R=https://registry.example.test
curl -sS -D - -o /dev/null $R/v2/ | grep -i '^www-authenticate: Bearer realm="https://registry.example.test/token"'
T=$(curl -sS --fail -u "agent:$TOKEN" "$R/token?service=registry.example.test&scope=repository:standin:pull" | sed 's/.*"token": "\\([^"]*\\)".*/\\1/')
curl -sS --fail -H "Authorization: Bearer $T" $R/v2/standin/manifests/1 > manifest
D=$(sed 's/.*"layers": .*"digest": "\\(sha256:[0-9a-f]*\\)".*/\\1/' manifest)
curl -sS --fail -H "Authorization: Bearer $T" $R/v2/standin/blobs/$D > blob
echo "${D#sha256:}  blob" | sha256sum -c
"""


def yarn(name, script, files, sets):
    command = "node %s %s && node -p \"require('standin-package')\"" % (os.path.join(MODULES, script), "install")
    return Row(name, "install from a private registry", "npm.example.test", command, "from the registry", "node %s --version" % os.path.join(MODULES, script), sets, {"package.json": USER, **files}, [MODULES])


TOOL_ROWS = [
    Row("Java's HttpClient", "GET over HTTP/2", "api.example.test", "java Client.java", 'HTTP_2 {"authorized": true', "java -version 2>&1 | head -1 | tr -d '\"'", files={"Client.java": JAVA}),
    Row("Java's HttpsURLConnection", "GET", "api.example.test", "java Client.java", '{"authorized": true', "java -version 2>&1 | head -1 | tr -d '\"'", files={"Client.java": OLDER_JAVA}),
    Row("Java without its variable", "GET over HTTP/2", "api.example.test", "unset JAVA_TOOL_OPTIONS && java Client.java", 'HTTP_2 {"authorized": true', "java -version 2>&1 | head -1 | tr -d '\"'", files={"Client.java": JAVA}, sets="nothing (Debian's Java finds the trust store by itself)"),
    Row("Maven", "a parent and imported versions from a private repository", "maven.example.test", "mvn -B -s settings.xml validate", "user from the repository", "mvn -B --version 2>/dev/null | grep -o 'Apache Maven [0-9.]*'", "the token as the password of a `<server>` in `settings.xml`", {"settings.xml": SETTINGS, "pom.xml": POM}),
    Row("Go's net/http", "GET over HTTP/2", "api.example.test", "go run client.go", 'HTTP/2.0 {"authorized": true', "go version | cut -d' ' -f1-3", files={"client.go": GO}),
    Row("Go's modules", "build against a private module proxy", "go.example.test", "export GOPROXY=https://agent:$TOKEN@go.example.test GOSUMDB=off GOFLAGS=-mod=mod && go run .", "from the module proxy", "go version | cut -d' ' -f1-3", "the token in `GOPROXY`'s URL", {"main.go": GO_MODULE, "go.mod": "module user\n\ngo 1.19\n\nrequire standin.example/module v1.0.0\n"}),
    Row("gh", "`gh api user`", "api.github.com", "GH_TOKEN=$TOKEN gh api user --jq .login", "standin", "gh --version | head -1 | cut -d' ' -f1-3", "`GH_TOKEN`"),
    Row("uv", "install from a private index", "pypi.example.test", "%s/bin/uv pip install --python %s --target here --index-url https://__token__:$TOKEN@pypi.example.test/simple/ standin-package && PYTHONPATH=here %s -c 'import standin_package; print(standin_package.WORD)'" % (TOOLS, PYTHON, PYTHON), "from the index", TOOLS + "/bin/uv --version | cut -d' ' -f1,2", "the token in the index's URL", read=[TOOLS, os.path.dirname(os.path.dirname(PYTHON))]),
    Row("Poetry", "install from a private index", "pypi.example.test", "export POETRY_HTTP_BASIC_STANDIN_USERNAME=__token__ POETRY_HTTP_BASIC_STANDIN_PASSWORD=$TOKEN && %s/bin/poetry install -q -n && %s/bin/poetry run python -c 'import standin_package; print(standin_package.WORD)'" % (TOOLS, TOOLS), "from the index", TOOLS + "/bin/poetry --version", "`POETRY_HTTP_BASIC_NAME_PASSWORD`", {"pyproject.toml": PYPROJECT}, [TOOLS]),
    yarn("Yarn 1", "yarn/bin/yarn.js", {".npmrc": NPM[".npmrc"] + "always-auth=true\n"}, "`//HOST/:_authToken=${TOKEN}` and `always-auth` in `.npmrc`"),
    yarn("Yarn 4", "@yarnpkg/cli-dist/bin/yarn.js", {"yarn.lock": "", ".yarnrc.yml": 'npmRegistryServer: "https://npm.example.test"\nnpmAlwaysAuth: true\nnpmAuthToken: "${TOKEN}"\nnodeLinker: node-modules\nenableTelemetry: false\n'}, "`npmAuthToken` in `.yarnrc.yml`"),
    Row("Deno fetch", "GET", "api.example.test", "%s run --allow-net --allow-env client.ts" % DENO, "true", DENO + " --version | head -1 | cut -d' ' -f1,2", files={"client.ts": DENO_FETCH}, read=[MODULES]),
    Row("Deno, npm packages", "install from a private registry", "npm.example.test", "%s run --allow-read --allow-env client.ts" % DENO, "from the registry", DENO + " --version | head -1 | cut -d' ' -f1,2", "`//HOST/:_authToken=${TOKEN}` in `.npmrc`", {"client.ts": "import word from 'npm:standin-package@1.0.0';\nconsole.log(word);\n", "deno.json": "{}", **NPM}, [MODULES]),
    Row("a container registry, by curl", "challenge, token, manifest, blob", "registry.example.test", TOKEN_FLOW, "blob: OK", "curl --version | cut -d' ' -f1,2", "the token as the password at the token service"),
    Row("skopeo", "copy of an image out of a private registry", "registry.example.test", "skopeo copy -q --src-creds agent:$TOKEN docker://registry.example.test/standin:1 dir:image && ls image", "manifest.json", "skopeo --version", "the token as the password of `--src-creds`"),
]
