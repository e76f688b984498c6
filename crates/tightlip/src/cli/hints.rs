//! The commands that messages name, as they have to be typed: with the options that say which data folder and which server were meant.
//!
//! Messages are written without these options, here and at the server, which does not know them. They come in where the words go out.

use std::ffi::{OsStr, OsString};
use std::path::Path;

use super::argv;

/// The options to repeat in a command that a message names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Hints {
    /// For every command.
    data: String,
    /// For those that talk to the server's API alone.
    url: String,
}

impl Hints {
    /// What `--data` and `--url` were given as.
    pub(super) fn new(data: Option<&Path>, url: Option<&str>) -> Self {
        let url = url.filter(|url| !url.contains('@') && argv::looks_secret(OsStr::new(url)).is_none());
        Self {
            data: data.map(|path| format!(" --data {}", quoted(path))).unwrap_or_default(),
            url: url.map(|url| format!(" --url {}", quoted(Path::new(url)))).unwrap_or_default(),
        }
    }

    /// What they seem to be given as, in arguments that could not be parsed.
    pub(super) fn guess(arguments: &[OsString]) -> Self {
        let ours: Vec<&OsStr> = arguments.iter().map(OsString::as_os_str).take_while(|argument| *argument != "--").collect();
        let after = |name: &str| {
            ours.iter().enumerate().find_map(|(index, argument)| {
                let text = argument.to_str()?;
                let joined = text.strip_prefix(name).and_then(|rest| rest.strip_prefix('='));
                joined.or_else(|| if text == name { ours.get(index + 1)?.to_str() } else { None })
            })
        };
        let data = after("--data").filter(|text| argv::looks_secret(OsStr::new(text)).is_none());
        Self::new(data.map(Path::new), after("--url"))
    }

    /// The text with the options in each command that it names.
    pub(super) fn put_into(&self, text: &str) -> String {
        if *self == Self::default() {
            return text.to_owned();
        }
        let mut whole = String::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once(PROGRAM) {
            whole.push_str(before);
            whole.push_str(PROGRAM.trim_end());
            let word = after.split(|c: char| !c.is_ascii_lowercase() && c != '-').next().unwrap_or_default();
            let begins = before.chars().next_back().is_none_or(|c| c.is_whitespace() || "`(:;".contains(c));
            if begins && LOCAL.contains(&word) {
                whole.push_str(&self.data);
            } else if begins && REMOTE.contains(&word) {
                whole.push_str(&self.data);
                whole.push_str(&self.url);
            }
            whole.push(' ');
            rest = after;
        }
        whole.push_str(rest);
        whole
    }
}

/// A path as a shell takes it.
pub(super) fn quoted(path: &Path) -> String {
    let text = path.display().to_string();
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+:@%".contains(c);
    if text.chars().all(plain) { text } else { format!("'{}'", text.replace('\'', "'\\''")) }
}

const PROGRAM: &str = "tightlip ";
/// Commands about the data folder itself, on its own machine.
const LOCAL: [&str; 14] = [
    "up", "down", "bind", "unbind", "bindings", "expose", "requests", "approve", "refuse", "run", "account", "backup", "restore", "verify",
];
/// Commands that the API alone serves, from any machine.
const REMOTE: [&str; 8] = ["doctor", "secret", "import", "key", "events", "mcp", "devbox", "gateway-config"];

#[cfg(test)]
mod tests {
    use super::*;

    fn hints(data: Option<&str>, url: Option<&str>) -> Hints {
        Hints::new(data.map(Path::new), url)
    }

    #[test]
    fn a_command_in_a_message_keeps_the_data_folder_that_was_named() {
        let hints = hints(Some("/a b"), None);
        for (text, whole) in [
            ("tightlip up", "tightlip --data '/a b' up"),
            ("tightlip up   (to see what it says)", "tightlip --data '/a b' up   (to see what it says)"),
            ("tightlip secret list\ntightlip secret set A", "tightlip --data '/a b' secret list\ntightlip --data '/a b' secret set A"),
            ("bind it with `tightlip bind NAME`", "bind it with `tightlip --data '/a b' bind NAME`"),
            ("Try next: tightlip up", "Try next: tightlip --data '/a b' up"),
            ("a data folder of tightlip; nothing was changed", "a data folder of tightlip; nothing was changed"),
            ("another tightlip (process 7)", "another tightlip (process 7)"),
            ("run tightlip as that user", "run tightlip as that user"),
            ("see tightlip ", "see tightlip "),
        ] {
            assert_eq!(hints.put_into(text), whole);
        }
        assert_eq!(Hints::default().put_into("tightlip up"), "tightlip up");
    }

    #[test]
    fn a_server_that_was_named_is_kept_where_the_command_can_use_it() {
        let hints = hints(None, Some("https://a.example"));
        assert_eq!(hints.put_into("tightlip secret list"), "tightlip --url https://a.example secret list");
        assert_eq!(hints.put_into("tightlip up"), "tightlip up");
        assert_eq!(self::hints(None, Some("https://me:password@a.example")), Hints::default());
    }

    #[test]
    fn options_are_found_where_the_rest_could_not_be_parsed() {
        let line = |words: &[&str]| Hints::guess(&words.iter().map(OsString::from).collect::<Vec<_>>());
        assert_eq!(line(&["tightlip", "--data", "/a", "nonsense"]), hints(Some("/a"), None));
        assert_eq!(line(&["tightlip", "nonsense", "--data=/a", "--url=http://a"]), hints(Some("/a"), Some("http://a")));
        assert_eq!(line(&["tightlip", "run", "--", "--data", "/a"]), Hints::default());
        assert_eq!(line(&["tightlip", "--data"]), Hints::default());
    }

    #[test]
    fn a_path_with_blanks_or_quotes_is_quoted() {
        assert_eq!(quoted(Path::new("/a/b-c")), "/a/b-c");
        assert_eq!(quoted(Path::new("/a b/it's")), "'/a b/it'\\''s'");
    }

    #[test]
    fn every_command_is_known_here() {
        let whole = super::super::description();
        let others = ["prove", "completions", "help"];
        for command in whole.get_subcommands().map(clap::Command::get_name).filter(|name| !others.contains(name)) {
            assert!(LOCAL.contains(&command) || REMOTE.contains(&command), "{command}");
        }
    }
}
