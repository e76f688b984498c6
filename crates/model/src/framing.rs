//! Bytes for a MAC: parts that cannot be taken for others.

/// The parts one after the other, each with its length before it (eight bytes, most significant first), so that no two lists of parts give the same bytes.
#[must_use]
pub fn framed<'a>(parts: impl IntoIterator<Item = &'a str>) -> Vec<u8> {
    let mut out = Vec::new();
    for part in parts {
        out.extend_from_slice(&(part.len() as u64).to_be_bytes());
        out.extend_from_slice(part.as_bytes());
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_moved_from_one_part_to_the_next_gives_other_bytes() {
        assert_ne!(framed(["ab", "c"]), framed(["a", "bc"]));
        assert_ne!(framed(["a"]), framed(["a", ""]));
        assert_eq!(framed(["a"]), [0, 0, 0, 0, 0, 0, 0, 1, b'a']);
    }
}
