//! `*value` would give what is inside.
//@ error[E0614]: type `SecretValue` cannot be dereferenced

pub fn inside(value: &vault::SecretValue) {
    let _inside = &**value;
}
