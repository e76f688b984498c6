//! Whether the time of a comparison tells what was compared: pairs of inputs, asked in random order, their times held against each other by Welch's t-test
//! (as dudect does: Reparaz, Balasch and Verbauwhede, "Dude, is my code constant time?", DATE 2017). For `cargo xtask timing`. Usage: `timing SAMPLES`.
//!
//! Below 4.5 nothing was found in so many samples; above it the two can be told apart. A comparison that stops at the first other byte is the control, and must
//! be found, or the measurement itself is worth nothing.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a helper of the benchmarks")]

#[path = "../tests/fixture/installation.rs"]
mod installation;

use std::hint::black_box;
use std::time::Instant;

use installation::{Installation, account, add_account, add_key, secret_name};
use model::Scopes;
use service::Caller;

/// One question: two sorts of input that must take the same time, or must not.
struct Question<'a> {
    name: &'a str,
    /// Whether the two are to be told apart.
    is_control: bool,
    /// How often it is done for one sample: what takes some nanoseconds is done many times.
    times: u32,
    /// Both inputs. Each is copied to the same place before its time begins, so that nothing but what it is can be told.
    inputs: [String; 2],
    act: Box<dyn Fn(&str) + 'a>,
}

/// An installation, and keys that are nearly known there.
struct World {
    house: Installation,
    known: String,
    /// The first byte after the common beginning is another.
    early: String,
    /// Only the last byte is another.
    late: String,
    unknown: String,
    caller: Caller,
    stranger: Caller,
}

fn main() {
    let samples: usize = std::env::args().nth(1).and_then(|word| word.parse().ok()).unwrap_or(SAMPLES_DEFAULT);
    let world = World::make();
    println!("{samples} samples of each question; |t| below {LIMIT} is nothing found");
    let mut holds = true;
    for question in comparisons(&world).into_iter().chain(lookups(&world)) {
        let (t, first_ns, second_ns) = asked(&question, samples);
        let is_found = t.abs() >= LIMIT;
        holds &= is_found == question.is_control;
        let verdict = match (is_found, question.is_control) {
            (true, true) => "found, as it must be",
            (false, false) => "nothing found",
            (true, false) => "TELLS THEM APART",
            (false, true) => "NOT FOUND: this measurement is worth nothing here",
        };
        println!("{:<70} t {t:>8.2}  {first_ns:>9.1} ns  {second_ns:>9.1} ns  {verdict}", question.name);
    }
    drop(world);
    std::process::exit(i32::from(!holds));
}

impl World {
    fn make() -> Self {
        let known = vault::make_key("tlk_").to_string();
        let foreign = account(2);
        let house = Installation::with_keys(|store| {
            add_key(store, &account(1), 9, &known, Scopes::all());
            add_account(store, &foreign);
            add_key(store, &foreign, 10, "tlk_foreign", Scopes::all());
        });
        house.store("MINE", "a value of some length");
        let stranger = house.house.authenticate(Some("tlk_foreign")).unwrap();
        let caller = house.house.authenticate(Some(&known)).unwrap();
        let (early, late) = (with_other_byte(&known, "tlk_".len()), with_other_byte(&known, known.len() - 1));
        Self { house, known, early, late, unknown: vault::make_key("tlk_").to_string(), caller, stranger }
    }
}

/// Comparisons of bytes, many for one sample.
fn comparisons(world: &World) -> Vec<Question<'_>> {
    let World { known, early, late, .. } = world;
    let question = |name, is_control, second: &'_ String, same: fn(&[u8], &[u8]) -> bool| {
        let act = move |shown: &str| {
            for _ in 0..COMPARED {
                black_box(same(black_box(shown.as_bytes()), black_box(known.as_bytes())));
            }
        };
        Question { name, is_control, times: COMPARED, inputs: [early.clone(), second.clone()], act: Box::new(act) }
    };
    vec![
        question("control: a comparison that stops early", true, late, stops_early),
        question("vault::same: the first byte differs, or the last", false, late, vault::same),
        question("vault::same: the first byte differs, or none", false, known, vault::same),
    ]
}

