//! Nothing of one devbox is within another's reach: files, processes, sockets, tokens, commands, events.

use serde_json::json;

use crate::client::Client;
use crate::road::{BOUND, Road, users};

#[test]
fn two_devboxes_see_nothing_of_each_other() {
    for user in users() {
        let road = Road::start(user);
        let client = Client::owner(&road.server);
        let wanted = json!({ "secrets": { "GITHUB_TOKEN": "GITHUB_TOKEN" } });
        let (one, two) = (client.devbox(&wanted), client.devbox(&wanted));
        one.sh("echo private > ~/mine; echo shared > /tmp/shared; chmod 777 ~ /tmp/shared");
        one.begin("exec -a a-name-to-look-for sleep 1000");
        one.begin("python3 -c 'import socket,time; s=socket.socket(); s.bind((\"127.0.0.1\", 5000)); s.listen(); time.sleep(1000)'");
        let seen = two.sh("cat ~/mine /tmp/shared 2>/dev/null; ls /tmp; grep -la '[a]-name-to-look' /proc/*/cmdline 2>/dev/null; true");
        assert!(!seen.contains("private") && !seen.contains("shared") && !seen.contains("/proc"), "{seen}");
        let port = two.run("python3 -c 'import socket; s=socket.socket(); s.settimeout(2); s.connect((\"127.0.0.1\", 5000))'");
        assert_ne!(port.code, 0, "{port:?}");
        let uids = (one.sh("id -u"), two.sh("id -u"));
        if road.user.is_none() && nix::unistd::geteuid().is_root() {
            assert!(uids.0 != uids.1 && uids.0.trim() != "0", "{uids:?}");
        }

        let token = one.sh("printf %s $GITHUB_TOKEN");
        let said = two.sh(&format!("curl -sS -H 'Authorization: Bearer {token}' https://{BOUND}/user"));
        assert!(said.contains("token_foreign"), "{said}");
        assert!(road.upstream.records_of(BOUND).is_empty());
    }
}

#[test]
fn an_account_reaches_nothing_of_another() {
    let road = Road::start(users()[0]);
    let owner = Client::owner(&road.server);
    let stranger = Client::stranger(&road.server, "stranger");
    let devbox = owner.devbox(&json!({ "name": "a-name-to-look-for" }));
    let execution = devbox.begin("sleep 1000");
    let gateway = owner.gateway(&format!("https://{BOUND}"), &json!({ "type": "bearer" }));
    let not_found = |(status, body): (u16, serde_json::Value)| assert_eq!(status, 404, "{body}");
    not_found(stranger.get(&devbox.path("")));
    for (rest, body) in [
        ("/shutdown", json!({})),
        ("/keep_alive", json!({})),
        ("/execute_async", json!({ "command": "true" })),
        ("/execute", json!({ "command": "true", "command_id": "01997d2a-3f5b-7c44-8a51-5f0b6f3a9c1e" })),
        ("/wait_for_status", json!({ "statuses": ["running"] })),
        ("/create_gateway_token", json!({ "gateway": "anthropic", "secret": "x" })),
    ] {
        not_found(stranger.post(&devbox.path(rest), &body));
    }
    not_found(stranger.get(&devbox.path(&format!("/executions/{execution}"))));
    not_found(stranger.get(&devbox.path(&format!("/executions/{execution}/stream_stdout_updates"))));
    not_found(stranger.post(&devbox.path(&format!("/executions/{execution}/kill")), &json!({})));
    not_found(stranger.get(&format!("/v1/gateway-configs/{gateway}")));
    not_found(stranger.post("/v1/devboxes", &json!({ "secrets": { "A": "GITHUB_TOKEN" } })));
    not_found(stranger.post("/v1/devboxes", &json!({ "gateways": { "A": { "gateway": gateway, "secret": "GITHUB_TOKEN" } } })));
    for path in ["/v1/devboxes", "/v1/events", "/v1/gateway-configs"] {
        let shown = stranger.ok(stranger.get(path)).to_string();
        assert!(!shown.contains(&devbox.id) && !shown.contains(&gateway) && !shown.contains("a-name-to-look-for"), "{shown}");
    }
    assert_eq!(devbox.status(), "running");
}

#[test]
fn a_key_that_was_revoked_is_given_nothing_that_it_waited_for() {
    let road = Road::start(users()[0]);
    let owner = Client::owner(&road.server);
    let made = owner.ok(owner.post("/v1/api-keys", &json!({ "name": "short", "scopes": ["read", "devbox"] })));
    let short = Client { server: &road.server, key: made["key"].as_str().unwrap().to_owned() };
    let devbox = owner.devbox(&json!({}));
    let execution = devbox.begin("echo early; while [ ! -e go ]; do sleep 0.05; done; echo late");
    let path = devbox.path(&format!("/executions/{execution}/stream_stdout_updates"));
    let said = std::thread::scope(|scope| {
        let reading = scope.spawn(|| short.text(&path));
        std::thread::park_timeout(std::time::Duration::from_millis(500));
        owner.ok(owner.post(&format!("/v1/api-keys/{}/revoke", made["api_key"]["id"].as_str().unwrap()), &json!({})));
        devbox.sh("touch go");
        assert_eq!(devbox.wait(&execution)["stdout"], "early\nlate\n");
        reading.join().unwrap()
    });
    assert!(said.contains("early") && !said.contains("late"), "{said}");
}
