//! What ends while it runs: deleted and changed secrets, and devboxes.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::Notify;

use crate::upstream::{Step, always, echo, plain, say};
use crate::world::{API, OTHER, Plan, VALUE};

const WITHIN: Duration = Duration::from_secs(1);

fn endless(told: &Arc<Notify>) -> Vec<Step> {
    vec![
        say("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n6\r\nbegun\n\r\n"),
        Step::Wait(Arc::clone(told)),
        say("3\r\nend\r\n0\r\n\r\n"),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_secret_is_refused_on_an_open_connection() {
    let world = Plan::default().bound("KEY", VALUE, API).upstream(API, echo()).allow(API).start().await;
    let mut connection = world.connect(API).await;
    let request = format!("GET / HTTP/1.1\r\nhost: {API}\r\n{}\r\n", world.bearer("KEY"));
    assert_eq!(connection.ask(&request).await.status, 200);
    world.delete("KEY");
    assert_eq!(connection.ask(&request).await.refusal().as_deref(), Some("secret_gone"));
    assert_eq!(world.received(API).len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_secret_is_sent_and_scrubbed_anew_on_an_open_connection() {
    let world = Plan::default().bound("KEY", VALUE, API).upstream(API, echo()).start().await;
    let mut connection = world.connect(API).await;
    let request = format!("GET / HTTP/1.1\r\nhost: {API}\r\n{}\r\n", world.bearer("KEY"));
    assert_eq!(connection.ask(&request).await.status, 200);
    world.update("KEY", "another-value-of-the-same-secret");
    let reply = connection.ask(&request).await;
    assert!(world.received(API)[1].contains("authorization: Bearer another-value-of-the-same-secret\r\n"));
    assert!(reply.text().contains(&world.token("KEY")) && !reply.text().contains("another-value"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reply_under_way_is_cut_when_its_value_ends() {
    for change in ["delete", "update"] {
        let told = Arc::new(Notify::new());
        let world = Plan::default().bound("KEY", VALUE, API).upstream(API, always(endless(&told))).start().await;
        let mut connection = world.connect(API).await;
        connection.send(format!("GET / HTTP/1.1\r\nhost: {API}\r\n{}\r\n", world.bearer("KEY"))).await;
        connection.read_until(b"begun").await;
        let begun = Instant::now();
        if change == "delete" {
            world.delete("KEY");
        } else {
            world.update("KEY", "another-value-of-the-same-secret");
        }
        assert!(!connection.rest().await.ends_with(b"0\r\n\r\n"));
        assert!(begun.elapsed() < WITHIN, "{change}: {:?}", begun.elapsed());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reply_under_way_is_cut_when_its_values_binding_is_removed() {
    let world = Plan::default().bound("KEY", VALUE, API).upstream(API, always(endless(&Arc::default()))).allow(API).start().await;
    let mut connection = world.connect(API).await;
    connection.send(format!("GET / HTTP/1.1\r\nhost: {API}\r\n{}\r\n", world.bearer("KEY"))).await;
    connection.read_until(b"begun").await;
    let begun = Instant::now();
    world.unbind("KEY");
    assert!(!connection.rest().await.ends_with(b"0\r\n\r\n"));
    assert!(begun.elapsed() < WITHIN, "{:?}", begun.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_was_given_a_value_is_scrubbed_of_it_after_it_was_unbound() {
    let script = Arc::new(|_: &str| vec![plain(&format!("kept: {VALUE}"))]);
    let world = Plan::default().bound("KEY", VALUE, API).upstream(API, script).allow(API).start().await;
    assert_eq!(world.get(API, "/", &world.bearer("KEY")).await.status, 200);
    world.unbind("KEY");
    let reply = world.get(API, "/", "").await;
    assert_eq!(reply.text(), format!("kept: {}", world.token("KEY")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_devbox_that_reads_nothing_keeps_no_connection_alive() {
    let flood = say([b"HTTP/1.1 200 OK\r\ncontent-length: 64000000\r\n\r\n".as_slice(), &vec![b'x'; 64_000_000]].concat());
    let world = Plan::default().bound("KEY", VALUE, API).upstream(API, always(vec![flood])).start().await;
    let mut connection = world.connect(API).await;
    connection.send(format!("GET / HTTP/1.1\r\nhost: {API}\r\n{}\r\n", world.bearer("KEY"))).await;
    connection.read_until(b"xxx").await;
    let begun = Instant::now();
    world.delete("KEY");
    while world.upstreams[API].broken() == 0 {
        assert!(begun.elapsed() < WITHIN);
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_waits_for_its_reply_is_ended_with_the_reason() {
    let world = Plan::default().bound("KEY", VALUE, API).upstream(API, always(vec![Step::Wait(Arc::default())])).allow(API).start().await;
    let mut connection = world.connect(API).await;
    connection.send(format!("GET / HTTP/1.1\r\nhost: {API}\r\n{}\r\n", world.bearer("KEY"))).await;
    while world.received(API).is_empty() {
        tokio::task::yield_now().await;
    }
    let begun = Instant::now();
    world.delete("KEY");
    assert_eq!(connection.reply(false).await.unwrap().refusal().as_deref(), Some("secret_gone"));
    assert!(begun.elapsed() < WITHIN);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_carries_no_changed_value_goes_on_and_learns_the_new_one() {
    let told = Arc::new(Notify::new());
    let new = "another-value-of-the-same-secret";
    let steps = vec![
        say("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n6\r\nbegun\n\r\n"),
        Step::Wait(Arc::clone(&told)),
        say(format!("{:x}\r\n{new}\r\n0\r\n\r\n", new.len())),
    ];
    let script = Arc::new(move |request: &str| if request.contains("/stream") { steps.clone() } else { vec![plain("ok")] });
    let world = Plan::default().bound("KEY", VALUE, API).upstream(API, script).start().await;
    let mut stream = world.connect(API).await;
    stream.send(format!("GET /stream HTTP/1.1\r\nhost: {API}\r\n\r\n")).await;
    stream.read_until(b"begun").await;
    world.update("KEY", new);
    // The new value leaves in another exchange; from then on the upstream knows it.
    assert_eq!(world.get(API, "/", &world.bearer("KEY")).await.status, 200);
    told.notify_one();
    stream.read_until(b"0\r\n\r\n").await;
    let received = String::from_utf8(stream.rest_now()).unwrap();
    assert!(received.contains(&world.token("KEY")) && !received.contains(new), "{received}");
}

#[tokio::test(flavor = "multi_thread")]
async fn another_secrets_end_disturbs_nothing() {
    let told = Arc::new(Notify::new());
    let world = Plan::default()
        .bound("KEY", VALUE, API)
        .bound("ELSE", "a-value-of-somewhere-else", OTHER)
        .upstream(API, always(endless(&told)))
        .upstream(OTHER, always(endless(&Arc::default())))
        .start()
        .await;
    let mut staying = world.connect(API).await;
    staying.send(format!("GET / HTTP/1.1\r\nhost: {API}\r\n{}\r\n", world.bearer("KEY"))).await;
    staying.read_until(b"begun").await;
    let mut ending = world.connect(OTHER).await;
    ending.send(format!("GET / HTTP/1.1\r\nhost: {OTHER}\r\n{}\r\n", world.bearer("ELSE"))).await;
    ending.read_until(b"begun").await;
    world.delete("ELSE");
    ending.rest().await;
    told.notify_one();
    staying.read_until(b"0\r\n\r\n").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_devboxs_end_ends_its_connections() {
    let mut world = Plan::default().bound("KEY", VALUE, API).upstream(API, always(endless(&Arc::default()))).start().await;
    let mut streaming = world.connect(API).await;
    streaming.send(format!("GET / HTTP/1.1\r\nhost: {API}\r\n{}\r\n", world.bearer("KEY"))).await;
    streaming.read_until(b"begun").await;
    let mut idle = world.connect(API).await;
    let begun = Instant::now();
    drop(world.attached.take());
    streaming.rest().await;
    idle.rest().await;
    for address in world.listeners.values() {
        while tokio::net::TcpStream::connect(address).await.is_ok() {
            assert!(begun.elapsed() < WITHIN);
        }
    }
    assert!(begun.elapsed() < WITHIN);
}
