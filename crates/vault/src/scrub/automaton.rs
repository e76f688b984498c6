//! An automaton after Aho and Corasick (1975) over all forms, made for few, long patterns: 10 bytes for each of their bytes, wiped when dropped.
//!
//! It begins where a form's head (eight bytes) was seen, so its shallowest nodes have depth eight and the sieve does the rest. A node's first child is the
//! node after it; further children, which are rare, stand in a sorted list.

use zeroize::Zeroizing;

use super::forms::ScrubForm;
use super::sieve::{HEAD_BYTES, Next, Sieve, to_head};

/// All forms. Node 0 stands for every depth below eight.
pub(super) struct Automaton {
    sieve: Sieve,
    /// The byte on the way into each node; nothing for heads.
    labels: Zeroizing<Vec<u8>>,
    marks: Vec<u8>,
    /// The node of the longest proper suffix that begins a form, at least eight bytes long; 0 where there is none.
    fails: Vec<u32>,
    depths: Vec<u32>,
    /// Nodes at which no form ends, but at a suffix of theirs, ascending; and the node of the longest such suffix. Few, but for values that repeat themselves.
    suffix_ends: Vec<(u32, u32)>,
    /// Children but the first: parent and byte in one number, ascending.
    branches: Zeroizing<Vec<u64>>,
    branch_nodes: Vec<u32>,
    /// Nodes at which a form ends, ascending, and the form's number.
    ends: Vec<(u32, u32)>,
    /// Beginnings that tell of a form, where they are too short to have a node, ascending. Only forms of few bytes have such.
    short: Vec<Zeroizing<Vec<u8>>>,
}

/// How far a text was read.
#[derive(Clone, Copy, Default)]
pub(super) struct Cursor {
    node: u32,
    /// At node 0: no form begins before this position. Otherwise: everything before it was read.
    pub(super) at: usize,
    /// What an opening began, where it may go on behind the text.
    pub(super) run: Option<Run>,
}

/// What follows an opening.
#[derive(Clone, Copy)]
pub(super) struct Run {
    /// Up to where it is covered.
    pub(super) end: usize,
}

/// A stretch of text that occurrences cover, each overlapping the next.
pub(super) struct Region {
    pub(super) start: usize,
    pub(super) end: usize,
    /// The form that begins it; of several, the longest. None where it goes on with what was given out, and nothing more stands for it.
    pub(super) form: Option<u32>,
}

impl Automaton {
    /// The automaton of forms in ascending order. Of equal forms the first counts.
    pub(super) fn make(forms: &[ScrubForm]) -> Self {
        let bytes: usize = forms.iter().map(|form| form.bytes.len() - HEAD_BYTES + 1).sum();
        let mut automaton = Self {
            sieve: Sieve::make(&[]),
            labels: Zeroizing::new(Vec::with_capacity(bytes + 1)),
            marks: Vec::with_capacity(bytes + 1),
            fails: Vec::new(),
            depths: Vec::with_capacity(bytes + 1),
            suffix_ends: Vec::new(),
            branches: Zeroizing::new(Vec::with_capacity(forms.len())),
            branch_nodes: Vec::new(),
            ends: Vec::with_capacity(forms.len()),
            short: Vec::new(),
        };
        automaton.push(0, 0);
        let heads = automaton.grow(forms);
        automaton.sieve = Sieve::make(&heads);
        automaton.fails = vec![0; automaton.labels.len()];
        automaton.link(&heads);
        automaton.short.sort_unstable_by(|one, other| one.as_slice().cmp(other));
        automaton
    }

