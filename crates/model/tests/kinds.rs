//! `docs/kinds.md` is written from the catalogue, and never falls behind it. `TIGHTLIP_WRITE_DOCS=1 cargo nextest run --workspace kinds_md` writes it.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::fmt::Write as _;

use model::kind::{Brokering, Kind, Mark, catalogue};

#[test]
fn kinds_md_says_what_the_catalogue_says() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/kinds.md");
    let written = document();
    if std::env::var_os("TIGHTLIP_WRITE_DOCS").is_some() {
        std::fs::write(&path, &written).unwrap();
    }
    let found = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(found == written, "docs/kinds.md is not what the catalogue says: TIGHTLIP_WRITE_DOCS=1 cargo nextest run --workspace kinds_md");
}

fn document() -> String {
    let mut text = HEAD.to_owned();
    text.push_str("\n## Bound by themselves\n\n| kind | looks like | or is called | goes to | in |\n|---|---|---|---|---|\n");
    for kind in catalogue() {
        if let Brokering::Hosts(hosts) = kind.brokering {
            let (looks, names, headers) = (looks(kind), code(kind.names), code(kind.headers));
            writeln!(text, "| {} | {looks} | {names} | {} | {headers} |", kind.title, hosts.join(", ")).unwrap();
        }
    }
    text.push_str("\n## Bound by hand\n\nThe host is your own instance's or registry's, or the value does not stand in a header.\n\n");
    text.push_str("| kind | looks like | or is called | `tightlip bind NAME` | in |\n|---|---|---|---|---|\n");
    for kind in catalogue() {
        if let Brokering::BindFirst(how) = kind.brokering {
            let place = if how.contains("--as") { "as bound".to_owned() } else { code(kind.headers) };
            writeln!(text, "| {} | {} | {} | `{how}` | {place} |", kind.title, looks(kind), code(kind.names)).unwrap();
        }
    }
    text.push_str("\n## Not swapped\n\nStored, and never sent; no devbox gets a placeholder for one.\n\n");
    text.push_str("| kind | looks like | or is called | why |\n|---|---|---|---|\n");
    for kind in catalogue() {
        if let Brokering::NotBrokered(why) = kind.brokering {
            writeln!(text, "| {} | {} | {} | {why} |", kind.title, looks(kind), code(kind.names)).unwrap();
        }
    }
    text
}

fn looks(kind: &Kind) -> String {
    let shapes = kind.shapes.iter().map(|shape| match shape.mark {
        Mark::Beginning => format!("`{}…`", shape.prefix()),
        Mark::Whole => format!("`{}`", shape.text),
        Mark::Nothing => format!("(`{}`)", shape.text),
    });
    let shapes: Vec<String> = shapes.collect();
    if shapes.is_empty() { "-".to_owned() } else { shapes.join(" ") }
}

fn code(words: &[&str]) -> String {
    words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ")
}

const HEAD: &str = "\
# Kinds

Written by a test from the tables in `crates/model/src/kind/`. A value's kind says where it may go unless `tightlip bind` says otherwise, and what its placeholder looks like.

A kind is recognised by how the value begins (`ghp_…`) or by all of it (`fc-{h32}`); the longest beginning that fits decides, and where several kinds begin alike, the secret's name. Where nothing
about the value tells, its name does, without regard to case, with `-` and `.` read as `_`. In braces stand an alphabet and a number of characters: `w` letters and digits, `b` those with `-` and `_`,
`l` small letters and digits, `u` capitals and digits, `h` small hexadecimal digits, `d` digits. What stands in parentheses says nothing about a kind, and gives its placeholder its shape. A
placeholder is made of the same parts as the shape, drawn anew, with at least 128 random bits; a shape that holds fewer is made longer. Kinds without a shape get `tlp_…`.

The last column says in which headers the kind's clients send it. Tokens are looked for in all of these headers, whatever the kind (form `auto`). [docs/bindings.md](bindings.md) tells of other places.
";
