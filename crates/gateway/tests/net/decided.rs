//! Whether a request leaves and what of it, byte by byte: each credential header, each writing of a host, each protocol, each reason to fail.

use http::Request;
use model::kind::CREDENTIAL_HEADERS;
use model::{Binding, Refusal};
use tokio::sync::mpsc::unbounded_channel;

use crate::http2::{body, pieces};
use crate::installation::{secret_name, value};
use crate::upstream::{always, echo, plain, say};
use crate::world::{API, OTHER, Plan, VALUE, World, binding};

async fn world() -> World {
    Plan::default().bound("KEY", VALUE, API).upstream(API, echo()).upstream(OTHER, echo()).allow(OTHER).start().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_in_any_credential_header_towards_an_unbound_host_is_refused_over_either_protocol() {
    let world = world().await;
    let token = world.token("KEY");
    let newer = world.connect_http2(OTHER).await;
    for name in CREDENTIAL_HEADERS {
        for line in [token.clone(), format!("Bearer {token}"), format!("x {token}, y")] {
            let reply = world.get(OTHER, "/", &format!("{name}: {line}\r\n")).await;
            assert_eq!(reply.refusal().as_deref(), Some("host_not_bound"), "{name}: {line}");
            assert!(reply.text().contains("tightlip bind") && !reply.text().contains(&token), "{}", reply.text());
            let request = Request::get(format!("https://{OTHER}/")).header(name, &line).body(body("", None)).unwrap();
            assert_eq!(newer.ask(request).await.refusal(), Some("host_not_bound"), "{name}: {line}");
        }
    }
    assert_eq!(world.upstreams[OTHER].connections(), 0);
    assert_eq!(world.recorded_refusals(), [Refusal::HostNotBound]);
}

#[tokio::test(flavor = "multi_thread")]
async fn methods_that_echo_or_tunnel_are_refused_without_tls_as_well() {
    let bound = Binding { port: 80, ..binding(API) };
    let world = Plan::default().secret("KEY", VALUE, vec![bound]).plain(API, echo()).start().await;
    let address = world.look_up(API).await;
    for (method, target) in [("TRACE", "/"), ("TrAcK", "/"), ("CONNECT", "api.example.com:80"), ("CONNECT", "other.example.com:443")] {
        let request = format!("{method} {target} HTTP/1.1\r\nhost: {API}\r\n{}\r\n", world.bearer("KEY"));
        let reply = world.connect_plain(address, 80).await.ask(&request).await;
        assert_eq!(reply.refusal().as_deref(), Some("method_forbidden"), "{method} {target}");
    }
    assert!(world.received("api.example.com:80").is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redirect_is_the_clients_to_follow_and_is_decided_anew() {
    for status in [301, 302, 303, 307, 308] {
        let elsewhere = format!("https://{OTHER}/taken");
        let script = always(vec![say(format!("HTTP/1.1 {status} x\r\nlocation: {elsewhere}\r\ncontent-length: 0\r\n\r\n"))]);
        let world = Plan::default().bound("KEY", VALUE, API).upstream(API, script).upstream(OTHER, echo()).allow(OTHER).start().await;
        let reply = world.get(API, "/", &world.bearer("KEY")).await;
        assert_eq!((reply.status, reply.header("location")), (status, Some(elsewhere.as_str())));
        assert_eq!((world.received(API).len(), world.upstreams[OTHER].connections()), (1, 0), "nobody went there");
        assert_eq!(world.get(OTHER, "/taken", &world.bearer("KEY")).await.refusal().as_deref(), Some("host_not_bound"));
        assert_eq!(world.upstreams[OTHER].connections(), 0);
        // A client that takes its credentials along wherever it is sent.
        let mut curl = tokio::process::Command::new("curl");
        curl.args(["--silent", "--show-error", "--insecure", "--noproxy", "*", "--max-time", "60", "--location-trusted"]);
        for host in [API, OTHER] {
            let at = world.listeners[&(world.look_up(host).await, 443)];
            curl.args(["--connect-to", &format!("{host}:443:{at}")]);
        }
        curl.args(["--header", world.bearer("KEY").trim_end(), &format!("https://{API}/")]);
        let output = curl.output().await.unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success() && said.contains("host_not_bound"), "{status}: {said} {}", String::from_utf8_lossy(&output.stderr));
        assert_eq!((world.received(API).len(), world.upstreams[OTHER].connections()), (2, 0));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_host_is_one_in_any_writing_and_what_is_none_reaches_nobody() {
    let world = world().await;
    let request = |host: &[u8]| [b"GET / HTTP/1.1\r\nhost: ", host, b"\r\n", world.bearer("KEY").as_bytes(), b"\r\n"].concat();
    for none in [
        "",
        ".",
        "api.example.com\0",
        "api.example.com\0.evil.example",
        "api.example.com%00",
        "api.example.com\t.evil.example",
        "x@api.example.com",
        "api.example.com@evil.example",
        "api.example.com:443@evil.example",
        "api.example.com:",
        "api.example.com:+443",
        "api.example.com:443:443",
        "api.example.com:80",
        "api.example.com:65979",
        "api.example.com/evil",
        "api.example.com#evil",
        "api.example.com?evil",
        "api.example.com,evil.example",
        "api.example.com evil.example",
        "api.example.com..",
        ".api.example.com",
        "api..example.com",
        "*.example.com",
        "evil.example.com",
        "api.example.com.evil.example",
        "xapi.example.com",
        "api%2eexample.com",
        "api\u{3002}example.com",
        "\u{430}pi.example.com",
        "xn--pi-6kc.example.com",
        "127.0.0.1",
        "2130706433",
        "0x7f.1",
        "0177.0.0.1",
        "[::1]",
        "[::ffff:127.0.0.1]:443",
    ] {
        let mut connection = world.connect(API).await;
        connection.send(request(none.as_bytes())).await;
        let reply = connection.reply(false).await.expect("an answer");
        assert!((400..500).contains(&reply.status), "{none:?}: {reply:?}");
        assert!(world.received(API).is_empty(), "{none:?}: {:?}", world.received(API));
    }
    for one in ["api.example.com", "API.EXAMPLE.COM", "api.example.com.", "api.example.com:443", "Api.Example.Com.:443"] {
        let mut connection = world.connect(API).await;
        connection.send(request(one.as_bytes())).await;
        assert_eq!(connection.reply(false).await.unwrap().status, 200, "{one}");
        let received = world.received(API).pop().unwrap();
        let hosts: Vec<&str> = received.lines().filter(|line| line.to_ascii_lowercase().starts_with("host:")).collect();
        assert_eq!(hosts, ["host: api.example.com"], "{one}");
    }
    assert_eq!(world.look_up("API.Example.COM").await, world.look_up(API).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_in_pieces_of_a_body_is_one_token_where_its_binding_says_so() {
    let by_body = Binding { form: "body".parse().unwrap(), ..binding(API) };
    let world = Plan::default().secret("KEY", VALUE, vec![by_body]).upstream(API, echo()).start().await;
    let json: &'static str = format!("{{\"key\":\"{}\"}}", world.token("KEY")).leak();
    // A chunk and a packet for each byte, and a frame for each.
    let mut older = world.connect(API).await;
    older.send(format!("POST /x HTTP/1.1\r\nhost: {API}\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n")).await;
    for at in 0..json.len() {
        older.send(format!("1\r\n{}\r\n", &json[at..=at])).await;
    }
    assert_eq!(older.ask("0\r\n\r\n").await.status, 200);
    let (say, said) = unbounded_channel();
    for at in 0..json.len() {
        say.send(&json[at..=at]).unwrap();
    }
    drop(say);
    let request = Request::post(format!("https://{API}/x")).header("content-type", "application/json").body(pieces(said)).unwrap();
    assert_eq!(world.connect_http2(API).await.ask(request).await.status, 200);
    for received in world.received(API) {
        assert!(received.ends_with(&format!("{{\"key\":\"{VALUE}\"}}")), "{received}");
    }
    assert_eq!(world.received(API).len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_as_a_headers_name_or_in_a_trailer_is_inert() {
    let world = world().await;
    let token = world.token("KEY");
    for host in [API, OTHER] {
        let request = format!(
            "POST /{token}/x HTTP/1.1\r\nhost: {host}\r\n{token}: {token}\r\nreferer: https://{token}/\r\ntransfer-encoding: chunked\r\n\r\n\
             1\r\na\r\n0\r\nx-api-key: {token}\r\nauthorization: Bearer {token}\r\n\r\n"
        );
        assert_eq!(world.connect(host).await.ask(&request).await.status, 200);
        let received = world.received(host).pop().unwrap();
        assert!(!received.contains(VALUE) && received.contains(&format!("/{token}/x")), "{received}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_value_with_line_breaks_or_zero_bytes_never_leaves() {
    let world = world().await;
    for bad in [
        "a value\r\nx-injected: 1",
        "a value\nx-injected: 1",
        "a value\rx-injected: 1",
        "a value\0of some length",
        "a value\r\n\r\nGET /inner HTTP/1.1\r\n",
    ] {
        world.update("KEY", bad);
        let basic = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, format!("x:{}", world.token("KEY")));
        for header in [world.bearer("KEY"), format!("x-api-key: {}\r\n", world.token("KEY")), format!("authorization: Basic {basic}\r\n")] {
            let reply = world.get(API, "/", &header).await;
            assert_eq!(reply.refusal().as_deref(), Some("value_unfit"), "{bad:?}");
            assert!(!reply.text().contains("injected"), "{}", reply.text());
        }
    }
    assert_eq!(world.upstreams[API].connections(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_value_that_holds_another_secrets_token_is_sent_as_it_is() {
    let world =
        Plan::default().bound("KEY", VALUE, API).bound("ELSE", "a-value-of-the-other-secret", API).upstream(API, echo()).start().await;
    let tricky = format!("before-{}-after", world.token("ELSE"));
    world.update("KEY", &tricky);
    let reply = world.get(API, "/", &format!("{}x-api-key: {}\r\n", world.bearer("KEY"), world.token("ELSE"))).await;
    let received = &world.received(API)[0];
    assert!(received.contains(&format!("authorization: Bearer {tricky}\r\n")), "{received}");
    assert!(received.contains("x-api-key: a-value-of-the-other-secret\r\n"), "{received}");
    assert!(!reply.text().contains("a-value-of-the-other-secret") && !reply.text().contains(&tricky), "{}", reply.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_devboxs_own_credential_does_not_go_beside_ours() {
    let world = world().await;
    let ours = world.bearer("KEY");
    let mine = "authorization: Bearer an-own-credential\r\nAUTHORIZATION: Basic eDp5\r\n";
    for headers in [format!("{ours}{mine}"), format!("{mine}{ours}")] {
        assert_eq!(world.get(API, "/", &headers).await.status, 200);
        let received = world.received(API).pop().unwrap();
        let lines: Vec<String> = received.lines().map(str::to_ascii_lowercase).filter(|line| line.starts_with("authorization:")).collect();
        assert_eq!(lines, [format!("authorization: bearer {}", VALUE.to_ascii_lowercase())], "{headers}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_of_another_devbox_another_account_and_the_dead_are_refused_and_recorded() {
    let world = world().await;
    let (_, key) = world.house.make_account("another", true).unwrap();
    let theirs = world.house.house.authenticate(Some(&key)).unwrap();
    world.house.house.secrets().create(&theirs, secret_name("KEY"), value("a value of another account")).unwrap();
    let at_the_gate = world.house.gate.authenticate(Some(&key)).unwrap();
    let stranger = world.house.gate.open(&at_the_gate, None, Vec::new(), world.house.new_ca()).unwrap().card;
    let neighbour = world.house.open(Some(&["KEY"]), &[]).unwrap().card;
    for card in [&stranger, &neighbour] {
        let foreign = format!("authorization: Bearer {}\r\n", card.grants[0].token.as_str());
        for host in [API, OTHER] {
            assert_eq!(world.get(host, "/", &foreign).await.refusal().as_deref(), Some("token_foreign"), "{host}");
        }
    }
    assert_eq!(world.recorded_refusals(), [Refusal::TokenForeign, Refusal::TokenForeign], "towards each of two hosts");
    world.house.gate.close(&neighbour.devbox).unwrap();
    let dead = format!("authorization: Bearer {}\r\n", neighbour.grants[0].token.as_str());
    assert_eq!(world.get(API, "/", &dead).await.refusal().as_deref(), Some("token_ended"));
    world.delete("KEY");
    assert_eq!(world.get(API, "/", &world.bearer("KEY")).await.refusal().as_deref(), Some("secret_gone"));
    let recorded = world.recorded_refusals();
    assert!(recorded.contains(&Refusal::TokenEnded) && recorded.contains(&Refusal::SecretGone), "{recorded:?}");
    assert_eq!(world.upstreams[API].connections() + world.upstreams[OTHER].connections(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_recorded_does_not_leave() {
    let world = world().await;
    let ledger = ledger_of(&world);
    ledger("CREATE TRIGGER stop BEFORE INSERT ON events BEGIN SELECT RAISE(ABORT, 'no'); END");
    assert_eq!(world.get(API, "/", &world.bearer("KEY")).await.refusal().as_deref(), Some("undecided"));
    assert_eq!(world.upstreams[API].connections(), 0);
    ledger("DROP TRIGGER stop");
    assert_eq!(world.get(API, "/", &world.bearer("KEY")).await.status, 200);
}

/// Changes the gateway's own database, by the tool of everybody.
fn ledger_of(world: &World) -> impl Fn(&str) + use<> {
    let path = world.house.folder.path().join("gateway.db");
    move |sql: &str| {
        let script = "import sqlite3, sys; c = sqlite3.connect(sys.argv[1], timeout=20); c.executescript(sys.argv[2]); c.close()";
        let output = std::process::Command::new("/usr/bin/python3").arg("-c").arg(script).arg(&path).arg(sql).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_devbox_whose_values_cannot_all_be_scrubbed_sends_nothing() {
    let mut plan = Plan::default().upstream(API, always(vec![plain("ok")]));
    for number in 0..20 {
        plan = plan.bound(&format!("KEY_{number}"), &format!("{number:04}{}", "x\"+ /".repeat(10_000)), API);
    }
    let world = plan.start().await;
    assert_eq!(world.get(API, "/", "").await.refusal().as_deref(), Some("limit_reached"));
    assert_eq!(world.get(API, "/", &world.bearer("KEY_0")).await.refusal().as_deref(), Some("limit_reached"));
    assert_eq!(world.upstreams[API].connections(), 0);
}
