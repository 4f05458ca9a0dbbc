//! Blocks of rows in size classes, cut from segments of fixed size: no allocation a ledger, no doubling copy.
//!
//! Freed blocks are reused; when a class has many of them its last blocks move into the holes and whole segments are
//! given back, so that ledgers that grow together leave nothing behind. It does not depend on rows, only on words and
//! owners.

/// Words of a segment (64 KiB). A block that is longer has a segment of its own.
const SEGMENT_WORDS: usize = 8192;
/// A class keeps one free block for so many in use, and a segment's worth.
const LIVE_PER_FREE: u32 = 16;
/// First word of a free block: this bit, the next and the previous free block.
const FREE: u64 = 1 << 63;
const INDEX_BITS: u32 = 25;
const INDEX_MASK: u32 = (1 << INDEX_BITS) - 1;
const NONE: u32 = INDEX_MASK;

/// A block: its class and its number in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Block(u32);

impl Block {
    fn new(class: usize, index: u32) -> Block {
        assert!(index < NONE, "a shard holds fewer than 33 million ledgers of one size");
        Block(u32::try_from(class).expect("below 128") << INDEX_BITS | index)
    }

    #[inline]
    pub(crate) fn class(self) -> usize {
        (self.0 >> INDEX_BITS) as usize
    }

    #[inline]
    fn index(self) -> u32 {
        self.0 & INDEX_MASK
    }

    /// As a word of a header.
    pub(crate) fn word(self) -> u32 {
        self.0
    }

    /// From a word of a header.
    pub(crate) fn from_word(word: u32) -> Block {
        Block(word)
    }
}

/// The smallest class that holds so many rows: exact up to 8, then four classes an octave.
pub(crate) fn class_for(rows: usize) -> usize {
    assert!(rows > 0, "a ledger without rows has no block");
    if rows <= 8 {
        return rows - 1;
    }
    let octave = (rows - 1).ilog2() as usize;
    let steps = rows.div_ceil(1 << (octave - 2));
    8 + (octave - 3) * 4 + (steps - 5)
}

/// Rows that a block of the class holds.
#[inline]
pub(crate) fn capacity(class: usize) -> usize {
    if class < 8 { class + 1 } else { ((class - 8) % 4 + 5) << ((class - 8) / 4 + 1) }
}

/// A block has moved: its owner's reference must follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Moved {
    pub(crate) owner: u32,
    pub(crate) to: Block,
}

#[derive(Debug)]
struct Class {
    segments: Vec<Box<[u64]>>,
    /// Words of a block: one for its owner, then the rows.
    block_words: usize,
    /// Binary logarithm of the blocks in a segment.
    per_segment: u32,
    /// Bits of an index that count the blocks of a segment.
    within: u32,
    /// Blocks ever cut and not given back; the free ones among them are linked.
    cut: u32,
    free: u32,
    free_head: u32,
}

impl Class {
    fn new(rows: usize, width: usize) -> Class {
        let block_words = 1 + rows * width;
        let per_segment = (SEGMENT_WORDS / block_words).max(1).ilog2();
        let within = (1 << per_segment) - 1;
        Class { segments: Vec::new(), block_words, per_segment, within, cut: 0, free: 0, free_head: NONE }
    }

    fn segment_words(&self) -> usize {
        self.block_words << self.per_segment
    }

    #[inline]
    fn locate(&self, index: u32) -> (usize, usize) {
        let within = (index & self.within) as usize;
        // Shifts are below 32.
        (index.wrapping_shr(self.per_segment) as usize, within * self.block_words)
    }

    #[inline]
    fn block(&self, index: u32) -> &[u64] {
        let (segment, from) = self.locate(index);
        &self.segments[segment][from..from + self.block_words]
    }

    #[inline]
    fn block_mut(&mut self, index: u32) -> &mut [u64] {
        let (segment, from) = self.locate(index);
        &mut self.segments[segment][from..from + self.block_words]
    }

    fn links(&self, index: u32) -> Option<(u32, u32)> {
        let (segment, from) = self.locate(index);
        let word = self.segments[segment][from];
        let index_of = |bits: u64| u32::try_from(bits & u64::from(INDEX_MASK)).expect("25 bits fit 32");
        (word & FREE != 0).then(|| (index_of(word >> INDEX_BITS), index_of(word)))
    }

    fn set_links(&mut self, index: u32, next: u32, previous: u32) {
        self.set_first(index, FREE | u64::from(next) << INDEX_BITS | u64::from(previous));
    }

    fn set_first(&mut self, index: u32, word: u64) {
        let (segment, from) = self.locate(index);
        self.segments[segment][from] = word;
    }

    fn take(&mut self) -> u32 {
        if self.free_head != NONE {
            let index = self.free_head;
            self.unlink(index);
            return index;
        }
        let index = self.cut;
        if (index >> self.per_segment) as usize == self.segments.len() {
            self.segments.push(vec![0; self.segment_words()].into_boxed_slice());
        }
        self.cut += 1;
        index
    }

    fn put_back(&mut self, index: u32) {
        let head = self.free_head;
        self.set_links(index, head, NONE);
        if let Some((next, _)) = (head != NONE).then(|| self.links(head)).flatten() {
            self.set_links(head, next, index);
        }
        self.free_head = index;
        self.free += 1;
    }

    fn unlink(&mut self, index: u32) {
        let (next, previous) = self.links(index).expect("only free blocks are linked");
        if previous == NONE {
            self.free_head = next;
        } else {
            let (_, before) = self.links(previous).expect("linked blocks are free");
            self.set_links(previous, next, before);
        }
        if next != NONE {
            let (after, _) = self.links(next).expect("linked blocks are free");
            self.set_links(next, after, previous);
        }
        self.free -= 1;
    }

