//! git's configuration: credentials masked on the way in, changes told on the way out.

use crate::shown::short;

/// The text without credentials: user and password of URLs, extra headers, credential helpers, and keys whose names say so.
pub(crate) fn mask_config(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut section = String::new();
    for line in logical_lines(text) {
        let (header, rest) = split_header(&line);
        if let Some(header) = header {
            section = header.trim_start_matches('[').trim_start().to_ascii_lowercase();
        }
        let key = rest.trim_start().split(['=', ' ', '\t']).next().unwrap_or_default().to_ascii_lowercase();
        let dropped = (key == "helper" && section.starts_with("credential")) || SECRET_KEYS.iter().any(|word| key.contains(word));
        let kept = if dropped { header.unwrap_or_default() } else { line.as_str() };
        if !dropped || header.is_some() {
            out.push_str(&mask_urls(kept));
            out.push('\n');
        }
    }
    out
}

/// [`mask_config`], where there is something to mask.
pub(super) fn masked(text: &str) -> Option<String> {
    let masked = mask_config(text);
    let whole: String = logical_lines(text).iter().flat_map(|line| [line.as_str(), "\n"]).collect();
    (masked != whole).then_some(masked)
}

/// The paths that a configuration includes, under whatever condition.
pub(super) fn includes(text: &str) -> Vec<String> {
    let mut paths = Vec::new();
    let mut included = false;
    for line in logical_lines(text.trim_start_matches('\u{feff}')) {
        let mut rest = line.as_str();
        while let (Some(header), after) = split_header(rest) {
            let section = header.trim_start().trim_start_matches('[').trim_start().to_ascii_lowercase();
            included = section.starts_with("include");
            rest = after;
        }
        let Some((key, value)) = rest.split_once('=').filter(|_| included) else { continue };
        if key.trim().eq_ignore_ascii_case("path") {
            paths.push(value_of(value));
        }
    }
    paths
}

/// A value as git reads it: quotes and escapes taken off, and a comment behind it.
fn value_of(text: &str) -> String {
    let (mut value, mut end, mut quoted) = (String::new(), 0, false);
    let mut chars = text.trim_start().chars();
    while let Some(c) = chars.next() {
        match c {
            '"' => quoted = !quoted,
            '#' | ';' if !quoted => break,
            '\\' => match chars.next() {
                Some('n') => value.push('\n'),
                Some('t') => value.push('\t'),
                Some('b') => value.push('\u{8}'),
                Some(other) => value.push(other),
                None => {}
            },
            other => value.push(other),
        }
        // Blanks at the end belong to it where they are quoted.
        if quoted || !c.is_whitespace() {
            end = value.len();
        }
    }
    value.truncate(end);
    value
}

/// Says which lines are not what they were.
pub(crate) fn changes(shown: &str, before: &str, after: &str, said: &mut Vec<String>) {
    if before == after {
        return;
    }
    said.push(format!("{shown} was changed in the devbox; this was not kept:"));
    let old: Vec<&str> = before.lines().collect();
    let new: Vec<&str> = after.lines().collect();
    let added = new.iter().filter(|line| !old.contains(line)).map(|line| ('+', line));
    let gone = old.iter().filter(|line| !new.contains(line)).map(|line| ('-', line));
    let lines: Vec<_> = added.chain(gone).collect();
    said.extend(lines.iter().take(CHANGED_LINES_MAX).map(|(sign, line)| format!("  {sign} {}", short(line.trim()))));
    if lines.len() > CHANGED_LINES_MAX {
        said.push(format!("  and {} lines more", lines.len() - CHANGED_LINES_MAX));
    }
}

/// Lines with continuations (a backslash at the end) joined, so that nothing hides behind one.
fn logical_lines(text: &str) -> Vec<String> {
    let mut lines = Vec::new();
    let mut open = false;
    for line in text.lines() {
        let comment = line.trim_start().starts_with(['#', ';']);
        let body = if comment { line } else { line.strip_suffix('\\').unwrap_or(line) };
        match lines.last_mut() {
            Some(last) if open => String::push_str(last, body),
            _ => lines.push(body.to_owned()),
        }
        open = body.len() < line.len();
    }
    lines
}

