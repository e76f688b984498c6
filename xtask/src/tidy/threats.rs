//! Holds `docs/threat-model.md` to the tree: each of its rows names code that is there, tests that run, and attempts that `tightlip prove` makes.
//!
//! A row is a heading `### 7. What is tried`, and below it the lists `- Code:`, `- Tests:` and `- Proof:`, each of names in backticks. A test is written
//! `crate::file::name`: the function `name` of a file or folder `file` of that crate.

use std::collections::BTreeMap;

use super::Finding;

/// The page.
pub const PAGE: &str = "docs/threat-model.md";

/// A file of the tree: its path from the root, and its text.
pub type Source = (String, String);

/// One threat, as the page tells of it.
#[derive(Default)]
struct Row {
    line: usize,
    code: Vec<Named>,
    tests: Vec<Named>,
    proof: Vec<Named>,
}

/// A name in backticks, and the line where it stands.
struct Named {
    line: usize,
    name: String,
}

/// What is wrong with the page's text. `exists` says of a path whether it is in the tree.
pub fn check(text: &str, sources: &[Source], exists: impl Fn(&str) -> bool) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut find = |line: usize, rule: String| findings.push(Finding { file: PAGE.to_owned(), line, rule });
    let mut rows = BTreeMap::new();
    for (number, row) in read(text) {
        let line = row.line;
        if rows.insert(number, row).is_some() {
            find(line, format!("row {number} is there twice"));
        }
    }
    for number in (1..=ROWS).filter(|number| !rows.contains_key(number)) {
        find(1, format!("row {number} is missing"));
    }
    for (number, row) in &rows {
        for (list, what) in [(&row.code, "code"), (&row.tests, "test")] {
            if list.is_empty() {
                find(row.line, format!("row {number} names no {what}"));
            }
        }
        for Named { line, name } in row.code.iter().filter(|code| !exists(&code.name)) {
            find(*line, format!("{name} is not there"));
        }
        for Named { line, name } in row.tests.iter().filter(|test| !is_test(sources, &test.name)) {
            find(*line, format!("no test is called {name}"));
        }
        for Named { line, name } in row.proof.iter().filter(|attempt| !is_attempt(sources, &attempt.name)) {
            find(*line, format!("no attempt of the proof is called {name}"));
        }
    }
    findings
}

/// The page's rows with their numbers, in its own order.
fn read(text: &str) -> Vec<(usize, Row)> {
    let mut rows: Vec<(usize, Row)> = Vec::new();
    let mut list = "";
    for (index, line) in text.lines().enumerate() {
        if line.starts_with('#') {
            list = "";
            let number = line.strip_prefix("### ").and_then(|rest| rest.split_once(". ")).and_then(|(number, _)| number.parse().ok());
            rows.extend(number.map(|number| (number, Row { line: index + 1, ..Row::default() })));
            continue;
        }
        if let Some(item) = line.strip_prefix("- ") {
            list = LISTS.into_iter().find(|known| item.starts_with(known)).unwrap_or_default();
        } else if !line.starts_with("  ") {
            list = "";
        }
        let Some((_, row)) = rows.last_mut() else { continue };
        let names = line.split('`').skip(1).step_by(2).map(|name| Named { line: index + 1, name: name.to_owned() });
        match list {
            "Code:" => row.code.extend(names),
            "Tests:" => row.tests.extend(names),
            "Proof:" => row.proof.extend(names),
            _ => {}
        }
    }
    rows
}

/// Whether `crate::file::name` is a function that is run as a test: by its attribute, or by the list that its own harness runs.
fn is_test(sources: &[Source], test: &str) -> bool {
    let [krate, module, name] = test.split("::").collect::<Vec<_>>()[..] else { return false };
    let of_crate = |path: &str| path.starts_with(&format!("crates/{krate}/")) || path.starts_with(&format!("{krate}/"));
    let own = sources.iter().filter(|(path, _)| of_crate(path) && module_of(path) == module);
    own.clone().any(|(_, text)| has_attribute(text, name))
        || (own.into_iter().any(|(_, text)| defined_at(text, name).is_some())
            && sources.iter().any(|(path, text)| of_crate(path) && path.contains("/tests/") && is_listed(text, name)))
}

/// The file's noun: `crates/gateway/src/dial/tests.rs` and `crates/gateway/src/dial.rs` are both `dial`.
fn module_of(path: &str) -> &str {
    let mut parts = path.trim_end_matches(".rs").rsplit('/').skip_while(|part| matches!(*part, "tests" | "main" | "lib"));
    parts.next().unwrap_or_default()
}

/// The line of a function's definition.
fn defined_at(text: &str, name: &str) -> Option<usize> {
    let definition = |line: &str| {
        let rest = line.trim_start().trim_start_matches("pub ").trim_start_matches("async ").strip_prefix("fn ")?;
        rest.strip_prefix(name).filter(|rest| rest.starts_with(['(', '<'])).map(drop)
    };
    text.lines().position(|line| definition(line).is_some())
}

