//! Plant values in a file, import it in every way, and search everything but the file. Takes no exceptions.

use std::path::Path;
use std::process::Output;

use crate::place::Place;

#[test]
fn no_value_is_anywhere_but_in_the_file() {
    let place = Place::new();
    let (github, drawn) = (place.github.value().to_owned(), place.drawn.value().to_owned());
    let wrong = format!("{}\r\nthe token is {github}\r\n{drawn}=x\r\nA='{github}", place.text());
    place.write("wrong.env", wrong);
    place.write("doubt.env", format!("# OLD_TOKEN={github}\nGITHUB_TOKEN={github}#{drawn}\nA=`{drawn}`\nA=${{{drawn}\nURL=https://x:{drawn}@a.example.com?token={github}\n"));
    place.write(".env", place.text());
    let calls: [&[&str]; 12] = [
        &["import", "wrong.env"],
        &["--json", "import", "wrong.env", "--replace"],
        &["import", ".env", "--dry-run"],
        &["--json", "import", ".env", "--dry-run", "--replace"],
        &["import", ".env", "--only", &drawn],
        &["import", &github],
        &["import", "doubt.env", "--replace"],
        &["import", "doubt.env", "--update", "--json"],
        &["import", ".env"],
        &["import", ".env", "--only", "ACME_KEY"],
        &["import", ".env", "--only", "GITHUB_TOKEN", "--only", "ACME_KEY", "--update", "--replace"],
        &["import", ".env", "--json"],
    ];
    let mut seen: Vec<(String, Vec<u8>)> = Vec::new();
    for call in calls {
        let Output { status, stdout, stderr } = place.command(call).output().unwrap();
        assert!(status.code().is_some());
        let name = call.join(" ").replace(&drawn, "<VALUE>").replace(&github, "<VALUE>");
        seen.extend([(format!("what `{name}` shows"), stdout), (format!("what `{name}` says"), stderr)]);
    }
    assert!(place.names().contains(&"GITHUB_TOKEN".to_owned()) && place.names().contains(&"ACME_KEY".to_owned()));
    let Place { server, github, drawn, kept, .. } = place;
    let (folder, log) = server.stop().unwrap();
    assert!(log.len() > 200);
    seen.push(("the log at TRACE".to_owned(), log));
    search(&folder.path().join("data"), &mut seen);
    search(&folder.path().join("home"), &mut seen);
    assert!(seen.iter().any(|(name, _)| name.ends_with("tightlip.db")));
    for (name, bytes) in &seen {
        assert!(!github.is_in(bytes) && !drawn.is_in(bytes) && !kept.is_in(bytes), "a value is in {name}");
    }
    let left = std::fs::read(folder.path().join("work/.env")).unwrap();
    assert!(!github.is_in(&left) && !drawn.is_in(&left) && kept.is_in(&left), "what cannot be brokered stays, and nothing else");
}

fn search(folder: &Path, seen: &mut Vec<(String, Vec<u8>)>) {
    for entry in std::fs::read_dir(folder).unwrap().flatten() {
        if entry.metadata().unwrap().is_dir() {
            search(&entry.path(), seen);
        } else if entry.metadata().unwrap().is_file() {
            seen.push((entry.path().to_string_lossy().into_owned(), std::fs::read(entry.path()).unwrap()));
        }
    }
}
