//! The devbox's whole environment: a handful of variables that no tool does without, the placeholders, and what `--env` names.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};

use link::cli::Wanted;
use model::{EnvName, SecretName};

use super::super::argv;
use super::super::fault::Fault;

/// Variables from `--env`.
pub(in crate::cli) type Given = Vec<(OsString, OsString)>;

/// The secrets that `--secret` names; none where it was not given.
pub(super) fn wanted(options: &[OsString]) -> Result<Option<Vec<Wanted>>, Fault> {
    if options.is_empty() {
        return Ok(None);
    }
    let mut wanted: Vec<Wanted> = Vec::new();
    for option in options {
        let one = one_wanted(option)?;
        if wanted.iter().any(|other| other.env == one.env) {
            return Err(Fault::usage(format!(
                "two secrets for the variable {}; give one of them another: --secret OTHER={}",
                one.env, one.name
            )));
        }
        wanted.push(one);
    }
    Ok(Some(wanted))
}

fn one_wanted(option: &OsStr) -> Result<Wanted, Fault> {
    let text = option.to_str().unwrap_or_default();
    let (env, name) = text.split_once('=').map_or((None, text), |(env, name)| (Some(env), name));
    if argv::looks_secret(OsStr::new(name)).is_some() {
        return Err(argv::value_in_argv("NAME"));
    }
    let name: SecretName = name
        .parse()
        .map_err(|error: model::name::NameError| Fault::usage(error.to_string()).next("tightlip run --secret ENV=NAME -- CMD"))?;
    let env = match env {
        Some(env) => env
            .parse::<EnvName>()
            .map_err(|error| Fault::usage(error.to_string()).next(format!("tightlip run --secret MY_TOKEN={name} -- CMD")))?,
        None => EnvName::try_from(&name).map_err(|_| {
            let fault = Fault::usage(format!("{name} is a secret's name but cannot be a variable's: name the variable too"));
            fault.next(format!("tightlip run --secret {}={name} -- CMD", as_variable(&name)))
        })?,
    };
    Ok(Wanted { env, name })
}

/// The variable that a name would be, in capitals with underscores.
fn as_variable(name: &SecretName) -> String {
    let plain: String = name.as_str().chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' }).collect();
    if plain.starts_with(|c: char| c.is_ascii_digit()) { format!("_{plain}") } else { plain }
}

/// The variables that `--env` names or sets. What looks like a value of a known kind is refused: it belongs to the gateway.
pub(in crate::cli) fn given(options: &[OsString], wanted: &[Wanted]) -> Result<Given, Fault> {
    options.iter().filter_map(|option| one_given(option, wanted).transpose()).collect()
}

fn one_given(option: &OsStr, wanted: &[Wanted]) -> Result<Option<(OsString, OsString)>, Fault> {
    if argv::looks_secret(option).is_some() {
        return Err(argv::value_in_argv("NAME"));
    }
    let bytes = option.as_bytes();
    let split = bytes.iter().position(|byte| *byte == b'=');
    let name = bytes.get(..split.unwrap_or(bytes.len())).unwrap_or_default();
    let name: EnvName = std::str::from_utf8(name).unwrap_or_default().parse().map_err(|error: model::name::NameError| {
        Fault::usage(error.to_string()).next("tightlip run --env NAME -- CMD, or --env NAME=TEXT")
    })?;
    if wanted.iter().any(|one| one.env == name) {
        return Err(Fault::usage(format!("{name} cannot hold both a placeholder and what --env gives; leave one of them out")));
    }
    let value = match split {
        Some(at) => Some(OsString::from_vec(bytes.get(at + 1..).unwrap_or_default().to_vec())),
        None => std::env::var_os(name.as_str()),
    };
    let Some(value) = value else { return Ok(None) };
    if let Some(kind) = argv::looks_secret(&value) {
        let message = format!("the value of {name} looks like a {}: --env would hand it to the command in the open", kind.title);
        let pipe = if split.is_some() { String::new() } else { format!("\nprintf %s \"${name}\" | tightlip secret set {name}") };
        let mut fault =
            Fault::usage(message).next(format!("store it, and the command gets a placeholder: tightlip secret set {name}{pipe}"));
        if split.is_some() {
            fault.message.push_str("; it stands in the shell's history now, so rotate it if it is real");
        }
        "value_in_argv".clone_into(&mut fault.code);
        return Err(fault);
    }
    Ok(Some((name.as_str().into(), value)))
}

