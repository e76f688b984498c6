//! The field is private.
//@ error[E0616]: field `0` of struct `SecretValue` is private

pub fn read(value: vault::SecretValue) -> Vec<u8> {
    value.0.to_vec()
}