fn has_attribute(text: &str, name: &str) -> bool {
    let Some(at) = defined_at(text, name) else { return false };
    let above = text.lines().take(at).collect::<Vec<_>>();
    let above = above.into_iter().rev().take_while(|line| line.trim_start().starts_with(['#', '/']));
    above
        .into_iter()
        .any(|line| matches!(line.trim_start(), "#[test]" | "#[tokio::test]") || line.trim_start().starts_with("#[tokio::test("))
}

/// As `("name", name)` of a harness of its own, or as `file::name,` of a suite.
fn is_listed(text: &str, name: &str) -> bool {
    [format!("\"{name}\""), format!("::{name},"), format!("::{name}::")].iter().any(|listed| text.contains(listed.as_str()))
}

fn is_attempt(sources: &[Source], name: &str) -> bool {
    let literal = format!("\"{name}\"");
    sources.iter().any(|(path, text)| path.starts_with("crates/prove/src/") && text.contains(&literal))
}

/// How many threats there are. May only become more.
const ROWS: usize = 37;
const LISTS: [&str; 3] = ["Code:", "Tests:", "Proof:"];

#[cfg(test)]
mod tests {
    use super::*;

    fn sources() -> Vec<Source> {
        let file = |path: &str, text: &str| (path.to_owned(), text.to_owned());
        vec![
            file("crates/gateway/src/dial/tests.rs", "#[test]\nfn it_holds() {}\n\nfn a_helper() {}\n"),
            file("crates/gateway/tests/net/road.rs", "/// Why.\n#[tokio::test(flavor = \"multi_thread\")]\nasync fn it_leaves() {}\n"),
            file("crates/devbox/tests/walls/files.rs", "const TESTS: &[Test] = &[(\"walls_hold\", walls_hold)];\nfn walls_hold() {}\n"),
            file("crates/store/tests/suite/chain.rs", "pub fn a_gap_is_found<B: Backend>() {}\npub fn forgotten<B: Backend>() {}\n"),
            file("crates/store/tests/suite/main.rs", "conformance!(chain::a_gap_is_found,);\n"),
            file("crates/prove/src/attempts.rs", "attempt(\"echo in the body\", Channel::Replies, echo)"),
        ]
    }

    /// A page on which each row names this, with the given lists in the last row's place.
    fn page(last: &str) -> String {
        let good = "- Code: `a.rs`\n- Tests: `gateway::dial::it_holds`\n- Proof: none\n";
        let row = |number: usize| format!("### {number}. Something\n\nIs `not` read.\n\n{}\n", if number == ROWS { last } else { good });
        (1..=ROWS).map(row).collect()
    }

    fn rules(text: &str) -> Vec<String> {
        check(text, &sources(), |path| path == "a.rs").into_iter().map(|finding| finding.rule).collect()
    }

    #[test]
    fn a_name_that_is_nobodys_is_found() {
        for (lists, expected) in [
            ("- Code: `gone.rs`\n- Tests: `gateway::dial::it_holds`", "gone.rs is not there"),
            ("- Code: `a.rs`\n- Tests: `gateway::dial::it_held`", "no test is called gateway::dial::it_held"),
            ("- Code: `a.rs`\n- Tests: `gateway::dial::it_hold`", "no test is called gateway::dial::it_hold"),
            ("- Code: `a.rs`\n- Tests: `gateway::dial::a_helper`", "no test is called gateway::dial::a_helper"),
            ("- Code: `a.rs`\n- Tests: `api::dial::it_holds`", "no test is called api::dial::it_holds"),
            ("- Code: `a.rs`\n- Tests: `gateway::road::it_holds`", "no test is called gateway::road::it_holds"),
            ("- Code: `a.rs`\n- Tests: `it_holds`", "no test is called it_holds"),
            ("- Code: `a.rs`\n- Tests: `store::chain::forgotten`", "no test is called store::chain::forgotten"),
            (
                "- Code: `a.rs`\n- Tests: `gateway::road::it_leaves`,\n  `gateway::road::it_left`",
                "no test is called gateway::road::it_left",
            ),
            ("- Code: `a.rs`\n- Tests: `gateway::road::it_leaves`\n- Proof: `echo`", "no attempt of the proof is called echo"),
            ("- Code: `a.rs`\n- Tests: none", "row 37 names no test"),
            ("- Tests: `gateway::road::it_leaves`", "row 37 names no code"),
        ] {
            assert_eq!(rules(&page(lists)), [expected], "{lists}");
        }
    }

    #[test]
    fn a_row_that_is_missing_or_there_twice_is_found() {
        let whole = page("- Code: `a.rs`\n- Tests: `gateway::dial::it_holds`");
        assert_eq!(rules(&whole.replace("### 7. ", "### Seven. ")), ["row 7 is missing"]);
        assert_eq!(rules(&whole.replace("### 7. ", "### 8. ")), ["row 8 is there twice", "row 7 is missing"]);
        assert_eq!(rules("").len(), ROWS);
    }

    #[test]
    fn what_is_there_is_known_however_it_is_run() {
        let lists = "- Code: `a.rs`\n- Tests: `gateway::dial::it_holds`, `gateway::road::it_leaves`,\n  `devbox::files::walls_hold`, `store::chain::a_gap_is_found`\n\
                     - Proof: `echo in the body`";
        assert_eq!(rules(&page(lists)), [""; 0]);
    }
}
