//! Whatever is open ends within a second of its value's rotation or deletion, of its binding's and of its devbox's end: at the client, and at the host.

use std::pin::Pin;
use std::time::{Duration, Instant};

use model::Binding;
use tokio::sync::mpsc::unbounded_channel;

use crate::client::Connection;
use crate::http2::{get, pieces, read, service};
use crate::proxy::{Sandbox, sandbox};
use crate::puppet::{Puppet, puppet};
use crate::upstream::frame;
use crate::world::{API, Plan, VALUE, World, binding};

/// What is open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Events,
    Upload,
    Socket,
    PlainEvents,
    PlainSocket,
    TunnelEvents,
    TunnelSocket,
    TunnelPlainEvents,
    /// Asked for by the proxy's absolute form, without a tunnel.
    ProxiedEvents,
    ProxiedSocket,
}

const KINDS: [Kind; 10] = [
    Kind::Events,
    Kind::Upload,
    Kind::Socket,
    Kind::PlainEvents,
    Kind::PlainSocket,
    Kind::TunnelEvents,
    Kind::TunnelSocket,
    Kind::TunnelPlainEvents,
    Kind::ProxiedEvents,
    Kind::ProxiedSocket,
];

/// What ends it.
const CHANGES: [&str; 4] = ["rotation", "deletion", "binding", "devbox"];

struct Open {
    world: World,
    sandbox: Option<Sandbox>,
    connection: Connection,
    host: Puppet,
}

impl Kind {
    fn is_plain(self) -> bool {
        matches!(self, Self::PlainEvents | Self::PlainSocket | Self::TunnelPlainEvents) || self.is_absolute()
    }

    fn is_absolute(self) -> bool {
        matches!(self, Self::ProxiedEvents | Self::ProxiedSocket)
    }

    fn is_proxied(self) -> bool {
        matches!(self, Self::TunnelEvents | Self::TunnelSocket | Self::TunnelPlainEvents) || self.is_absolute()
    }

    fn is_socket(self) -> bool {
        matches!(self, Self::Socket | Self::PlainSocket | Self::TunnelSocket | Self::ProxiedSocket)
    }

    /// Under way, with the value sent and something said by either side.
    async fn open(self) -> Open {
        let (hand, mut host) = puppet();
        let bound = Binding { port: if self.is_plain() { 80 } else { 443 }, ..binding(API) };
        let plan = Plan::default().secret("KEY", VALUE, vec![bound]);
        let plan = if self.is_plain() { plan.plain_by_hand(API, hand) } else { plan.by_hand(API, hand) };
        let world = plan.start().await;
        let sandbox = self.is_proxied().then(|| sandbox(&world, &[]));
        let mut connection = match &sandbox {
            Some(sandbox) if self.is_absolute() => sandbox.connection().await,
            Some(sandbox) if self.is_plain() => sandbox.plain_tunnel(API).await,
            Some(sandbox) => sandbox.tunnel(&format!("{API}:443"), API).await,
            None if self.is_plain() => world.connect_plain(world.look_up(API).await, 80).await,
            None => world.connect(API).await,
        };
        let mut bearer = sandbox.as_ref().map_or_else(|| world.bearer("KEY"), Sandbox::bearer);
        let mut target = "/".to_owned();
        if let (Some(sandbox), true) = (&sandbox, self.is_absolute()) {
            bearer.push_str(&sandbox.basic());
            target = format!("http://{API}/");
        }
        let head = if self == Self::Upload {
            "transfer-encoding: chunked\r\n"
        } else if self.is_socket() {
            "connection: Upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
        } else {
            ""
        };
        let method = if self == Self::Upload { "POST" } else { "GET" };
        connection.send(format!("{method} {target} HTTP/1.1\r\nhost: {API}\r\n{head}{bearer}\r\n")).await;
        assert!(host.hears("\r\n\r\n").await.contains(VALUE), "{self:?}");
        if self == Self::Upload {
            connection.send("5\r\nbegun\r\n").await;
            host.hears("begun").await;
        } else if self.is_socket() {
            host.says("HTTP/1.1 101 x\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\r\n");
            assert_eq!(connection.reply(false).await.unwrap().status, 101, "{self:?}");
            host.says(frame(0x81, b"begun"));
            connection.read_until(b"begun").await;
        } else {
            host.says("HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\ndata: begun\n\n");
            connection.read_until(b"data: begun\n\n").await;
        }
        Open { world, sandbox, connection, host }
    }
}

fn change(world: &mut World, sandbox: Option<&mut Sandbox>, change: &str) {
    match change {
        "rotation" => world.update("KEY", "another-value-of-the-same-secret"),
        "deletion" => world.delete("KEY"),
        "binding" => world.unbind("KEY"),
        _ => match sandbox {
            Some(sandbox) => sandbox.end(),
            None => drop(world.attached.take()),
        },
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_is_open_ends_within_a_second_of_its_reason() {
    for kind in KINDS {
        for why in CHANGES {
            let Open { mut world, mut sandbox, mut connection, mut host } = kind.open().await;
            let begun = Instant::now();
            change(&mut world, sandbox.as_mut(), why);
            let rest = connection.rest().await;
            host.is_left().await;
            assert!(begun.elapsed() < WITHIN, "{kind:?}, {why}: {:?}", begun.elapsed());
            assert!(!rest.ends_with(b"0\r\n\r\n") || kind == Kind::Upload, "{kind:?}, {why}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_of_http2_ends_within_a_second_of_its_reason() {
    for why in CHANGES {
        let (say, said) = unbounded_channel();
        let once = std::sync::Mutex::new(Some(said));
        let answer = service(move |_| {
            let said = once.lock().unwrap().take().unwrap();
            Box::pin(async move { http::Response::new(pieces(said)) }) as Pin<Box<dyn Future<Output = _> + Send>>
        });
        let mut world = Plan::default().bound("KEY", VALUE, API).http2(API, answer).start().await;
        let connection = world.connect_http2(API).await;
        say.send("data: begun\n\n").unwrap();
        let reply = connection.begin(get(API, "/", Some(&world.token("KEY")))).await.unwrap();
        let begun = Instant::now();
        change(&mut world, None, why);
        assert!(!read(reply).await.is_whole, "{why}");
        tokio::time::timeout(WITHIN, say.closed()).await.unwrap_or_else(|_| panic!("{why}: the host's stream is open"));
        assert!(begun.elapsed() < WITHIN, "{why}: {:?}", begun.elapsed());
    }
}

/// In which a revocation is in force.
const WITHIN: Duration = Duration::from_secs(1);
