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
