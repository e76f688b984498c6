//! A gateway config and a secret that is bound to nothing: a person decides.

use serde_json::json;

use crate::client::Client;
use crate::road::{Road, UNBOUND, users};

const VALUE: &str = "an-unbound-credential-of-nobody";

#[test]
fn an_unbound_pairing_waits_for_a_person() {
    let road = Road::start(users()[0]);
    let client = Client::owner(&road.server);
    client.create_secret("MINE", VALUE);
    let gateway = client.gateway(&format!("https://{UNBOUND}"), &json!({ "type": "bearer" }));
    let wanted = json!({ "gateways": { "MY_API": { "gateway": gateway, "secret": "MINE" } } });
    let devbox = client.devbox(&wanted);
    let ask = || devbox.sh("curl -sS -H \"Authorization: Bearer $MY_API\" $MY_API_URL/user");
    let said = ask();
    assert!(said.contains("pairing_pending") && said.contains("tightlip approve"), "{said}");

    let requests = road.server.expect(&["requests", "--json"], b"").unwrap();
    let request: serde_json::Value = serde_json::from_str(requests.lines().next().unwrap()).unwrap();
    let request = request.get("requests").map_or(request.clone(), |requests| requests[0].clone());
    let id = request["id"].as_str().unwrap().to_owned();
    road.server.expect(&["approve", &id], b"").unwrap();
    ask();
    let records = road.upstream.records_of(UNBOUND);
    assert_eq!(records.len(), 1);
    assert!(records[0].holds(&format!("authorization: Bearer {VALUE}")));
}

#[test]
fn a_refused_pairing_stays_refused() {
    let road = Road::start(users()[0]);
    let client = Client::owner(&road.server);
    client.create_secret("MINE", VALUE);
    let gateway = client.gateway(&format!("https://{UNBOUND}"), &json!({ "type": "bearer" }));
    let devbox = client.devbox(&json!({ "gateways": { "MY_API": { "gateway": gateway, "secret": "MINE" } } }));
    let requests = road.server.expect(&["requests", "--json"], b"").unwrap();
    let id = requests.split("\"id\"").nth(1).unwrap().split('"').nth(1).unwrap().to_owned();
    road.server.expect(&["refuse", &id], b"").unwrap();
    let said = devbox.sh("curl -sS -H \"Authorization: Bearer $MY_API\" $MY_API_URL/user");
    assert!(said.contains("pairing_refused"), "{said}");
    assert!(road.upstream.records_of(UNBOUND).is_empty());
}
