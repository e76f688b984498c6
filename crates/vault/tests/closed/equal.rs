//! `==` would tell, in steps that can be timed, what a value is.
//@ error[E0369]: binary operation `==` cannot be applied to type `&SecretValue`

pub fn compare(one: &vault::SecretValue, other: &vault::SecretValue) -> bool {
    one == other
}
