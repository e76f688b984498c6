//! Connections that pass unseen: to listed hosts, for devboxes that may go there and have nothing bound there, under one name, until that changes.

use model::{EventKind, Refusal};
use service::BindingsError;

use crate::client::Connection;
use crate::installation::secret_name;
use crate::upstream::{Step, always, echo, plain, say};
use crate::world::{API, OTHER, Plan, VALUE, World, binding};

/// A token whose kind is bound to GitHub's hosts by itself.
const GITHUB: &str = "ghp_0123456789abcdefghijABCDEFGHIJ012345";
const GITHUB_HOST: &str = "api.github.com";

fn listed() -> Plan {
    Plan::default().upstream(API, echo()).pass_through(API)
}

fn request(world: &World) -> String {
    format!("GET /x HTTP/1.1\r\nhost: {API}\r\n{}\r\n", world.bearer("KEY"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_is_not_listed_or_not_allowed_does_not_pass() {
    let world = listed().bound("KEY", VALUE, OTHER).upstream(OTHER, echo()).start().await;
    assert!(world.connect_pinned(API, API).await.is_err() && world.connect_pinned(OTHER, OTHER).await.is_err());
    assert_eq!(world.get(API, "/", "").await.refusal().as_deref(), Some("host_not_allowed"), "told as any other");
    assert_eq!(world.upstreams[API].connections(), 0);
    assert!(!world.kinds().contains(&EventKind::PassedThrough));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_listed_host_takes_no_secret() {
    let world = Plan::default().pass_through("*.example.com").secret("KEY", VALUE, vec![]).start().await;
    for host in [API, "*.example.com"] {
        let made = world.house.gate.bind(&world.house.admin_key, &world.house.caller(), &secret_name("KEY"), binding(host));
        assert!(matches!(made, Err(BindingsError::PassedThrough)), "{host}");
    }
    let made = world.house.gate.bind(&world.house.admin_key, &world.house.caller(), &secret_name("KEY"), binding("example.com"));
    assert!(made.is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn where_the_list_and_a_binding_contradict_each_other_the_list_loses() {
    let world = Plan::default()
        .secret("GITHUB_TOKEN", GITHUB, vec![])
        .upstream(GITHUB_HOST, echo())
        .pass_through(GITHUB_HOST)
        .allow(GITHUB_HOST)
        .start()
        .await;
    assert!(world.connect_pinned(GITHUB_HOST, GITHUB_HOST).await.is_err());
    let reply = world.get(GITHUB_HOST, "/", &world.bearer("GITHUB_TOKEN")).await;
    assert!(reply.status == 200 && !reply.text().contains(GITHUB), "{reply:?}");
    assert!(world.received(GITHUB_HOST)[0].contains(GITHUB));
    assert!(!world.kinds().contains(&EventKind::PassedThrough));
    let without = world.neighbour(&[]);
    assert!(without.connect_pinned(GITHUB_HOST, GITHUB_HOST).await.is_err(), "the other devbox may not go there at all");
}

#[tokio::test(flavor = "multi_thread")]
async fn only_a_hello_for_the_looked_up_host_passes() {
    let world = listed().secret("KEY", VALUE, vec![]).upstream(OTHER, echo()).allow(API).start().await;
    assert!(world.connect_pinned(API, OTHER).await.is_err());
    let address = world.look_up(API).await;
    let mut unnamed = world.connect_plain(address, 443).await;
    unnamed.send(hello_without_a_name()).await;
    assert_eq!(unnamed.rest().await, [21, 3, 3, 0, 2, 2, 112], "an alert: unrecognized_name");
    for bytes in ["SSH-2.0-OpenSSH_9.0\r\n", "GET / HTTP/1.1\r\nhost: api.example.com\r\n\r\n", ""] {
        let mut connection = world.connect_plain(address, 443).await;
        connection.send(bytes).await;
        connection.end().await;
        assert!(connection.rest().await.is_empty(), "{bytes}");
    }
    assert_eq!(world.upstreams[API].connections() + world.upstreams[OTHER].connections(), 0);
    assert_eq!(world.recorded_refusals(), [Refusal::NameMismatch]);
    assert!(!world.kinds().contains(&EventKind::PassedThrough));
}

/// A client hello as rustls says it to an address.
fn hello_without_a_name() -> Vec<u8> {
    let provider = std::sync::Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(rustls::RootCertStore::empty())
        .with_no_client_auth();
    let address = rustls_pki_types::ServerName::try_from("127.0.0.1").unwrap();
    let mut client = rustls::ClientConnection::new(std::sync::Arc::new(config), address).unwrap();
    let mut hello = Vec::new();
    client.write_tls(&mut hello).unwrap();
    hello
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_leads_inside_is_not_dialled_unseen_either() {
    let world = Plan::default().pass_through("localhost").allow("localhost").start().await;
    assert!(world.connect_pinned("localhost", "localhost").await.is_err());
    assert_eq!(world.recorded_refusals(), [Refusal::AddressForbidden]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pinned_client_reaches_its_host_and_nothing_is_swapped() {
    let world = listed().secret("KEY", VALUE, vec![]).allow(API).start().await;
    for _ in 0..2 {
        let mut connection = world.connect_pinned(API, API).await.unwrap();
        let reply = connection.ask(&request(&world)).await;
        assert_eq!((reply.status, reply.text().contains(&world.token("KEY"))), (200, true), "{reply:?}");
    }
    assert!(world.received(API).iter().all(|seen| seen.contains(&world.token("KEY")) && !seen.contains(VALUE)));
    let passed = world.kinds().into_iter().filter(|kind| *kind == EventKind::PassedThrough).count();
    assert_eq!(passed, 1, "the first time of a devbox and a host is an event");
    let other_port = world.connect_plain(world.look_up(API).await, 80).await.ask(&format!("GET / HTTP/1.1\r\nhost: {API}\r\n\r\n")).await;
    assert_eq!(other_port.status, 308, "port 80 stays what it is");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_passes_unseen_ends_with_its_devbox_its_key_and_a_binding() {
    for change in ["devbox", "key", "bound"] {
        let steps = vec![say("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n6\r\nbegun\n\r\n"), Step::Wait(Default::default())];
        let mut world = Plan::default()
            .secret("KEY", VALUE, vec![])
            .upstream(GITHUB_HOST, always(steps))
            .pass_through(GITHUB_HOST)
            .allow(GITHUB_HOST)
            .start()
            .await;
        let mut connection: Connection = world.connect_pinned(GITHUB_HOST, GITHUB_HOST).await.unwrap();
        connection.send(format!("GET / HTTP/1.1\r\nhost: {GITHUB_HOST}\r\n\r\n")).await;
        connection.read_until(b"begun").await;
        match change {
            "devbox" => drop(world.attached.take()),
            "key" => world.revoke_key(),
            // From now on its kind binds it there.
            _ => world.update("KEY", GITHUB),
        }
        connection.rest().await;
        if change == "bound" {
            assert!(world.connect_pinned(GITHUB_HOST, GITHUB_HOST).await.is_err());
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_says_nothing_else_is_left_alone() {
    let told = std::sync::Arc::new(tokio::sync::Notify::new());
    let steps = vec![Step::Wait(std::sync::Arc::clone(&told)), plain("still here")];
    let world = Plan::default().secret("KEY", VALUE, vec![]).upstream(API, always(steps)).pass_through(API).allow(API).start().await;
    let mut connection = world.connect_pinned(API, API).await.unwrap();
    connection.send(format!("GET / HTTP/1.1\r\nhost: {API}\r\n\r\n")).await;
    world.upstreams[API].until("the request", |seen| !seen.requests.is_empty()).await;
    // A change elsewhere is looked at, and is none of this connection's.
    world.update("KEY", "another-value-of-the-same-secret");
    told.notify_one();
    assert_eq!(connection.reply(false).await.unwrap().text(), "still here");
}