/// What callers can ask, with everything that belongs to it.
fn lookups(world: &World) -> Vec<Question<'_>> {
    let World { house, late, unknown, caller, stranger, .. } = world;
    let first = with_other_byte(&house.admin_key, "tla_".len());
    let last = with_other_byte(&house.admin_key, house.admin_key.len() - 1);
    vec![
        Question {
            name: "authenticate: a stranger's key, or one that lacks its last character",
            is_control: false,
            times: 1,
            inputs: [unknown.clone(), late.clone()],
            act: Box::new(|shown| assert!(black_box(house.house.authenticate(Some(black_box(shown)))).is_err())),
        },
        Question {
            name: "admin key: the first byte differs, or the last",
            is_control: false,
            times: 1,
            inputs: [first, last],
            act: Box::new(|shown| assert!(black_box(house.gate.unbind(black_box(shown), caller, &secret_name("MINE"), None)).is_err())),
        },
        Question {
            name: "get: another account's secret, or nobody's",
            is_control: false,
            times: 1,
            inputs: ["MINE".to_owned(), "NONE".to_owned()],
            act: Box::new(|which| assert!(black_box(house.house.secrets().get(stranger, black_box(&secret_name(which)))).is_err())),
        },
    ]
}

/// The greatest t of all crops, and both means of the middle one in nanoseconds.
fn asked(question: &Question<'_>, samples: usize) -> (f64, f64, f64) {
    let mut random = 0x9e37_79b9_7f4a_7c15_u64;
    let mut taken = Vec::with_capacity(samples);
    let mut shown = String::with_capacity(question.inputs[0].len().max(question.inputs[1].len()));
    for _ in 0..samples + samples / 10 {
        // xorshift: which of the two comes next is no pattern that a processor could learn.
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        let is_second = random >> 63 == 1;
        shown.clear();
        shown.push_str(&question.inputs[usize::from(is_second)]);
        let begun = Instant::now();
        (question.act)(&shown);
        taken.push((is_second, begun.elapsed().as_nanos() as f64 / f64::from(question.times)));
    }
    // What came first warmed the caches.
    taken.drain(..samples / 10);
    let mut sorted: Vec<f64> = taken.iter().map(|(_, ns)| *ns).collect();
    sorted.sort_by(f64::total_cmp);
    let below = |share: f64| sorted[((sorted.len() - 1) as f64 * share) as usize];
    let all: Vec<_> = CROPS.into_iter().map(|share| welch(&taken, below(share))).collect();
    let (_, first, second) = all[CROPS.len() / 2];
    let greatest = all.iter().map(|(t, _, _)| *t).fold(0.0, |most: f64, t| if t.abs() > most.abs() { t } else { most });
    (greatest, first, second)
}

/// Welch's t of the samples up to a time, and the two means.
fn welch(taken: &[(bool, f64)], most: f64) -> (f64, f64, f64) {
    let of = |which: bool| {
        let mine: Vec<f64> = taken.iter().filter(|(is_second, ns)| *is_second == which && *ns <= most).map(|(_, ns)| *ns).collect();
        let count = mine.len() as f64;
        let mean = mine.iter().sum::<f64>() / count;
        let variance = mine.iter().map(|ns| (ns - mean).powi(2)).sum::<f64>() / (count - 1.0);
        (mean, variance / count)
    };
    let ((first, first_error), (second, second_error)) = (of(false), of(true));
    ((first - second) / (first_error + second_error).sqrt(), first, second)
}

fn with_other_byte(text: &str, at: usize) -> String {
    let mut bytes = text.as_bytes().to_vec();
    bytes[at] = if bytes[at] == b'x' { b'y' } else { b'x' };
    String::from_utf8(bytes).unwrap()
}

fn stops_early(one: &[u8], other: &[u8]) -> bool {
    one.len() == other.len() && one.iter().zip(other).all(|(one, other)| black_box(*one) == black_box(*other))
}

/// Comparisons for one sample.
const COMPARED: u32 = 64;
const SAMPLES_DEFAULT: usize = 200_000;
/// As dudect has it: far beyond chance.
const LIMIT: f64 = 4.5;
/// Which share of the fastest samples counts: the slow ones are interrupts and neighbours.
const CROPS: [f64; 5] = [0.5, 0.75, 0.9, 0.99, 1.0];
