//! Skipping text in which no form begins.
//!
//! Every form is at least eight bytes long; its first eight are its *head*. Of any place where a form could begin, the sieve has seen four bytes of the head:
//! it looks at every fifth position only, in a bitmap of hashes that fits the processor's first cache, and asks for whole heads where the bitmap says so.

use zeroize::Zeroizing;

/// The heads of all forms, each with the automaton's node behind it.
pub(super) struct Sieve {
    /// One bit for each hash of four bytes.
    grams: Zeroizing<Vec<u64>>,
    gram_shift: u32,
    /// Open addressing by hash: heads, and nodes (0 where empty).
    slots: Zeroizing<Vec<u64>>,
    nodes: Vec<u32>,
    slot_shift: u32,
    /// The heads in order, for questions about their beginnings.
    sorted: Zeroizing<Vec<u64>>,
}

/// Where a form may begin.
pub(super) enum Next {
    /// The head at this position is a form's, and leads to this node.
    Head { start: usize, node: u32 },
    /// No form begins before this position, of which fewer than eight bytes are there.
    Undecided { from: usize },
}

impl Sieve {
    /// A sieve for heads in ascending order.
    pub(super) fn make(heads: &[(u64, u32)]) -> Self {
        let gram_bits = (heads.len() * GRAMS_PER_HEAD * BITS_PER_GRAM).next_power_of_two().clamp(GRAM_BITS_MIN, GRAM_BITS_MAX);
        let slot_count = (heads.len() * 2).next_power_of_two().max(2);
        let mut sieve = Self {
            grams: Zeroizing::new(vec![0; gram_bits / 64]),
            gram_shift: u32::BITS - gram_bits.ilog2(),
            slots: Zeroizing::new(vec![0; slot_count]),
            nodes: vec![0; slot_count],
            slot_shift: u64::BITS - slot_count.ilog2(),
            sorted: Zeroizing::new(Vec::with_capacity(heads.len())),
        };
        for (head, node) in heads {
            sieve.add(*head, *node);
        }
        sieve
    }

    fn add(&mut self, head: u64, node: u32) {
        let bytes = Zeroizing::new(head.to_be_bytes());
        for gram in bytes.windows(GRAM_BYTES) {
            let bit = gram_hash(gram, self.gram_shift);
            self.grams[bit / 64] |= 1 << (bit % 64);
        }
        let mut slot = self.first_slot(head);
        while self.nodes[slot] != 0 {
            slot = (slot + 1) % self.nodes.len();
        }
        self.slots[slot] = head;
        self.nodes[slot] = node;
        self.sorted.push(head);
    }

    /// The first place at or after `from` where a form may begin.
    pub(super) fn next(&self, text: &[u8], from: usize) -> Next {
        let mut from = self.skip(text, from);
        while let Some(gram) = text.get(from + STRIDE - 1..from + HEAD_BYTES) {
            if self.knows(gram) != 0 {
                for start in from..from + STRIDE {
                    let Some(head) = text.get(start..start + HEAD_BYTES) else { return Next::Undecided { from: start } };
                    let node = self.find(to_head(head));
                    if node != 0 {
                        return Next::Head { start, node };
                    }
                }
            }
            from = self.skip(text, from + STRIDE);
        }
        Next::Undecided { from }
    }

    /// Skips strides in which nothing can begin, four at a time so that the processor need not decide after each.
    fn skip(&self, text: &[u8], from: usize) -> usize {
        let Some(rest) = text.get(from..) else { return from };
        let mut skipped = 0;
        for block in rest.windows(SKIP_BYTES + HEAD_BYTES - STRIDE).step_by(SKIP_BYTES) {
            let grams = block[STRIDE - 1..].chunks(STRIDE);
            if grams.fold(0, |known, gram| known | self.knows(&gram[..GRAM_BYTES])) != 0 {
                break;
            }
            skipped += SKIP_BYTES;
        }
        from + skipped
    }

    /// 1 where a head may hold these four bytes, otherwise 0.
    fn knows(&self, gram: &[u8]) -> u64 {
        let bit = gram_hash(gram, self.gram_shift);
        self.grams[bit / 64] >> (bit % 64) & 1
    }

    /// The node behind a head; 0 where no form has it.
    pub(super) fn find(&self, head: u64) -> u32 {
        let mut slot = self.first_slot(head);
        while self.nodes[slot] != 0 && self.slots[slot] != head {
            slot = (slot + 1) % self.nodes.len();
        }
        self.nodes[slot]
    }

    /// Whether a form begins with these bytes, of which there are one to seven.
    pub(super) fn begins(&self, bytes: &[u8]) -> bool {
        let mut least = [0; HEAD_BYTES];
        least[..bytes.len()].copy_from_slice(bytes);
        let mut most = [0xff; HEAD_BYTES];
        most[..bytes.len()].copy_from_slice(bytes);
        let at = self.sorted.partition_point(|head| *head < to_head(&least));
        self.sorted.get(at).is_some_and(|head| *head <= to_head(&most))
    }

    fn first_slot(&self, head: u64) -> usize {
        (head.wrapping_mul(HEAD_MIX) >> self.slot_shift) as usize
    }
}

/// Eight bytes as a number whose order is theirs.
pub(super) fn to_head(bytes: &[u8]) -> u64 {
    u64::from_be_bytes(bytes.try_into().expect("a head has eight bytes"))
}

fn gram_hash(gram: &[u8], shift: u32) -> usize {
    let number = u32::from_le_bytes(gram.try_into().expect("a gram has four bytes"));
    (number.wrapping_mul(GRAM_MIX) >> shift) as usize
}

/// What every form has at least: the shortest value that may be bound.
pub(super) const HEAD_BYTES: usize = 8;
const _: () = assert!(HEAD_BYTES == model::limits::BROKERED_VALUE_BYTES_MIN);
const GRAM_BYTES: usize = 4;
const GRAMS_PER_HEAD: usize = HEAD_BYTES - GRAM_BYTES + 1;
/// Each head that begins in one stride shares a gram with the stride's last position.
const STRIDE: usize = GRAMS_PER_HEAD;
const SKIP_BYTES: usize = 4 * STRIDE;
/// One bit in 64 set: one needless look in 64 strides of random text.
const BITS_PER_GRAM: usize = 64;
const GRAM_BITS_MIN: usize = 1 << 12;
/// 512 KiB, still in the second cache.
const GRAM_BITS_MAX: usize = 1 << 22;
/// Odd numbers near the golden ratio's part of the word, which spread near values far apart (Knuth, 6.4).
const GRAM_MIX: u32 = 0x9e37_79b1;
const HEAD_MIX: u64 = 0x9e37_79b9_7f4a_7c15;
