//! `{}` would put a value into a message.
//@ error[E0277]: `SecretValue` doesn't implement `std::fmt::Display`

pub fn print(value: &vault::SecretValue) -> String {
    format!("{value}")
}
