//! Tests of the one name.
#![allow(clippy::unwrap_used, reason = "tests")]

use http::Request;

use super::*;

fn to() -> Destination {
    Destination { host: "api.example.com".parse().unwrap(), port: 443, scheme: Scheme::Https }
}

fn parts(method: &str, target: &str, headers: &[(&str, &str)]) -> Parts {
    let mut builder = Request::builder().method(method).uri(target);
    for (name, value) in headers {
        builder = builder.header(*name, *value);
    }
    builder.body(()).unwrap().into_parts().0
}

fn ask(target: &str, headers: &[(&str, &str)]) -> Result<Path, Refusal> {
    greet(&parts("GET", target, headers), &to())
}

const HOST: (&str, &str) = ("host", "api.example.com");

#[test]
fn three_names_that_differ_are_refused() {
    let host: Host = "api.example.com".parse().unwrap();
    let named = |text| ServerName::read(Some(text));
    assert_eq!(one_name(None, &named("api.example.com")), Err(Refusal::AddressUnmapped));
    assert_eq!(one_name(Some(host.clone()), &named("evil.example.com")), Err(Refusal::NameMismatch));
    assert_eq!(one_name(Some(host.clone()), &named("not a name")), Err(Refusal::NameMismatch));
    assert_eq!(one_name(Some(host.clone()), &named("API.example.com.")), Ok(host.clone()));
    assert_eq!(one_name(Some(host.clone()), &ServerName::Absent), Ok(host));
}

#[test]
fn methods_that_tunnel_or_echo_are_refused() {
    for method in ["TRACE", "TRACK", "track", "CONNECT"] {
        let target = if method == "CONNECT" { "api.example.com:443" } else { "/" };
        assert_eq!(greet(&parts(method, target, &[HOST]), &to()), Err(Refusal::MethodForbidden), "{method}");
    }
}

#[test]
fn one_host_header_is_wanted() {
    assert_eq!(ask("/", &[]), Err(Refusal::RequestMalformed));
    assert_eq!(ask("/", &[HOST, HOST]), Err(Refusal::RequestMalformed));
    assert_eq!(ask("/", &[HOST, ("host", "evil.example.com")]), Err(Refusal::RequestMalformed));
}

#[test]
fn a_host_header_names_the_connections_host_and_port() {
    for wrong in [
        "evil.example.com",
        "api.example.com:8443",
        "api.example.com:80",
        "127.0.0.1",
        "[::1]",
        "[::1]:443",
        "api.example.com.evil.net",
        "2130706433",
    ] {
        assert_eq!(ask("/", &[("host", wrong)]), Err(Refusal::NameMismatch), "{wrong}");
    }
    for malformed in ["", "user@api.example.com", "api.example.com:", "api.example.com/x", "api.example.com:+443", "a b"] {
        assert_eq!(ask("/", &[("host", malformed)]), Err(Refusal::RequestMalformed), "{malformed}");
    }
    for right in ["api.example.com", "API.EXAMPLE.COM", "api.example.com:443", "api.example.com."] {
        assert_eq!(ask("/", &[("host", right)]), Ok(Path::Plain("/".to_owned())), "{right}");
    }
}

#[test]
fn an_absolute_target_names_the_same_place() {
    assert_eq!(ask("https://evil.example.com/", &[HOST]), Err(Refusal::NameMismatch));
    assert_eq!(ask("http://api.example.com/", &[HOST]), Err(Refusal::NameMismatch));
    assert_eq!(ask("https://user:pw@api.example.com/", &[HOST]), Err(Refusal::RequestMalformed));
    assert_eq!(ask("https://api.example.com/x", &[HOST]), Ok(Path::Plain("/x".to_owned())));
}

#[test]
fn a_request_that_frames_its_body_twice_is_refused() {
    let chunked = ("transfer-encoding", "chunked");
    assert_eq!(ask("/", &[HOST, ("content-length", "1"), ("content-length", "1")]), Err(Refusal::RequestMalformed));
    assert_eq!(ask("/", &[HOST, ("content-length", "1"), chunked]), Err(Refusal::RequestMalformed));
    assert_eq!(ask("/", &[HOST, chunked, chunked]), Err(Refusal::RequestMalformed));
    assert_eq!(ask("/", &[HOST, ("transfer-encoding", "gzip, chunked")]), Err(Refusal::RequestMalformed));
    assert!(ask("/", &[HOST, chunked]).is_ok());
}
