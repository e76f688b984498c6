//! Compressed bodies, made by hand: each coding's own way to hold bytes as they are, and one that does not.

/// A gzip file (RFC 1952) of one stored block (RFC 1951, section 3.2.4).
pub(super) fn gzip(bytes: &[u8]) -> Vec<u8> {
    [&GZIP_HEAD[..], &stored(bytes), &gzip_end(bytes)].concat()
}

/// The same with the bytes in the file's comment, and nothing in the file.
pub(super) fn gzip_comment(bytes: &[u8]) -> Vec<u8> {
    let mut head = GZIP_HEAD.to_vec();
    head[3] = 16;
    [&head[..], bytes, b"\0", &stored(b""), &gzip_end(b"")].concat()
}

/// The same packed with the fixed Huffman code (RFC 1951, section 3.2.6), so that no byte stands where a byte is.
pub(super) fn gzip_huffman(bytes: &[u8]) -> Vec<u8> {
    let mut bits = Bits::default();
    bits.put(1, 1);
    bits.put(1, 2);
    for byte in bytes {
        match u32::from(*byte) {
            low @ 0..144 => bits.put_reversed(0x30 + low, 8),
            high => bits.put_reversed(0x190 + high - 144, 9),
        }
    }
    bits.put_reversed(0, 7);
    [&GZIP_HEAD[..], &bits.bytes, &gzip_end(bytes)].concat()
}

/// zlib's wrapping (RFC 1950).
pub(super) fn zlib(bytes: &[u8]) -> Vec<u8> {
    let (a, b) = bytes.iter().fold((1_u32, 0_u32), |(a, b), byte| {
        let a = (a + u32::from(*byte)) % 65521;
        (a, (b + a) % 65521)
    });
    [&[0x78, 0x01][..], &stored(bytes), &(b << 16 | a).to_be_bytes()].concat()
}

/// One stored block, the last.
pub(super) fn stored(bytes: &[u8]) -> Vec<u8> {
    let length = u16::try_from(bytes.len()).unwrap_or(0);
    [&[1][..], &length.to_le_bytes(), &(!length).to_le_bytes(), bytes].concat()
}

/// A brotli stream (RFC 7932, section 9.2) of one uncompressed meta-block and an empty last one.
pub(super) fn brotli(bytes: &[u8]) -> Vec<u8> {
    let length = u32::try_from(bytes.len()).unwrap_or(1).max(1) - 1;
    let mut bits = Bits::default();
    // The window of 16 bits; not the last; four nibbles of length; uncompressed.
    bits.put(0, 1);
    bits.put(0, 1);
    bits.put(0, 2);
    bits.put(length, 16);
    bits.put(1, 1);
    let mut out = bits.bytes;
    out.extend_from_slice(bytes);
    out.push(3);
    out
}

/// A zstd frame (RFC 8878, section 3.1.1) of one raw block.
pub(super) fn zstd(bytes: &[u8]) -> Vec<u8> {
    let length = u32::try_from(bytes.len()).unwrap_or(0);
    // One segment, whose size stands in four bytes; then the last block, raw.
    let head = [&ZSTD_MAGIC[..], &[0xA0], &length.to_le_bytes(), &(length << 3 | 1).to_le_bytes()[..3]].concat();
    [&head, bytes].concat()
}

/// A frame that decoders pass over (RFC 8878, section 3.1.2), then an empty one.
pub(super) fn zstd_skippable(bytes: &[u8]) -> Vec<u8> {
    let length = u32::try_from(bytes.len()).unwrap_or(0);
    [&[0x50, 0x2A, 0x4D, 0x18][..], &length.to_le_bytes(), bytes, &zstd(b"")].concat()
}

fn gzip_end(bytes: &[u8]) -> Vec<u8> {
    [crc32(bytes).to_le_bytes(), u32::try_from(bytes.len()).unwrap_or(0).to_le_bytes()].concat()
}

fn crc32(bytes: &[u8]) -> u32 {
    let step = |crc: u32| if crc & 1 == 1 { (crc >> 1) ^ 0xEDB8_8320 } else { crc >> 1 };
    !bytes.iter().fold(u32::MAX, |crc, byte| (0..8).fold(crc ^ u32::from(*byte), |crc, _| step(crc)))
}

/// Bits, the lowest first.
#[derive(Default)]
struct Bits {
    bytes: Vec<u8>,
    used: u32,
}

impl Bits {
    fn put(&mut self, value: u32, count: u32) {
        for bit in 0..count {
            if self.used.is_multiple_of(8) {
                self.bytes.push(0);
            }
            if let Some(last) = self.bytes.last_mut() {
                *last |= u8::from(value >> bit & 1 == 1) << (self.used % 8);
            }
            self.used += 1;
        }
    }

    /// Huffman codes stand with their highest bit first.
    fn put_reversed(&mut self, value: u32, count: u32) {
        self.put(value.reverse_bits() >> (32 - count), count);
    }
}

const GZIP_HEAD: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];
const ZSTD_MAGIC: [u8; 4] = [0x28, 0xB5, 0x2F, 0xFD];