    /// Makes all nodes. Since forms come in order, each leaves the one before it exactly once.
    fn grow(&mut self, forms: &[ScrubForm]) -> Zeroizing<Vec<(u64, u32)>> {
        let mut heads = Zeroizing::new(Vec::with_capacity(forms.len()));
        let mut branches = Zeroizing::new(Vec::with_capacity(forms.len()));
        let mut path: Vec<u32> = Vec::new();
        let mut last: &[u8] = &[];
        for (number, form) in forms.iter().enumerate() {
            let bytes: &[u8] = &form.bytes;
            if bytes == last {
                let end = path[path.len() - 1];
                self.marks[end as usize] |= if form.is_opening { OPENS } else { 0 };
                continue;
            }
            let mut shared = bytes.iter().zip(last).take_while(|(a, b)| a == b).count();
            if shared < HEAD_BYTES {
                let node = self.push(0, HEAD_BYTES);
                heads.push((to_head(&bytes[..HEAD_BYTES]), node));
                path.clear();
                path.push(node);
                shared = HEAD_BYTES;
            }
            path.truncate(shared - HEAD_BYTES + 1);
            for (depth, byte) in bytes.iter().enumerate().skip(shared) {
                let parent = path[depth - HEAD_BYTES];
                let node = self.push(*byte, depth + 1);
                if node == parent + 1 {
                    self.marks[parent as usize] |= NEXT;
                } else {
                    self.marks[parent as usize] |= BRANCHES;
                    branches.push((branch(parent, *byte), node));
                }
                path.push(node);
            }
            let end = path[path.len() - 1];
            self.marks[end as usize] |= if form.is_opening { END | OPENS } else { END };
            match form.telling_bytes().checked_sub(HEAD_BYTES) {
                Some(at) => self.marks[path[at] as usize] |= TELLS,
                None => self.short.push(Zeroizing::new(bytes[..form.telling_bytes()].to_vec())),
            }
            self.ends.push((end, to_u32(number)));
            last = bytes;
        }
        branches.sort_unstable();
        self.branches.extend(branches.iter().map(|(branch, _)| *branch));
        self.branch_nodes.extend(branches.iter().map(|(_, node)| *node));
        heads
    }

    fn push(&mut self, label: u8, depth: usize) -> u32 {
        self.labels.push(label);
        self.marks.push(0);
        self.depths.push(to_u32(depth));
        to_u32(self.labels.len() - 1)
    }

    /// Finds every node's suffix node, level by level, since a suffix lies on an earlier level.
    fn link(&mut self, heads: &[(u64, u32)]) {
        let room = heads.len() + self.branches.len();
        let mut level = Zeroizing::new(Vec::with_capacity(room));
        let mut below = Zeroizing::new(Vec::with_capacity(room));
        let mut children = Vec::new();
        let mut outputs = vec![0; self.labels.len()];
        level.extend_from_slice(heads);
        while !level.is_empty() {
            for (last_bytes, node) in level.iter() {
                children.extend(self.children(*node));
                for child in children.drain(..) {
                    let last_bytes = last_bytes << 8 | u64::from(self.labels[child as usize]);
                    self.link_child(*node, child, last_bytes);
                    outputs[child as usize] = self.output(self.fails[child as usize], &outputs);
                    below.push((last_bytes, child));
                }
            }
            std::mem::swap(&mut level, &mut below);
            below.clear();
        }
        let found = (0..).zip(outputs).filter(|(node, output)| *output != 0 && self.marks[*node as usize] & END == 0);
        self.suffix_ends = found.collect();
    }

    /// The longest suffix of a node, or itself, at which a form ends; 0 where none does. `outputs` knows it of those on earlier levels without themselves.
    fn output(&self, node: u32, outputs: &[u32]) -> u32 {
        if self.marks[node as usize] & END != 0 { node } else { outputs[node as usize] }
    }

    fn link_child(&mut self, parent: u32, child: u32, last_bytes: u64) {
        let byte = self.labels[child as usize];
        let suffix = match self.follow(self.fails[parent as usize], byte) {
            0 => self.sieve.find(last_bytes),
            node => node,
        };
        self.fails[child as usize] = suffix;
        if self.marks[suffix as usize] & (END | SUFFIX_ENDS) != 0 {
            self.marks[child as usize] |= SUFFIX_ENDS;
        }
        self.marks[child as usize] |= self.marks[suffix as usize] & OPENS;
    }

