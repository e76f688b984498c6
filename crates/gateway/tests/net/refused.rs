//! What does not leave: each refusal by its own code, with nothing sent to anybody.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use model::{Binding, Refusal};

use crate::client::Reply;
use crate::upstream::{Step, always, echo, plain, say};
use crate::world::{API, OTHER, Plan, VALUE, World, binding};

fn code(reply: &Reply) -> Option<String> {
    let code = reply.refusal();
    if let Some(code) = &code {
        let refusal = Refusal::ALL.into_iter().find(|refusal| refusal.code() == code).unwrap();
        assert_eq!(reply.status, refusal.status());
    }
    code
}

async fn plain_world() -> World {
    Plan::default().bound("KEY", VALUE, API).upstream(API, echo()).upstream(OTHER, echo()).allow(OTHER).start().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_towards_a_host_that_is_allowed_but_not_bound_reaches_nobody() {
    let world = plain_world().await;
    let basic = format!("authorization: Basic {}\r\n", STANDARD.encode(format!("x:{}", world.token("KEY"))));
    for headers in [world.bearer("KEY"), basic, format!("x-api-key: {}\r\n", world.token("KEY"))] {
        assert_eq!(code(&world.get(OTHER, "/", &headers).await).as_deref(), Some("host_not_bound"));
    }
    assert_eq!(world.upstreams[OTHER].connections(), 0);
    assert_eq!(world.recorded_refusals(), [Refusal::HostNotBound]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_is_not_allowed_is_refused_readably() {
    let world = Plan::default().bound("KEY", VALUE, API).upstream(API, echo()).upstream(OTHER, echo()).start().await;
    assert_eq!(code(&world.get(OTHER, "/", "").await).as_deref(), Some("host_not_allowed"));
    assert_eq!(world.upstreams[OTHER].connections(), 0);
    assert_eq!(world.recorded_refusals(), [Refusal::HostNotAllowed]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_without_a_name_is_refused_under_whatever_name_is_said() {
    let world = plain_world().await;
    let unmapped = "127.77.1.5".parse().unwrap();
    for name in [API, "127.77.1.5"] {
        let mut connection = world.connect_as(unmapped, 443, name).await;
        let reply = connection.ask(&format!("GET / HTTP/1.1\r\nhost: {name}\r\n\r\n")).await;
        assert_eq!(code(&reply).as_deref(), Some("address_unmapped"));
    }
    let reply = world.connect_plain(unmapped, 80).await.ask(&format!("GET / HTTP/1.1\r\nhost: {API}\r\n\r\n")).await;
    assert_eq!(code(&reply).as_deref(), Some("address_unmapped"));
    assert_eq!(world.upstreams[API].connections(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn names_that_differ_are_refused() {
    let world = plain_world().await;
    let address = world.look_up(OTHER).await;
    let mut connection = world.connect_as(address, 443, API).await;
    let reply = connection.ask(&format!("GET / HTTP/1.1\r\nhost: {API}\r\n{}\r\n", world.bearer("KEY"))).await;
    assert_eq!(code(&reply).as_deref(), Some("name_mismatch"));
    let mut connection = world.connect(OTHER).await;
    for request in [
        format!("GET / HTTP/1.1\r\nhost: {API}\r\n\r\n"),
        format!("GET https://{API}/ HTTP/1.1\r\nhost: {OTHER}\r\n\r\n"),
        format!("GET / HTTP/1.1\r\nhost: {OTHER}:8443\r\n\r\n"),
        format!("GET / HTTP/1.1\r\nhost: {}\r\n\r\n", address),
    ] {
        assert_eq!(code(&connection.ask(&request).await).as_deref(), Some("name_mismatch"), "{request}");
    }
    assert_eq!(world.upstreams[OTHER].connections() + world.upstreams[API].connections(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn methods_that_echo_or_tunnel_and_upgrades_are_refused() {
    let world = plain_world().await;
    for (method, target) in [("TRACE", "/"), ("TRACK", "/"), ("trace", "/"), ("CONNECT", "api.example.com:443")] {
        let request = format!("{method} {target} HTTP/1.1\r\nhost: {API}\r\n{}\r\n", world.bearer("KEY"));
        assert_eq!(code(&world.connect(API).await.ask(&request).await).as_deref(), Some("method_forbidden"), "{method}");
    }
    let upgrade = "connection: Upgrade, HTTP2-Settings\r\nupgrade: h2c\r\nhttp2-settings: AAMAAABkAAQCAAAAAAIAAAAA\r\n";
    assert_eq!(code(&world.get(API, "/", upgrade).await).as_deref(), Some("upgrade_unsupported"));
    assert_eq!(world.upstreams[API].connections(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_of_others_and_of_the_dead_are_refused() {
    let world = plain_world().await;
    let another = world.house.open(Some(&["KEY"]), &[]).unwrap().card;
    let foreign = format!("authorization: Bearer {}\r\n", another.grants[0].token.as_str());
    assert_eq!(code(&world.get(API, "/", &foreign).await).as_deref(), Some("token_foreign"));
    assert_eq!(code(&world.get(OTHER, "/", &foreign).await).as_deref(), Some("token_foreign"));
    world.house.gate.close(&another.devbox).unwrap();
    assert_eq!(code(&world.get(API, "/", &foreign).await).as_deref(), Some("token_ended"));
    assert_eq!(world.upstreams[API].connections(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unbound_secret_stays() {
    let world = Plan::default().secret("KEY", VALUE, vec![]).upstream(API, echo()).allow(API).start().await;
    assert_eq!(code(&world.get(API, "/", &world.bearer("KEY")).await).as_deref(), Some("secret_unbound"));
    assert_eq!(world.upstreams[API].connections(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn methods_and_paths_outside_a_binding_are_refused() {
    let narrow = Binding { methods: "GET".parse().unwrap(), path: "/v1/read".parse().unwrap(), ..binding(API) };
    let world = Plan::default().secret("KEY", VALUE, vec![narrow]).upstream(API, echo()).start().await;
    let ask = async |method: &str, target: &str, headers: &str| {
        let request = format!("{method} {target} HTTP/1.1\r\nhost: {API}\r\ncontent-length: 0\r\n{headers}\r\n");
        code(&world.connect(API).await.ask(&request).await)
    };
    let bearer = world.bearer("KEY");
    assert_eq!(ask("POST", "/v1/read", &bearer).await.as_deref(), Some("request_not_bound"));
    assert_eq!(ask("GET", "/v1/write", &bearer).await.as_deref(), Some("request_not_bound"));
    for target in [
        "/v1/read/../write",
        "/v1/read/%2e%2e/write",
        "/v1/read/..;/write",
        "/v1/read%2f..%2fwrite",
        "/v1/read//write",
        "/v1/read%2fx",
        "/v1/read/%252e%252e/write",
        "/v1/read\\..\\write",
        "/v1/read%5c..%5cwrite",
        "/v1/read%00",
    ] {
        assert_eq!(ask("GET", target, &bearer).await.as_deref(), Some("path_ambiguous"), "{target}");
    }
    assert_eq!(world.upstreams[API].connections(), 0);
    assert_eq!(ask("GET", "/v1/%72ead/x?y=/../z", &bearer).await, None);
    assert_eq!(ask("GET", "/v1/read/../write", "").await, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_leads_inside_is_not_dialled() {
    let world = Plan::default().secret("KEY", VALUE, vec![binding("localhost")]).start().await;
    assert_eq!(code(&world.get("localhost", "/", &world.bearer("KEY")).await).as_deref(), Some("address_forbidden"));
}

#[tokio::test(flavor = "multi_thread")]
async fn upstreams_that_cannot_be_had_are_told_apart() {
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let world = Plan::default()
        .stranger("stranger.example.com", echo())
        .upstream("broken.example.com", always(vec![say("HTTP/1.1 2"), Step::Close]))
        .upstream("garbage.example.com", always(vec![say("SSH-2.0-x\r\n\r\n"), Step::Close]))
        .upstream("silent.example.com", always(vec![Step::Wait(Default::default())]))
        .at("nobody.example.com", nobody)
        .allow("*.example.com")
        .start()
        .await;
    for (host, expected) in [
        ("stranger.example.com", "upstream_untrusted"),
        ("broken.example.com", "upstream_broken"),
        ("garbage.example.com", "upstream_broken"),
        ("silent.example.com", "upstream_timeout"),
        ("nobody.example.com", "upstream_unreachable"),
    ] {
        assert_eq!(code(&world.get(host, "/", "").await).as_deref(), Some(expected), "{host}");
    }
    assert!(world.received("stranger.example.com").is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_is_away_lets_nothing_pass() {
    let world = plain_world().await;
    let mut connection = world.connect(API).await;
    assert_eq!(connection.ask(&format!("GET / HTTP/1.1\r\nhost: {API}\r\n{}\r\n", world.bearer("KEY"))).await.status, 200);
    ruin_store(&world);
    let reply = connection.ask(&format!("GET / HTTP/1.1\r\nhost: {API}\r\n{}\r\n", world.bearer("KEY"))).await;
    assert!(code(&reply).is_some(), "{reply:?}");
    assert_eq!(world.received(API).len(), 1);
}

/// Overwrites the store under the gateway's feet.
fn ruin_store(world: &World) {
    world.update("KEY", "another value of the same secret");
    for file in ["tightlip.db", "tightlip.db-wal"] {
        let path = world.house.folder.path().join(file);
        let bytes = std::fs::read(&path).unwrap_or_default();
        std::fs::write(&path, vec![0x5a; bytes.len()]).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn plain_http_is_sent_to_tls_or_refused_and_never_forwarded() {
    let world = plain_world().await;
    let address = world.look_up(API).await;
    let mut connection = world.connect_plain(address, 80).await;
    let reply = connection.ask(&format!("GET /x?y=1 HTTP/1.1\r\nhost: {API}\r\n{}\r\n", world.bearer("KEY"))).await;
    assert_eq!((reply.status, reply.header("location")), (308, Some("https://api.example.com/x?y=1")));
    let reply = connection.ask("GET / HTTP/1.1\r\nhost: evil.example.com\r\n\r\n").await;
    assert_eq!(code(&reply).as_deref(), Some("name_mismatch"));
    let denied = world.look_up("denied.example.com").await;
    let reply = world.connect_plain(denied, 80).await.ask("GET / HTTP/1.1\r\nhost: denied.example.com\r\n\r\n").await;
    assert_eq!(code(&reply).as_deref(), Some("host_not_allowed"));
    assert_eq!(world.upstreams[API].connections(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ports_own_binding_covers_no_other_port() {
    let on_port = Binding { port: 8443, ..binding(API) };
    let world = Plan::default()
        .secret("KEY", VALUE, vec![on_port])
        .upstream_on(API, 8443, "http/1.1", always(vec![plain("ok")]))
        .allow(API)
        .start()
        .await;
    let address = world.look_up(API).await;
    let bearer = world.bearer("KEY");
    let reply = world.connect_as(address, 443, API).await.ask(&format!("GET / HTTP/1.1\r\nhost: {API}\r\n{bearer}\r\n")).await;
    assert_eq!(code(&reply).as_deref(), Some("host_not_bound"));
    let mut connection = world.connect_as(address, 8443, API).await;
    assert_eq!(connection.ask(&format!("GET / HTTP/1.1\r\nhost: {API}\r\n{bearer}\r\n")).await.refusal().as_deref(), Some("name_mismatch"));
    assert_eq!(connection.ask(&format!("GET / HTTP/1.1\r\nhost: {API}:8443\r\n{bearer}\r\n")).await.status, 200);
    assert!(world.received(API)[0].contains("host: api.example.com:8443\r\n"));
}
