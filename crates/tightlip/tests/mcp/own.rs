//! Who asks sees what is theirs: a devbox its own secrets and requests, a key its account's, by whichever way they come.

use serde_json::{Value, json};

use crate::http::key;
use crate::road::{BOUND, Road, ok};
use crate::ways::{TOOLS, body, by_key, call, inside, over_http, over_stdio, right};

fn names(answer: &Value) -> Vec<String> {
    let secrets = answer["result"]["structuredContent"]["secrets"].as_array().unwrap_or_else(|| panic!("{answer}"));
    secrets.iter().map(|secret| secret["name"].as_str().unwrap().to_owned()).collect()
}

fn request(answer: &Value) -> &Value {
    let request = &answer["result"]["structuredContent"]["request"];
    assert!(request.is_object(), "{answer}");
    request
}

#[test]
fn a_devbox_sees_its_own_secrets_and_requests_only() {
    let road = Road::start(None);
    road.server.expect(&["secret", "set", "OTHER", "--host", BOUND], b"other-value-0123456789").unwrap();
    let list = call("list_secrets", &json!({})).to_string();
    let of = |secret: &str, messages: &[String]| -> Vec<Value> {
        inside(&road, &["--secret", secret], messages).iter().map(|answer| body(answer)).collect()
    };
    let ask = call("request_secret", &right("request_secret")).to_string();
    let first = of("GITHUB_TOKEN", &[list.clone(), ask, call("how_to_use", &json!({ "name": "OTHER" })).to_string()]);
    assert_eq!(names(&first[0]), ["GITHUB_TOKEN"]);
    assert_eq!(first[0]["result"]["structuredContent"]["secrets"][0]["env"], "GITHUB_TOKEN");
    let id = request(&first[1])["id"].as_str().unwrap().to_owned();
    assert_eq!(first[2]["result"]["isError"], true, "{}", first[2]);

    let status = call("request_status", &json!({ "id": id })).to_string();
    let test = call("test_secret", &json!({ "name": "GITHUB_TOKEN" })).to_string();
    let second = of("OTHER", &[list, status.clone(), test]);
    assert_eq!(names(&second[0]), ["OTHER"]);
    for answer in &second[1..] {
        assert_eq!(answer["result"]["isError"], true, "{answer}");
    }
    // Another account's key does not see it either.
    let stranger = ok(&road.server.command(&["account", "create", "team"]).output().unwrap()).trim().to_owned();
    let answer = body(&over_http(&road, &stranger, &status));
    assert_eq!(answer["result"]["isError"], true, "{answer}");
}

#[test]
fn a_key_sees_its_accounts_things_only_over_http_and_lines() {
    let road = Road::start(None);
    let stranger = ok(&road.server.command(&["account", "create", "team"]).output().unwrap()).trim().to_owned();
    let list = call("list_secrets", &json!({}));
    assert_eq!(names(&by_key(&road, &list)), ["GITHUB_TOKEN"]);
    let asked = by_key(&road, &call("request_secret", &right("request_secret")));
    let id = request(&asked)["id"].as_str().unwrap();
    let entry = request(&asked)["entry_url"].as_str().unwrap();
    assert!(entry.starts_with(&format!("{}/", road.server.url())), "{entry}");
    let status = call("request_status", &json!({ "id": id }));
    assert_eq!(request(&by_key(&road, &status))["status"], "waiting");

    let theirs = [list.to_string(), status.to_string(), call("how_to_use", &json!({ "name": "GITHUB_TOKEN" })).to_string()];
    let by_lines = over_stdio(&road, Some(&stranger), &theirs).0;
    let by_http: Vec<Value> = theirs.iter().map(|message| body(&over_http(&road, &stranger, message))).collect();
    for answers in [by_lines, by_http] {
        assert_eq!(names(&answers[0]), [""; 0]);
        for answer in &answers[1..] {
            assert_eq!(answer["result"]["isError"], true, "{answer}");
            assert!(!answer.to_string().contains("GITHUB_TOKEN") && !answer.to_string().contains(id), "{answer}");
        }
    }
}

#[test]
fn every_tool_answers_by_every_way() {
    let road = Road::start(None);
    let id = request(&by_key(&road, &call("request_secret", &right("request_secret"))))["id"].clone();
    let of = |tool: &str| if tool == "request_status" { json!({ "id": id }) } else { right(tool) };
    let messages: Vec<String> = TOOLS.iter().map(|(tool, _)| call(tool, &of(tool)).to_string()).collect();
    let (lines, beside) = over_stdio(&road, None, &messages);
    assert!(beside.contains("tightlip mcp --help"), "{beside}");
    let inside = inside(&road, &[], &messages);
    for (index, (tool, _)) in TOOLS.iter().enumerate() {
        let api = body(&over_http(&road, &key(&road.server), &messages[index]));
        let devbox = &inside[index];
        assert!(devbox.to_lowercase().contains("cache-control: no-store") && !devbox.contains("x-tightlip-refusal"), "{devbox}");
        for answer in [&api, &lines[index]] {
            assert_eq!(answer["result"]["isError"], false, "{tool}: {answer}");
        }
        // What a key asked for is none of a devbox's business.
        assert_eq!(body(devbox)["result"]["isError"], *tool == "request_status", "{tool}: {devbox}");
    }
    let elsewhere = "curl -sS -o /dev/null -w '%{http_code} ' https://tightlip.internal/ ; curl -sS -o /dev/null -w '%{http_code} ' https://tightlip.internal/mcp; \
                     curl -sS -o /dev/null -w '%{http_code} ' http://tightlip.internal/mcp -H 'Content-Type: application/json' -d '{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\"}'; \
                     curl -sS --http1.1 -o /dev/null -w '%{http_code}' https://tightlip.internal/mcp -H 'Origin: https://a.example.com' -H 'Content-Type: application/json' -d '{}'";
    assert_eq!(ok(&road.sh(elsewhere)), "404 405 200 403");
}
