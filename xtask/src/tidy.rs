//! Reads the tree's Rust files and names every place where a house rule is broken.
//!
//! The rules: files of at most 500 lines and functions of at most 70 (tests apart), no `#[allow]` without a reason, no unsafe code outside the named kernel
//! files, no `mod.rs`, no `#[ignore]`, and nobody names the vault's verbs but the crates that may. And `docs/threat-model.md` names only what is there.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use crate::say;

mod threats;

/// A broken rule.
#[derive(Debug, PartialEq, Eq)]
struct Finding {
    file: String,
    line: usize,
    rule: String,
}

/// Checks the tree below the working folder.
pub fn run() -> ExitCode {
    let mut files = Vec::new();
    for root in ["crates", "fuzz", "xtask"] {
        collect(Path::new(root), &mut files);
    }
    if files.is_empty() {
        return say("tidy: no Rust file found; run it from the project's root", ExitCode::FAILURE);
    }
    let (mut findings, mut sources) = (Vec::new(), Vec::new());
    for file in &files {
        let name = file.to_string_lossy().into_owned();
        match fs::read_to_string(file) {
            Ok(text) => {
                findings.extend(check(&name, &text));
                sources.push((name, text));
            }
            Err(error) => findings.push(unreadable(name, &error)),
        }
    }
    match fs::read_to_string(threats::PAGE) {
        Ok(page) => findings.extend(threats::check(&page, &sources, |path| Path::new(path).is_file())),
        Err(error) => findings.push(unreadable(threats::PAGE.to_owned(), &error)),
    }
    for finding in &findings {
        say(&format!("{}:{}: {}", finding.file, finding.line, finding.rule), ExitCode::FAILURE);
    }
    let code = if findings.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE };
    say(&format!("tidy: {} files, {} findings", files.len(), findings.len()), code)
}

fn unreadable(file: String, error: &std::io::Error) -> Finding {
    Finding { file, line: 0, rule: format!("cannot be read: {error}") }
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for path in entries.flatten().map(|entry| entry.path()) {
        if path.is_dir() {
            if !path.ends_with("target") {
                collect(&path, files);
            }
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            files.push(path);
        }
    }
}

fn check(file: &str, text: &str) -> Vec<Finding> {
    let test_file = file.contains("/tests/") || file.ends_with("tests.rs");
    // Code up to the unit tests at the file's end; what follows are tests.
    let code_lines = if test_file { 0 } else { text.lines().position(|line| line.starts_with("#[cfg(test)]")).unwrap_or(usize::MAX) };
    let mut findings = Vec::new();
    let mut find = |line: usize, rule: String| findings.push(Finding { file: file.to_owned(), line, rule });
    if file.ends_with("/mod.rs") {
        find(1, "no mod.rs: name the file after its noun".to_owned());
    }
    let size = text.lines().count().min(code_lines);
    if !test_file && size > FILE_LINES_MAX {
        find(1, format!("{size} lines; a file over {FILE_LINES_MAX} is a design question"));
    }
    if !test_file && !text.starts_with("//!") && !text.starts_with("#!") {
        find(1, "a file opens with what lives here (//!)".to_owned());
    }
    for (line, rule) in imported_verbs(file, text, code_lines) {
        find(line, rule);
    }
    for (index, line) in text.lines().enumerate() {
        for rule in line_rules(file, line, index < code_lines) {
            find(index + 1, rule);
        }
    }
    if !test_file {
        for (line, length) in long_functions(text, code_lines) {
            find(line, format!("a function of {length} lines; over {FUNCTION_LINES_MAX} is a design question"));
        }
    }
    findings
}

fn line_rules(file: &str, line: &str, is_code: bool) -> Vec<String> {
    let mut rules = Vec::new();
    let code = line.split("//").next().unwrap_or_default();
    if file.starts_with("xtask/") {
        return rules;
    }
    if code.contains("[allow(") && !line.contains("reason =") {
        rules.push("an allow needs its reason on the same line".to_owned());
    }
    if code.contains("#[ignore") {
        rules.push("no ignored tests".to_owned());
    }
    if code.contains("unsafe {") && !UNSAFE_FILES.iter().any(|known| file.contains(known)) {
        rules.push("unsafe code outside the named kernel files".to_owned());
    }
    if is_code {
        let named = |verb: &str| code.contains(&format!("vault::{verb}"));
        rules.extend(strange_verbs(file, named));
    }
    rules
}

/// The vault's verbs that an import names among others, as in `use vault::{A, B};`, on one line or many.
fn imported_verbs(file: &str, text: &str, code_lines: usize) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    let lines: Vec<&str> = text.lines().take(code_lines).map(|line| line.split("//").next().unwrap_or_default()).collect();
    for (index, line) in lines.iter().enumerate() {
        let Some((_, first)) = line.split_once("vault::{") else { continue };
        let rest = std::iter::once(first).chain(lines[index + 1..].iter().copied()).collect::<Vec<_>>().join(" ");
        let list = rest.split('}').next().unwrap_or_default();
        let named = |verb: &str| list.split(',').any(|name| name.trim().starts_with(verb));
        found.extend(strange_verbs(file, named).map(|rule| (index + 1, rule)));
    }
    found
}

