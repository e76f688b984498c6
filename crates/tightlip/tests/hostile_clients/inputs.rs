//! Requests that are not what they should be: each gets a plain 4xx, or the connection ends.

use std::io::{Read, Write};

use crate::h2;
use crate::siege::{Siege, status};

/// The code of a problem's body.
fn code(answer: &str) -> String {
    let body = answer.split("\r\n\r\n").nth(1).unwrap_or_default();
    let problem: serde_json::Value = serde_json::from_str(body).unwrap_or_else(|_| panic!("no problem: {answer}"));
    problem["code"].as_str().unwrap().to_owned()
}

#[test]
fn paths_lead_to_their_own_route_or_to_none() {
    let siege = Siege::begin();
    for path in [
        "/v1/secrets/..",
        "/v1/secrets/.",
        "/v1/secrets/%2e%2e",
        "/v1/secrets/%2E%2e/delete",
        "/v1/secrets/../secrets",
        "/v1/../v1/secrets",
        "/v1/./secrets",
        "//v1/secrets",
        "/v1//secrets",
        "/v1/secrets//",
        "/v1/secrets//delete",
        "/v1/secrets/STEADY%2fdelete",
        "/v1/secrets/STEADY%2Fdelete",
        "/v1/secrets/STEADY%00",
        "/v1/secrets/%00",
        "/v1/secrets/%ff%fe",
        "/v1/secrets/STEADY;x=1",
        "/v1/secrets/STEADY/",
        "/v1/secrets/STEADY%3fx",
        "/v1/secrets/%",
        "/v1/secrets/%zz",
        "/v1%2fsecrets",
        "/%2e%2e/v1/secrets",
        "/V1/secrets",
        "/v1\\secrets",
        "/v1/secrets/id/..",
        "/v1/secrets/id/%2e%2e/delete",
        "/v1/secrets/STEADY/delete/..",
        "/v1/secrets/%53TEADY/%64elete",
        "/healthz/..",
        "/healthz%00",
        "/openapi.yaml/../v1/secrets",
    ] {
        for method in ["GET", "POST"] {
            let answer = siege.ask(&format!("{method} {path}"), b"");
            let status = status(answer.as_bytes());
            assert!(matches!(status, 400 | 404 | 405), "{method} {path}: {answer}");
        }
    }
    assert!(siege.ask("GET /v1/secrets/STEADY", b"").starts_with("HTTP/1.1 200"), "it is still there");
    // Percent-encoded letters are the same name (RFC 3986, section 6.2.2.2).
    assert!(siege.ask("GET /v1/secrets/%53TEADY", b"").starts_with("HTTP/1.1 200"));
    siege.end();
}

#[test]
fn bodies_that_are_not_what_they_should_be_are_refused() {
    let siege = Siege::begin();
    let deep = "[".repeat(100_000);
    let deep_value = format!("{{\"name\":\"A\",\"more\":{}", "{\"a\":".repeat(20_000));
    let huge = format!("{{\"name\":\"A\",\"value\":\"{}\"}}", "x".repeat(900_000));
    let right = r#"{"name":"A","value":"a value of some length"}"#.as_bytes();
    let cases: [(&str, &[u8], &str); 13] = [
        ("", b"", "body_not_json"),
        ("", deep.as_bytes(), "body_not_json"),
        ("", deep_value.as_bytes(), "body_not_json"),
        ("", huge.as_bytes(), "body_too_large"),
        ("", b"{\"name\":\"A\",\"value\":\"\xff\xfe\xc0\x80\"}", "body_not_json"),
        ("", b"{\"name\":\"A\",\"value\":\"\\ud800\"}", "body_not_json"),
        ("", b"\x00\x00\x00", "body_not_json"),
        ("\r\ncontent-type: text/plain", right, "media_type"),
        ("\r\ncontent-type: application/x-www-form-urlencoded", right, "media_type"),
        ("\r\ncontent-type: multipart/form-data; boundary=x", right, "media_type"),
        ("\r\ncontent-type: application/json\r\ncontent-type: text/plain", right, "media_type"),
        ("\r\ncontent-type: \u{ff}\u{fe}", right, "media_type"),
        ("\r\ncontent-type: application/xml", right, "media_type"),
    ];
    for (headers, body, expected) in cases {
        let answer = siege.ask(&format!("POST /v1/secrets{headers}"), body);
        assert_eq!((status(answer.as_bytes()), code(&answer)), (400, expected.to_owned()), "{headers}");
    }
    let unknown = siege.raw(b"POST /v1/secrets HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-length: 200000\r\n\r\nx");
    assert_eq!(code(&String::from_utf8_lossy(&unknown)), "key_missing");
    for (headers, body) in [
        ("\r\ncontent-type: Application/JSON; charset=utf-8", right),
        (
            "\r\ncontent-type: application/vnd.api+json",
            &right.to_owned().iter().map(|b| if *b == b'A' { b'B' } else { *b }).collect::<Vec<_>>(),
        ),
    ] {
        let answer = siege.ask(&format!("POST /v1/secrets{headers}"), body);
        assert_eq!(status(answer.as_bytes()), 200, "{answer}");
    }
    // Deletes say JSON and send nothing; what a GET sends is not looked at.
    let deleted = siege.ask("POST /v1/secrets/A/delete\r\ncontent-type: application/json", b"");
    assert_eq!(status(deleted.as_bytes()), 200, "{deleted}");
    let got = siege.ask("GET /v1/secrets/B\r\ncontent-type: text/plain", b"not JSON");
    assert_eq!(status(got.as_bytes()), 200, "{got}");
    siege.end();
}

