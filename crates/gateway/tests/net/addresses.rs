//! The listeners themselves: whose they are, and from where a name is answered.

use std::net::{IpAddr, SocketAddr, TcpListener, UdpSocket};
use std::os::fd::AsFd;
use std::time::Duration;

use gateway::{ListenerError, check_listener};
use link::cli::Role;

use crate::upstream::echo;
use crate::world::{API, Plan, VALUE};

#[test]
fn a_listener_in_the_gateways_own_network_is_refused() {
    let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = tcp.local_addr().unwrap().port();
    assert!(matches!(check_listener(tcp.as_fd(), Role::Tcp(port)), Err(ListenerError::OwnNetwork)));
}

#[test]
fn what_is_not_the_listener_that_it_is_said_to_be_is_refused() {
    let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = tcp.local_addr().unwrap().port();
    let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
    let connected = std::net::TcpStream::connect(("127.0.0.1", port)).unwrap();
    let (unix, _other) = std::os::unix::net::UnixStream::pair().unwrap();
    let (pipe, _writer) = std::io::pipe().unwrap();
    let wrong = |checked| assert!(matches!(checked, Err(ListenerError::WrongKind)), "{checked:?}");
    wrong(check_listener(tcp.as_fd(), Role::Tcp(port.wrapping_add(1))));
    wrong(check_listener(tcp.as_fd(), Role::Dns));
    wrong(check_listener(udp.as_fd(), Role::Dns));
    wrong(check_listener(udp.as_fd(), Role::Tcp(udp.local_addr().unwrap().port())));
    wrong(check_listener(connected.as_fd(), Role::Tcp(connected.local_addr().unwrap().port())));
    wrong(check_listener(unix.as_fd(), Role::Tcp(443)));
    wrong(check_listener(pipe.as_fd(), Role::Dns));
}

/// Where this user may make a network of their own (a thread's own, so that the others stay where they are).
#[test]
fn a_listener_in_another_network_is_accepted() {
    let made = std::thread::spawn(|| {
        nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWNET).ok()?;
        Some((TcpListener::bind("0.0.0.0:443").unwrap(), UdpSocket::bind("0.0.0.0:53").unwrap()))
    });
    let Some((tcp, dns)) = made.join().unwrap() else { return };
    check_listener(tcp.as_fd(), Role::Tcp(443)).unwrap();
    check_listener(dns.as_fd(), Role::Dns).unwrap();
    assert!(matches!(check_listener(tcp.as_fd(), Role::Tcp(80)), Err(ListenerError::WrongKind)));
}

/// A resolver drops an answer that comes from another address than the one it asked.
#[tokio::test(flavor = "multi_thread")]
async fn a_name_is_answered_from_the_address_that_was_asked() {
    let world = Plan::default().bound("KEY", VALUE, API).upstream(API, echo()).start().await;
    let ports = tokio::task::spawn_blocking(move || {
        let (v4, v6) = (UdpSocket::bind("0.0.0.0:0").unwrap(), UdpSocket::bind("[::]:0").unwrap());
        let ports = (v4.local_addr().unwrap().port(), v6.local_addr().unwrap().port());
        (v4, v6, ports)
    });
    let (v4, v6, (port_v4, port_v6)) = ports.await.unwrap();
    let card = world.house.open(Some(&["KEY"]), &[]).unwrap().card;
    let authority = gateway::Authority::make(&card.devbox, crate::installation::START).unwrap();
    let _attached = world.net.attach(card, authority, vec![], vec![v4, v6]).unwrap();
    for (ip, port) in [("127.0.0.1", port_v4), ("127.99.3.7", port_v4), ("127.98.7.3", port_v6), ("::1", port_v6)] {
        let asked = SocketAddr::new(ip.parse::<IpAddr>().unwrap(), port);
        tokio::task::spawn_blocking(move || ask(asked)).await.unwrap();
    }
}

fn ask(asked: SocketAddr) {
    let mut message = hickory_proto::op::Message::query();
    let name = hickory_proto::rr::Name::from_ascii("api.example.com.").unwrap();
    message.add_query(hickory_proto::op::Query::query(name, hickory_proto::rr::RecordType::AAAA));
    let from: SocketAddr = if asked.is_ipv4() { "127.0.0.1:0" } else { "[::1]:0" }.parse().unwrap();
    let socket = UdpSocket::bind(from).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    socket.send_to(&message.to_vec().unwrap(), asked).unwrap();
    let mut buffer = [0; 512];
    let (length, answered_by) = socket.recv_from(&mut buffer).unwrap();
    assert_eq!(answered_by, asked);
    let reply = hickory_proto::op::Message::from_vec(&buffer[..length]).unwrap();
    assert_eq!((reply.metadata.id, reply.answers.len()), (message.metadata.id, 1));
}
