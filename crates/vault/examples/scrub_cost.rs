//! What scrubbing costs by itself, for `cargo xtask bench scrub`: `scrub_cost SECRETS VALUE_BYTES` makes a plan of so many values and passes 256 MiB of each
//! sort of text through it, in pieces of 16 KiB. Says, a line each and in this order: milliseconds to make the plan; the plan's resident memory in KiB; MiB/s of
//! random bytes, of JSON, of base64, and of text that begins values all the time; the most bytes that were ever held back.

use std::io::Write;
use std::sync::Arc;
use std::time::Instant;

use vault::{ScrubPair, ScrubPlan, Scrubber, SecretValue};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<usize> = std::env::args().skip(1).map(|text| text.parse()).collect::<Result<_, _>>()?;
    let [secrets, value_bytes] = arguments[..] else { return Err("usage: scrub_cost SECRETS VALUE_BYTES".into()) };
    let values: Vec<String> = (0..secrets).map(|number| value(number as u64, value_bytes)).collect();
    let before_kib = resident_kib()?;
    let begun = Instant::now();
    let plan = Arc::new(ScrubPlan::new(values.iter().map(|value| pair(value)).collect::<Result<_, _>>()?)?);
    let made_ms = begun.elapsed().as_secs_f64() * 1e3;
    let plan_kib = resident_kib()?.saturating_sub(before_kib);
    let mut out = std::io::stdout().lock();
    writeln!(out, "{made_ms:.2}\n{plan_kib}")?;
    let mut held_back = 0;
    for text in [random(TEXT_BYTES), json(), base64_like(), beginnings(&values)] {
        let (rate, held) = pass(&plan, &text);
        held_back = held_back.max(held);
        writeln!(out, "{rate:.0}")?;
    }
    writeln!(out, "{held_back}")?;
    Ok(())
}

/// MiB a second, and the most bytes that were held back.
fn pass(plan: &Arc<ScrubPlan>, text: &[u8]) -> (f64, usize) {
    let mut scrubber = Scrubber::new(Arc::clone(plan));
    let (mut fed, mut given, mut held_back) = (0, 0, 0);
    let begun = Instant::now();
    while fed < PASSED_BYTES {
        for piece in text.chunks(PIECE_BYTES) {
            fed += piece.len();
            given += std::hint::black_box(scrubber.feed(piece)).len();
            held_back = held_back.max(fed.saturating_sub(given));
        }
    }
    (fed as f64 / begun.elapsed().as_secs_f64() / 1024.0 / 1024.0, held_back)
}

fn pair(value: &str) -> Result<ScrubPair, Box<dyn std::error::Error>> {
    Ok(ScrubPair {
        value: SecretValue::from_input(value.as_bytes().to_vec())?,
        placeholder: Some(vault::make_token(None, None)?),
        basic_users: vec!["x-access-token".to_owned()],
        halves: false,
        // As with the form `auto`, which is the usual one.
        renderings: vec![vault::Rendering::Basic],
    })
}

/// Letters and digits that are the same in each run.
fn value(number: u64, bytes: usize) -> String {
    let mut draw = Draw(number + 1);
    (0..bytes).map(|_| char::from(ALPHABET[(draw.next() % 62) as usize])).collect()
}

fn random(bytes: usize) -> Vec<u8> {
    let mut draw = Draw(7);
    (0..bytes).map(|_| (draw.next() >> 32) as u8).collect()
}

/// What APIs answer with: short members of letters and digits.
fn json() -> Vec<u8> {
    let mut draw = Draw(11);
    let mut text = Vec::with_capacity(TEXT_BYTES + 128);
    while text.len() < TEXT_BYTES {
        let (id, name) = (draw.next() % 1_000_000, draw.next());
        text.extend_from_slice(
            format!("{{\"id\":{id},\"name\":\"user-{name:x}\",\"url\":\"https://api.example.test/u/{id}\"}},\n").as_bytes(),
        );
    }
    text
}

fn base64_like() -> Vec<u8> {
    value(13, TEXT_BYTES).into_bytes()
}

/// The first half of each value, over and over: everything begins one, nothing is one.
fn beginnings(values: &[String]) -> Vec<u8> {
    let halves: Vec<&str> = values.iter().map(|value| &value[..value.len() / 2]).collect();
    halves.iter().cycle().flat_map(|half| half.bytes()).take(TEXT_BYTES).collect()
}

fn resident_kib() -> Result<usize, Box<dyn std::error::Error>> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).ok_or("no VmRSS")?;
    Ok(line.trim().trim_end_matches(" kB").trim().parse()?)
}

/// SplitMix64: texts that are the same in each run.
struct Draw(u64);

impl Draw {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }
}

const ALPHABET: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
const TEXT_BYTES: usize = 4 * 1024 * 1024;
const PASSED_BYTES: usize = 256 * 1024 * 1024;
/// What a TLS record holds (RFC 8446, section 5.1).
const PIECE_BYTES: usize = 16 * 1024;