#[test]
fn malformed_requests_get_a_bare_4xx_or_an_end() {
    let siege = Siege::begin();
    let many: String = (0..500).map(|n| format!("x-{n}: y\r\n")).collect();
    let long = "y".repeat(200_000);
    let ask = |rest: &str| format!("GET /v1/secrets HTTP/1.1\r\nhost: localhost\r\n{rest}\r\n").into_bytes();
    let post = |rest: &str| format!("POST /v1/secrets HTTP/1.1\r\nhost: localhost\r\nauthorization: {}\r\n{rest}", siege.key).into_bytes();
    let cases: Vec<(&str, Vec<u8>)> = vec![
        ("HTTP/0.9", b"GET /v1/secrets\r\n".to_vec()),
        ("another protocol", b"SSH-2.0-OpenSSH_9.9\r\n".to_vec()),
        ("TLS on the cleartext port", [22, 3, 1, 2, 0, 1, 0, 1, 252, 3, 3].to_vec()),
        ("zeros", vec![0; 4096]),
        ("a version that is not", b"GET / HTTP/9.9\r\nhost: localhost\r\n\r\n".to_vec()),
        ("no host", b"GET /v1/secrets HTTP/1.1\r\n\r\n".to_vec()),
        ("two hosts", ask("host: localhost\r\n")),
        ("HTTP/1.0 without a host", b"GET /v1/secrets HTTP/1.0\r\n\r\n".to_vec()),
        ("many headers", ask(&many)),
        ("a long header", ask(&format!("x: {long}\r\n"))),
        ("a long path", format!("GET /{long} HTTP/1.1\r\nhost: localhost\r\n\r\n").into_bytes()),
        ("a header without a name", ask(": x\r\n")),
        ("a blank before the colon", ask("x : y\r\n")),
        ("a folded header", ask("x: y\r\n z\r\n")),
        ("a zero in a header", ask("x: \0\r\n")),
        ("bytes that are no text in the path", b"GET /v1/\xff\xfe HTTP/1.1\r\nhost: localhost\r\n\r\n".to_vec()),
        ("a blank in the path", b"GET /a b HTTP/1.1\r\nhost: localhost\r\n\r\n".to_vec()),
        ("another's name as the target", b"GET http://example.com/v1/secrets HTTP/1.1\r\nhost: localhost\r\n\r\n".to_vec()),
        ("a tunnel", b"CONNECT localhost:443 HTTP/1.1\r\nhost: localhost:443\r\n\r\n".to_vec()),
        ("the whole server", b"OPTIONS * HTTP/1.1\r\nhost: localhost\r\n\r\n".to_vec()),
        ("an upgrade", ask("connection: upgrade, close\r\nupgrade: websocket\r\n")),
        ("a method of its own", b"B\xc3REW / HTTP/1.1\r\nhost: localhost\r\n\r\n".to_vec()),
        ("two lengths", post("content-length: 1\r\ncontent-length: 2\r\n\r\n{}")),
        ("a negative length", post("content-length: -1\r\n\r\n")),
        ("a length beyond all numbers", post("content-length: 99999999999999999999999\r\n\r\n")),
        ("a length that is not sent", post("content-length: 18446744073709551615\r\n\r\nx")),
        ("an encoding that is not chunked", post("transfer-encoding: gzip\r\n\r\n")),
        ("chunked twice over", post("transfer-encoding: chunked, identity\r\n\r\n0\r\n\r\n")),
        ("a chunk size that is none", post("transfer-encoding: chunked\r\n\r\nxyz\r\n{}\r\n0\r\n\r\n")),
        ("a chunk size beyond all numbers", post("transfer-encoding: chunked\r\n\r\nfffffffffffffffff\r\n{}\r\n")),
        ("a negative chunk", post("transfer-encoding: chunked\r\n\r\n-1\r\n{}\r\n")),
        ("a chunk longer than its size", post("transfer-encoding: chunked\r\n\r\n1\r\n{}{}{}\r\n0\r\n\r\n")),
        ("a chunk's extension without end", post(&format!("transfer-encoding: chunked\r\n\r\n2;{long}"))),
        ("trailers without end", post(&format!("transfer-encoding: chunked\r\n\r\n0\r\nx: {long}"))),
        (
            "chunks in HTTP/1.0",
            b"POST /v1/secrets HTTP/1.0\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n".to_vec(),
        ),
        ("another expectation", post("expect: a miracle\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}")),
    ];
    for (what, bytes) in cases {
        let answer = siege.raw(&close(&bytes));
        let status = status(&answer);
        assert!(answer.is_empty() || (400..500).contains(&status), "{what}: {}", String::from_utf8_lossy(&answer));
    }
    siege.end();
}

