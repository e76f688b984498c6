//! `{:?}` would put a value into a log.
//@ error[E0277]: `SecretValue` doesn't implement `Debug`

pub fn print(value: &vault::SecretValue) -> String {
    format!("{value:?}")
}
