//! Whether an object of a message names a member twice (RFC 8259, section 4). Readers differ in which of the two they take, so that what one of them looked at need not be what
//! another does: such a message is nobody's. What never happens here: a member that is kept, or said back.

use std::collections::HashSet;
use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};

/// Whether it does; also where the bytes are not one JSON text.
pub(crate) fn names_a_member_twice(bytes: &[u8]) -> bool {
    serde_json::from_slice::<Once>(bytes).is_err()
}

/// Any JSON whose objects name each member once.
struct Once;

impl<'de> Deserialize<'de> for Once {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(Look)
    }
}

struct Look;

impl<'de> Visitor<'de> for Look {
    type Value = Once;

    fn expecting(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.write_str("JSON")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Once, A::Error> {
        let mut names = HashSet::new();
        while let Some(name) = members.next_key::<String>()? {
            if !names.insert(name) {
                return Err(A::Error::custom("a member is named twice"));
            }
            members.next_value::<Once>()?;
        }
        Ok(Once)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut values: A) -> Result<Once, A::Error> {
        while values.next_element::<Once>()?.is_some() {}
        Ok(Once)
    }

    fn visit_unit<E: Error>(self) -> Result<Once, E> {
        Ok(Once)
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<Once, E> {
        Ok(Once)
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<Once, E> {
        Ok(Once)
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<Once, E> {
        Ok(Once)
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<Once, E> {
        Ok(Once)
    }

    fn visit_str<E: Error>(self, _: &str) -> Result<Once, E> {
        Ok(Once)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_member_that_is_named_twice_is_found_wherever_it_stands() {
        for text in
            [r#"{"a":1,"a":1}"#, r#"{"a":{"b":1,"b":2}}"#, r#"[1,[{"a":1,"b":null,"a":"x"}]]"#, r#"{"a":1,"\u0061":1}"#, r#"{"a":1"#]
        {
            assert!(names_a_member_twice(text.as_bytes()), "{text}");
        }
        for text in [r#"{"a":{"a":[{"a":1},{"a":-1.5}]},"A":true}"#, "[]", "5", "null", r#""a""#, r#"{"":18446744073709551615,"a":1e99}"#] {
            assert!(!names_a_member_twice(text.as_bytes()), "{text}");
        }
    }
}
