//! The examples of `docs/sandboxes.md`, as far as they can run without a cluster, a daemon and a runner: each way in which an environment is told to a sandbox
//! is read as that sandbox's own machinery reads it, and a client with nothing but what was read gets through.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::{Value, json};

use crate::world::{API, BINARY, Environment, HERE, PROXY, World, alone, text};

const PAGE: &str = include_str!("../../../../docs/sandboxes.md");

/// The first block of a language below a heading of the page.
fn block(heading: &str, language: &str) -> String {
    let below = PAGE.split_once(&format!("\n## {heading}")).unwrap().1;
    let begun = below.split_once(&format!("\n```{language}\n")).unwrap().1;
    begun.split_once("\n```").unwrap().0.to_owned()
}

/// A shell line of the page as a person types it where the server runs; standard output and error.
fn typed(world: &World, line: &str, variables: &[(&str, &Path)]) -> Output {
    let beside = Path::new(BINARY).parent().unwrap();
    let mut bash = Command::new("bash");
    bash.args(["-euo", "pipefail", "-c", line]).env_clear().envs(variables.iter().copied());
    bash.env("PATH", format!("{}:{}", beside.display(), std::env::var("PATH").unwrap()));
    bash.env("HOME", world.folder.path()).env("TIGHTLIP_DATA", world.server.data());
    bash.current_dir(world.folder.path()).stdin(Stdio::null()).output().unwrap()
}

fn authorized(world: &World, variables: BTreeMap<String, String>, secret: &str) {
    let sandbox = Environment { id: String::new(), variables };
    let said = world.sh(&sandbox, &format!("curl -sS https://{API}/ -H \"Authorization: Bearer ${secret}\""));
    assert!(said.starts_with("authorized; you said Bearer "), "{said}");
}

/// Stores the secret that an example names, bound to the stand-in.
fn store(world: &World, name: &str) {
    world.server.expect(&["secret", "set", name, "--host", API], world.canary.value().as_bytes()).unwrap();
}

/// A daemon that takes what Docker's own client asks for, and does nothing of it. Gives what was asked to be created.
fn daemon(listener: TcpListener) -> Value {
    for stream in listener.incoming() {
        let mut stream = stream.unwrap();
        while let Some((line, body)) = request(&mut stream) {
            let created = line.starts_with("POST ") && line.contains("/containers/create");
            let (status, answer) = if created { ("201 Created", "{\"Id\":\"c0ffee\",\"Warnings\":[]}") } else { ("200 OK", "{}") };
            let head = format!(
                "HTTP/1.1 {status}\r\nApi-Version: 1.43\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
                answer.len()
            );
            stream.write_all(format!("{head}{}", if line.starts_with("HEAD ") { "" } else { answer }).as_bytes()).unwrap();
            if created {
                return serde_json::from_slice(&body).unwrap();
            }
        }
    }
    unreachable!("the listener goes on")
}

/// One request: its first line, and its body of known length.
fn request(stream: &mut impl Read) -> Option<(String, Vec<u8>)> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        if stream.read(&mut byte).unwrap_or(0) == 0 {
            return None;
        }
        head.push(byte[0]);
    }
    let head = String::from_utf8(head).unwrap();
    let length = head.lines().find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length: ").map(|text| text.parse().unwrap()));
    let mut body = vec![0; length.unwrap_or(0)];
    stream.read_exact(&mut body).unwrap();
    Some((head.lines().next().unwrap().to_owned(), body))
}

#[test]
fn dockers_own_client_reads_the_arguments_and_the_file_as_they_are_meant() {
    if !alone("examples::dockers_own_client_reads_the_arguments_and_the_file_as_they_are_meant") {
        return;
    }
    if !Command::new("docker").arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|status| status.success()) {
        println!("skipped: Docker's client is not there");
        return;
    }
    let world = World::start();
    store(&world, "GITHUB_TOKEN");
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let host = format!("tcp://{}", listener.local_addr().unwrap());
    let daemon = std::thread::spawn(move || daemon(listener));
    let example = block("Docker", "");
    let line = example.split_once("docker run ").unwrap().1;
    let inside = world.folder.path().join("bundle-inside.pem");
    let line = line.replace("--source 172.30.0.0/24", &format!("--source {HERE} --bundle {}", inside.display()));
    let output = typed(
        &world,
        &format!("DOCKER_HOST={host} docker create {}", line.replace("IMAGE", "busybox")),
        &[("DOCKER_CONFIG", world.folder.path())],
    );
    assert!(output.status.success(), "{}", text(&output));
    let created = daemon.join().unwrap();
    assert_eq!(created["HostConfig"]["NetworkMode"], "agents");
    let mount = created["HostConfig"]["Binds"][0].as_str().unwrap();
    let bundle = world.folder.path().join("box/bundle.pem");
    assert_eq!(mount, format!("{}:{}:ro", bundle.display(), inside.display()));
    std::fs::copy(bundle, inside).unwrap();
    let env = created["Env"].as_array().unwrap().iter().map(|line| line.as_str().unwrap().split_once('=').unwrap());
    authorized(&world, env.map(|(name, value)| (name.to_owned(), value.to_owned())).collect(), "GITHUB_TOKEN");
}