/// The whole environment; what comes later goes before what came earlier.
pub(super) fn whole(placeholders: &[link::cli::Given], given: Given) -> Vec<(OsString, OsString)> {
    let mut env: Vec<(OsString, OsString)> = Vec::new();
    let mut set = |name: OsString, value: OsString| {
        env.retain(|(other, _)| *other != name);
        env.push((name, value));
    };
    set("PATH".into(), PATH.into());
    set("HOME".into(), "/".into());
    for (name, value) in std::env::vars_os() {
        if PASSED_ON.iter().any(|known| name == *known) || name.as_bytes().starts_with(b"LC_") {
            set(name, value);
        }
    }
    for (name, value) in devbox::trust_env() {
        set(name.into(), value.into());
    }
    set(mcp::URL_VARIABLE.into(), mcp::DEVBOX_URL.into());
    for placeholder in placeholders {
        set(placeholder.env.as_str().into(), placeholder.token.as_str().into());
    }
    for (name, value) in given {
        set(name, value);
    }
    env
}

/// The user's shell.
pub(super) fn shell() -> OsString {
    std::env::var_os("SHELL").filter(|shell| !shell.is_empty()).unwrap_or_else(|| "/bin/sh".into())
}

/// What goes in unasked, beside `LC_*`: nothing that holds a credential or names a socket.
const PASSED_ON: [&str; 7] = ["PATH", "HOME", "USER", "SHELL", "TERM", "LANG", "TZ"];
/// Where programs are, for whom nothing else says so.
pub(super) const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::super::super::fault::Exit;
    use super::*;

    const GITHUB: &str = "ghp_abcdefghijklmnopqrstuvwxyz0123456789";

    fn os(texts: &[&str]) -> Vec<OsString> {
        texts.iter().map(OsString::from).collect()
    }

    #[test]
    fn a_value_where_a_name_belongs_is_refused_without_an_echo() {
        let pair = format!("GITHUB_TOKEN={GITHUB}");
        for text in [GITHUB, &pair] {
            let fault = wanted(&os(&[text])).unwrap_err();
            assert_eq!((fault.exit, fault.code.as_str()), (Exit::Usage, "value_in_argv"));
            assert!(!format!("{fault:?}").contains("abcdef"));
        }
    }

    #[test]
    fn a_value_in_env_is_refused_without_an_echo() {
        for text in [
            format!("GITHUB_TOKEN={GITHUB}"),
            format!("X={GITHUB}"),
            "DB=postgres://me:hunter2@db.example.com/x".to_owned(),
            GITHUB.to_owned(),
        ] {
            let fault = given(&os(&[&text]), &[]).unwrap_err();
            assert_eq!((fault.exit, fault.code.as_str()), (Exit::Usage, "value_in_argv"), "{fault:?}");
            assert!(!format!("{fault:?}").contains("abcdef") && !format!("{fault:?}").contains("hunter2"));
        }
    }

    #[test]
    fn ordinary_variables_pass() {
        let passed =
            given(&os(&["DEBUG=1", "EMPTY=", "OPTS=a=b", "DB=postgres://db.example.com/x", "TIGHTLIP_NOT_SET_ANYWHERE"]), &[]).unwrap();
        let names: Vec<_> = passed.iter().map(|(name, value)| format!("{}={}", name.display(), value.display())).collect();
        assert_eq!(names, ["DEBUG=1", "EMPTY=", "OPTS=a=b", "DB=postgres://db.example.com/x"]);
    }

    #[test]
    fn a_name_that_is_no_variable_needs_one() {
        let fault = wanted(&os(&["my-secret"])).unwrap_err();
        assert_eq!(fault.next.as_deref(), Some("tightlip run --secret MY_SECRET=my-secret -- CMD"));
        let both = wanted(&os(&["GH_TOKEN=my-secret", "PLAIN"])).unwrap().unwrap();
        assert_eq!(
            both.iter().map(|one| (one.env.as_str(), one.name.as_str())).collect::<Vec<_>>(),
            [("GH_TOKEN", "my-secret"), ("PLAIN", "PLAIN")]
        );
    }

    #[test]
    fn one_variable_holds_one_thing() {
        assert!(wanted(&os(&["A", "A=B"])).is_err());
        let wanted = wanted(&os(&["A"])).unwrap().unwrap();
        assert!(given(&os(&["A=1"]), &wanted).is_err());
    }

    #[test]
    fn nothing_of_the_environment_goes_in_unasked() {
        let env = whole(&[], vec![("PATH".into(), "/mine".into())]);
        let names: Vec<&OsStr> = env.iter().map(|(name, _)| name.as_os_str()).collect();
        let known = |name: &OsStr| {
            PASSED_ON.iter().any(|passed| name == *passed)
                || name.as_bytes().starts_with(b"LC_")
                || name == mcp::URL_VARIABLE
                || devbox::trust_env().iter().any(|(trust, _)| name == *trust)
        };
        assert!(names.iter().all(|name| known(name)), "{names:?}");
        assert_eq!(env.iter().filter(|(name, _)| name == "PATH").collect::<Vec<_>>(), [&("PATH".into(), "/mine".into())]);
    }
}