    /// Reads `text` on from `cursor` to its end, and adds what is covered by occurrences to `regions`. Linear in the text, whatever it holds.
    pub(super) fn scan(&self, text: &[u8], cursor: &mut Cursor, regions: &mut Vec<Region>) {
        if let Some(run) = cursor.run.take() {
            cover_run(text, run, cursor, regions);
        }
        loop {
            if cursor.node == 0 {
                match self.sieve.next(text, cursor.at) {
                    Next::Undecided { from } => {
                        cursor.at = from;
                        return;
                    }
                    Next::Head { start, node } => (cursor.node, cursor.at) = (node, start + HEAD_BYTES),
                }
            } else {
                let Some(byte) = text.get(cursor.at) else { return };
                (cursor.node, cursor.at) = (self.follow(cursor.node, *byte), cursor.at + 1);
            }
            if cursor.node == 0 {
                // A head may end here all the same, with the bytes before it too few to have had a node.
                cursor.at -= HEAD_BYTES;
                continue;
            }
            if self.marks[cursor.node as usize] & (END | SUFFIX_ENDS) != 0 {
                self.cover(text, cursor, regions);
            }
            self.leave_leaf(cursor);
        }
    }

    /// From where on the text could still become part of an occurrence; everything before is decided. Call it after [`Automaton::scan`] of the same text.
    pub(super) fn undecided_from(&self, text: &[u8], cursor: &mut Cursor) -> usize {
        if cursor.node != 0 {
            return cursor.at - self.depths[cursor.node as usize] as usize;
        }
        while cursor.at < text.len() && !self.sieve.begins(&text[cursor.at..]) {
            cursor.at += 1;
        }
        cursor.at
    }

    /// Whether `text` holds, from `from` on, the beginning of a form that tells of its value, and goes as far as `counts` is asked about. Linear in the text: what
    /// takes more steps is said to hold one, since values that begin within themselves over and over could not be told from it otherwise.
    pub(super) fn holds_beginning(&self, text: &[u8], from: usize, counts: impl Fn(usize, usize) -> bool) -> bool {
        let mut steps_left = (text.len() - from) * STEPS_PER_BYTE + STEPS_LEAST;
        (from..text.len()).any(|start| {
            let long = self.beginning(text, start, &mut steps_left);
            let mut short = SHORT_BYTES.filter(|bytes| text.get(start..start + bytes).is_some_and(|bytes| self.is_short_beginning(bytes)));
            steps_left == 0 || long.is_some_and(|end| counts(start, end)) || short.any(|bytes| counts(start, start + bytes))
        })
    }

    /// How far what begins at `start` goes on as a form does, where it tells of it.
    fn beginning(&self, text: &[u8], start: usize, steps_left: &mut usize) -> Option<usize> {
        let mut node = self.sieve.find(to_head(text.get(start..start + HEAD_BYTES)?));
        let (mut end, mut tells) = (start + HEAD_BYTES, false);
        while node != 0 && *steps_left > 0 {
            *steps_left -= 1;
            tells |= self.marks[node as usize] & TELLS != 0;
            node = text.get(end).map_or(0, |byte| self.child(node, *byte));
            end += usize::from(node != 0);
        }
        tells.then_some(end)
    }

    fn is_short_beginning(&self, bytes: &[u8]) -> bool {
        self.short.binary_search_by(|known| known.as_slice().cmp(bytes)).is_ok()
    }

    /// Adds the longest form that ends at the cursor: it covers all others that end there. Where an opening ends there, what follows it is covered as well.
    fn cover(&self, text: &[u8], cursor: &mut Cursor, regions: &mut Vec<Region>) {
        let node = self.longest_end(cursor.node);
        let form_bytes = self.depths[node as usize] as usize;
        let at = self.ends.binary_search_by_key(&node, |(end, _)| *end).expect("a marked end has a form");
        let mut region = Region { start: cursor.at - form_bytes, end: cursor.at, form: Some(self.ends[at].1) };
        while let Some(before) = regions.pop_if(|before| before.end > region.start) {
            if before.start < region.start || (before.start == region.start && before.form.is_none()) {
                (region.start, region.form) = (before.start, before.form);
            }
            region.end = region.end.max(before.end);
        }
        // What was covered beyond the cursor is what follows an opening: the same would be found again.
        let run = (self.marks[cursor.node as usize] & OPENS != 0 && region.end == cursor.at).then_some(Run { end: region.end });
        regions.push(region);
        if let Some(run) = run {
            cover_run(text, run, cursor, regions);
        }
    }

    /// The node itself where a form ends at it, otherwise its longest suffix at which one does.
    fn longest_end(&self, node: u32) -> u32 {
        if self.marks[node as usize] & END != 0 {
            return node;
        }
        let at = self.suffix_ends.binary_search_by_key(&node, |(known, _)| *known).expect("a marked node has a suffix that ends a form");
        self.suffix_ends[at].1
    }

