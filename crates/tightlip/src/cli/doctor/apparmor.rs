//! The AppArmor profile for distributions that let no ordinary user make a user namespace: it names this program and lets it.

use std::path::Path;

use super::super::fault::{Exit, Fault};

/// The profile for the program at this path.
pub(super) fn profile(program: &Path) -> Result<String, Fault> {
    let path = program.to_str().filter(|path| !path.chars().any(|c| c.is_control() || c == '"'));
    let path = path.ok_or_else(|| {
        let fault = Fault::new(Exit::Failure, "this program's path has characters that no AppArmor profile can name");
        fault.next("put it at another path, such as /usr/local/bin/tightlip")
    })?;
    Ok(PACKAGED.replace(PACKAGED_PATH, &quoted(path)))
}

/// A path as a profile names it (apparmor.d(5)): what would be a pattern is escaped.
fn quoted(path: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "/._-+".contains(c);
    if path.chars().all(is_plain) {
        return path.to_owned();
    }
    let escaped: String = path.chars().map(|c| if "\\*?[]{}^,@".contains(c) { format!("\\{c}") } else { c.to_string() }).collect();
    format!("\"{escaped}\"")
}

/// The profile as packages install it.
const PACKAGED: &str = include_str!("../../../../../packaging/apparmor/tightlip");
/// The program's path in it.
const PACKAGED_PATH: &str = "/usr/bin/tightlip";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_profile_names_this_program_and_lets_it_make_namespaces() {
        let made = profile(Path::new("/opt/tightlip-1.0/tightlip")).expect("a profile");
        assert!(made.contains("profile tightlip /opt/tightlip-1.0/tightlip flags=(unconfined) {\n  userns,\n"), "{made}");
        assert!(!made.contains(PACKAGED_PATH));
        assert_eq!(profile(Path::new(PACKAGED_PATH)).expect("a profile"), PACKAGED);
    }

    #[test]
    fn what_would_be_a_pattern_is_escaped() {
        assert_eq!(quoted("/a b/x[1]*/t"), "\"/a b/x\\[1\\]\\*/t\"");
        for path in ["/a\"b", "/a\nb"] {
            assert!(profile(Path::new(path)).is_err(), "{path:?}");
        }
    }
}
