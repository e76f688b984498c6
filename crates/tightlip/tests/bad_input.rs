//! Bad input at the command line and the api: the documented status or exit code, what to do next, and never a byte of the value.
#![allow(clippy::unwrap_used, reason = "tests")]

use common::http::{admin_key, ask, key, status};
use common::road::{Road, text};

mod common {
    pub mod http;
    pub mod road;
}

#[test]
fn the_api_says_what_is_wrong_and_what_to_do() {
    let road = Road::start(None);
    let auth = format!("Authorization: Bearer {}", key(&road.server));
    let value = road.canary.value();
    let body = format!("{{\"name\":\"A\",\"value\":\"{value}\"}}");
    let long = format!("{{\"name\":\"A\",\"value\":\"{}\"}}", value.repeat(1640));
    let cases = [
        ("POST /v1/secrets".to_owned(), body.clone(), 401),
        ("POST /v1/secrets\r\nAuthorization: Bearer tlk_wrong".to_owned(), body.clone(), 401),
        (format!("POST /v1/secrets\r\nAuthorization: Bearer {}", admin_key(&road.server)), body.clone(), 401),
        (format!("GET /v1/secrets/UNKNOWN\r\n{auth}"), String::new(), 404),
        (format!("POST /v1/secrets/UNKNOWN\r\n{auth}"), format!("{{\"value\":\"{value}\"}}"), 404),
        (format!("POST /v1/secrets/UNKNOWN/delete\r\n{auth}"), String::new(), 404),
        (format!("POST /v1/secrets\r\n{auth}"), format!("{{\"name\":\"GITHUB_TOKEN\",\"value\":\"{value}\"}}"), 400),
        (format!("POST /v1/secrets\r\n{auth}"), format!("{{\"name\":\"a/b\",\"value\":\"{value}\"}}"), 400),
        (format!("POST /v1/secrets\r\n{auth}"), "{\"name\":\"A\",\"value\":\"\"}".to_owned(), 400),
        (format!("POST /v1/secrets\r\n{auth}"), long, 400),
        (format!("POST /v1/secrets\r\n{auth}"), format!("{{\"name\":\"A\",\"value\":\"{value}\""), 400),
        (format!("GET /v1/secrets?limit=-1\r\n{auth}"), String::new(), 400),
        (format!("GET /v1/secrets?limit=many\r\n{auth}"), String::new(), 400),
        (format!("GET /v1/nowhere\r\n{auth}"), String::new(), 404),
        (format!("DELETE /v1/secrets/GITHUB_TOKEN\r\n{auth}"), String::new(), 405),
    ];
    for (head, body, expected) in cases {
        let answer = ask(&road.server, &head, &body);
        let line = head.split("\r\n").next().unwrap();
        assert_eq!(status(&answer), expected, "{line}: {answer}");
        let problem: serde_json::Value = serde_json::from_str(answer.split("\r\n\r\n").nth(1).unwrap()).unwrap();
        assert!(problem["message"].as_str().unwrap().len() > 20 && !problem["code"].as_str().unwrap().is_empty(), "{line}: {answer}");
        road.assert_no_value(answer.as_bytes());
    }
}

#[test]
fn the_command_line_gives_the_designed_exit_codes() {
    let road = Road::start(None);
    let value = road.canary.value();
    let assignment = format!("A={value}");
    let cases: [(&[&str], i32); 12] = [
        (&["secret", "set", "A", value], 2),
        (&["secret", "set", &assignment], 2),
        (&["secret", "set", "a b"], 2),
        (&["secret", "get", "UNKNOWN"], 3),
        (&["secret", "update", "UNKNOWN"], 3),
        (&["secret", "delete", "UNKNOWN"], 3),
        (&["secret", "create", "GITHUB_TOKEN"], 5),
        (&["bind", "UNKNOWN", "--host", "a.example.com"], 3),
        (&["bind", "GITHUB_TOKEN", "--host", "*.com"], 2),
        (&["bind", "GITHUB_TOKEN", "--host", "127.0.0.1"], 2),
        (&["run", "--secret", "UNKNOWN", "--", "true"], 125),
        (&["no-such-command"], 2),
    ];
    for (call, expected) in cases {
        let output = road.server.call(call, value.as_bytes()).unwrap();
        let name = call.join(" ").replace(value, "<VALUE>");
        assert_eq!(output.status.code(), Some(expected), "`{name}`: {}", text(&output.stderr));
        assert!(!output.stderr.is_empty(), "`{name}` says nothing");
        road.assert_no_value(&output.stdout);
        road.assert_no_value(&output.stderr);
    }
    let mut wrong_key = road.server.command(&["secret", "list"]);
    let output = wrong_key.env("TIGHTLIP_API_KEY", "tlk_wrong").output().unwrap();
    assert_eq!(output.status.code(), Some(4), "{}", text(&output.stderr));
    let mut nobody = road.server.command(&["secret", "list", "--url", "http://127.0.0.1:1"]);
    let output = nobody.env("TIGHTLIP_API_KEY", "tlk_any").output().unwrap();
    assert_eq!(output.status.code(), Some(6), "{}", text(&output.stderr));
}

#[test]
fn an_empty_value_and_an_oversized_one_are_refused_and_nothing_is_stored() {
    let road = Road::start(None);
    for input in [b"".as_slice(), b"\n", &[b'x'; 64 * 1024 + 1], b"\xff\xfe\xfd\xfc\xfb\xfa\xf9\xf8"] {
        let output = road.server.call(&["secret", "set", "EMPTY"], input).unwrap();
        assert!(matches!(output.status.code(), Some(1 | 2)), "{:?}: {}", output.status, text(&output.stderr));
    }
    assert_eq!(road.server.call(&["secret", "get", "EMPTY"], b"").unwrap().status.code(), Some(3));
}
