//! What people are told and given.

use std::os::unix::fs::PermissionsExt;

use crate::world::{API, PROXY, World, alone, text};

#[test]
fn where_the_proxy_is_off_nothing_is_made_and_the_mend_is_said() {
    if !alone("told::where_the_proxy_is_off_nothing_is_made_and_the_mend_is_said") {
        return;
    }
    let world = World::start_with(&[]);
    let out = world.folder.path().join("box");
    let refused = world.server.call(&["devbox", "env", "--secret", "KEY", "--out", out.to_str().unwrap()], b"").unwrap();
    let said = text(&refused);
    assert!(refused.status.code() == Some(7) && said.contains("tightlip up --gateway ADDR:PORT"), "{said}");
    assert!(world.tool(&["devbox", "list", "--json"]).contains("\"total_count\":0"));
}

#[test]
fn what_makes_no_sense_makes_nothing() {
    if !alone("told::what_makes_no_sense_makes_nothing") {
        return;
    }
    let world = World::start_with(&["--gateway", "0.0.0.0:7081"]);
    let out = world.folder.path().join("box");
    let out = out.to_str().unwrap();
    for (arguments, code, words) in [
        (&["--out", out][..], 2, "--secret NAME"),
        (&["--secret", "KEY"], 2, "--bundle FILE"),
        (&["--secret", "KEY", "--format", "k8s"], 2, "--out DIR"),
        (&["--secret", "KEY", "--source", "10.0.0.1/8", "--out", out], 2, "first address"),
        (&["--secret", "KEY", "--gateway-url", "https://10.0.0.1:1", "--out", out], 2, "http://HOST:PORT"),
        (&["--secret", "KEY", "--out", out], 2, "--gateway-url"),
        (&["--secret", "NONE", "--gateway-url", "http://10.0.0.1:1", "--out", out], 3, "does not exist"),
        (&["--secret", "HTTPS_PROXY=KEY", "--gateway-url", "http://10.0.0.1:1", "--out", out], 2, "taken already"),
        (&["--secret", "KEY", "--gateway-url", "http://10.0.0.1:1", "--out", out, "--bundle", "relative.pem"], 2, "absolute"),
    ] {
        let all: Vec<&str> = ["devbox", "env"].iter().chain(arguments).copied().collect();
        let refused = world.server.call(&all, b"").unwrap();
        assert!(
            refused.status.code() == Some(code) && text(&refused).contains(words),
            "{arguments:?}: {:?} {}",
            refused.status,
            text(&refused)
        );
    }
    assert!(world.tool(&["devbox", "list", "--json"]).contains("\"total_count\":0"));
}

#[test]
fn files_are_their_owners_alone_and_are_not_written_over() {
    if !alone("told::files_are_their_owners_alone_and_are_not_written_over") {
        return;
    }
    let world = World::start();
    let out = world.folder.path().join("box");
    let arguments =
        |format: &'static str| ["devbox", "env", "--secret", "KEY", "--format", format, "--out", out.to_str().unwrap()].map(str::to_owned);
    let call = |format, more: &[&str]| {
        let all = arguments(format);
        let all: Vec<&str> = all.iter().map(String::as_str).chain(more.iter().copied()).collect();
        world.server.call(&all, b"").unwrap()
    };
    let made = call("docker", &[]);
    assert!(made.status.success(), "{}", text(&made));
    let said = String::from_utf8(made.stdout).unwrap();
    assert_eq!(said.trim(), format!("--env-file {0}/env -v {0}/bundle.pem:/etc/tightlip/bundle.pem:ro", out.display()));
    let mode = |path: &std::path::Path| path.metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&out), mode(&out.join("env")), mode(&out.join("bundle.pem"))), (0o700, 0o600, 0o644));
    let before = world.tool(&["devbox", "list", "--json"]);
    let refused = call("docker", &[]);
    assert!(refused.status.code() == Some(5) && text(&refused).contains("--force"), "{}", text(&refused));
    assert_eq!(world.tool(&["devbox", "list", "--json"]), before, "nothing was made");
    assert!(call("k8s", &["--force"]).status.success());
    let bundle = std::fs::read_to_string(out.join("bundle.pem")).unwrap();
    assert!(bundle.matches("BEGIN CERTIFICATE").count() > 1, "the system's certificates and the devbox's own");
}

#[test]
fn a_workflow_is_told_what_to_mask() {
    if !alone("told::a_workflow_is_told_what_to_mask") {
        return;
    }
    let world = World::start();
    let out = world.folder.path().join("box");
    let said = world.tool(&["devbox", "env", "--secret", "KEY", "--format", "github-actions", "--out", out.to_str().unwrap()]);
    let env = std::fs::read_to_string(out.join("env")).unwrap();
    let token = env.lines().find_map(|line| line.strip_prefix("KEY=")).unwrap();
    let credential = env.lines().find_map(|line| line.strip_prefix("HTTPS_PROXY=http://devbox:")).unwrap().split('@').next().unwrap();
    let mut masks: Vec<&str> = said.lines().collect();
    masks.sort_unstable();
    let mut expected = [format!("::add-mask::{token}"), format!("::add-mask::{credential}")];
    expected.sort_unstable();
    assert_eq!(masks, expected);
    assert!(
        env.contains(&format!("@{PROXY}\n"))
            && env.contains("NODE_USE_ENV_PROXY=1\n")
            && env.contains("no_proxy=localhost,127.0.0.1,::1\n")
    );
    assert!(env.contains(&format!("CURL_CA_BUNDLE={}\n", out.join("bundle.pem").display())), "the job runs here");
}

#[test]
fn the_same_over_the_api_and_a_sandbox_takes_no_commands() {
    if !alone("told::the_same_over_the_api_and_a_sandbox_takes_no_commands") {
        return;
    }
    let world = World::start();
    let bundle = world.folder.path().join("bundle.pem");
    let key = std::fs::read_to_string(world.server.data().join("api-key")).unwrap();
    let arguments = ["devbox", "env", "--secret", "KEY", "--allow", "*.example.org", "--bundle", bundle.to_str().unwrap()];
    let made =
        world.server.command(&arguments).env("TIGHTLIP_URL", world.server.url()).env("TIGHTLIP_API_KEY", key.trim()).output().unwrap();
    assert!(made.status.success(), "{}", text(&made));
    let lines = String::from_utf8(made.stdout).unwrap();
    let variables = lines.lines().map(|line| line.split_once('=').unwrap()).map(|(name, value)| (name.to_owned(), value.to_owned()));
    let listed = world.tool(&["devbox", "list"]);
    let id = listed.lines().last().unwrap().split_whitespace().next().unwrap().to_owned();
    assert!(listed.contains("running (remote)"), "{listed}");
    let sandbox = crate::world::Environment { id, variables: variables.collect() };
    assert!(world.sh(&sandbox, &format!("curl -sS https://{API}/ -H \"Authorization: Bearer $KEY\"")).contains("authorized"));
    let refused = world.server.call(&["devbox", "exec", "--json", &sandbox.id, "--", "true"], b"").unwrap();
    assert!(!refused.status.success() && text(&refused).contains("devbox_remote"), "{}", text(&refused));
}
