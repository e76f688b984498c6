//! What one devbox may have open at a time, and that others have theirs.

use std::sync::Arc;
use std::time::Duration;

use gateway::RoomSize;
use tokio::sync::Notify;
use tokio::task::JoinHandle;

use crate::http2::{Connection, Reply};
use crate::upstream::{Script, Step, plain};
use crate::world::{API, Plan, VALUE, World};

/// A host of HTTP/1.1 that answers what asks for `/wait` when told.
async fn world(room: RoomSize) -> (World, Arc<Notify>) {
    let told = Arc::new(Notify::new());
    let telling = Arc::clone(&told);
    let script: Script = Arc::new(move |request| {
        let waits = request.starts_with("GET /wait ").then(|| Step::Wait(Arc::clone(&telling)));
        waits.into_iter().chain([plain("answered")]).collect()
    });
    let plan = Plan::default().bound("KEY", VALUE, API).upstream(API, script).room(room).connecting(Duration::from_millis(1500));
    (plan.start().await, told)
}

fn ask(connection: &Connection, requests: usize) -> Vec<JoinHandle<Reply>> {
    let ask = |_| {
        let connection = connection.clone();
        tokio::spawn(async move { connection.get(API, "/wait", None).await })
    };
    (0..requests).map(ask).collect()
}

async fn codes(asked: Vec<JoinHandle<Reply>>) -> (usize, usize) {
    let (mut answered, mut refused) = (0, 0);
    for asked in asked {
        let reply = asked.await.unwrap();
        match reply.refusal() {
            None => answered += usize::from(reply.text() == "answered"),
            Some(code) => refused += usize::from((code, reply.status) == ("limit_reached", 429)),
        }
    }
    (answered, refused)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_devboxs_connections_to_hosts_are_counted_and_others_have_theirs() {
    let (world, told) = world(RoomSize { upstreams: 4, exchanges: 100 }).await;
    let connection = world.connect_http2(API).await;
    let asked = ask(&connection, 4);
    world.upstreams[API].until("four wait", |seen| seen.requests.len() == 4).await;
    let beyond = ask(&connection, 3);
    assert_eq!(codes(beyond).await, (0, 3));
    assert_eq!(world.upstreams[API].connections(), 4);
    let neighbour = world.neighbour(&["KEY"]);
    assert_eq!(neighbour.get(API, "/", "").await.text(), "answered");
    told.notify_waiters();
    assert_eq!(codes(asked).await, (4, 0));
    assert_eq!(connection.get(API, "/", None).await.text(), "answered");
    assert!(world.recorded_refusals().contains(&model::Refusal::LimitReached));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_waits_for_a_connection_has_it_when_another_ends() {
    let (world, told) = world(RoomSize { upstreams: 2, exchanges: 100 }).await;
    let connection = world.connect_http2(API).await;
    let asked = ask(&connection, 2);
    world.upstreams[API].until("two wait", |seen| seen.requests.len() == 2).await;
    let waiting = {
        let other = world.connect_http2(API).await;
        tokio::spawn(async move { other.get(API, "/", None).await })
    };
    drop(connection);
    told.notify_waiters();
    assert_eq!(codes(asked).await, (2, 0));
    assert_eq!(waiting.await.unwrap().text(), "answered");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_devboxs_open_requests_are_counted_until_their_replies_have_ended() {
    let (world, told) = world(RoomSize { upstreams: 100, exchanges: 3 }).await;
    let connection = world.connect_http2(API).await;
    let asked = ask(&connection, 3);
    world.upstreams[API].until("three wait", |seen| seen.requests.len() == 3).await;
    assert_eq!(codes(ask(&connection, 2)).await, (0, 2));
    assert_eq!(world.neighbour(&["KEY"]).get(API, "/", "").await.text(), "answered");
    told.notify_waiters();
    assert_eq!(codes(asked).await, (3, 0));
    assert_eq!(connection.get(API, "/", None).await.text(), "answered");
}
