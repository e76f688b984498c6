use std::io::Write;

use ::brotli::CompressorWriter;
use flate2::Compression;
use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};
use proptest::prelude::*;

use super::*;

/// What hosts write: a name, its coding, and an encoder that flushes where the text is cut.
type Encode = fn(&[&[u8]]) -> Vec<u8>;
const ENCODERS: [(&str, Coding, Encode); 4] = [
    ("gzip", Coding::Gzip, |pieces| written(GzEncoder::new(Vec::new(), Compression::fast()), pieces).finish().expect("gzip")),
    ("zlib", Coding::Deflate, |pieces| written(ZlibEncoder::new(Vec::new(), Compression::fast()), pieces).finish().expect("zlib")),
    ("deflate", Coding::Deflate, |pieces| written(DeflateEncoder::new(Vec::new(), Compression::best()), pieces).finish().expect("deflate")),
    ("brotli", Coding::Brotli, |pieces| written(CompressorWriter::new(Vec::new(), 4096, 5, 24), pieces).into_inner()),
];

fn written<W: Write>(mut encoder: W, pieces: &[&[u8]]) -> W {
    for piece in pieces {
        encoder.write_all(piece).expect("written");
        encoder.flush().expect("flushed");
    }
    encoder
}

/// All that is decoded of these bytes, fed in pieces of this length.
fn decoded(codings: &[Coding], bytes: &[u8], piece: usize) -> Result<Vec<u8>, DecodeError> {
    let mut decoder = Decoder::new(codings);
    let mut out = Vec::new();
    for piece in bytes.chunks(piece) {
        decoder.feed(Bytes::copy_from_slice(piece));
        while !decoder.is_drained() {
            let pulled = decoder.pull()?;
            assert!(pulled.len() <= PIECE_BYTES);
            out.extend(pulled);
        }
    }
    decoder.end()?;
    Ok(out)
}

fn text(length: usize) -> Vec<u8> {
    (0..length).flat_map(|number| format!("line {} of {length}\n", number * 7919 % 1000).into_bytes()).take(length).collect()
}

#[test]
fn what_is_broken_cut_off_or_followed_is_an_error() {
    let text = text(5000);
    for (name, coding, encode) in ENCODERS {
        let coded = encode(&[&text]);
        for cut in (1..coded.len()).step_by(7).chain([coded.len() - 1]) {
            assert!(decoded(&[coding], &coded[..cut], 1000).is_err(), "{name} cut at {cut}");
        }
        for tail in [&b"x"[..], b"\0", &text] {
            let followed = [&coded[..], tail].concat();
            assert!(decoded(&[coding], &followed, 1000).is_err() && decoded(&[coding], &followed, 1).is_err(), "{name} followed");
        }
        assert!(decoded(&[coding], &text, 1000).is_err(), "{name}: what was never coded");
        assert_eq!(decoded(&[coding], &[], 1), Ok(vec![]), "{name}: nothing at all");
    }
}

#[test]
fn a_checksum_that_is_wrong_is_an_error() {
    let text = text(5000);
    for (name, coding, encode) in ENCODERS.into_iter().take(2) {
        let mut coded = encode(&[&text]);
        let last = coded.len() - 1;
        coded[last] ^= 1;
        assert_eq!(decoded(&[coding], &coded, 1000), Err(DecodeError::Broken), "{name}");
    }
}

#[test]
fn what_was_flushed_is_given_at_once() {
    for (name, coding, encode) in ENCODERS {
        let events: [&[u8]; 3] = [b"data: one\n\n", b"data: two\n\n", b"data: three\n\n"];
        let mut decoder = Decoder::new(&[coding]);
        let mut said = 0;
        for count in 1..=events.len() {
            // What the host has written up to this flush: the end of the whole stream comes later.
            let mut flushed = Vec::new();
            let coded = match name {
                "gzip" => written(GzEncoder::new(&mut flushed, Compression::fast()), &events[..count]).get_ref().to_vec(),
                "zlib" => written(ZlibEncoder::new(&mut flushed, Compression::fast()), &events[..count]).get_ref().to_vec(),
                "deflate" => written(DeflateEncoder::new(&mut flushed, Compression::best()), &events[..count]).get_ref().to_vec(),
                _ => written(CompressorWriter::new(&mut flushed, 4096, 5, 24), &events[..count]).get_ref().to_vec(),
            };
            assert!(encode(&events[..count]).starts_with(&coded), "{name}");
            decoder.feed(Bytes::copy_from_slice(&coded[said..]));
            said = coded.len();
            assert_eq!(decoder.pull().expect("decoded"), events[count - 1], "{name}");
        }
    }
}