/// What is wrong with naming these verbs of the vault in this file.
fn strange_verbs(file: &str, named: impl Fn(&str) -> bool) -> impl Iterator<Item = String> {
    // The fuzz targets are in no build that is shipped.
    let is_fuzz = file.starts_with("fuzz/");
    let stranger = move |crates: &[&str]| !is_fuzz && !crates.iter().any(|name| file.starts_with(&format!("crates/{name}/")));
    VAULT_VERBS
        .iter()
        .filter(move |(verb, crates)| named(verb) && stranger(crates))
        .map(|(verb, crates)| format!("vault::{verb} is named outside {}", crates.join(", ")))
}

/// Functions longer than the limit: a line that begins one, and the line on which its brace closes at the same depth.
fn long_functions(text: &str, code_lines: usize) -> Vec<(usize, usize)> {
    let mut long = Vec::new();
    let lines: Vec<&str> = text.lines().take(code_lines).collect();
    for (start, line) in lines.iter().enumerate() {
        let trimmed = line.trim_start();
        let begins = [
            "fn ",
            "pub fn ",
            "pub(crate) fn ",
            "async fn ",
            "pub async fn ",
            "const fn ",
            "pub const fn ",
            "pub(super) fn ",
            "unsafe fn ",
        ];
        if !begins.iter().any(|word| trimmed.starts_with(word)) || trimmed.ends_with(';') || trimmed.ends_with('}') {
            continue;
        }
        let indent = line.len() - trimmed.len();
        let closing = format!("{}}}", " ".repeat(indent));
        if let Some(length) = lines[start..].iter().position(|line| *line == closing)
            && length + 1 > FUNCTION_LINES_MAX
        {
            long.push((start + 1, length + 1));
        }
    }
    long
}

const FILE_LINES_MAX: usize = 500;
const FUNCTION_LINES_MAX: usize = 70;
/// The files that may hold unsafe code, each block with its reason.
const UNSAFE_FILES: [&str; 2] = ["crates/vault/src/locked.rs", "crates/devbox/src/kernel/"];
/// The vault's verbs, and the crates whose code may name them.
const VAULT_VERBS: [(&str, &[&str]); 13] = [
    ("OpenKeys", &["vault", "service", "gateway", "tightlip"]),
    ("Sealer", &["vault", "service", "api", "tightlip"]),
    ("SigningKey", &["vault", "api", "tightlip"]),
    ("RootKey", &["vault", "rootkey", "tightlip"]),
    ("arm", &["vault", "gateway"]),
    ("backup", &["vault", "service", "tightlip"]),
    ("Scrub", &["vault", "service", "gateway"]),
    ("pour", &["vault", "service"]),
    ("recognise", &["vault", "service", "tightlip"]),
    ("dotenv", &["vault", "tightlip"]),
    ("sort", &["vault", "tightlip"]),
    ("wire", &["vault", "client"]),
    ("SecretValue", &["vault", "service", "api", "client", "tightlip"]),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(file: &str, text: &str) -> Vec<String> {
        check(file, text).into_iter().map(|finding| finding.rule).collect()
    }

    #[test]
    fn long_files_and_functions_are_found() {
        let long = format!("//! A file.\n{}", "// x\n".repeat(FILE_LINES_MAX));
        assert_eq!(rules("crates/a/src/b.rs", &long).len(), 1);
        assert!(rules("crates/a/tests/b.rs", &long).is_empty());
        let function = format!("//! A file.\nfn f() {{\n{}}}\n", "    let _ = 1;\n".repeat(FUNCTION_LINES_MAX));
        assert_eq!(rules("crates/a/src/b.rs", &function).len(), 1);
    }

    #[test]
    fn a_bare_allow_an_ignored_test_and_stray_unsafe_are_found() {
        for line in ["#[allow(dead_code)]", "#[ignore = \"slow\"]", "let x = unsafe { f() };"] {
            assert_eq!(rules("crates/a/src/b.rs", &format!("//! A file.\n{line}\n")).len(), 1, "{line}");
        }
        assert!(rules("crates/a/src/b.rs", "//! A file.\n#[allow(dead_code, reason = \"why\")]\n").is_empty());
        assert!(rules("crates/devbox/src/kernel/b.rs", "//! A file.\nlet x = unsafe { f() };\n").is_empty());
    }

    #[test]
    fn the_vaults_verbs_are_named_by_their_crates_only() {
        for line in ["use vault::arm;", "use vault::SecretValue;", "vault::OpenKeys::make()"] {
            assert_eq!(rules("crates/devbox/src/b.rs", &format!("//! A file.\n{line}\n")).len(), 1, "{line}");
        }
        assert!(rules("crates/gateway/src/b.rs", "//! A file.\nuse vault::arm;\n").is_empty());
        assert_eq!(rules("crates/api/src/b.rs", "//! A file.\nuse vault::OpenKeys;\n").len(), 1);
        assert_eq!(rules("crates/api/src/b.rs", "//! A file.\nuse vault::backup::Opener;\n").len(), 1);
        assert!(rules("crates/service/src/b.rs", "//! A file.\nuse vault::backup::Opener;\n").is_empty());
    }

    #[test]
    fn a_verb_among_others_is_found() {
        for list in ["use vault::{SigningKey, arm};", "use vault::{\n    SigningKey,\n    // a word\n    arm,\n};"] {
            let found = rules("crates/devbox/src/b.rs", &format!("//! A file.\n{list}\n"));
            assert_eq!(found.len(), 2, "{found:?}");
        }
        assert!(rules("crates/tightlip/src/b.rs", "//! A file.\nuse vault::{OpenKeys, SigningKey};\n").is_empty());
        assert!(rules("crates/devbox/src/b.rs", "//! A file.\nuse vault::{hash_token, same};\n").is_empty());
    }
}
