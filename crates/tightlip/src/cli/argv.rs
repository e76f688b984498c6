//! Arguments: parsed, and kept from holding values. Arguments stand in the process list and in shells' histories, so a value among them has leaked already.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;

use clap::Parser;
use clap::error::{ContextKind, ContextValue};
use model::SecretName;
use model::kind::Kind;
use vault::SecretValue;

use super::Cli;
use super::fault::Fault;

/// Why there is nothing to obey.
pub(super) enum Stopped {
    /// Help, the version, or a misuse that clap explains.
    Shown(Box<clap::Error>),
    /// A failure of ours.
    Fault(Fault),
}

/// Parses the arguments. What clap would repeat in its message is looked at first.
pub(super) fn parse(arguments: &[OsString]) -> Result<Cli, Stopped> {
    Cli::try_parse_from(arguments).map_err(|error| {
        if !error.use_stderr() {
            return Stopped::Shown(Box::new(error));
        }
        if repeats_a_value(&error) {
            return Stopped::Fault(value_in_argv("NAME"));
        }
        if let Some(word) = belongs_to_secret(&error, arguments) {
            let fault = Fault::usage(format!("`{word}` is a command of `secret`, not of tightlip itself"));
            return Stopped::Fault(fault.next(format!("tightlip secret {word}")));
        }
        if !asks_for_json(arguments) {
            return Stopped::Shown(Box::new(error));
        }
        let text = error.render().to_string();
        let first = text.lines().next().unwrap_or_default().trim_start_matches("error: ");
        Stopped::Fault(Fault::usage(first).next("tightlip --help"))
    })
}

/// Whether `--json` stands among the arguments, before a command of `run` could begin.
pub(super) fn asks_for_json(arguments: &[OsString]) -> bool {
    arguments.iter().take_while(|argument| *argument != "--").any(|argument| argument == "--json")
}

/// The refusal of a value given as an argument. `name` is the secret's name, or the word NAME.
pub(super) fn value_in_argv(name: &str) -> Fault {
    let message =
        "a value is never taken from the arguments: they stand in the shell's history and in the process list, for every program to read";
    let mut fault = Fault::usage(message).next(format!(
        "if that was a real value, rotate it at its issuer, then give the new one to a hidden prompt or a pipe:\n\
         tightlip secret set {name}\n\
         tightlip secret set {name} < FILE"
    ));
    "value_in_argv".clone_into(&mut fault.code);
    fault
}

/// The kind whose values look like `text`; none for what looks like no credential.
pub(super) fn looks_secret(text: &OsStr) -> Option<&'static Kind> {
    let bytes = text.as_bytes();
    if bytes.len() < VALUE_BYTES_LIKELY {
        return None;
    }
    let value = SecretValue::from_input(bytes.to_vec()).ok()?;
    let kind = vault::recognise(&nameless(), &value)?;
    // A database's address without a password in it is no secret.
    let has_password = kind.id != "database_password" || bytes.contains(&b'@');
    has_password.then_some(kind)
}

/// A name by which no kind is recognised, so that the value's shape alone decides.
fn nameless() -> SecretName {
    "_".parse().expect("an underscore is a name")
}

/// The first word of the command line, where it is no command but one of `secret`.
fn belongs_to_secret(error: &clap::Error, arguments: &[OsString]) -> Option<&'static str> {
    let Some(ContextValue::String(unknown)) = error.get(ContextKind::InvalidSubcommand) else { return None };
    let commands = arguments.iter().filter(|argument| super::is_command(argument)).count();
    SECRET_COMMANDS.into_iter().find(|word| word == unknown && commands == 0)
}

fn repeats_a_value(error: &clap::Error) -> bool {
    let part_looks = |text: &str| text.split('=').any(|part| looks_secret(OsStr::new(part)).is_some());
    error.context().any(|(_, value)| {
        if let ContextValue::String(text) = value {
            part_looks(text)
        } else if let ContextValue::Strings(texts) = value {
            texts.iter().any(|text| part_looks(text))
        } else {
            false
        }
    })
}

/// Shorter texts with a credential's first characters are more likely something else.
const VALUE_BYTES_LIKELY: usize = 16;
/// What people look for without `secret` before it.
const SECRET_COMMANDS: [&str; 10] = ["list", "ls", "get", "show", "set", "create", "update", "delete", "rm", "history"];
