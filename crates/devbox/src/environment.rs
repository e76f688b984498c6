//! The environment of a login shell in a devbox that takes commands.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;

use crate::control::{Fail, Step};
use crate::setup::Setup;

/// What was asked for and the variables that are values (`KEY=VALUE`, each ended by a zero byte), over what every login has; who and where the user is comes
/// last and cannot be changed.
pub(crate) fn of_a_login(setup: &Setup, plain: &[u8]) -> Result<Vec<(OsString, OsString)>, Fail> {
    let mut env: Vec<(OsString, OsString)> = USUAL.iter().map(|(key, value)| ((*key).into(), (*value).into())).collect();
    let fixed = [("HOME", &setup.home_inside), ("USER", &setup.user.name.as_str().into()), ("LOGNAME", &setup.user.name.as_str().into())]
        .map(|(key, value)| (OsString::from(key), value.clone()));
    let asked = setup.env.iter().cloned().chain(variables(plain)?);
    for (key, value) in asked.chain(fixed).chain([("SHELL".into(), setup.user.shell.as_str().into())]) {
        match env.iter_mut().find(|(known, _)| *known == key) {
            Some((_, known)) => *known = value,
            None => env.push((key, value)),
        }
    }
    Ok(env)
}

fn variables(plain: &[u8]) -> Result<Vec<(OsString, OsString)>, Fail> {
    let malformed = || Fail::new(Step::Setup, libc::EPROTO);
    let Some(lines) = plain.strip_suffix(b"\0") else {
        return if plain.is_empty() { Ok(Vec::new()) } else { Err(malformed()) };
    };
    let pairs = lines.split(|byte| *byte == 0).map(|line| {
        let border = line.iter().position(|byte| *byte == b'=').filter(|border| *border > 0).ok_or_else(malformed)?;
        let (key, value) = line.split_at(border);
        Ok((OsString::from_vec(key.to_vec()), OsString::from_vec(value.iter().skip(1).copied().collect())))
    });
    pairs.collect()
}

const USUAL: [(&str, &str); 3] =
    [("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"), ("LANG", "C.UTF-8"), ("TERM", "dumb")];

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(plain: &[u8]) -> Option<Vec<(String, String)>> {
        let text = |word: OsString| word.into_string().unwrap();
        variables(plain).ok().map(|pairs| pairs.into_iter().map(|(key, value)| (text(key), text(value))).collect())
    }

    #[test]
    fn what_is_no_list_of_variables_is_refused() {
        for malformed in [&b"A=1"[..], b"A\0", b"=1\0", b"A=1\0\0", b"\0"] {
            assert_eq!(pairs(malformed), None, "{malformed:?}");
        }
    }

    #[test]
    fn a_value_may_have_any_byte_but_zero() {
        assert_eq!(pairs(b""), Some(Vec::new()));
        assert_eq!(pairs(b"A=1=\n2\0B=\0"), Some(vec![("A".to_owned(), "1=\n2".to_owned()), ("B".to_owned(), String::new())]));
    }
}
