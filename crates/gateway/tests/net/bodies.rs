//! Values in queries and bodies: written where a binding says so, in the encoding of the place, and nowhere else.

use http::Request;
use model::{Binding, Refusal};
use tokio::sync::mpsc::unbounded_channel;

use crate::http2::{body, pieces, read};
use crate::upstream::{always, echo, plain};
use crate::world::{API, OTHER, Plan, VALUE, World, binding};

/// What every encoding changes.
const AWKWARD: &str = r#"pa"ss\word+with&signs=01/~"#;
const AWKWARD_PERCENT: &str = "pa%22ss%5Cword%2Bwith%26signs%3D01%2F~";

fn by(form: &str) -> Binding {
    Binding { form: form.parse().unwrap(), ..binding(API) }
}

async fn world(form: &str, value: &str) -> World {
    Plan::default().secret("KEY", value, vec![by(form)]).upstream(API, echo()).start().await
}

fn post(media: &str, headers: &str, body: &str) -> String {
    format!("POST /x HTTP/1.1\r\nhost: {API}\r\ncontent-type: {media}\r\ncontent-length: {}\r\n{headers}\r\n{body}", body.len())
}

/// A request that an upstream has received: the head's lines, and the body.
fn parts(request: &str) -> (Vec<&str>, &str) {
    let (head, body) = request.split_once("\r\n\r\n").unwrap();
    (head.lines().collect(), body)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_value_stands_in_the_parameter_that_its_binding_names_and_in_no_other() {
    let world = world("query:key", AWKWARD).await;
    let token = world.token("KEY");
    let reply = world.get(API, &format!("/x?q={token}&key={token}&other=a%20b"), &format!("x-meta: {token}\r\n")).await;
    assert_eq!((reply.status, reply.refusal()), (200, None));
    let seen = &world.received(API)[0];
    let line = format!("GET /x?q={token}&key={AWKWARD_PERCENT}&other=a%20b HTTP/1.1");
    assert_eq!(parts(seen).0[0], line);
    assert!(seen.contains(&format!("x-meta: {token}")), "{seen}");
    assert_eq!(parts(&reply.text()).0[0], line.replace(AWKWARD_PERCENT, &token), "the echo holds the token again");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_in_text_of_another_coding_or_behind_an_escape_that_was_begun_is_inert() {
    let world = world("body", VALUE).await;
    let token = world.token("KEY");
    for (media, body) in [
        ("application/json; charset=utf-16le", format!("{{\"key\":\"{token}\"}}")),
        ("application/json", format!("{{\"key\":\"\0{token}\"}}")),
        ("application/json", format!("{{\"key\":\"\\u004{token}\"}}")),
        ("application/x-www-form-urlencoded", format!("key=%4{token}")),
        ("application/x-www-form-urlencoded+json", format!("key={token}")),
    ] {
        assert_eq!(world.connect(API).await.ask(&post(media, "", &body)).await.status, 200, "{media} {body:?}");
        let seen = world.received(API).pop().unwrap();
        assert!(seen.ends_with(&body) && !seen.contains(VALUE), "{seen}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn where_no_binding_names_them_queries_and_bodies_are_not_looked_at() {
    let world = Plan::default().bound("KEY", VALUE, API).upstream(API, echo()).upstream(OTHER, echo()).allow(OTHER).start().await;
    let token = world.token("KEY");
    let json = format!("{{\"key\":\"{token}\"}}");
    for host in [API, OTHER] {
        let request = format!(
            "POST /x?key={token} HTTP/1.1\r\nhost: {host}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{json}",
            json.len()
        );
        assert_eq!(world.connect(host).await.ask(&request).await.status, 200);
        let seen = &world.received(host)[0];
        assert!(seen.starts_with(&format!("POST /x?key={token} HTTP/1.1")) && seen.ends_with(&json), "{seen}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_value_bound_to_another_host_is_inert_in_a_query_and_a_body() {
    let elsewhere = |form: &str| Binding { form: form.parse().unwrap(), ..binding(OTHER) };
    let world = Plan::default()
        .secret("KEY", VALUE, vec![elsewhere("query:key"), elsewhere("body")])
        .upstream(API, echo())
        .allow(API)
        .start()
        .await;
    let token = world.token("KEY");
    let json = format!("{{\"key\":\"{token}\"}}");
    let request = format!(
        "POST /x?key={token} HTTP/1.1\r\nhost: {API}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{json}",
        json.len()
    );
    assert_eq!(world.connect(API).await.ask(&request).await.status, 200);
    assert!(!world.received(API)[0].contains(VALUE));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_value_in_json_is_escaped_and_the_length_is_the_new_bodys() {
    let world = world("body", AWKWARD).await;
    let token = world.token("KEY");
    let request = post(
        "application/json",
        "content-digest: sha-256=:AAAA:\r\nx-amz-checksum-crc32: AAAA\r\n",
        &format!(r#"{{"key":"{token}","n":[1, 2]}}"#),
    );
    let reply = world.connect(API).await.ask(&request).await;
    assert_eq!((reply.status, reply.refusal()), (200, None));
    let seen = world.received(API).remove(0);
    let (head, body) = parts(&seen);
    let json: serde_json::Value = serde_json::from_str(body).unwrap();
    assert_eq!(json["key"], AWKWARD);
    assert!(body.ends_with(r#","n":[1, 2]}"#), "what is no token stays byte for byte: {body}");
    assert!(head.contains(&format!("content-length: {}", body.len()).as_str()), "{head:?}");
    assert!(!seen.contains("content-digest") && !seen.contains("x-amz-checksum"), "they were of the body as it was");
    assert!(reply.text().contains(&token) && !reply.text().contains(r"signs=01"), "{}", reply.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_value_in_a_form_is_percent_encoded() {
    let world = world("body", AWKWARD).await;
    let token = world.token("KEY");
    let request = post("application/x-www-form-urlencoded", "", &format!("grant=a+b&client_secret={token}&z=%20"));
    assert_eq!(world.connect(API).await.ask(&request).await.status, 200);
    let seen = world.received(API).remove(0);
    assert_eq!(parts(&seen).1, format!("grant=a+b&client_secret={AWKWARD_PERCENT}&z=%20"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_of_another_type_streams_and_its_token_is_inert() {
    let world = world("body", VALUE).await;
    let token = world.token("KEY");
    for media in ["text/plain", "multipart/form-data; boundary=x"] {
        assert_eq!(world.connect(API).await.ask(&post(media, "", &format!("key={token}"))).await.status, 200);
    }
    assert!(world.received(API).iter().all(|seen| seen.ends_with(&token) && !seen.contains(VALUE)));
}

#[tokio::test(flavor = "multi_thread")]
async fn methods_and_paths_narrow_what_is_looked_through() {
    let narrow = Binding { methods: "POST".parse().unwrap(), path: "/oauth".parse().unwrap(), ..by("body") };
    let world = Plan::default().secret("KEY", VALUE, vec![narrow]).upstream(API, echo()).start().await;
    let json = format!("{{\"key\":\"{}\"}}", world.token("KEY"));
    let request = |line: &str, filling: &str| {
        let json = json.replace("}", &format!(",\"f\":\"{filling}\"}}"));
        format!("{line} HTTP/1.1\r\nhost: {API}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{json}", json.len())
    };
    assert_eq!(world.connect(API).await.ask(&request("PUT /oauth/token", "")).await.status, 200);
    assert_eq!(world.connect(API).await.ask(&request("POST /other", &"x".repeat(2 * MIB))).await.status, 200);
    assert_eq!(world.connect(API).await.ask(&request("POST /oauth/token", "")).await.status, 200);
    let held: Vec<bool> = world.received(API).iter().map(|seen| seen.contains(VALUE)).collect();
    assert_eq!(held, [false, false, true]);
}

#[tokio::test(flavor = "multi_thread")]
async fn chunks_are_framed_anew_with_a_length() {
    let world = world("body", VALUE).await;
    let token = world.token("KEY");
    let (one, two) = token.split_at(10);
    let mut connection = world.connect(API).await;
    connection
        .send(format!(
            "POST /x HTTP/1.1\r\nhost: {API}\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n{:x}\r\n[\"{one}\r\n",
            one.len() + 2
        ))
        .await;
    let reply = connection.ask(&format!("{:x}\r\n{two}\"]\r\n0\r\n\r\n", two.len() + 2)).await;
    assert_eq!((reply.status, reply.refusal()), (200, None));
    let seen = world.received(API).remove(0);
    let (head, body) = parts(&seen);
    assert_eq!(body, format!("[\"{VALUE}\"]"));
    assert!(head.contains(&format!("content-length: {}", body.len()).as_str()) && !seen.contains("transfer-encoding"), "{seen}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_waits_is_told_to_go_on_before_its_body_is_read() {
    let world = world("body", VALUE).await;
    let json = format!("[\"{}\"]", world.token("KEY"));
    let mut connection = world.connect(API).await;
    let head = format!("POST /x HTTP/1.1\r\nhost: {API}\r\ncontent-type: application/json\r\nexpect: 100-continue\r\n");
    let went_on = connection.ask(&format!("{head}content-length: {}\r\n\r\n", json.len())).await;
    assert_eq!(went_on.status, 100);
    assert!(world.received(API).is_empty(), "nothing leaves before the body was read");
    assert_eq!(connection.ask(&json).await.status, 200);
    assert!(world.received(API)[0].contains(VALUE));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_waits_with_too_large_a_body_is_refused_without_sending_it() {
    let world = world("body", VALUE).await;
    let head = format!("POST /x HTTP/1.1\r\nhost: {API}\r\ncontent-type: application/json\r\nexpect: 100-continue\r\n");
    let mut connection = world.connect(API).await;
    let reply = connection.ask(&format!("{head}content-length: {}\r\n\r\n", 2 * MIB)).await;
    assert_eq!(reply.refusal().as_deref(), Some("body_too_large"));
    // Whether the body follows all the same is not known: another request on this connection could be taken for it.
    assert_eq!(connection.rest().await, b"");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_of_more_than_a_mebibyte_is_refused_however_it_is_framed() {
    let world = world("body", VALUE).await;
    let token = world.token("KEY");
    let json = format!("[\"{token}\",\"{}\"]", "x".repeat(MIB));
    let known = world.connect(API).await.ask(&post("application/json", "", &json)).await;
    let chunked = world
        .connect(API)
        .await
        .ask(&format!(
            "POST /x HTTP/1.1\r\nhost: {API}\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n{:x}\r\n{json}\r\n0\r\n\r\n",
            json.len()
        ))
        .await;
    for reply in [known, chunked] {
        assert_eq!((reply.status, reply.refusal().as_deref()), (413, Some("body_too_large")));
        assert!(!reply.text().contains(VALUE) && !reply.text().contains(&token));
    }
    let fitting = format!("[\"{token}\",\"{}\"]", "x".repeat(MIB - token.len() - 7));
    assert_eq!(fitting.len(), MIB);
    assert_eq!(world.connect(API).await.ask(&post("application/json", "", &fitting)).await.status, 200);
    assert_eq!(world.recorded_refusals(), [Refusal::BodyTooLarge], "like ones are counted, not repeated");
    assert_eq!(world.received(API).len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_compressed_body_is_refused_where_one_is_looked_through() {
    let world = world("body", VALUE).await;
    let reply = world.connect(API).await.ask(&post("application/json", "content-encoding: gzip\r\n", "not really")).await;
    assert_eq!((reply.status, reply.refusal().as_deref()), (415, Some("body_unreadable")));
    assert!(world.received(API).is_empty() && !reply.text().contains("not really"));
    let plain = world.connect(API).await.ask(&post("application/json", "content-encoding: identity\r\n", "[1]")).await;
    assert_eq!(plain.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_reaches_a_client_of_http2_that_is_still_sending() {
    let world = Plan::default()
        .secret("KEY", VALUE, vec![by("body"), Binding { path: "/header".parse().unwrap(), ..binding(API) }])
        .upstream(API, always(vec![plain("never")]))
        .upstream(OTHER, always(vec![plain("never")]))
        .allow(OTHER)
        .start()
        .await;
    let token = world.token("KEY");
    let filling: &'static str = "x".repeat(64 * 1024).leak();
    let cases =
        [(API, None, None, "body_too_large"), (API, Some("gzip"), None, "body_unreadable"), (OTHER, None, Some(&token), "host_not_bound")];
    for (host, coding, bearer, code) in cases {
        for said in [None, Some(8 * MIB)] {
            let (sender, receiver) = unbounded_channel();
            let mut request = Request::post(format!("https://{host}/x")).header("content-type", "application/json");
            for (name, value) in
                [("content-encoding", coding.map(str::to_owned)), ("authorization", bearer.map(|token| format!("Bearer {token}")))]
            {
                request = value.into_iter().fold(request, |request, value| request.header(name, value));
            }
            if let Some(length) = said {
                request = request.header("content-length", length);
            }
            for _ in 0..8 * MIB / filling.len() {
                sender.send(filling).unwrap();
            }
            let connection = world.connect_http2(host).await;
            // The body does not end: whoever waited for its end would wait for ever.
            let reply = read(connection.begin(request.body(pieces(receiver)).unwrap()).await.expect("a reply, and no reset")).await;
            assert_eq!((reply.refusal(), reply.is_whole), (Some(code), true), "{said:?}");
            assert!(reply.text().contains(code) && !reply.text().contains(VALUE));
            let again = Request::get(format!("https://{host}/x")).body(body("", None)).unwrap();
            assert_eq!(connection.ask(again).await.status, 200, "the connection goes on");
            drop(sender);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn curl_shows_the_refusal_of_an_upload_over_either_protocol() {
    let world = world("body", VALUE).await;
    let address = world.look_up(API).await;
    let gateway = world.listeners[&(address, 443)];
    let upload = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(upload.path(), "x".repeat(24 * MIB)).unwrap();
    for protocol in ["--http2", "--http1.1"] {
        for framing in ["content-length: 25165824", "transfer-encoding: chunked"] {
            let mut curl = tokio::process::Command::new("curl");
            curl.args(["--silent", "--show-error", "--insecure", "--noproxy", "*", "--max-time", "60", protocol])
                .args(["--connect-to", &format!("{API}:443:{gateway}"), "--write-out", " %{http_code} %{http_version}"])
                .args(["--request", "POST", "--header", "content-type: application/json", "--header", framing])
                .arg("--upload-file")
                .arg(upload.path())
                .arg(format!("https://{API}/x"));
            let output = curl.output().await.unwrap();
            let (said, error) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
            let version = if protocol == "--http2" { "2" } else { "1.1" };
            assert!(output.status.success(), "{protocol} {framing}: {} {error} {said}", output.status);
            assert!(said.contains("body_too_large") && said.ends_with(&format!(" 413 {version}")), "{protocol} {framing}: {said}");
        }
    }
}

const MIB: usize = 1024 * 1024;
