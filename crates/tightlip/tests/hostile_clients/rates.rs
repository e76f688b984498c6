//! How often one may ask: limits that are set hold, those for failed authentications always do, and no header talks them away.

use crate::siege::{Siege, status};

fn header<'a>(answer: &'a str, name: &str) -> Option<&'a str> {
    answer.lines().find_map(|line| line.split_once(": ").filter(|(found, _)| *found == name)).map(|(_, value)| value)
}

#[test]
fn a_key_over_its_limit_is_told_when_to_try_again() {
    let siege = Siege::begin();
    // On loopback nothing is limited unless it is set.
    assert!((0..300).all(|_| siege.ask("GET /v1/secrets/STEADY", b"").starts_with("HTTP/1.1 200")));
    siege.end();
    let siege = Siege::alone("key_requests_per_second = 2");
    let answers: Vec<String> = (0..20).map(|n| siege.ask(&format!("GET /v1/secrets/NONE\r\nx-forwarded-for: 192.0.2.{n}"), b"")).collect();
    let over: Vec<&String> = answers.iter().filter(|answer| status(answer.as_bytes()) == 429).collect();
    assert!(over.len() >= 10, "{answers:?}");
    for answer in over {
        assert!(answer.contains("\"code\":\"key_rate_limited\""), "{answer}");
        assert_eq!(header(answer, "retry-after"), Some("1"), "{answer}");
        let wait_ms: u64 = header(answer, "retry-after-ms").unwrap().parse().unwrap();
        assert!((1..=500).contains(&wait_ms), "{answer}");
    }
    // Without a key it is not this limit's.
    assert_eq!(status(&siege.raw(b"GET /healthz HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")), 200);
}

#[test]
fn an_address_over_its_limit_is_refused_and_another_is_not() {
    let siege = Siege::alone("address_requests_per_second = 3");
    let health =
        b"GET /healthz HTTP/1.1\r\nhost: localhost\r\nx-forwarded-for: 192.0.2.1\r\nforwarded: for=192.0.2.2\r\nconnection: close\r\n\r\n";
    let answers: Vec<Vec<u8>> = (0..30).map(|_| siege.raw(health)).collect();
    let over = answers.iter().filter(|answer| status(answer) == 429).count();
    assert!(over >= 15, "{over}");
    assert!(String::from_utf8_lossy(answers.last().unwrap()).contains("\"code\":\"address_rate_limited\""));
    let mut other = crate::siege::connect(std::net::Ipv4Addr::new(127, 0, 0, 9), siege.address()).unwrap();
    std::io::Write::write_all(&mut other, health).unwrap();
    let mut answer = Vec::new();
    std::io::Read::read_to_end(&mut other, &mut answer).unwrap();
    assert_eq!(status(&answer), 200);
}

#[test]
fn whoever_guesses_keys_is_slowed_down_and_a_right_key_still_passes() {
    let siege = Siege::begin();
    let guess = |n: usize| {
        siege.raw(
            format!("GET /v1/secrets HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer tlk_{n}\r\nconnection: close\r\n\r\n").as_bytes(),
        )
    };
    let statuses: Vec<u16> = (0..200).map(|n| status(&guess(n))).collect();
    let (unknown, slowed) = (statuses.iter().filter(|s| **s == 401).count(), statuses.iter().filter(|s| **s == 429).count());
    assert_eq!(unknown + slowed, 200);
    assert!(unknown >= 50 && slowed >= 50, "{unknown} were answered, {slowed} slowed down");
    assert!(String::from_utf8_lossy(&guess(0)).contains("\"code\":\"attempts_rate_limited\""));
    assert!(siege.ask("GET /v1/secrets/STEADY", b"").starts_with("HTTP/1.1 200"));
    siege.end();
}
