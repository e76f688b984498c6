//! A copy would live on after its original was used.
//@ error[E0277]: `SecretValue: Clone` is not satisfied

pub fn copy(value: &vault::SecretValue) -> vault::SecretValue {
    Clone::clone(value)
}
