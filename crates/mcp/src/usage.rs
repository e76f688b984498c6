//! How a secret is used, in words: one line for each place where it works. Names the variable, and holds no placeholder.

use link::agents::{Usable, Usage};
use model::Form;

/// One line for each binding.
pub(crate) fn advice(secret: &Usable) -> Vec<String> {
    let variable = secret.env.as_ref().map_or_else(|| secret.name.as_str().to_owned(), |env| env.as_str().to_owned());
    secret.bindings.iter().map(|usage| line(usage, &variable)).collect()
}

fn line(usage: &Usage, variable: &str) -> String {
    let (host, port) = (&usage.host, usage.port);
    let port = if port == HTTPS_PORT { String::new() } else { format!(":{port}") };
    let mut narrow = String::new();
    if !usage.methods.as_slice().is_empty() {
        narrow.push_str(&format!(", {} only", usage.methods));
    }
    if usage.path != "/" {
        narrow.push_str(&format!(", paths below {} only", usage.path));
    }
    format!("{host}{port}{narrow}: {}", place(&usage.form, variable))
}

fn place(form: &Form, variable: &str) -> String {
    match form {
        Form::Auto => {
            format!("put ${variable} into the header where the client puts its credential, as in `Authorization: Bearer ${variable}`")
        }
        Form::Bearer => format!("send `Authorization: Bearer ${variable}`"),
        // A person bound it so; nothing of it is to be run.
        Form::Basic { .. } if !form.is_plain() => {
            format!("send Basic credentials with ${variable} as the password, and the user that `form` names as it is written there")
        }
        Form::Header { .. } | Form::Query { .. } if !form.is_plain() => {
            format!("put ${variable} where `form` says, by the name that is written there")
        }
        Form::Basic { user } => format!("send Basic credentials with ${variable} as the password, as in `curl -u \"{user}:${variable}\"`"),
        Form::UserPass => format!("send `Authorization: Basic ${variable}`; user and password are written in its place"),
        Form::Header { name } => format!("send the header `{name}: ${variable}`"),
        Form::Query { name } => format!("put ${variable} into the query, as the whole of the parameter `{name}`"),
        Form::Body => format!("put ${variable} into the body (JSON or a form) where the value belongs"),
    }
}

/// Which is not written.
const HTTPS_PORT: u16 = model::binding::HTTPS_PORT;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_name_is_in_the_advice_that_a_shell_would_run() {
        for form in ["basic:x$(id)", "basic:`id`", "basic:a\"; id; \"", "header:`id`", "query:$id"] {
            let said = place(&form.parse().unwrap(), "NAME");
            assert!(!said.contains("id") && !said.contains("curl") && said.contains("$NAME"), "{said}");
        }
        assert!(place(&"basic:x-access-token".parse().unwrap(), "NAME").contains("curl -u \"x-access-token:$NAME\""));
    }
}
