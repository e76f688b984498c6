//! `as_ref` would give the bytes to anything that takes bytes.
//@ error[E0277]: `SecretValue: AsRef<[u8]>` is not satisfied

pub fn bytes(value: &vault::SecretValue) -> &[u8] {
    AsRef::<[u8]>::as_ref(value)
}
