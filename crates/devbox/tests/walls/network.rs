//! The devbox's whole network is the handed-over sockets.

use std::net::TcpListener;

use super::Test;
use super::cli::{folder, shell};

pub const TESTS: &[Test] = &[
    ("the_hosts_loopback_is_unreachable", the_hosts_loopback_is_unreachable),
    ("a_port_that_was_not_opened_is_refused", a_port_that_was_not_opened_is_refused),
    ("every_address_is_the_listener", every_address_is_the_listener),
    ("a_dns_question_is_answered_from_the_asked_address", a_dns_question_is_answered_from_the_asked_address),
    ("lo_is_the_only_interface", lo_is_the_only_interface),
    ("raw_and_foreign_sockets_are_refused", raw_and_foreign_sockets_are_refused),
    ("no_other_family_or_protocol_leads_out", no_other_family_or_protocol_leads_out),
    ("abstract_sockets_of_the_host_are_unreachable", abstract_sockets_of_the_host_are_unreachable),
];

fn the_hosts_loopback_is_unreachable() {
    let host = TcpListener::bind("127.0.0.1:0").unwrap();
    let work = folder();
    let script = format!("(: <>/dev/tcp/127.0.0.1/{0}) 2>&1 | grep -o refused | head -1", host.local_addr().unwrap().port());
    assert_eq!(shell(work.path(), &script).says(), "refused");
}

fn a_port_that_was_not_opened_is_refused() {
    let work = folder();
    let script = "for a in 10.0.0.1 169.254.169.254 2001:db8::1; do (: <>/dev/tcp/$a/22) 2>&1 | grep -o refused | head -1; done
                  exec 3<>/dev/udp/8.8.8.8/123; echo x >&3; cat <&3 2>&1 | grep -o refused";
    assert_eq!(shell(work.path(), script).says(), "refused\nrefused\nrefused\nrefused");
}

fn every_address_is_the_listener() {
    let work = folder();
    let mut asked = shell(
        work.path(),
        "for a in 93.184.216.34 169.254.169.254 127.0.0.1 2001:db8::1; do cat </dev/tcp/$a/443; done; cat </dev/tcp/1.2.3.4/80",
    );
    asked.serve = true;
    let wanted = [
        "you dialled [::ffff:93.184.216.34]:443",
        "you dialled [::ffff:169.254.169.254]:443",
        "you dialled [::ffff:127.0.0.1]:443",
        "you dialled [2001:db8::1]:443",
        "you dialled [::ffff:1.2.3.4]:80",
    ];
    assert_eq!(asked.says().lines().collect::<Vec<_>>(), wanted);
}

fn a_dns_question_is_answered_from_the_asked_address() {
    let work = folder();
    // A connected socket takes answers from the asked address alone.
    let mut asked = shell(
        work.path(),
        "for a in 8.8.8.8 198.18.0.1 2001:4860:4860::8888; do exec 3<>/dev/udp/$a/53; echo '?' >&3; timeout 20 head -1 <&3; done",
    );
    asked.serve = true;
    assert_eq!(asked.says(), "an answer\nan answer\nan answer");
}

fn lo_is_the_only_interface() {
    let work = folder();
    assert_eq!(shell(work.path(), "tail -n +3 /proc/net/dev | cut -d: -f1 | tr -d ' '; wc -l < /proc/net/tcp6").says(), "lo\n3");
}

fn raw_and_foreign_sockets_are_refused() {
    let work = folder();
    let mut script = String::from("perl -e '");
    let asked = [
        (libc::AF_PACKET, libc::SOCK_RAW, 0),
        (libc::AF_VSOCK, libc::SOCK_STREAM, 0),
        (libc::AF_ALG, libc::SOCK_SEQPACKET, 0),
        (libc::AF_NETLINK, libc::SOCK_RAW, libc::NETLINK_KOBJECT_UEVENT),
        (libc::AF_INET, libc::SOCK_RAW, libc::IPPROTO_ICMP),
        (libc::AF_NETLINK, libc::SOCK_RAW, libc::NETLINK_ROUTE),
    ];
    for (family, kind, protocol) in asked {
        script.push_str(&format!("print syscall({}, {family}, {kind}, {protocol}) < 0 ? \"refused \" : \"made \";", libc::SYS_socket));
    }
    script.push('\'');
    assert_eq!(shell(work.path(), &script).says(), "refused refused refused refused refused made");
}

/// Families that know no network namespace, or bring a module of the kernel with them; and what could leave beside TCP and UDP.
fn no_other_family_or_protocol_leads_out() {
    let allowed = [libc::AF_UNIX, libc::AF_INET, libc::AF_INET6, libc::AF_NETLINK];
    let families = (1..=46).filter(|family| !allowed.contains(family)).map(|family| (family, libc::SOCK_STREAM, 0));
    let netlink = (1..=22).map(|protocol| (libc::AF_NETLINK, libc::SOCK_RAW, protocol));
    let echoes = [(libc::AF_INET, libc::SOCK_DGRAM, libc::IPPROTO_ICMP), (libc::AF_INET6, libc::SOCK_DGRAM, libc::IPPROTO_ICMPV6)];
    let raw = [(libc::AF_INET6, libc::SOCK_RAW, libc::IPPROTO_ICMPV6), (libc::AF_INET, libc::SOCK_RAW, libc::IPPROTO_RAW)];
    let (unknown, denied): (Vec<_>, Vec<_>) = (families.chain(netlink).collect(), echoes.into_iter().chain(raw).collect());
    let mut script = String::from("perl -e '");
    for (family, kind, protocol) in unknown.iter().chain(&denied) {
        script.push_str(&format!("print syscall({}, {family}, {kind}, {protocol}) < 0 ? $!+0 : \"made\", \"\\n\";", libc::SYS_socket));
    }
    script.push('\'');
    let work = folder();
    let said = shell(work.path(), &script).says();
    let answers: Vec<&str> = said.lines().collect();
    assert_eq!(answers.len(), unknown.len() + denied.len());
    for (asked, answer) in unknown.iter().zip(&answers) {
        assert_eq!(*answer, libc::EAFNOSUPPORT.to_string(), "{asked:?}");
    }
    for (asked, answer) in denied.iter().zip(&answers[unknown.len()..]) {
        assert!([libc::EPERM, libc::EACCES].iter().any(|errno| *answer == errno.to_string()), "{asked:?}: {answer}");
    }
}

fn abstract_sockets_of_the_host_are_unreachable() {
    use std::os::linux::net::SocketAddrExt;
    let name = format!("devbox-test-{}", std::process::id());
    let address = std::os::unix::net::SocketAddr::from_abstract_name(&name).unwrap();
    let _listener = std::os::unix::net::UnixListener::bind_addr(&address).unwrap();
    let work = folder();
    let script = format!("perl -MIO::Socket::UNIX -e 'print IO::Socket::UNIX->new(Peer=>\"\\0{name}\") ? \"connected\" : \"refused\"'");
    assert_eq!(shell(work.path(), &script).says(), "refused");
}
