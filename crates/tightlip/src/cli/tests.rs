//! The command line as people meet it: the words of every help page, and that a value among the arguments is refused and never repeated.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::ffi::OsString;

use super::argv::Stopped;
use super::fault::{Exit, Fault};
use super::*;

const VALUE: &str = "ghp_abcdefghijklmnopqrstuvwxyz0123456789";

fn line(words: &[&str]) -> Vec<OsString> {
    ["tightlip"].iter().chain(words).map(OsString::from).collect()
}

/// What a command line comes to before any server is asked.
fn refused(words: &[&str]) -> Fault {
    let cli = match argv::parse(&line(words)) {
        Ok(cli) => cli,
        Err(Stopped::Fault(fault)) => return fault,
        Err(Stopped::Shown(error)) => return Fault::usage(error.render().to_string()),
    };
    match cli.command {
        Command::Secret(command) => {
            secret::obey(command, || panic!("no server is asked"), &Output::new(true, Hints::default())).unwrap_err()
        }
        Command::Import(args) => import::import(&args, || panic!("no server is asked"), &Output::new(true, Hints::default())).unwrap_err(),
        Command::Run(args) => run::run(args, || panic!("no server is asked"), &Output::new(true, Hints::default())).unwrap_err(),
        Command::Up(_)
        | Command::Down(_)
        | Command::Bind(_)
        | Command::Unbind(_)
        | Command::Bindings(_)
        | Command::Expose(_)
        | Command::Requests(_)
        | Command::Approve(_)
        | Command::Refuse(_)
        | Command::Devbox(_)
        | Command::GatewayConfig(_)
        | Command::Mcp(_)
        | Command::Events(_)
        | Command::Key(_)
        | Command::Account(_)
        | Command::Backup(_)
        | Command::Restore(_)
        | Command::Verify(_)
        | Command::Doctor(_)
        | Command::Prove(_)
        | Command::Completions(_) => panic!("another command"),
    }
}

#[test]
fn a_value_among_the_arguments_is_refused_and_never_repeated() {
    let pair = format!("GITHUB_TOKEN={VALUE}");
    let option = format!("--value={VALUE}");
    let secret_option = format!("--secret={VALUE}");
    let lines: [&[&str]; 17] = [
        &["secret", "set", "GITHUB_TOKEN", VALUE],
        &["secret", "set", "GITHUB_TOKEN", "short"],
        &["secret", "create", "GITHUB_TOKEN", VALUE],
        &["secret", "update", "GITHUB_TOKEN", "--", VALUE],
        &["secret", "set", &pair],
        &["secret", "set", "A="],
        &["secret", "set", VALUE],
        &["secret", "set", "GITHUB_TOKEN", "--value", VALUE],
        &["secret", "set", "GITHUB_TOKEN", &option],
        &["secret", "set", "GITHUB_TOKEN", "-b", VALUE],
        &["secret", "set", "GITHUB_TOKEN", "--body", VALUE],
        &["secret", "get", "GITHUB_TOKEN", VALUE],
        &["secret", VALUE],
        &["import", VALUE],
        &["import", ".env", "--only", VALUE],
        &["run", &secret_option, "--", "true"],
        &["run", "--env", &pair, "--", "true"],
    ];
    for words in lines {
        let fault = refused(words);
        let shown = format!("{fault:?}");
        assert_eq!(fault.exit, Exit::Usage, "{words:?}");
        assert_eq!(fault.code, "value_in_argv", "{words:?}: {shown}");
        assert!(fault.next.is_some_and(|next| next.contains("tightlip secret set")), "{words:?}");
        assert!(!shown.contains("abcdef") && !shown.contains("short"), "{shown}");
    }
}

#[test]
fn the_advice_names_the_secret_where_that_is_no_value() {
    let next = |words: &[&str]| refused(words).next.unwrap();
    assert!(next(&["secret", "set", "GITHUB_TOKEN", "x"]).contains("tightlip secret set GITHUB_TOKEN\n"));
    assert!(next(&["secret", "set", "GITHUB_TOKEN=x"]).contains("tightlip secret set GITHUB_TOKEN\n"));
    assert!(next(&["secret", "set", VALUE]).contains("tightlip secret set NAME\n"));
}

#[test]
fn an_illegal_name_is_refused_before_a_value_is_read() {
    for name in ["", "a/b", "a b", "..", "ä"] {
        let fault = refused(&["secret", "set", name]);
        assert_eq!((fault.exit, fault.code.as_str()), (Exit::Usage, "usage"), "{name}");
    }
}