#[test]
fn members_of_gzip_follow_each_other_and_their_heads_are_skipped() {
    let member = |text: &[u8]| ENCODERS[0].2(&[text]);
    let head = flate2::GzBuilder::new().extra(vec![7; 300]).filename("a name").comment("a comment");
    let dressed = written(head.write(Vec::new(), Compression::fast()), &[b"two "]).finish().expect("gzip");
    let all = [member(b"one "), dressed, member(b""), member(b"three")].concat();
    for piece in [1, 3, all.len()] {
        assert_eq!(decoded(&[Coding::Gzip], &all, piece).expect("gzip"), b"one two three");
    }
    let summed = [&[0x1f, 0x8b, 8, 2, 0, 0, 0, 0, 0, 255, 1, 2][..], &member(b"summed")[10..]].concat();
    assert_eq!(decoded(&[Coding::Gzip], &summed, 1).expect("gzip"), b"summed");
    for (at, byte) in [(0, 0), (1, 0), (2, 9), (3, 0xe0)] {
        let mut broken = member(b"x");
        broken[at] = byte;
        assert_eq!(decoded(&[Coding::Gzip], &broken, 100), Err(DecodeError::Broken));
    }
}

#[test]
fn what_grows_a_hundredfold_is_given_in_pieces_of_limited_size() {
    let zeros = vec![0; 50 * 1024 * 1024];
    for (name, coding, encode) in ENCODERS {
        let coded = encode(&[&zeros]);
        assert!(coded.len() < zeros.len() / 100, "{name}");
        // Each piece is looked at, and only the reader's own wish brings the next.
        assert!(decoded(&[coding], &coded, coded.len()).expect("decoded") == zeros, "{name}");
    }
}

#[test]
fn codings_that_are_not_known_or_too_many_are_none() {
    let of = |lines: &[&'static str]| {
        Coding::of(&lines.iter().map(|line| (CONTENT_ENCODING, http::HeaderValue::from_static(line))).collect::<HeaderMap>())
    };
    for lines in [&["compress"][..], &["gzip, what"], &["gzip", "br", "deflate"], &["gzip, gzip, gzip"], &["gzip;q=1"], &["\"gzip\""]] {
        assert_eq!(of(lines), None, "{lines:?}");
    }
    for (lines, codings) in [
        (&[][..], &[][..]),
        (&["identity"], &[]),
        (&["GZip"], &[Coding::Gzip]),
        (&["x-gzip, identity"], &[Coding::Gzip]),
        (&["deflate", "br"], &[Coding::Deflate, Coding::Brotli]),
    ] {
        assert_eq!(of(lines).as_deref(), Some(codings), "{lines:?}");
    }
}

proptest! {
    #[test]
    fn what_was_encoded_is_decoded_wherever_it_is_cut(
        pieces in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..3000), 0..5),
        repeats in 1..4_usize,
        piece in 1..2000_usize,
        first in 0..ENCODERS.len(),
        second in 0..ENCODERS.len(),
    ) {
        let pieces: Vec<Vec<u8>> = pieces.into_iter().map(|piece| piece.repeat(repeats)).collect();
        let pieces: Vec<&[u8]> = pieces.iter().map(Vec::as_slice).collect();
        let ((_, inner, encode), (_, outer, encode_again)) = (ENCODERS[first], ENCODERS[second]);
        let coded = encode(&pieces);
        prop_assert_eq!(decoded(&[inner], &coded, piece).expect("decoded"), pieces.concat());
        prop_assert_eq!(decoded(&[inner, outer], &encode_again(&[&coded]), piece).expect("decoded twice"), pieces.concat());
    }

    #[test]
    fn no_bytes_make_a_decoder_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400), number in 0..ENCODERS.len(), flips in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4)) {
        let (_, coding, encode) = ENCODERS[number];
        let _ = decoded(&[coding], &bytes, 50);
        let mut coded = encode(&[&bytes]);
        for (at, flip) in flips {
            let at = at.index(coded.len());
            coded[at] ^= flip;
        }
        let _ = decoded(&[coding], &coded, 50);
    }
}
