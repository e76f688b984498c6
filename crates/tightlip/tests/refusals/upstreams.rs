//! Hosts that cannot be reached, believed or read; and the operator's own proxy.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};

use model::Refusal;
use testkit::Canary;

use crate::standin::{Mood, Standin};
use crate::world::{API, OTHER, PLAIN, World};

pub fn upstream_unresolved() {
    let mut world = World::start();
    world.write(&world.resolved(&[OTHER]));
    world.start_anew();
    let mend = world.with_key().refused(PLAIN, Refusal::UpstreamUnresolved);
    mend.says("`getent hosts HOST`").says("`[gateway] resolve` in tightlip.toml").says("`tightlip down`, then `tightlip up`");
    world.write(&world.resolved(&[API]));
    world.start_anew();
    world.with_key().passes(PLAIN);
}

/// Nobody listens where the host should be, until somebody does.
pub fn upstream_unreachable() {
    let mut world = World::start();
    // An address of loopback that no other test takes a port of.
    let place = TcpListener::bind("127.77.0.3:0").unwrap();
    let address = place.local_addr().unwrap();
    drop(place);
    let settings = world.resolved(&[API]);
    world.write(&settings.replace(&world.standin.address.to_string(), &address.to_string()));
    world.start_anew();
    let devbox = world.with_key();
    devbox.refused(PLAIN, Refusal::UpstreamUnreachable).says("`curl -v https://HOST/`");
    let to = world.standin.address;
    let listener = TcpListener::bind(address).unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            splice(stream, to);
        }
    });
    devbox.passes(PLAIN);
}

pub fn upstream_untrusted() {
    let mut world = World::start();
    world.write(&world.resolved(&[API]).replace("upstream_ca = \"ca.pem\"\n", ""));
    world.start_anew();
    let mend = world.with_key().refused(PLAIN, Refusal::UpstreamUntrusted);
    mend.says("set `[gateway] upstream_ca` in tightlip.toml").says("`tightlip down`, then `tightlip up`");
    world.write(&world.resolved(&[API]));
    world.start_anew();
    world.with_key().passes(PLAIN);
}

pub fn upstream_broken() {
    let world = World::start();
    let devbox = world.with_key();
    world.standin.feel(Mood::Breaking);
    devbox.refused(PLAIN, Refusal::UpstreamBroken).says("try again");
    world.standin.feel(Mood::Well);
    devbox.passes(PLAIN);
}

/// The only case that waits: for as long as the gateway lets a host take to say anything at all, which is 15 seconds.
pub fn upstream_timeout() {
    let world = World::start();
    let devbox = world.with_key();
    world.standin.feel(Mood::Silent);
    devbox.refused(PLAIN, Refusal::UpstreamTimeout).says("try again");
    world.standin.feel(Mood::Well);
    devbox.passes(PLAIN);
}

pub fn upstream_proxy_refused() {
    let canary = Canary::make("").unwrap();
    let standin = Standin::start(&[API, OTHER], &[canary.value()]);
    let proxy = proxy(standin.address);
    let mut world = World::with(canary, standin);
    world.tool(&["secret", "set", "KEY", "--host", API], world.canary.value());
    let set = format!("[gateway]\nupstream_ca = \"ca.pem\"\nupstream_proxy = \"http://{proxy}\"\n");
    world.write(&set);
    world.start_anew();
    let mend = world.with_key().refused(PLAIN, Refusal::UpstreamProxyRefused);
    mend.says("`upstream_proxy_credentials`");
    let credentials = world.data().join("proxy-credentials");
    std::fs::write(&credentials, "bob:right\n").unwrap();
    std::fs::set_permissions(&credentials, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    world.write(&format!("{set}upstream_proxy_credentials = \"proxy-credentials\"\n"));
    world.start_anew();
    world.with_key().passes(PLAIN);
}

pub fn reply_unreadable() {
    let world = World::start();
    let devbox = world.with_key();
    let to = |path: &str| format!("curl -sSi https://{API}{path} -H \"Authorization: Bearer $KEY\"");
    devbox.refused(&to("/packed"), Refusal::ReplyUnreadable).says("ask for what it sends as it is");
    devbox.passes(&to("/open"));
}

/// A proxy that opens connections for `bob:right` alone, all of them to one place.
fn proxy(to: SocketAddr) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                let mut byte = [0];
                if stream.read(&mut byte).unwrap_or(0) == 0 {
                    break;
                }
                head.push(byte[0]);
            }
            if String::from_utf8_lossy(&head).contains("Basic Ym9iOnJpZ2h0\r\n") {
                stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").unwrap();
                splice(stream, to);
            } else {
                stream.write_all(b"HTTP/1.1 407 Who are you?\r\nContent-Length: 0\r\n\r\n").unwrap();
            }
        }
    });
    address
}

/// Passes bytes both ways.
fn splice(stream: TcpStream, to: SocketAddr) {
    let other = TcpStream::connect(to).unwrap();
    for (mut from, mut into) in [(stream.try_clone().unwrap(), other.try_clone().unwrap()), (other, stream)] {
        std::thread::spawn(move || {
            let _passed = std::io::copy(&mut from, &mut into);
            let _closed = into.shutdown(std::net::Shutdown::Write);
        });
    }
}