#[test]
fn a_misuse_is_told_as_json_where_that_was_asked_for() {
    let Err(Stopped::Fault(fault)) = argv::parse(&line(&["--json", "secret", "sett"])) else { panic!("no fault") };
    assert_eq!((fault.exit, fault.code.as_str()), (Exit::Usage, "usage"));
    let lines = line(&["run", "--", "echo", "--json"]);
    assert!(!argv::asks_for_json(&lines));
}

#[test]
fn a_command_of_secret_without_it_is_told_where_it_is() {
    for (words, next) in [(&["list"][..], "tightlip secret list"), (&["--data", "/a", "get", "A"], "tightlip secret get")] {
        let Err(Stopped::Fault(fault)) = argv::parse(&line(words)) else { panic!("no fault: {words:?}") };
        assert_eq!((fault.exit, fault.next.as_deref()), (Exit::Usage, Some(next)));
    }
    assert!(matches!(argv::parse(&line(&["key", "get"])), Err(Stopped::Shown(_))));
    assert!(matches!(argv::parse(&line(&["nonsense"])), Err(Stopped::Shown(_))));
}

#[test]
fn scopes_are_completed_and_take_commas() {
    let Ok(cli) = argv::parse(&line(&["key", "create", "--scope", "read,devbox", "--scope", "keys"])) else { panic!("refused") };
    assert!(matches!(cli.command, Command::Key(key::Command::Create(_))));
    let mut script = Vec::new();
    clap_complete::generate(clap_complete::Shell::Bash, &mut description(), "tightlip", &mut script);
    assert!(String::from_utf8(script).unwrap().contains("read secrets devbox keys"));
}

#[test]
fn an_option_that_would_be_ignored_is_refused() {
    for words in [&["up"][..], &["down"], &["restore", "FILE"], &["prove"]] {
        let all: Vec<&str> = ["--url", "http://127.0.0.1:1"].iter().chain(words).copied().collect();
        let Ok(cli) = argv::parse(&line(&all)) else { panic!("not parsed: {words:?}") };
        assert_eq!(obey(cli, &Output::new(true, Hints::default())).unwrap_err().exit, Exit::Usage, "{words:?}");
    }
}

#[test]
fn everything_after_the_command_belongs_to_it() {
    for words in [&["run", "-q", "--", "ls", "-q", "--json"][..], &["run", "-q", "ls", "-q", "--json"]] {
        let Ok(cli) = argv::parse(&line(words)) else { panic!("{words:?}") };
        assert!(!cli.global.json && matches!(cli.command, Command::Run(_)), "{words:?}");
    }
    assert!(argv::parse(&line(&["run", "--no-such-option", "--", "ls"])).is_err());
}

#[test]
fn a_form_without_a_host_is_refused() {
    assert!(argv::parse(&line(&["secret", "set", "A", "--as", "bearer"])).is_err());
    assert!(argv::parse(&line(&["secret", "set", "A", "--as", "cookie:x", "--host", "a.example.com"])).is_err());
    assert!(argv::parse(&line(&["bind", "A", "--host", "127.0.0.1"])).is_err());
    assert!(argv::parse(&line(&["bind", "A"])).is_err());
}

#[test]
fn exposure_is_said_one_way_or_the_other_and_a_request_by_its_id() {
    for words in [&["expose", "A"][..], &["expose", "A", "--plain", "--brokered"], &["approve", "A"], &["refuse", "prq_short"]] {
        assert!(argv::parse(&line(words)).is_err(), "{words:?}");
    }
    assert!(argv::parse(&line(&["expose", "A", "--plain"])).is_ok());
}

#[test]
fn the_help_pages_are_these() {
    let mut pages = Vec::new();
    let mut whole = description().term_width(100);
    whole.build();
    collect(&whole, &mut vec!["tightlip".to_owned()], &mut pages);
    insta::assert_snapshot!("help", pages.join("\n"));
}

fn collect(command: &clap::Command, path: &mut Vec<String>, pages: &mut Vec<String>) {
    let name = path.join(" ");
    let help = command.clone().render_long_help();
    let lines: Vec<String> = help.to_string().lines().map(|line| line.trim_end().to_owned()).collect();
    pages.push(format!("===== {name} --help =====\n{}\n", lines.join("\n")));
    for sub in command.get_subcommands().filter(|sub| sub.get_name() != "help") {
        path.push(sub.get_name().to_owned());
        collect(sub, path, pages);
        path.pop();
    }
}

#[test]
fn the_description_is_sound() {
    description().debug_assert();
}
