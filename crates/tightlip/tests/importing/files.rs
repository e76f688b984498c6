//! Files: which are taken, which are refused, and what stays of one that is written again.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt};

use crate::place::{Place, code, said};

#[test]
fn what_was_stored_becomes_a_comment_and_every_other_byte_stays() {
    let place = Place::new();
    let text = format!("\u{feff}{}", place.text());
    let path = place.write("real.env", &text);
    fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
    let before = fs::metadata(&path).unwrap();
    let result = place.json(&["import", "real.env", "--replace", "--only", "GITHUB_TOKEN", "--only", "ACME_KEY"]);
    assert_eq!(
        (&result["replaced"], &result["entries"][0]["replaced"], &result["entries"][1]["replaced"]),
        (&true.into(), &true.into(), &true.into())
    );
    let comment = |name: &str| format!("# {name} is kept by tightlip: tightlip run --secret {name} -- CMD");
    let expected = text
        .replace(&format!("export GITHUB_TOKEN='{}'", place.github.value()), &comment("GITHUB_TOKEN"))
        .replace(&format!("ACME_KEY=\"{}\"", place.drawn.value()), &comment("ACME_KEY"));
    assert_eq!(fs::read_to_string(&path).unwrap(), expected);
    let after = fs::metadata(&path).unwrap();
    assert_eq!((after.mode(), after.uid(), after.gid()), (before.mode(), before.uid(), before.gid()));
    let left: Vec<_> = fs::read_dir(place.folder()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["real.env"], "no copy is left");
    let again = place.json(&["import", "real.env", "--replace"]);
    assert_eq!((&again["replaced"], fs::read_to_string(&path).unwrap()), (&false.into(), expected), "there is nothing to do any more");
    assert!(again["warnings"][0].as_str().unwrap().contains("chmod 600"));
}

#[test]
fn files_that_are_none_are_refused_and_nothing_is_stored() {
    let place = Place::new();
    let (good, value) = (place.text(), place.github.value().to_owned());
    let with = |line: &[u8]| [good.as_bytes(), b"\r\n", line, b"\n"].concat();
    let huge = [good.as_bytes(), &b"\n# more".repeat(1_500_000)].concat();
    let cases: [(&str, Vec<u8>, &str); 7] = [
        ("latin", with(b"A=\xe4"), "line 10: is not UTF-8 text"),
        ("nul", with(b"A=\0"), "line 10: has a zero byte"),
        ("open", with(format!("A='{value}").as_bytes()), "line 10: has a quote that nothing closes"),
        (
            "words",
            with(format!("the token is {value}\nB=\"a\" b").as_bytes()),
            "line 10: is neither NAME=VALUE nor a comment; line 11: has something behind",
        ),
        ("swapped", with(format!("{value}=GITHUB_TOKEN").as_bytes()), "line 10: has what looks like a value where a name belongs"),
        ("long", with(format!("A={value}{}", "x".repeat(70_000)).as_bytes()), "line 10: has a value that is too long"),
        ("huge", huge, "larger than 1024 KiB"),
    ];
    for (name, bytes, words) in cases {
        let path = place.write(name, &bytes);
        let output = place.run(&["import", name, "--replace"]);
        assert_eq!(code(&output), 2, "{name}: {}", said(&output));
        assert!(said(&output).contains(words), "{name}: {}", said(&output));
        assert!(name == "huge" || said(&output).contains("tightlip import --help"), "{name}: {}", said(&output));
        assert!(fs::read(path).unwrap() == bytes, "{name} was changed");
    }
    rustix::fs::mknodat(rustix::fs::CWD, place.folder().join("pipe"), rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
    for (name, expected) in [("pipe", 2), (".", 2), ("absent", 1)] {
        assert_eq!(code(&place.run(&["import", name])), expected, "{name}");
    }
    assert!(place.names().is_empty());
}

#[test]
fn what_could_not_be_replaced_is_refused_before_anything_is_stored() {
    let place = Place::new();
    let path = place.write(".env", place.text());
    fs::hard_link(&path, place.folder().join("second")).unwrap();
    let output = place.run(&["import", ".env", "--replace"]);
    assert_eq!(code(&output), 1);
    assert!(said(&output).contains("hard link"), "{}", said(&output));
    assert!(place.names().is_empty());
    fs::remove_file(place.folder().join("second")).unwrap();
    assert_eq!(place.json(&["import", ".env", "--replace"])["replaced"], true);
}

#[test]
fn another_users_file_is_not_written_into() {
    if !nix::unistd::geteuid().is_root() {
        eprintln!("skipped: only root can give a file to another user");
        return;
    }
    let place = Place::of(Some(1000));
    let path = place.write(".env", place.text());
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    std::os::unix::fs::chown(&path, Some(0), Some(0)).unwrap();
    let output = place.run(&["import", ".env", "--replace"]);
    assert_eq!(code(&output), 1);
    assert!(said(&output).contains("another user's"), "{}", said(&output));
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    assert_eq!(code(&place.run(&["import", ".env"])), 1, "it cannot be read");
    assert!(place.names().is_empty());
}

#[test]
fn a_closed_folder_is_not_written_into() {
    // A folder is closed to nobody who is root.
    let place = Place::of(nix::unistd::geteuid().is_root().then_some(1000));
    let path = place.write(".env", place.text());
    fs::set_permissions(place.folder(), fs::Permissions::from_mode(0o500)).unwrap();
    let output = place.run(&["import", ".env", "--replace"]);
    assert_eq!(code(&output), 1);
    assert!(said(&output).contains("folder cannot be written into"), "{}", said(&output));
    assert!(place.names().is_empty());
    assert!(place.run(&["import", ".env"]).status.success());
    assert_eq!(fs::read_to_string(&path).unwrap(), place.text());
}

#[test]
fn the_owner_and_mode_of_another_users_file_stay_where_root_writes_it() {
    if !nix::unistd::geteuid().is_root() {
        eprintln!("skipped: only root can give a file to another user");
        return;
    }
    let place = Place::new();
    let path = place.write(".env", place.text());
    std::os::unix::fs::chown(&path, Some(1000), Some(1001)).unwrap();
    place.json(&["import", ".env", "--replace"]);
    let after = fs::metadata(&path).unwrap();
    assert_eq!((after.uid(), after.gid(), after.mode() & 0o7777), (1000, 1001, 0o600));
}

#[test]
fn a_file_that_git_tracks_is_warned_of() {
    let place = Place::new();
    place.write(".env", place.text());
    for arguments in [&["init", "-q"][..], &["add", "-f", ".env"]] {
        let mut git = std::process::Command::new("git");
        assert!(git.args(arguments).current_dir(place.folder()).env("GIT_CONFIG_GLOBAL", "/dev/null").status().unwrap().success());
    }
    let output = place.run(&["import", ".env", "--replace"]);
    assert!(said(&output).contains("git tracks .env: ") && said(&output).contains("git log --oneline -- .env"), "{}", said(&output));
}

#[test]
fn a_name_that_is_no_text_is_shown_as_well_as_it_goes() {
    let place = Place::new();
    let name = OsStr::from_bytes(b"caf\xe9.env");
    let path = place.folder().join(name);
    fs::rename(place.write("plain.env", place.text()), &path).unwrap();
    let output = place.watched(place.command(&["--json", "import", "--replace", "--only", "GITHUB_TOKEN"]).arg(name));
    assert_eq!(code(&output), 0, "{}", said(&output));
    let result: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&result["file"], &result["replaced"]), (&"caf\u{fffd}.env".into(), &true.into()));
    assert!(!place.github.is_in(&fs::read(path).unwrap()));
}