#[test]
fn a_pod_of_the_manifests_gets_out() {
    if !alone("examples::a_pod_of_the_manifests_gets_out") {
        return;
    }
    let world = World::start();
    store(&world, "GITHUB_TOKEN");
    let inside = world.folder.path().join("bundle-inside.pem");
    let (line, apply) = block("Kubernetes", "").split_once("\nkubectl ").map(|(line, apply)| (line.to_owned(), apply.to_owned())).unwrap();
    assert_eq!(apply, "apply -f box/tightlip.yaml");
    let line = line.replace("10.42.0.0/16", HERE).replace("10.0.0.5:7081", PROXY) + &format!(" --bundle {}", inside.display());
    let output = typed(&world, &line, &[]);
    assert!(output.status.success() && text(&output).contains("kubectl apply -f "), "{}", text(&output));
    let file = |name: &str| std::fs::read_to_string(world.folder.path().join("box").join(name)).unwrap();
    let objects: Vec<Value> = serde_saphyr::from_multiple(&file("tightlip.yaml")).unwrap();
    let [secret, map] = &objects[..] else { panic!("{objects:?}") };
    let pod: Value = serde_saphyr::from_str(&file("pod.yaml")).unwrap();
    // What the kubelet makes of them.
    let container = &pod["containers"][0];
    assert_eq!(container["envFrom"], json!([{ "secretRef": { "name": "tightlip-ci" } }]));
    assert_eq!((&secret["metadata"]["name"], &map["metadata"]["name"]), (&json!("tightlip-ci"), &json!("tightlip-ci")));
    let mount = &container["volumeMounts"][0];
    assert_eq!((&mount["mountPath"], &pod["volumes"][0]["configMap"]["name"]), (&json!(inside), &json!("tightlip-ci")));
    std::fs::write(&inside, map["data"][mount["subPath"].as_str().unwrap()].as_str().unwrap()).unwrap();
    let env = secret["stringData"].as_object().unwrap().iter().map(|(name, value)| (name.clone(), value.as_str().unwrap().to_owned()));
    authorized(&world, env.collect(), "GITHUB_TOKEN");
    read_by_kubectl(&world, &objects);
}

/// kubectl's own reading of the objects, where it is there.
fn read_by_kubectl(world: &World, objects: &[Value]) {
    let mut kubectl = Command::new("kubectl");
    kubectl.args(["label", "--local", "-o", "json", "-f", "box/tightlip.yaml", "read=yes"]).current_dir(world.folder.path());
    let Ok(read) = kubectl.env("HOME", world.folder.path()).output() else {
        println!("kubectl is not there: its own reading was not tried");
        return;
    };
    assert!(read.status.success(), "{}", text(&read));
    let read = serde_json::Deserializer::from_slice(&read.stdout).into_iter::<Value>().map(|mut object| {
        object.as_mut().unwrap()["metadata"].as_object_mut().unwrap().remove("labels");
        object.unwrap()
    });
    assert_eq!(read.collect::<Vec<_>>(), objects);
}

/// A runner's reading of `$GITHUB_ENV`: `NAME=VALUE`, or `NAME<<END` and lines up to that end, whichever mark comes first.
fn github_env(file: &str) -> BTreeMap<String, String> {
    let (mut variables, mut lines) = (BTreeMap::new(), file.lines());
    while let Some(line) = lines.next() {
        match (line.find('='), line.find("<<")) {
            (Some(at), many) if many.is_none_or(|many| at < many) => {
                variables.insert(line[..at].to_owned(), line[at + 1..].to_owned());
            }
            (_, Some(at)) => {
                let end = &line[at + 2..];
                let value: Vec<&str> = lines.by_ref().take_while(|line| *line != end).collect();
                variables.insert(line[..at].to_owned(), value.join("\n"));
            }
            (_, None) => panic!("a runner refuses the line"),
        }
    }
    variables
}

#[test]
fn a_job_of_the_workflow_gets_out_beside_variables_of_many_lines() {
    if !alone("examples::a_job_of_the_workflow_gets_out_beside_variables_of_many_lines") {
        return;
    }
    // As in the example, the server runs on the runner.
    let world = World::start_with(&["--gateway", "127.0.0.1:7081"]);
    store(&world, "NPM_TOKEN");
    let steps: Value = serde_saphyr::from_str(&block("GitHub Actions", "yaml")).unwrap();
    let script = steps[0]["run"].as_str().unwrap();
    let kept = world.folder.path().join("github-env");
    std::fs::write(&kept, "BEFORE<<EOF_1\none=1\ntwo\nEOF_1\n").unwrap();
    let output = typed(&world, script, &[("RUNNER_TEMP", world.folder.path()), ("GITHUB_ENV", &kept)]);
    assert!(output.status.success(), "{}", text(&output));
    let mut variables = github_env(&std::fs::read_to_string(&kept).unwrap());
    assert_eq!(variables.remove("BEFORE").unwrap(), "one=1\ntwo");
    let masks = String::from_utf8(output.stdout).unwrap();
    assert!(masks.contains(&format!("::add-mask::{}\n", variables["NPM_TOKEN"])), "{masks}");
    let line = format!("curl -sS https://{API}/ -H \"Authorization: Bearer $NPM_TOKEN\"");
    let mut job = Command::new("sh");
    job.args(["-ec", &line]).env_clear().env("PATH", std::env::var_os("PATH").unwrap()).envs(&variables);
    let said = text(&job.output().unwrap());
    assert!(said.starts_with("authorized; you said Bearer "), "{said}");
}