    fn has_too_many_free(&self) -> bool {
        let live = self.cut - self.free;
        self.free > (1 << self.per_segment) + live / LIVE_PER_FREE
    }

    /// Gives up the last block, moving it into a hole if it is in use: (its owner, its new place).
    fn shrink(&mut self) -> Option<(u32, u32)> {
        let last = self.cut - 1;
        let moved = if self.links(last).is_some() {
            self.unlink(last);
            None
        } else {
            let hole = self.take();
            self.copy(last, hole);
            let owner = u32::try_from(self.block(hole)[0]).expect("owners are 32 bits");
            Some((owner, hole))
        };
        self.cut = last;
        let used = (self.cut as usize).div_ceil(1 << self.per_segment);
        self.segments.truncate(used);
        moved
    }

    fn copy(&mut self, from: u32, to: u32) {
        let ((source, start), (target, into)) = (self.locate(from), self.locate(to));
        let words = self.block_words;
        if source == target {
            self.segments[source].copy_within(start..start + words, into);
        } else {
            let [source, target] =
                self.segments.get_disjoint_mut([source, target]).expect("two segments within bounds");
            target[into..into + words].copy_from_slice(&source[start..start + words]);
        }
    }
}

/// All blocks of a shard.
#[derive(Debug)]
pub(crate) struct Pool {
    classes: Vec<Class>,
    words: usize,
}

impl Pool {
    /// A pool of blocks of up to `rows_max` rows of `width` words.
    pub(crate) fn new(width: usize, rows_max: usize) -> Pool {
        let classes = (0..=class_for(rows_max)).map(|class| Class::new(capacity(class), width)).collect();
        Pool { classes, words: 0 }
    }

    /// A block of the class; its content is not defined.
    pub(crate) fn allocate(&mut self, class: usize, owner: u32) -> Block {
        self.with_count(class, |class| {
            let index = class.take();
            class.set_first(index, u64::from(owner));
            index
        })
    }

    fn with_count(&mut self, class: usize, change: impl FnOnce(&mut Class) -> u32) -> Block {
        let held = &mut self.classes[class];
        let before = held.segments.len();
        let index = change(held);
        if held.segments.len() != before {
            self.words =
                self.words - before * held.segment_words() + held.segments.len() * held.segment_words();
        }
        Block::new(class, index)
    }

    /// Takes a block back.
    pub(crate) fn release(&mut self, block: Block) {
        self.classes[block.class()].put_back(block.index());
    }

    /// One step of keeping a class dense. Call it after a release until it says `None`, at most twice.
    pub(crate) fn compact(&mut self, class: usize) -> Option<Moved> {
        let mut moved = None;
        if self.classes[class].has_too_many_free() {
            self.with_count(class, |held| {
                moved = held.shrink();
                0
            });
        }
        moved.map(|(owner, index)| Moved { owner, to: Block::new(class, index) })
    }

    /// So many of the rows' words of a block.
    ///
    /// # Panics
    /// When the block has fewer.
    #[inline]
    pub(crate) fn part(&self, block: Block, from: usize, words: usize) -> &[u64] {
        let class = &self.classes[block.class()];
        assert!(from + words < class.block_words, "rows lie in their block");
        let (segment, at) = class.locate(block.index());
        &class.segments[segment][at + 1 + from..][..words]
    }

    /// The rows' words of a block.
    #[inline]
    pub(crate) fn rows_mut(&mut self, block: Block) -> &mut [u64] {
        &mut self.classes[block.class()].block_mut(block.index())[1..]
    }

    /// Two blocks of different classes, the second to be written.
    pub(crate) fn pair(&mut self, from: Block, to: Block) -> (&[u64], &mut [u64]) {
        let [source, target] = self
            .classes
            .get_disjoint_mut([from.class(), to.class()])
            .expect("a ledger changes between two classes");
        (&source.block(from.index())[1..], &mut target.block_mut(to.index())[1..])
    }

    /// Bytes of all segments.
    pub(crate) fn bytes(&self) -> usize {
        self.words * size_of::<u64>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_hold_what_they_promise_and_waste_at_most_a_quarter() {
        for rows in 1..=40_000 {
            let class = class_for(rows);
            assert!(capacity(class) >= rows && capacity(class) <= rows.max(1) * 5 / 4 + 1, "{rows} rows");
            assert!(class == 0 || capacity(class - 1) < rows, "{rows} rows fit a smaller class");
        }
    }

    #[test]
    fn blocks_keep_their_rows_while_others_come_and_go_and_segments_are_given_back() {
        let mut pool = Pool::new(3, 16);
        let mut blocks: Vec<Option<Block>> = (0u32..20_000)
            .map(|owner| {
                let block = pool.allocate(class_for(2), owner);
                pool.rows_mut(block).fill(u64::from(owner));
                Some(block)
            })
            .collect();
        let full = pool.bytes();
        for owner in (0..20_000).filter(|owner| owner % 10 != 0) {
            let block = blocks[owner].take().unwrap();
            pool.release(block);
            for _ in 0..2 {
                if let Some(moved) = pool.compact(block.class()) {
                    blocks[moved.owner as usize] = Some(moved.to);
                }
            }
        }
        for (owner, block) in blocks.iter().enumerate() {
            if let Some(block) = block {
                assert!(pool.part(*block, 0, 6).iter().all(|word| *word == owner as u64));
            }
        }
        assert!(pool.bytes() * 4 < full, "{} of {full} bytes stay for a tenth of the blocks", pool.bytes());
    }

    #[test]
    #[should_panic(expected = "rows lie in their block")]
    fn rows_beyond_their_block_are_not_read() {
        let mut pool = Pool::new(3, 16);
        let block = pool.allocate(class_for(2), 0);
        pool.part(block, 3, 4);
    }
}
