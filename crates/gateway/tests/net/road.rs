//! What leaves: the value in its token's place, towards its host, and nothing of it comes back.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use model::{Binding, Form};

use crate::upstream::{Step, always, echo, plain, say};
use crate::world::{API, OTHER, Plan, VALUE, binding};

#[tokio::test(flavor = "multi_thread")]
async fn the_value_stands_where_the_token_stood_and_the_echo_is_the_token_again() {
    let world = Plan::default().bound("KEY", VALUE, API).upstream(API, echo()).start().await;
    let token = world.token("KEY");
    let basic = |password: &str| format!("Basic {}", STANDARD.encode(format!("x-access-token:{password}")));
    let cases = [
        (format!("authorization: Bearer {token}"), format!("authorization: Bearer {VALUE}")),
        (format!("authorization: token {token}"), format!("authorization: token {VALUE}")),
        (format!("authorization: {}", basic(&token)), format!("authorization: {}", basic(VALUE))),
        (format!("x-api-key: {token}"), format!("x-api-key: {VALUE}")),
        (format!("private-token: {token}"), format!("private-token: {VALUE}")),
    ];
    let mut connection = world.connect(API).await;
    for (sent, received) in &cases {
        let reply = connection.ask(&format!("GET /user HTTP/1.1\r\nhost: {API}\r\n{sent}\r\n\r\n")).await;
        assert_eq!(reply.status, 200);
        assert!(world.received(API).last().unwrap().contains(received), "{received}");
        assert!(!reply.text().contains(VALUE) && !reply.text().contains(&STANDARD.encode(VALUE)[..20]), "{}", reply.text());
        assert!(reply.text().contains(sent), "{}", reply.text());
    }
    assert_eq!(world.upstreams[API].connections(), 1, "one upstream connection serves one of the devbox's");
}

