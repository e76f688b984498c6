//! What somebody who writes into the folder may have laid there: links to files elsewhere, and what never ends in git's place.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Command, Output};

use crate::place::{Place, code, said};

fn pipe(path: &Path) {
    rustix::fs::mknodat(rustix::fs::CWD, path, rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
}

/// Runs it with a limit on its time and on its memory.
fn limited(place: &Place, arguments: &str) -> Output {
    let ours = place.command(&[]);
    let variables: Vec<_> = ours.get_envs().filter_map(|(name, value)| Some((name.to_owned(), value?.to_owned()))).collect();
    let line = format!("ulimit -v 2000000 && exec timeout 30 '{}' {arguments}", place.server.binary().to_string_lossy());
    place.watched(Command::new("sh").args(["-c", &line]).current_dir(place.folder()).env_clear().envs(variables))
}

#[test]
fn nothing_in_gits_place_holds_it_up_or_fills_it() {
    let place = Place::new();
    place.write(".env", place.text());
    let (git, above) = (place.folder().join(".git"), place.server.beside().join(".git"));
    let index = git.join("index");
    let cases: [(&str, &dyn Fn()); 5] = [
        ("a pipe for an index", &|| pipe(&index)),
        ("an endless index", &|| symlink("/dev/zero", &index).unwrap()),
        ("a huge index", &|| fs::File::create(&index).unwrap().set_len(1 << 40).unwrap()),
        ("a pipe for a repository", &|| {
            fs::remove_dir(&git).unwrap();
            pipe(&git);
        }),
        ("a pipe above", &|| pipe(&above)),
    ];
    for (name, lay) in cases {
        fs::create_dir(&git).unwrap();
        if name == "a pipe above" {
            fs::remove_dir(&git).unwrap();
        }
        lay();
        for arguments in ["import .env --dry-run", "import .env --only GITHUB_TOKEN"] {
            let output = limited(&place, arguments);
            assert_eq!(code(&output), 0, "{name}: {arguments}: {}", said(&output));
            assert!(said(&output).contains("git may track .env: "), "{name}: {arguments}: {}", said(&output));
        }
        let _not_a_folder = fs::remove_file(&git);
        let _not_there = fs::remove_dir_all(&git);
    }
}

#[test]
fn a_link_is_told_and_what_it_leads_to_is_written_only_where_it_is_named_itself() {
    let place = Place::new();
    let elsewhere = place.server.beside().join("elsewhere");
    fs::create_dir(&elsewhere).unwrap();
    place.own(&elsewhere);
    let real = fs::canonicalize(&elsewhere).unwrap().join("x.env");
    fs::rename(place.write("x.env", place.text()), &real).unwrap();
    symlink(&real, place.folder().join(".env.local")).unwrap();
    symlink(&elsewhere, place.folder().join("conf")).unwrap();
    let shown = real.display().to_string();
    for link in [".env.local", "conf/x.env", "./conf/../elsewhere/x.env"] {
        for more in [&[][..], &["--dry-run"]] {
            let output = place.run(&[&["import", link, "--replace"][..], more].concat());
            assert_eq!(code(&output), 1, "{link}: {}", said(&output));
            assert!(said(&output).contains(&format!("{link} is a link to {shown}")), "{link}: {}", said(&output));
            assert!(said(&output).contains(&format!("tightlip import {shown} --dry-run --replace")), "{link}: {}", said(&output));
        }
    }
    assert!(place.names().is_empty(), "it is refused before anything is stored");
    assert_eq!(fs::read_to_string(&real).unwrap(), place.text());
    let told = place.json(&["import", ".env.local", "--dry-run"]);
    assert_eq!(told["warnings"][0], format!(".env.local is a link to {shown}"));
    let output = place.run(&["import", "conf/x.env"]);
    assert!(said(&output).contains(&format!("warning: conf/x.env is a link to {shown}\n")), "{}", said(&output));
    let next = format!("tightlip import {shown} --only GITHUB_TOKEN --update --replace\n");
    assert!(said(&output).contains(&next), "{}", said(&output));
    let named = place.json(&["import", &shown, "--replace", "--update"]);
    assert_eq!((&named["replaced"], &named["warnings"]), (&true.into(), &serde_json::json!([])));
    assert!(!place.github.is_in(&fs::read(&real).unwrap()));
}

#[test]
fn where_no_link_is_on_the_way_none_is_told() {
    let place = Place::new();
    place.write(".env", place.text());
    fs::create_dir(place.folder().join("sub")).unwrap();
    let whole = fs::canonicalize(place.folder()).unwrap().join(".env");
    for path in [".env", "./.env", "sub/../.env", "../work/.env", whole.to_str().unwrap()] {
        assert_eq!(place.json(&["import", path, "--dry-run", "--replace"])["warnings"], serde_json::json!([]), "{path}");
    }
}

#[test]
fn a_links_target_does_nothing_to_the_terminal() {
    let place = Place::new();
    let path = place.folder().join("a\u{1b}[2Jb.env");
    fs::rename(place.write("x.env", place.text()), &path).unwrap();
    symlink(&path, place.folder().join(".env")).unwrap();
    for arguments in [&["import", ".env", "--replace"][..], &["import", ".env"]] {
        let output = place.run(arguments);
        assert!(said(&output).contains("a?[2Jb.env"), "{}", said(&output));
        assert!(!output.stdout.contains(&0x1b) && !output.stderr.contains(&0x1b), "{}", said(&output).escape_debug());
    }
}