/// The same request with `connection: close`, where it has headers at all, so that its answer ends.
fn close(bytes: &[u8]) -> Vec<u8> {
    match bytes.windows(2).position(|window| window == b"\r\n") {
        Some(at) if bytes.windows(6).any(|window| window.eq_ignore_ascii_case(b"\r\nhost")) => {
            [&bytes[..at], b"\r\nconnection: close", &bytes[at..]].concat()
        }
        Some(_) | None => bytes.to_vec(),
    }
}

#[test]
fn a_length_and_chunks_are_one_request_and_never_two() {
    let siege = Siege::begin();
    let hidden = "GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n";
    for headers in [
        "content-length: 5\r\ntransfer-encoding: chunked",
        "transfer-encoding: chunked\r\ncontent-length: 5",
        "transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\ncontent-length: 44",
    ] {
        let head = format!(
            "POST /v1/secrets HTTP/1.1\r\nhost: localhost\r\nauthorization: {}\r\n{headers}\r\nconnection: close\r\n\r\n",
            siege.key
        );
        let answer = siege.raw(format!("{head}0\r\n\r\n{hidden}").as_bytes());
        let answers = String::from_utf8_lossy(&answer).matches("HTTP/1.1 ").count();
        assert!(answers <= 1 && (status(&answer) == 400 || answer.is_empty()), "{headers}: {}", String::from_utf8_lossy(&answer));
    }
    siege.end();
}

#[test]
fn pipelined_requests_are_answered_in_their_order() {
    let siege = Siege::begin();
    let paths = ["/healthz", "/v1/secrets/STEADY", "/nowhere", "/v1/secrets/NONE"];
    let one = |path: &str| format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nauthorization: {}\r\n\r\n", siege.key);
    let rounds = 200;
    let last = "GET /healthz HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
    let all = paths.map(one).concat().repeat(rounds) + last;
    let mut stream = siege.connect();
    let mut writing = stream.try_clone().unwrap();
    let writer = std::thread::spawn(move || writing.write_all(all.as_bytes()).unwrap());
    let mut answers = String::new();
    stream.read_to_string(&mut answers).unwrap();
    writer.join().unwrap();
    let found: Vec<u16> = answers.split("HTTP/1.1 ").skip(1).map(|answer| answer[..3].parse().unwrap()).collect();
    let expected: Vec<u16> = [200, 200, 404, 404].repeat(rounds).into_iter().chain([200]).collect();
    assert_eq!(found, expected);
    siege.end();
}

#[test]
fn a_request_over_http_2_is_held_to_the_same() {
    let siege = Siege::begin();
    let mut stream = siege.connect();
    stream.write_all(&h2::hello(&[])).unwrap();
    let mut id = 1;
    let mut ask = |path: &str, authority: &str, more: &[(&str, &str)]| {
        let headers = [&h2::request("GET", path, authority, &siege.key), more].concat();
        stream.write_all(&h2::frame(h2::HEADERS, h2::END_HEADERS | h2::END_STREAM, id, &h2::block(&headers))).unwrap();
        id += 2;
        h2::answer(&mut stream, id - 2)
    };
    let many: Vec<(String, String)> = (0..120).map(|n| (format!("x-{n}"), "y".to_owned())).collect();
    let many: Vec<(&str, &str)> = many.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    assert!(ask("/v1/secrets/STEADY", "localhost", &[]).unwrap().is_some());
    assert!(ask("/v1/secrets/STEADY", "example.com", &[]).unwrap().is_none());
    assert!(ask("/v1/secrets/STEADY", "localhost", &[("host", "example.com")]).unwrap().is_none());
    assert!(ask("/v1/secrets/STEADY", "localhost", &[("origin", "http://localhost")]).unwrap().is_none());
    assert!(ask("/v1/secrets/STEADY", "localhost", &many).unwrap().is_none());
    assert!(ask("/v1/secrets/..", "localhost", &[]).unwrap().is_none());
    // What no request of HTTP/2 may have ends its stream (RFC 9113, section 8.1.1).
    assert!(ask("/v1/secrets/STEADY", "localhost", &[("transfer-encoding", "chunked")]).is_err());
    assert!(ask("/v1/secrets/STEADY", "localhost", &[("Upper", "case")]).is_err());
    siege.end();
}