#[tokio::test(flavor = "multi_thread")]
async fn forms_strip_what_carried_the_token_and_set_their_own_header() {
    let with = |form: &str| Binding { form: form.parse::<Form>().unwrap(), ..binding(API) };
    for (form, sent, received) in [
        ("bearer", "x-api-key: TOKEN\r\nauthorization: Bearer mine", format!("authorization: Bearer {VALUE}\r\n")),
        ("basic:bob", "authorization: Bearer TOKEN", format!("authorization: Basic {}\r\n", STANDARD.encode(format!("bob:{VALUE}")))),
        ("header:x-custom", "authorization: Bearer TOKEN", format!("x-custom: {VALUE}\r\n")),
        ("header:x-custom", "x-custom: TOKEN", format!("x-custom: {VALUE}\r\n")),
    ] {
        let world = Plan::default().secret("KEY", VALUE, vec![with(form)]).upstream(API, always(vec![plain("ok")])).start().await;
        let reply = world.get(API, "/", &format!("{}\r\n", sent.replace("TOKEN", &world.token("KEY")))).await;
        assert_eq!(reply.status, 200, "{form}: {}", reply.text());
        let request = &world.received(API)[0];
        assert!(request.contains(&received) && !request.contains(&world.token("KEY")) && !request.contains("mine"), "{request}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_header_that_one_secrets_binding_names_takes_no_other_secrets_value() {
    let form = Binding { form: "header:x-meta-key".parse().unwrap(), ..binding(API) };
    let world = Plan::default()
        .secret("META", "a-value-of-its-own-header", vec![form])
        .bound("KEY", VALUE, API)
        .upstream(API, always(vec![plain("ok")]))
        .start()
        .await;
    let header = format!("x-meta-key: {}\r\n", world.token("KEY"));
    assert_eq!(world.get(API, "/", &header).await.status, 200);
    assert!(world.received(API)[0].contains(&header), "{}", world.received(API)[0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_anywhere_else_is_inert_and_passes() {
    let world = Plan::default().bound("KEY", VALUE, API).upstream(API, echo()).start().await;
    let token = world.token("KEY");
    let body = format!("{{\"say\":\"{token}\"}}");
    let request = format!(
        "POST /x?key={token} HTTP/1.1\r\nhost: {API}\r\nx-amz-meta-key: {token}\r\ncookie: k={token}\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    let reply = world.connect(API).await.ask(&request).await;
    assert_eq!(reply.status, 200);
    let received = &world.received(API)[0];
    assert!(!received.contains(VALUE));
    assert_eq!(received.matches(&token).count(), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upstream_is_asked_for_plain_whole_replies_and_told_nothing_of_us() {
    let world = Plan::default().bound("KEY", VALUE, API).upstream(API, always(vec![plain("ok")])).start().await;
    let headers = "accept-encoding: gzip, br\r\naccept-charset: utf-16\r\nrange: bytes=0-9\r\nif-range: x\r\nte: trailers\r\nconnection: x-hop\r\nx-hop: 1\r\n\
                   x-tightlip-devbox: 1\r\nproxy-authorization: Basic eDp5\r\nx-kept: 1\r\n";
    world.get(API, "/%7Euser/a%20b?q=%2e%2e", headers).await;
    let received = world.received(API)[0].to_ascii_lowercase();
    assert!(received.starts_with("get /%7euser/a%20b?q=%2e%2e http/1.1\r\n"), "{received}");
    for wanted in ["host: api.example.com\r\n", "accept-encoding: identity\r\n", "x-kept: 1\r\n"] {
        assert!(received.contains(wanted), "{received}");
    }
    for unwanted in ["gzip", "utf-16", "range:", "te:", "x-hop", "x-tightlip", "proxy-authorization", "via:", "forwarded"] {
        assert!(!received.contains(unwanted), "{unwanted}: {received}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn paths_that_servers_cut_differently_pass_where_the_whole_host_is_bound() {
    let world = Plan::default().bound("KEY", VALUE, API).upstream(API, echo()).start().await;
    let reply = world.get(API, "/projects/group%2Fproject//x", &world.bearer("KEY")).await;
    assert_eq!(reply.status, 200);
    assert!(world.received(API)[0].starts_with("GET /projects/group%2Fproject//x HTTP/1.1\r\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upstream_that_closed_its_idle_connection_costs_no_request() {
    let world = Plan::default().bound("KEY", VALUE, API).upstream(API, always(vec![plain("ok"), Step::Close])).start().await;
    let mut connection = world.connect(API).await;
    for number in 0..5 {
        let request = format!("POST / HTTP/1.1\r\nhost: {API}\r\n{}content-length: 4\r\n\r\nbody", world.bearer("KEY"));
        assert_eq!(connection.ask(&request).await.text(), "ok");
        while world.upstreams[API].closed() <= number {
            tokio::task::yield_now().await;
        }
    }
    assert_eq!(world.upstreams[API].connections(), 5);
    assert!(world.received(API).iter().all(|request| request.ends_with("body") && request.contains(VALUE)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_crosses_the_upstreams_close_is_sent_again_only_where_that_is_safe() {
    let world = Plan::default().bound("KEY", VALUE, API).upstream(API, always(vec![plain("ok"), Step::Close])).start().await;
    let mut connection = world.connect(API).await;
    for _ in 0..30 {
        assert_eq!(connection.ask(&format!("GET / HTTP/1.1\r\nhost: {API}\r\n{}\r\n", world.bearer("KEY"))).await.text(), "ok");
    }
    let mut connection = world.connect(API).await;
    for _ in 0..30 {
        let before = world.received(API).len();
        let request = format!("POST / HTTP/1.1\r\nhost: {API}\r\n{}content-length: 4\r\n\r\nbody", world.bearer("KEY"));
        let reply = connection.ask(&request).await;
        let sent = world.received(API).len() - before;
        // Either it arrived once, or it is said that it did not; never twice.
        assert!((reply.status, sent) == (200, 1) || (reply.refusal().as_deref(), sent) == (Some("upstream_broken"), 0), "{reply:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_stream_both_ways_whole() {
    let world = Plan::default().bound("KEY", VALUE, API).upstream(API, echo()).start().await;
    let body: String = (0..200_000).map(|number| format!("line {number} of text\n")).collect();
    let mut connection = world.connect(API).await;
    let request = format!("PUT / HTTP/1.1\r\nhost: {API}\r\n{}content-length: {}\r\n\r\n{body}", world.bearer("KEY"), body.len());
    let reply = connection.ask(&request).await;
    assert!(reply.is_whole && reply.text().ends_with(&body));
    let chunks: String =
        body.as_bytes().chunks(50_000).map(|chunk| format!("{:x}\r\n{}\r\n", chunk.len(), String::from_utf8_lossy(chunk))).collect();
    let request = format!("PUT / HTTP/1.1\r\nhost: {API}\r\ntransfer-encoding: chunked\r\n\r\n{chunks}0\r\nx-trailer: dropped\r\n\r\n");
    let reply = connection.ask(&request).await;
    assert!(reply.is_whole && reply.text().ends_with(&body) && !reply.text().contains("x-trailer"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_waits_for_leave_to_send_its_body_gets_it() {
    let world = Plan::default().bound("KEY", VALUE, API).upstream(API, echo()).start().await;
    let mut connection = world.connect(API).await;
    connection.send(format!("POST / HTTP/1.1\r\nhost: {API}\r\nexpect: 100-continue\r\ncontent-length: 4\r\n\r\n")).await;
    assert_eq!(connection.reply(false).await.unwrap().status, 100);
    connection.send("body").await;
    assert!(connection.reply(false).await.unwrap().text().ends_with("body"));
    assert!(world.received(API)[0].contains("expect: 100-continue\r\n"), "the host may decline; this one waits for the body");
    let mut refused = world.connect(OTHER).await;
    refused.send(format!("POST / HTTP/1.1\r\nhost: {OTHER}\r\nexpect: 100-continue\r\ncontent-length: 4\r\n\r\n")).await;
    assert_eq!(refused.reply(false).await.unwrap().refusal().as_deref(), Some("host_not_allowed"));
}

#[tokio::test(flavor = "multi_thread")]
async fn replies_without_a_body_keep_their_meaning() {
    let script = Arc::new(|request: &str| match request.split(' ').nth(1).unwrap() {
        "/204" => vec![say("HTTP/1.1 204 No Content\r\n\r\n")],
        "/304" => vec![say("HTTP/1.1 304 Not Modified\r\netag: x\r\n\r\n")],
        "/empty" => vec![say("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")],
        _ => vec![say("HTTP/1.1 200 OK\r\ncontent-length: 1234\r\n\r\n")],
    });
    let world = Plan::default().bound("KEY", VALUE, API).upstream(API, script).start().await;
    let mut connection = world.connect(API).await;
    let mut ask = async |method: &str, target: &str| connection.ask(&format!("{method} {target} HTTP/1.1\r\nhost: {API}\r\n\r\n")).await;
    assert_eq!(ask("GET", "/204").await.status, 204);
    assert_eq!(ask("GET", "/304").await.status, 304);
    let empty = ask("GET", "/empty").await;
    assert_eq!((empty.status, empty.body.len()), (200, 0));
    let head = ask("HEAD", "/x").await;
    assert_eq!((head.status, head.header("content-length")), (200, Some("1234")));
    assert_eq!(ask("HEAD", "/empty").await.status, 200);
    assert_eq!(world.upstreams[API].connections(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_devbox_without_values_gets_replies_as_they_are() {
    let coded = "HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 3\r\n\r\nabc";
    let unknown = coded.replace("gzip", "unheard-of");
    let with_values = Plan::default().bound("KEY", VALUE, API).upstream(OTHER, always(vec![say(unknown)])).allow(OTHER).start().await;
    assert_eq!(with_values.get(OTHER, "/", "").await.refusal().as_deref(), Some("reply_unreadable"), "one of its values may be in there");
    let world = Plan::default().upstream(OTHER, always(vec![say(coded)])).allow(OTHER).start().await;
    let reply = world.get(OTHER, "/", "authorization: Bearer the-devboxs-own-credential\r\n").await;
    assert_eq!((reply.text().as_str(), reply.header("content-length")), ("abc", Some("3")));
    assert!(world.received(OTHER)[0].contains("authorization: Bearer the-devboxs-own-credential\r\n"));
}
