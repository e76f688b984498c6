//! A struct that holds a value cannot be written out: this is what a derive on it asks for.
//@ error[E0277]: trait `Serialize` is not implemented for `SecretValue`

pub struct Holder {
    pub value: vault::SecretValue,
}

impl serde::Serialize for Holder {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serde::Serialize::serialize(&self.value, serializer)
    }
}
