//! What an api that was taken over can do to its own database while everything runs: it redirects nothing.

use rusqlite::Connection;
use serde_json::json;

use crate::client::Client;
use crate::road::{BOUND, Road, UNBOUND, users};

/// The api's own database, open to be written as the api could.
fn database(road: &Road) -> Connection {
    let database = Connection::open(road.server.data().join("store/tightlip.db")).unwrap();
    database.busy_timeout(std::time::Duration::from_secs(5)).unwrap();
    database
}

#[test]
fn a_config_that_is_turned_elsewhere_leads_nowhere() {
    let road = Road::start(users()[0]);
    let client = Client::owner(&road.server);
    let gateway = client.gateway(&format!("https://{BOUND}"), &json!({ "type": "bearer" }));
    let devbox = client.devbox(&json!({ "gateways": { "MY_API": { "gateway": gateway, "secret": "GITHUB_TOKEN" } } }));
    let ask = || devbox.sh("curl -sS -H \"Authorization: Bearer $MY_API\" $MY_API_URL/user");
    assert_eq!(ask(), "{\"authorized\":true}");

    let database = database(&road);
    for (from, to) in
        [(format!("https://{BOUND}"), format!("https://{UNBOUND}")), (format!("https://{UNBOUND}"), format!("https://{BOUND}:8443"))]
    {
        let changed = database.execute("UPDATE gateway_configs SET endpoint = ?2 WHERE endpoint = ?1", [&from, &to]).unwrap();
        assert_eq!(changed, 1);
        let said = ask();
        assert!(said.contains("host_not_bound"), "{to}: {said}");
    }
    // Whatever it makes of its rows, a bound secret is paired with nothing else.
    let (status, body) = client.post("/v1/devboxes", &json!({ "gateways": { "A": { "gateway": gateway, "secret": "GITHUB_TOKEN" } } }));
    assert_eq!(status, 400, "{body}");
    assert_eq!(road.upstream.records_of(BOUND).len(), 1);
    assert!(road.upstream.records_of(UNBOUND).is_empty());
}

#[test]
fn an_unbound_secret_waits_for_a_person_whatever_the_api_writes() {
    let road = Road::start(users()[0]);
    let client = Client::owner(&road.server);
    client.create_secret("MINE", "an-unbound-credential-of-nobody");
    let gateway = client.gateway(&format!("https://{BOUND}"), &json!({ "type": "bearer" }));
    let devbox = client.devbox(&json!({ "gateways": { "MY_API": { "gateway": gateway, "secret": "MINE" } } }));
    let ask = || devbox.sh("curl -sS -H \"Authorization: Bearer $MY_API\" $MY_API_URL/user");
    assert!(ask().contains("pairing_pending"));

    // A person approves one destination; turned elsewhere afterwards, the config leads nowhere.
    let requests = road.server.expect(&["requests", "--json"], b"").unwrap();
    let id = requests.split("\"id\"").nth(1).unwrap().split('"').nth(1).unwrap().to_owned();
    database(&road).execute("UPDATE gateway_configs SET endpoint = ?1", [format!("https://{UNBOUND}")]).unwrap();
    road.server.expect(&["approve", &id], b"").unwrap();
    let said = ask();
    assert!(said.contains("host_not_bound"), "{said}");
    assert!(road.upstream.records().is_empty(), "nothing arrived anywhere");
}

#[test]
fn a_header_that_cuts_replies_into_pieces_is_nobodys_to_set() {
    let road = Road::start(users()[0]);
    let client = Client::owner(&road.server);
    for name in ["x-ms-range", "Request-Range", "range", "x-tightlip-refusal", "content-length", "host"] {
        let headers = json!([{ "name": name, "value": "bytes=0-22" }]);
        let wanted = json!({ "name": "n", "endpoint": format!("https://{BOUND}"), "auth_mechanism": { "type": "bearer" }, "custom_headers": headers });
        let (status, body) = client.post("/v1/gateway-configs", &wanted);
        assert_eq!(status, 400, "{name}: {body}");
    }
    let gateway = client.gateway(&format!("https://{BOUND}"), &json!({ "type": "bearer" }));
    let devbox = client.devbox(&json!({ "gateways": { "MY_API": { "gateway": gateway, "secret": "GITHUB_TOKEN" } } }));
    let planted = r#"[{"name":"x-ms-range","content":{"text":"bytes=0-22"}}]"#;
    assert_eq!(database(&road).execute("UPDATE gateway_configs SET headers = ?1", [planted]).unwrap(), 1);
    let said = devbox.sh("curl -sSi -H \"Authorization: Bearer $MY_API\" $MY_API_URL/echo");
    assert!(said.to_ascii_lowercase().contains("x-tightlip-refusal"), "{said}");
    assert!(road.upstream.records().is_empty());
}

#[test]
fn whoever_leaves_without_waiting_holds_up_nobody() {
    let road = Road::start(users()[0]);
    let (owner, eve) = (Client::owner(&road.server), Client::stranger(&road.server, "eve"));
    let devbox = eve.devbox(&json!({}));
    let execution = devbox.begin("sleep 1000");
    let address = road.server.url().trim_start_matches("http://").to_owned();
    let body = r#"{"statuses":["completed"],"timeout_seconds":25}"#;
    let path = devbox.path(&format!("/executions/{execution}/wait_for_status"));
    let request = format!(
        "POST {path} HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        eve.key,
        body.len()
    );
    for _ in 0..1500 {
        let mut stream = std::net::TcpStream::connect(&address).unwrap();
        std::io::Write::write_all(&mut stream, request.as_bytes()).unwrap();
        std::thread::park_timeout(std::time::Duration::from_millis(1));
    }
    let asked = std::time::Instant::now();
    assert_eq!(owner.ok(owner.get("/v1/devboxes"))["total_count"], 0);
    assert_eq!(owner.devbox(&json!({})).sh("echo well").trim(), "well");
    let answer = road.sh("curl -sS https://api.github.com/user -H \"Authorization: Bearer $GITHUB_TOKEN\"");
    assert_eq!(crate::road::ok(&answer), "{\"authorized\":true}");
    assert!(asked.elapsed() < std::time::Duration::from_secs(10), "{:?}", asked.elapsed());
    std::mem::forget(devbox);
}