/// A section's header, and what follows it on the same line.
fn split_header(line: &str) -> (Option<&str>, &str) {
    if !line.trim_start().starts_with('[') {
        return (None, line);
    }
    let mut quoted = false;
    for (at, c) in line.char_indices() {
        match c {
            '"' => quoted = !quoted,
            ']' if !quoted => return line.split_at_checked(at + 1).map_or((None, line), |(header, rest)| (Some(header), rest)),
            _ => {}
        }
    }
    (Some(line), "")
}

/// Takes user and password out of every URL; over ssh the user alone is no credential and stays.
fn mask_urls(line: &str) -> String {
    let mut out = String::with_capacity(line.len());
    let mut rest = line;
    while let Some((before, after)) = rest.split_once("://") {
        out.push_str(before);
        out.push_str("://");
        let end = after.find(|c: char| c == '/' || c == '"' || c == '\'' || c.is_whitespace()).unwrap_or(after.len());
        let (authority, tail) = after.split_at(end);
        let ssh = before.to_ascii_lowercase().ends_with("ssh");
        match authority.rsplit_once('@') {
            Some((user, host)) if ssh => {
                out.push_str(user.split(':').next().unwrap_or_default());
                out.push('@');
                out.push_str(host);
            }
            Some((_, host)) => out.push_str(host),
            None => out.push_str(authority),
        }
        rest = tail;
    }
    out.push_str(rest);
    out
}

/// Parts of key names, in lower case, whose values are credentials or lead to them.
const SECRET_KEYS: [&str; 9] = ["extraheader", "pass", "token", "secret", "cookiefile", "apikey", "oauth", "sslkey", "sslcert"];
/// Lines told of one file: others have changed, too.
const CHANGED_LINES_MAX: usize = 10;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_do_not_get_in() {
        let text = "[remote \"origin\"]\n\turl = https://me:hunter2@github.com/a/b\n\tpushurl = https://ghp_tok@github.com/a/b.git\n\
                    [http \"https://github.com/\"]\n\textraheader = AUTHORIZATION: basic aHVudGVyMg==\n\
                    [credential]\n\thelper = \"!f() { echo password=hunter2; }; f\"\n\
                    [url \"https://x:hunter2@github.com/\"]\n\tinsteadOf = gh:\n\
                    [sendemail] smtpPass = hunter2\n\
                    [remote \"two\"]\n\turl = https://me:hun\\\nter2@github.com/c/d\n";
        let masked = mask_config(text);
        for secret in ["hunter2", "ghp_tok", "aHVudGVyMg", "hun", "ter2"] {
            assert!(!masked.contains(secret), "{secret} in {masked}");
        }
        assert!(masked.contains("url = https://github.com/a/b\n") && masked.contains("[sendemail]"));
    }

    #[test]
    fn what_is_included_is_found_however_it_is_written() {
        let text = "\u{feff}[include]\n\tpath = ../.gitconfig\n[core]\n\tpath = no\n[IncludeIf \"gitdir:~/x/\"] PATH=\"a b \" ; why\n\
                    [user] name = x\n[a] [include] path = c\\\\d#e\n[include]\n  path = one\\\ntwo\n";
        assert_eq!(includes(text), ["../.gitconfig", "a b ", "c\\d", "onetwo"]);
        assert!(masked(text).is_none() && masked("[http]\n\textraheader = x\n").is_some());
        assert!(masked("[core]\n\tbare = false").is_none(), "without a line's end");
    }

    #[test]
    fn what_is_no_credential_stays_as_it_was() {
        let text = "[core]\n\tbare = false\n[remote \"origin\"]\n\turl = ssh://git@github.com/a/b\n\turl = git@github.com:a/b\n[branch \"main\"]\n\tmerge = x\n";
        assert_eq!(mask_config(text), text);
    }

    #[test]
    fn what_the_agent_wrote_cannot_move_the_cursor() {
        let mut said = Vec::new();
        changes(".git/config", "[core]\n", "[core]\n\tpager = \u{1b}]0;owned\u{7}\u{202e}\n", &mut said);
        assert_eq!(said, [".git/config was changed in the devbox; this was not kept:", "  + pager = ?]0;owned??"]);
    }

    #[test]
    fn lines_that_are_not_told_are_counted() {
        let (mut said, many) = (Vec::new(), (0..100).map(|number| format!("x{number}\n")).collect::<String>());
        changes(".git/config", "", &many, &mut said);
        assert_eq!((said.len(), said.last().unwrap().as_str()), (12, "  and 90 lines more"));
    }
}
