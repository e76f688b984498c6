//! Plain HTTP: to a host's port 80, where a person has bound a secret to it, and nowhere else.

use model::{Binding, Refusal};

use crate::client::{Connection, Reply};
use crate::upstream::{Step, always, echo, frame, masked_frame, plain, say};
use crate::world::{API, OTHER, Plan, VALUE, World, binding};

const PLAIN: &str = "api.example.com:80";

fn on_80(host: &str) -> Binding {
    Binding { port: 80, ..binding(host) }
}

fn bound() -> Plan {
    Plan::default().secret("KEY", VALUE, vec![on_80(API)]).plain(API, echo())
}

async fn connect(world: &World, host: &str) -> Connection {
    world.connect_plain(world.look_up(host).await, 80).await
}

async fn get(world: &World, host: &str, headers: &str) -> Reply {
    connect(world, host).await.ask(&format!("GET /x?y=1 HTTP/1.1\r\nhost: {host}\r\n{headers}\r\n")).await
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_but_a_binding_to_port_80_lets_plain_http_leave() {
    let wild = Binding { port: 8443, ..binding("*.example.com") };
    let world = Plan::default()
        .secret("KEY", VALUE, vec![binding(API), wild])
        .plain(API, echo())
        .plain(OTHER, echo())
        .upstream(API, echo())
        .allow(OTHER)
        .start()
        .await;
    for host in [API, OTHER] {
        let reply = get(&world, host, &world.bearer("KEY")).await;
        assert_eq!((reply.status, reply.header("location")), (308, Some(format!("https://{host}/x?y=1").as_str())));
        assert_eq!(world.upstreams[&format!("{host}:80")].connections(), 0);
    }
    assert_eq!(get(&world, "denied.example.com", &world.bearer("KEY")).await.refusal().as_deref(), Some("host_not_allowed"));
    assert_eq!(world.upstreams[API].connections(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_binding_to_port_80_is_none_to_another_port_or_host() {
    let world = bound().upstream(API, echo()).plain(OTHER, echo()).allow(API).allow(OTHER).start().await;
    assert_eq!(world.get(API, "/", &world.bearer("KEY")).await.refusal().as_deref(), Some("host_not_bound"));
    assert_eq!(get(&world, OTHER, &world.bearer("KEY")).await.status, 308);
    assert_eq!(world.upstreams[API].connections() + world.upstreams["other.example.com:80"].connections(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_secrets_token_does_not_travel_unencrypted() {
    let world = bound().bound("TLS_ONLY", "a-value-for-tls-alone", API).upstream(API, echo()).start().await;
    assert_eq!(get(&world, API, &world.bearer("TLS_ONLY")).await.refusal().as_deref(), Some("host_not_bound"));
    assert_eq!(world.upstreams[PLAIN].connections(), 0);
    assert_eq!(world.recorded_refusals(), [Refusal::HostNotBound]);
}

#[tokio::test(flavor = "multi_thread")]
async fn methods_and_paths_and_names_are_decided_as_over_tls() {
    let narrow = Binding { methods: "GET".parse().unwrap(), path: "/v1".parse().unwrap(), ..on_80(API) };
    let world = Plan::default().secret("KEY", VALUE, vec![narrow]).plain(API, echo()).start().await;
    let bearer = world.bearer("KEY");
    for (request, code) in [
        (format!("POST /v1 HTTP/1.1\r\nhost: {API}\r\ncontent-length: 0\r\n{bearer}\r\n"), "request_not_bound"),
        (format!("GET /v2 HTTP/1.1\r\nhost: {API}\r\n{bearer}\r\n"), "request_not_bound"),
        (format!("GET /v1/../v2 HTTP/1.1\r\nhost: {API}\r\n{bearer}\r\n"), "path_ambiguous"),
        (format!("GET /v1 HTTP/1.1\r\nhost: {OTHER}\r\n{bearer}\r\n"), "name_mismatch"),
        (format!("GET /v1 HTTP/1.1\r\nhost: {API}:443\r\n{bearer}\r\n"), "name_mismatch"),
        (format!("GET https://{API}/v1 HTTP/1.1\r\nhost: {API}\r\n{bearer}\r\n"), "name_mismatch"),
        (format!("GET http://{OTHER}/v1 HTTP/1.1\r\nhost: {API}\r\n{bearer}\r\n"), "name_mismatch"),
        (format!("TRACE /v1 HTTP/1.1\r\nhost: {API}\r\n{bearer}\r\n"), "method_forbidden"),
        (format!("CONNECT {API}:80 HTTP/1.1\r\nhost: {API}\r\n{bearer}\r\n"), "method_forbidden"),
        (format!("GET /v1 HTTP/1.1\r\nhost: {API}\r\nconnection: upgrade\r\nupgrade: h2c\r\n{bearer}\r\n"), "upgrade_unsupported"),
    ] {
        assert_eq!(connect(&world, API).await.ask(&request).await.refusal().as_deref(), Some(code), "{request}");
    }
    let mut known_before = connect(&world, API).await;
    known_before.send("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await;
    assert!(!String::from_utf8_lossy(&known_before.rest().await).contains("200"), "no HTTP/2 without TLS");
    assert_eq!(world.upstreams[PLAIN].connections(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_leads_inside_is_not_dialled_plainly_either() {
    let world = Plan::default().secret("KEY", VALUE, vec![on_80("localhost")]).start().await;
    assert_eq!(get(&world, "localhost", &world.bearer("KEY")).await.refusal().as_deref(), Some("address_forbidden"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_value_stands_where_the_token_stood_and_the_echo_is_the_token_again() {
    let world = bound().start().await;
    let mut connection = connect(&world, API).await;
    for target in ["/x?y=1".to_owned(), format!("http://{API}/x?y=1"), format!("http://{API}:80/x?y=1")] {
        let reply = connection.ask(&format!("GET {target} HTTP/1.1\r\nhost: {API}\r\n{}\r\n", world.bearer("KEY"))).await;
        assert_eq!((reply.status, reply.refusal()), (200, None), "{target}: {reply:?}");
        let seen = world.received(PLAIN).last().unwrap().clone();
        assert!(seen.starts_with("GET /x?y=1 HTTP/1.1\r\n") && seen.contains("host: api.example.com\r\n"), "{seen}");
        assert!(seen.contains(&format!("authorization: Bearer {VALUE}\r\n")) && seen.contains("accept-encoding: identity\r\n"), "{seen}");
        assert!(reply.text().contains(&world.token("KEY")) && !reply.text().contains(VALUE), "{}", reply.text());
    }
    assert_eq!(world.upstreams[PLAIN].connections(), 1, "one connection serves one of the devbox's");
    let without = connection.ask(&format!("GET / HTTP/1.1\r\nhost: {API}\r\n\r\n")).await;
    assert_eq!(without.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reply_over_tls_is_scrubbed_of_a_value_that_is_bound_to_port_80() {
    let world = bound().upstream(API, always(vec![plain(&format!("kept: {VALUE}"))])).allow(API).start().await;
    assert_eq!(world.get(API, "/", "").await.text(), format!("kept: {}", world.token("KEY")));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_ends_is_cut_and_what_comes_after_is_refused() {
    for change in ["delete", "update", "unbind", "devbox"] {
        let steps = vec![say("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n6\r\nbegun\n\r\n"), Step::Wait(Default::default())];
        let mut world = Plan::default().secret("KEY", VALUE, vec![on_80(API)]).plain(API, always(steps)).start().await;
        let mut connection = connect(&world, API).await;
        connection.send(format!("GET / HTTP/1.1\r\nhost: {API}\r\n{}\r\n", world.bearer("KEY"))).await;
        connection.read_until(b"begun").await;
        match change {
            "delete" => world.delete("KEY"),
            "update" => world.update("KEY", "another-value-of-the-same-secret"),
            "unbind" => world.unbind("KEY"),
            _ => drop(world.attached.take()),
        }
        assert!(!connection.rest().await.ends_with(b"0\r\n\r\n"), "{change}");
        if matches!(change, "delete" | "unbind") {
            assert!(get(&world, API, &world.bearer("KEY")).await.refusal().is_some(), "{change}");
            assert_eq!(world.received(PLAIN).len(), 1, "{change}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_open_connection_is_decided_anew_for_each_request() {
    let world = bound().allow(API).start().await;
    let mut connection = connect(&world, API).await;
    let request = format!("GET / HTTP/1.1\r\nhost: {API}\r\n{}\r\n", world.bearer("KEY"));
    assert_eq!(connection.ask(&request).await.status, 200);
    world.unbind("KEY");
    assert_eq!(connection.ask(&request).await.status, 308, "as for any host that is merely allowed");
    assert_eq!(world.received(PLAIN).len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_socket_passes_plainly_where_requests_do() {
    let agree = say("HTTP/1.1 101 Switching\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\r\n");
    let steps = vec![agree, Step::Say(frame(0x81, VALUE.as_bytes())), Step::EchoFrames];
    let world = Plan::default().secret("KEY", VALUE, vec![on_80(API)]).plain(API, always(steps)).allow(OTHER).start().await;
    let handshake = |host: &str| {
        format!(
            "GET / HTTP/1.1\r\nhost: {host}\r\nconnection: Upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n\
             sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n{}\r\n",
            world.bearer("KEY")
        )
    };
    assert_eq!(connect(&world, OTHER).await.ask(&handshake(OTHER)).await.refusal().as_deref(), Some("upgrade_unsupported"));
    let mut connection = connect(&world, API).await;
    connection.send(handshake(API)).await;
    assert_eq!(connection.reply(false).await.unwrap().status, 101);
    connection.expect(&frame(0x81, "*".repeat(VALUE.len()).as_bytes())).await;
    connection.send(masked_frame(0x81, b"hello")).await;
    connection.expect(&frame(0x81, b"hello")).await;
    assert!(world.received(PLAIN)[0].contains(VALUE));
    world.delete("KEY");
    connection.rest().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn any_other_port_is_tls_whatever_comes_there() {
    let on_port = Binding { port: 8443, ..binding(API) };
    let world = Plan::default().secret("KEY", VALUE, vec![on_port]).upstream_on(API, 8443, "http/1.1", echo()).start().await;
    let mut connection = world.connect_plain(world.look_up(API).await, 8443).await;
    connection.send(format!("GET / HTTP/1.1\r\nhost: {API}:8443\r\n{}\r\n", world.bearer("KEY"))).await;
    assert!(!String::from_utf8_lossy(&connection.rest().await).contains("HTTP/1.1 200"));
    assert_eq!(world.upstreams[API].connections(), 0);
}
