//! Gateways by base URL: where they lead, what they carry, what they refuse.

use serde_json::json;

use crate::client::{Client, Devbox};
use crate::road::{BOUND, Road, UNBOUND, users};

/// A devbox with a gateway to the host that the token is bound to.
fn with_gateway<'a>(client: &'a Client<'a>, endpoint: &str, mechanism: &serde_json::Value) -> Devbox<'a> {
    let gateway = client.gateway(endpoint, mechanism);
    client.devbox(&json!({ "gateways": { "MY_API": { "gateway": gateway, "secret": "GITHUB_TOKEN" } } }))
}

#[test]
fn a_request_carries_the_value_in_the_configs_form_over_tls_and_without() {
    for user in users() {
        let road = Road::start(user);
        let client = Client::owner(&road.server);
        for (mechanism, header) in [
            (json!({ "type": "bearer" }), format!("authorization: Bearer {}", road.canary.value())),
            (json!({ "type": "header", "key": "x-api-key" }), format!("x-api-key: {}", road.canary.value())),
        ] {
            let devbox = with_gateway(&client, &format!("https://{BOUND}/echo"), &mechanism);
            let shown = devbox.sh("echo $MY_API; echo $MY_API_URL");
            assert!(shown.starts_with("gws_") && shown.lines().nth(1).unwrap().starts_with("https://my-api."), "{shown}");
            for (sent, url) in [
                ("Authorization: Bearer $MY_API", "$MY_API_URL"),
                ("x-api-key: $MY_API", "$MY_API_URL"),
                ("Authorization: Bearer $MY_API", "http://${MY_API_URL#https://}"),
            ] {
                let before = road.upstream.records_of(BOUND).len();
                let said = devbox.sh(&format!("curl -sS -H \"{sent}\" \"{url}/a/b?x=%2F\""));
                road.assert_no_value(said.as_bytes());
                let records = road.upstream.records_of(BOUND);
                assert_eq!(records.len(), before + 1, "{said}");
                let record = records.last().unwrap();
                assert!(record.holds(&header) && !record.holds("gws_"), "{mechanism} {sent}");
                assert!(record.line.starts_with("GET /echo/a/b?x=%2F "), "{}", record.line);
            }
        }
    }
}

#[test]
fn no_token_a_strange_token_and_a_climbing_path_are_refused() {
    let road = Road::start(users()[0]);
    let client = Client::owner(&road.server);
    let devbox = with_gateway(&client, &format!("https://{BOUND}/base"), &json!({ "type": "bearer" }));
    let other = with_gateway(&client, &format!("https://{BOUND}"), &json!({ "type": "bearer" }));
    let foreign = other.sh("printf %s $MY_API");
    let code = |command: &str| {
        let said = devbox.sh(&format!("curl -sS -o /dev/null -D - {command} | tr -d '\\r' | sed -n 's/^x-tightlip-refusal: //p'"));
        said.trim().to_owned()
    };
    assert_eq!(code("$MY_API_URL/x"), "gateway_token_missing");
    assert_eq!(code("-H 'Authorization: Bearer gws_0000000000000000000000' $MY_API_URL/x"), "gateway_token_missing");
    assert_eq!(code(&format!("-H 'Authorization: Bearer {foreign}' $MY_API_URL/x")), "token_foreign");
    for path in ["../x", "%2e%2e/x", "a//b", "a%2f..%2fb"] {
        assert_eq!(code(&format!("--path-as-is -H \"Authorization: Bearer $MY_API\" $MY_API_URL/{path}")), "path_ambiguous", "{path}");
    }
    assert_eq!(code(&format!("-H \"Authorization: Bearer $MY_API\" https://{BOUND}/x")), "host_not_bound");
    assert!(road.upstream.records_of(BOUND).is_empty());
}

#[test]
fn a_token_dies_with_its_devbox_and_its_config() {
    let road = Road::start(users()[0]);
    let client = Client::owner(&road.server);
    let devbox = with_gateway(&client, &format!("https://{BOUND}"), &json!({ "type": "bearer" }));
    let other = client.devbox(&json!({}));
    let token = devbox.sh("printf %s $MY_API");
    let made = client.ok(client.post(&devbox.path("/create_gateway_token"), &json!({ "gateway": "a-gateway", "secret": "GITHUB_TOKEN" })));
    assert_eq!((&made["devbox_id"], &made["endpoint"]), (&json!(devbox.id), &json!(format!("https://{BOUND}"))));
    let (more, url) = (made["token"].as_str().unwrap(), made["url"].as_str().unwrap());
    let status = devbox.sh(&format!("curl -sS -o /dev/null -w '%{{http_code}}' -H 'Authorization: Bearer {more}' {url}/user"));
    assert_eq!(status, "200");
    client.ok(client.post(&format!("/v1/gateway-configs/{}/delete", made["gateway_config_id"].as_str().unwrap()), &json!({})));
    let said = devbox.sh("curl -sS -H \"Authorization: Bearer $MY_API\" $MY_API_URL/user");
    assert!(said.contains("gateway_gone"), "{said}");
    devbox.shutdown();
    let said = other.sh(&format!("curl -sS -H 'Authorization: Bearer {token}' https://{BOUND}/user"));
    assert!(said.contains("host_not_allowed") || said.contains("token_ended"), "{said}");
    assert_eq!(road.upstream.records_of(BOUND).len(), 1);
}

#[test]
fn a_config_that_excludes_the_bound_secret_is_no_gateway_for_it() {
    let road = Road::start(users()[0]);
    let client = Client::owner(&road.server);
    for (endpoint, mechanism) in [
        (format!("https://{UNBOUND}"), json!({ "type": "bearer" })),
        (format!("https://{BOUND}:8443"), json!({ "type": "bearer" })),
        (format!("https://{BOUND}"), json!({ "type": "header", "key": "x-shown-back" })),
    ] {
        let gateway = client.gateway(&endpoint, &mechanism);
        let (status, body) =
            client.post("/v1/devboxes", &json!({ "gateways": { "MY_API": { "gateway": gateway, "secret": "GITHUB_TOKEN" } } }));
        assert_eq!(status, 400, "{endpoint} {body}");
        assert!(body["message"].as_str().unwrap().contains("tightlip bind"), "{body}");
    }
    assert_eq!(client.ok(client.get("/v1/devboxes"))["total_count"], 0);
}
