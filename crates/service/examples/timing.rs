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
    /// Inputs of both sorts; which one of its sort is asked is random, so that what is told is about the sort and not about the place of one input in an index.
    /// Each is copied to the same place before its time begins, so that nothing but what it is can be told.
    inputs: [Vec<String>; 2],
    act: Box<dyn Fn(&str) + 'a>,
}

/// An installation, and keys that are nearly known there.
struct World {
    house: Installation,
    known: String,
    /// The known key but for the first byte after the common beginning.
    early: String,
    /// The known key but for its last byte.
    late: String,
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
        Self { house, known, early, late, caller, stranger }
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
        Question { name, is_control, times: COMPARED, inputs: [vec![early.clone()], vec![second.clone()]], act: Box::new(act) }
    };
    vec![
        question("control: a comparison that stops early", true, late, stops_early),
        question("vault::same: the first byte differs, or the last", false, late, vault::same),
        question("vault::same: the first byte differs, or none", false, known, vault::same),
    ]
}

/// What callers can ask, with everything that belongs to it.
fn lookups(world: &World) -> Vec<Question<'_>> {
    let World { house, known, caller, stranger, .. } = world;
    let strangers = (0..POOL).map(|_| vault::make_key("tlk_").to_string()).collect();
    let admin = house.admin_key.len();
    let mine = secret_name("MINE");
    vec![
        Question {
            name: "authenticate: a stranger's key, or the known one but for its end",
            is_control: false,
            times: 1,
            inputs: [strangers, with_other_part(known, known.len() - ENDING)],
            act: Box::new(|shown| assert!(black_box(house.house.authenticate(Some(black_box(shown)))).is_err())),
        },
        Question {
            name: "admin key: its first bytes differ, or its last",
            is_control: false,
            times: FEW,
            inputs: [with_other_part(&house.admin_key, "tla_".len()), with_other_part(&house.admin_key, admin - ENDING)],
            act: Box::new(move |shown| {
                for _ in 0..FEW {
                    assert!(black_box(house.gate.unbind(black_box(shown), caller, &mine, None)).is_err());
                }
            }),
        },
        Question {
            name: "get: another account's secret, or nobody's",
            is_control: false,
            times: 1,
            inputs: [vec!["MINE".to_owned()], vec!["NONE".to_owned()]],
            act: Box::new(|which| assert!(black_box(house.house.secrets().get(stranger, black_box(&secret_name(which)))).is_err())),
        },
    ]
}

/// The greatest t of all crops, and both means of the middle one in nanoseconds.
fn asked(question: &Question<'_>, samples: usize) -> (f64, f64, f64) {
    let mut random = 0x9e37_79b9_7f4a_7c15_u64;
    let mut taken = Vec::with_capacity(samples);
    let mut shown = String::with_capacity(question.inputs.iter().flatten().map(String::len).max().unwrap_or_default());
    for _ in 0..samples + samples / 10 {
        // xorshift: which of the two comes next is no pattern that a processor could learn.
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        let is_second = random >> 63 == 1;
        shown.clear();
        let sort = &question.inputs[usize::from(is_second)];
        shown.push_str(&sort[(random >> 16) as usize % sort.len()]);
        // What is still on its way from the place that it was copied from would count as the act's.
        black_box(shown.bytes().fold(0_u8, |sum, byte| sum ^ byte));
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

/// Many texts that are this one but for [`ENDING`] characters at a place.
fn with_other_part(text: &str, at: usize) -> Vec<String> {
    let other = |number: usize| {
        let part: String = (0..ENDING).map(|digit| char::from(b'a' + (number >> (4 * digit) & 15) as u8)).collect();
        format!("{}{part}{}", &text[..at], &text[at + ENDING..])
    };
    (0..POOL).map(other).filter(|other| other != text).collect()
}

fn stops_early(one: &[u8], other: &[u8]) -> bool {
    one.len() == other.len() && one.iter().zip(other).all(|(one, other)| black_box(*one) == black_box(*other))
}

/// Comparisons for one sample.
const COMPARED: u32 = 64;
/// As often is done for one sample what takes a tenth of a microsecond, so that the steps of the clock count less.
const FEW: u32 = 16;
/// Inputs of each sort, where a sort has more than one: as many as [`ENDING`] characters of sixteen letters make.
const POOL: usize = 4096;
/// Characters by which inputs that are nearly the known one differ from it.
const ENDING: usize = 3;
const SAMPLES_DEFAULT: usize = 200_000;
/// As dudect has it: far beyond chance.
const LIMIT: f64 = 4.5;
/// Which share of the fastest samples counts: the slow ones are interrupts and neighbours.
const CROPS: [f64; 5] = [0.5, 0.75, 0.9, 0.99, 1.0];
