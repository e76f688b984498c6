//! Tests of addresses.
#![allow(clippy::unwrap_used, reason = "tests")]

use super::*;

#[test]
fn addresses_that_lead_inside_are_not_public() {
    for text in [
        "0.0.0.0",
        "0.1.2.3",
        "10.0.0.1",
        "100.64.0.1",
        "100.127.255.255",
        "127.0.0.1",
        "127.255.255.254",
        "168.63.129.16",
        "169.254.169.254",
        "172.16.0.1",
        "172.31.255.255",
        "192.0.0.1",
        "192.0.0.192",
        "192.0.2.1",
        "192.88.99.1",
        "192.168.1.1",
        "198.18.0.1",
        "198.19.255.255",
        "198.51.100.1",
        "203.0.113.1",
        "224.0.0.1",
        "239.255.255.255",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "::ffff:127.0.0.1",
        "::ffff:8.8.8.8",
        "::8.8.8.8",
        "64:ff9b::7f00:1",
        "64:ff9b::808:808",
        "64:ff9b:1::1",
        "100::1",
        "2001::1",
        "2001:10::1",
        "2001:20::1",
        "2001:db8::1",
        "2002:7f00:1::",
        "2002:808:808::1",
        "3fff::1",
        "5f00::1",
        "fc00::1",
        "fd00:ec2::254",
        "fe80::1",
        "fec0::1",
        "ff02::1",
    ] {
        assert!(!is_public(text.parse().unwrap()), "{text}");
    }
}

#[test]
fn addresses_of_the_internet_are_public() {
    for text in [
        "1.1.1.1",
        "8.8.8.8",
        "9.255.255.255",
        "11.0.0.0",
        "100.63.255.255",
        "100.128.0.0",
        "140.82.112.3",
        "172.15.0.1",
        "172.32.0.1",
        "198.17.0.1",
        "198.20.0.1",
        "223.255.255.255",
        "2606:4700::1111",
        "2001:4860:4860::8888",
        "2a00:1450::1",
        "2001:200::1",
    ] {
        assert!(is_public(text.parse().unwrap()), "{text}");
    }
}

fn dialer(resolve: &[(&str, SocketAddr)]) -> Dialer {
    let resolve = resolve.iter().map(|(host, address)| ((host.parse().unwrap(), 443), *address)).collect();
    Dialer::new(resolve, &[], None, Duration::from_secs(5)).unwrap()
}

#[tokio::test]
async fn a_name_that_means_this_machine_is_not_dialled() {
    for to in [localhost(443), Destination { scheme: Scheme::Http, ..localhost(80) }] {
        assert_eq!(dialer(&[]).dial(&to, Spoken::Http1).await.err(), Some(Refusal::AddressForbidden));
    }
    assert_eq!(dialer(&[]).dial_unseen(&"localhost".parse().unwrap(), 443).await.err(), Some(Refusal::AddressForbidden));
}

#[tokio::test]
async fn silent_name_servers_take_only_their_share_of_the_threads() {
    let dialer = Dialer { connect: Duration::from_millis(50), ..dialer(&[]) };
    let places = dialer.lookups.acquire_many(64).await.unwrap();
    assert_eq!(dialer.dial(&localhost(443), Spoken::Http1).await.err(), Some(Refusal::UpstreamTimeout));
    drop(places);
    assert_eq!(dialer.dial(&localhost(443), Spoken::Http1).await.err(), Some(Refusal::AddressForbidden));
}

fn localhost(port: u16) -> Destination {
    Destination { host: "localhost".parse().unwrap(), port, scheme: Scheme::Https }
}

/// The addresses at which a host is dialled; none where it is the proxy's to know.
async fn addresses(dialer: &Dialer, host: &str, port: u16) -> Result<Option<Vec<SocketAddr>>, Refusal> {
    match dialer.route(&host.parse().unwrap(), port).await? {
        Route::Direct(addresses) => Ok(Some(addresses)),
        Route::Proxy => Ok(None),
    }
}

#[tokio::test]
async fn only_the_operators_own_exception_leads_inside_and_only_its_port() {
    let inside: SocketAddr = "127.0.0.1:8443".parse().unwrap();
    let dialer = dialer(&[("localhost", inside)]);
    assert_eq!(addresses(&dialer, "localhost", 443).await, Ok(Some(vec![inside])));
    assert_eq!(addresses(&dialer, "localhost", 444).await, Err(Refusal::AddressForbidden));
}

#[tokio::test]
async fn what_is_not_the_proxys_is_checked_as_ever() {
    let inside: SocketAddr = "127.0.0.1:8443".parse().unwrap();
    let proxy = UpstreamProxy::new("proxy.example.test".into(), 3128, None, vec!["localhost".parse().unwrap()]);
    let dialer = Dialer { proxy: Some(proxy), ..dialer(&[("intranet.example.com", inside)]) };
    assert_eq!(addresses(&dialer, "localhost", 443).await, Err(Refusal::AddressForbidden), "a host of no_proxy");
    for inner in ["intranet", "metadata.google.internal", "printer.local", "a.localhost"] {
        assert_eq!(addresses(&dialer, inner, 443).await, Err(Refusal::AddressForbidden), "{inner}");
    }
    assert_eq!(
        addresses(&dialer, "intranet.example.com", 443).await,
        Ok(Some(vec![inside])),
        "what the operator named is dialled directly"
    );
    assert_eq!(addresses(&dialer, "api.example.com", 443).await, Ok(None));
}
