//! The skill is whole: every file is in the program and listed, every refusal is told of, every tool is there, and its links lead somewhere.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use model::Refusal;
use skill::{CHECK, CLIENTS, FILES, INDEX, INSTRUCTIONS, LISTING, NAME, REFUSALS};

/// What the MCP server offers, in its order.
const TOOLS: [&str; 7] = ["list_secrets", "how_to_use", "test_secret", "my_refusals", "request_secret", "request_access", "request_status"];

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../skills").join(NAME)
}

fn paths_below(folder: &Path, found: &mut BTreeSet<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            paths_below(&path, found);
        } else {
            found.insert(path);
        }
    }
}

#[test]
fn every_file_of_the_folder_is_in_the_program_and_in_the_lists() {
    let mut there = BTreeSet::new();
    paths_below(&folder(), &mut there);
    assert_eq!(FILES.iter().map(|file| folder().join(file.path)).collect::<BTreeSet<_>>(), there);
    let index: serde_json::Value = serde_json::from_str(INDEX).unwrap();
    let listed = serde_json::json!([{ "name": NAME, "description": skill::description(), "files": FILES.map(|file| file.path) }]);
    assert_eq!(index["skills"], listed);
    for file in FILES {
        assert!(LISTING.contains(&format!("]({NAME}/{})", file.path)), "{} is not listed", file.path);
    }
}

#[test]
fn its_head_is_what_the_format_asks_for() {
    let (head, body) = INSTRUCTIONS.text.strip_prefix("---\n").unwrap().split_once("\n---\n").unwrap();
    assert!(head.starts_with(&format!("name: {NAME}\n")));
    // A plain scalar of YAML ends at these.
    assert!(head.lines().all(|line| line.split_once(": ").is_some_and(|(_, text)| !text.contains(": ") && !text.contains(" #"))));
    assert!((1..=1024).contains(&skill::description().chars().count()));
    // Agents read all of it when they begin with it (agentskills.io: under 500 lines, 5000 tokens).
    assert!(body.lines().count() < 120 && body.len() < 8_000, "{} bytes", body.len());
}

#[test]
fn every_refusal_is_told_of_once_with_its_status_and_what_to_do() {
    let rows: Vec<Vec<&str>> =
        REFUSALS.text.lines().filter(|line| line.starts_with("| `")).map(|line| line.split(" | ").collect()).collect();
    let told: Vec<String> = rows.iter().map(|row| format!("{} | {}", row[0], row[1])).collect();
    assert_eq!(told, Refusal::ALL.map(|refusal| format!("| `{}` | {}", refusal.code(), refusal.status())));
    for row in rows {
        assert!(row.len() == 4 && row[2].len() > 10 && row[3].len() > 10, "{}: a refusal without a mend", row[0]);
    }
}

#[test]
fn every_tool_is_told_of_and_no_other_is() {
    let told: Vec<&str> = INSTRUCTIONS.text.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next()).collect();
    assert_eq!(told.into_iter().filter(|word| !word.starts_with("x-tightlip")).collect::<Vec<_>>(), TOOLS);
    let words = FILES.iter().flat_map(|file| file.text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_')));
    let refusals = [Refusal::RequestMalformed.code(), Refusal::RequestNotBound.code()];
    for word in words.filter(|word| word.starts_with("request_") && !refusals.contains(word)) {
        assert!(TOOLS.contains(&word), "{word} is no tool");
    }
}

#[test]
fn its_links_lead_to_its_own_files() {
    for file in FILES {
        for link in file.text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            assert!(FILES.iter().any(|other| other.path == link), "{} links to {link}", file.path);
        }
    }
}

#[test]
fn nothing_in_it_looks_like_a_value() {
    for text in FILES.map(|file| file.text).into_iter().chain([LISTING, INDEX]) {
        let long = |word: &&str| {
            word.len() >= 24 && word.chars().any(|c| c.is_ascii_digit()) && word.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
        };
        assert_eq!(text.split(|c: char| c.is_whitespace() || "\"'`/:".contains(c)).find(long), None);
    }
}

#[test]
fn the_script_never_prints_what_a_variable_holds() {
    for word in ["printenv", "env ", "set -x", "export", "xtrace", "rm ", "mkdir", "> ~", ">>"] {
        assert!(!CHECK.text.lines().any(|line| line.trim_start().starts_with(word) || line.contains(&format!("; {word}"))), "{word}");
    }
    assert!(CHECK.text.starts_with("#!/bin/sh\n") && !CLIENTS.text.contains("echo $"));
}
