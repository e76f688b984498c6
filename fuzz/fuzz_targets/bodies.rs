//! What callers of the API send: bodies and queries. A refusal is the caller's fault, and repeats nothing; what is taken is within its limits; the client's own
//! bodies are read as they were meant.
//!
//! Input: a byte that says which route, then the body or the query.
#![no_main]

use api::fuzzing::{self, Told};
use http::Uri;
use libfuzzer_sys::fuzz_target;
use model::SecretName;
use model::limits::{DEVBOX_ENTRIES_MAX, DEVBOX_ENTRY_BYTES_MAX, KEEP_ALIVE_MAX_MS};
use vault::{SecretValue, wire};

/// What a dictionary puts into inputs, and no refusal may repeat.
const MARK: &[u8] = b"zq8Canary";

fuzz_target!(|data: &[u8]| {
    let Some((route, sent)) = data.split_first() else { return };
    match route % 16 {
        0 => match fuzzing::create(sent) {
            Ok((name, value)) => created(&name, value),
            Err(told) => quiet(sent, &told),
        },
        1 => match fuzzing::update(sent) {
            Ok(value) => updated(value),
            Err(told) => quiet(sent, &told),
        },
        2 => devbox(sent),
        3 => environment(sent),
        4 => client(sent),
        5..=11 => query(route % 7, sent),
        12 => form(sent),
        _ => {
            if let Err(told) = fuzzing::body(route >> 4, sent) {
                quiet(sent, &told);
            }
        }
    }
});

fn quiet(sent: &[u8], told: &Told) {
    assert!((400..500).contains(&told.status), "{}: {}", told.status, told.words);
    let marked = sent.windows(MARK.len()).any(|window| window == MARK);
    assert!(!marked || !told.words.as_bytes().windows(MARK.len()).any(|window| window == MARK), "what was sent stands in {}", told.words);
}

/// A value comes out of the client's body as it went into it.
fn created(name: &SecretName, value: SecretValue) {
    let Ok(value) = value.check() else { return };
    let body = wire::create_body(name, value);
    let Ok((again, value)) = fuzzing::create(&body) else { panic!("the client's body was refused") };
    assert_eq!(&again, name);
    assert_eq!(wire::create_body(name, value), body);
}

fn updated(value: SecretValue) {
    let Ok(value) = value.check() else { return };
    let body = wire::update_body(value);
    let Ok(value) = fuzzing::update(&body) else { panic!("the client's body was refused") };
    assert_eq!(wire::update_body(value), body);
}

/// A value out of a form is one that can be stored, and the bytes between two `&`, or what they are written for.
fn form(sent: &[u8]) {
    match fuzzing::form(sent) {
        Err(told) => quiet(sent, &told),
        Ok(value) => {
            let value = wire::update_body(value.check().expect("what a form gives can be stored"));
            let read: serde_json::Value = serde_json::from_slice(&value).expect("the client's body is JSON");
            let text = read["value"].as_str().expect("a text");
            let written: String = text.bytes().map(|byte| format!("%{byte:02x}")).collect();
            let again = fuzzing::form(format!("proof=a&value={written}%0A&digest=").as_bytes());
            let again = wire::update_body(again.unwrap_or_else(|told| panic!("the same value was refused: {}", told.words)));
            assert!(again == value && !text.contains('\r'), "{text:?}");
        }
    }
}

/// Any text at all is a value as the client sends it.
fn client(text: &[u8]) {
    if let Ok(value) = SecretValue::from_input(text.to_vec()) {
        let body = wire::update_body(value);
        let read: serde_json::Value = serde_json::from_slice(&body).expect("the client's body is JSON");
        assert_eq!(read["value"].as_str().map(str::as_bytes), Some(text));
        assert!(fuzzing::update(&body).is_ok());
    } else {
        assert!(text.is_empty() || std::str::from_utf8(text).is_err());
    }
}

fn devbox(sent: &[u8]) {
    match fuzzing::devbox(sent) {
        Err(told) => quiet(sent, &told),
        Ok(devbox) => {
            assert!((1000..=KEEP_ALIVE_MAX_MS).contains(&devbox.about.keep_alive_ms));
            assert!(devbox.env.len() <= DEVBOX_ENTRIES_MAX && devbox.about.metadata.len() <= DEVBOX_ENTRIES_MAX);
            for (name, value) in &devbox.env {
                assert!(value.len() <= DEVBOX_ENTRY_BYTES_MAX && !value.contains('\0'));
                assert!(!devbox.secrets.contains_key(name) && !devbox.gateways.contains_key(name), "a variable twice");
            }
            assert!(devbox.about.launch.len() <= DEVBOX_ENTRY_BYTES_MAX && devbox.request.is_none());
            round(&devbox);
        }
    }
}

fn environment(sent: &[u8]) {
    match fuzzing::environment(sent) {
        Err(told) => quiet(sent, &told),
        Ok(remote) => {
            assert!((1..=KEEP_ALIVE_MAX_MS).contains(&remote.keep_alive_ms));
            round(&remote);
        }
    }
}

/// What the api understood, the gateway understands.
fn round<M: serde::Serialize + serde::de::DeserializeOwned>(message: &M) {
    let written = serde_json::to_vec(message).expect("a message is JSON");
    let read: M = serde_json::from_slice(&written).expect("the gateway reads what the api writes");
    assert_eq!(serde_json::to_vec(&read).expect("a message is JSON"), written);
}

fn query(route: u8, sent: &[u8]) {
    let Ok(text) = std::str::from_utf8(sent) else { return };
    if let Some(written) = fuzzing::cursor(text) {
        assert_eq!(fuzzing::cursor(&written).as_ref(), Some(&written));
    }
    let Ok(uri) = format!("/x?{text}").parse::<Uri>() else { return };
    match fuzzing::query(route, &uri) {
        Ok(limit) => assert!(limit.is_none_or(|limit| (1..=5000).contains(&limit)), "{limit:?} items"),
        Err(told) => quiet(sent, &told),
    }
}
