//! The verbs inside the crate read bytes; nobody outside does.
//@ error[E0624]: method `bytes` is private

pub fn read(value: &vault::SecretValue) -> &[u8] {
    value.bytes()
}
