use std::collections::{BTreeSet, HashSet};

use super::*;
use crate::host::HostPattern;

#[test]
fn every_default_host_is_canonical() {
    for kind in catalogue() {
        if let Brokering::Hosts(hosts) = kind.brokering {
            assert!(!hosts.is_empty(), "{}", kind.id);
            for host in hosts {
                assert_eq!(host.parse::<HostPattern>().expect("a host").to_string(), *host);
            }
        }
    }
}

#[test]
fn no_two_kinds_share_an_id_a_name_or_a_shape_that_tells() {
    let mut seen = HashSet::new();
    for kind in catalogue() {
        let shapes = kind.shapes.iter().filter(|shape| shape.mark != Mark::Nothing).map(|shape| shape.text);
        for word in kind.names.iter().copied().chain(shapes).chain([kind.id]) {
            assert!(seen.insert(word), "{word} stands twice");
        }
        assert_eq!(KindId::find(kind.id).map(KindId::as_str), Some(kind.id));
        assert!(!kind.names.is_empty() || !kind.shapes.is_empty(), "{}", kind.id);
    }
    assert!(catalogue().count() > 100);
}

#[test]
fn every_shape_reads_as_it_was_meant() {
    for kind in catalogue() {
        for shape in kind.shapes {
            let text_reads = |piece: &Piece| !matches!(piece, Piece::Text(text) if text.contains(['{', '}']));
            assert!(shape.pieces().all(|piece| text_reads(&piece)), "{}", shape.text);
            // A beginning of two characters is a word's.
            let prefix_chars = shape.prefix().len();
            assert!(shape.mark != Mark::Beginning || prefix_chars >= BEGINNING_CHARS_MIN, "{}", shape.text);
        }
        let first_is_marked = kind.shapes.first().is_none_or(|first| first.mark != Mark::Nothing);
        assert!(first_is_marked || kind.shapes.len() == 1, "{}: what tells nothing stands alone", kind.id);
    }
}

#[test]
fn tokens_are_looked_for_in_every_header_of_the_catalogue_and_in_no_other() {
    let of_kinds: BTreeSet<&str> = catalogue().flat_map(|kind| kind.headers).copied().collect();
    assert_eq!(CREDENTIAL_HEADERS.into_iter().collect::<BTreeSet<_>>(), of_kinds);
    for kind in catalogue() {
        assert_eq!(kind.headers.is_empty(), matches!(kind.brokering, Brokering::NotBrokered(_)), "{}", kind.id);
    }
}

#[test]
fn what_is_to_be_bound_by_hand_names_a_host_and_a_form_that_exists() {
    for kind in catalogue() {
        let Brokering::BindFirst(how) = kind.brokering else { continue };
        let words: Vec<&str> = how.split(' ').collect();
        match words[..] {
            ["--host", _] => {}
            ["--host", host, "--as", form] => {
                assert!(host.parse::<HostPattern>().is_ok() && form.parse::<crate::Form>().is_ok(), "{how}");
            }
            _ => panic!("{how}"),
        }
    }
}

const BEGINNING_CHARS_MIN: usize = 3;