    /// Moves to the longest suffix from which a form can still go on, so that nothing longer is held back.
    fn leave_leaf(&self, cursor: &mut Cursor) {
        while cursor.node != 0 && self.marks[cursor.node as usize] & (NEXT | BRANCHES) == 0 {
            cursor.node = self.fails[cursor.node as usize];
        }
        if cursor.node == 0 {
            cursor.at -= HEAD_BYTES - 1;
        }
    }

    /// The node of the longest suffix of `node`, or of itself, that goes on with `byte`; 0 where none of at least eight bytes does.
    fn follow(&self, node: u32, byte: u8) -> u32 {
        let mut node = node;
        while node != 0 {
            let child = self.child(node, byte);
            if child != 0 {
                return child;
            }
            node = self.fails[node as usize];
        }
        0
    }

    fn child(&self, node: u32, byte: u8) -> u32 {
        let marks = self.marks[node as usize];
        if marks & NEXT != 0 && self.labels[node as usize + 1] == byte {
            return node + 1;
        }
        if marks & BRANCHES == 0 {
            return 0;
        }
        self.branches.binary_search(&branch(node, byte)).map_or(0, |at| self.branch_nodes[at])
    }

    fn children(&self, node: u32) -> impl Iterator<Item = u32> {
        let marks = self.marks[node as usize];
        let next = (marks & NEXT != 0).then_some(node + 1);
        let range = if marks & BRANCHES == 0 {
            0..0
        } else {
            let first = self.branches.partition_point(|known| *known < branch(node, 0));
            first..self.branches.partition_point(|known| *known <= branch(node, u8::MAX))
        };
        next.into_iter().chain(self.branch_nodes[range].iter().copied())
    }
}

/// Covers what an opening began, as far as it goes on. It belongs to the region before it, or, where that was given out, to what was given.
fn cover_run(text: &[u8], run: Run, cursor: &mut Cursor, regions: &mut Vec<Region>) {
    let (end, is_over) = run_end(text, run.end);
    if end > run.end {
        match regions.last_mut() {
            Some(last) if last.end >= run.end => last.end = last.end.max(end),
            Some(_) | None => regions.push(Region { start: run.end, end, form: None }),
        }
    }
    cursor.run = (!is_over).then_some(Run { end });
}

/// Where a run of characters of which the encodings of openings are made ends, and whether it ends there for certain.
fn run_end(text: &[u8], from: usize) -> (usize, bool) {
    for (at, byte) in text.iter().enumerate().skip(from) {
        let goes_on = match byte {
            // Of other escapes it would leave a half.
            b'\\' | b'&' => match text.get(at + 1) {
                Some(next) => matches!((byte, next), (b'\\', b'u' | b'/') | (b'&', b'#')),
                None => return (at, false),
            },
            byte => byte.is_ascii_alphanumeric() || b"+/=-_%#;".contains(byte),
        };
        if !goes_on {
            return (at, true);
        }
    }
    (text.len().max(from), false)
}

fn branch(parent: u32, byte: u8) -> u64 {
    u64::from(parent) << 8 | u64::from(byte)
}

fn to_u32(number: usize) -> u32 {
    u32::try_from(number).expect("all forms together are limited to far fewer bytes")
}

/// The node after this one is its child.
const NEXT: u8 = 1;
/// There are further children.
const BRANCHES: u8 = 2;
/// A form ends here.
const END: u8 = 4;
/// Who has seen so much of a form knows whose it is.
const TELLS: u8 = 16;
/// A form ends at a suffix of this node.
const SUFFIX_ENDS: u8 = 8;
/// A form that is the opening of a longer text ends here, or at a suffix of this node.
const OPENS: u8 = 32;
/// How many bytes a beginning that tells of a form has where it has no node.
const SHORT_BYTES: std::ops::Range<usize> = 6..HEAD_BYTES;
/// Most places of a text take no step, and in a whole value one place takes as many as it has bytes.
const STEPS_PER_BYTE: usize = 16;
/// So that a short value that repeats itself is known in a short text.
const STEPS_LEAST: usize = 4096;
