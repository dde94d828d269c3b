//! Radix trees for suffixes of hosts and for paths: one descent finds every pattern that matches, in time linear in the text.
//!
//! They are no hash maps, which whole names have ([`crate::names`]), for two reasons. A tree stops at the first byte that
//! no pattern has, where a map must hash `a.b.c…` or `/a/b/c…` anew for every label and segment: the worst that any text
//! can do is to be read once. And it finds the longest prefix on the way, which is what routes want.
//!
//! All trees of a table share one arena of three arrays. A node's children stand side by side, and so do the bytes that
//! choose among them, so that a step reads one run of bytes, one node and one run of label.

use std::collections::{BTreeMap, VecDeque};

/// "There is none", where an index would stand.
const NONE: u32 = u32::MAX;

/// Up to so many children are looked through eight at a time; above, by halving.
const FEW: usize = 32;

/// Text to be looked up, read in the order in which patterns grow.
pub(crate) trait Key: Copy {
    /// How many bytes it has.
    fn len(self) -> usize;

    /// The byte at `pos`, which is below the length.
    fn at(self, pos: usize) -> u8;

    /// Whether it goes on with `label` at `pos`, which is at most the length.
    fn goes_on(self, pos: usize, label: &[u8]) -> bool;

    /// Whether a pattern that ends at `pos` reaches what lies below it when `next` follows.
    fn bound(pos: usize, next: Option<u8>) -> bool;
}

/// A path, from its first byte; prefixes reach as far as segment bounds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Path<'a>(pub &'a [u8]);

impl Key for Path<'_> {
    #[inline]
    fn len(self) -> usize {
        self.0.len()
    }

    #[inline]
    fn at(self, pos: usize) -> u8 {
        self.0[pos]
    }

    #[inline]
    fn goes_on(self, pos: usize, label: &[u8]) -> bool {
        self.0[pos..].starts_with(label)
    }

    #[inline]
    fn bound(pos: usize, next: Option<u8>) -> bool {
        pos == 0 || matches!(next, None | Some(b'/'))
    }
}

/// A host, from its last byte, in lower case; suffixes reach every name that is longer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Host<'a>(pub &'a [u8]);

impl Host<'_> {
    /// The key under which a host or suffix is planted.
    pub(crate) fn key(name: &[u8]) -> Vec<u8> {
        let mut key = name.to_ascii_lowercase();
        key.reverse();
        key
    }
}

impl Key for Host<'_> {
    #[inline]
    fn len(self) -> usize {
        self.0.len()
    }

    #[inline]
    fn at(self, pos: usize) -> u8 {
        self.0[self.0.len() - 1 - pos].to_ascii_lowercase()
    }

    #[inline]
    fn goes_on(self, pos: usize, label: &[u8]) -> bool {
        let rest = &self.0[..self.0.len() - pos];
        rest.len() >= label.len()
            && rest
                .iter()
                .rev()
                .zip(label)
                .all(|(byte, wanted)| byte.to_ascii_lowercase() == *wanted)
    }

    #[inline]
    fn bound(_: usize, next: Option<u8>) -> bool {
        next.is_some()
    }
}

/// What a pattern leads to: a value for the text itself, one for what lies below it.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Leaf {
    pub(crate) exact: Option<u32>,
    pub(crate) below: Option<u32>,
}

/// The arena of all trees.
#[derive(Debug, Default)]
pub(crate) struct Radix {
    nodes: Vec<Node>,
    /// The byte that leads to each node from its parent; a root has none, and a zero stands there. At the end eight more
    /// zeros, so that eight can be read from any node on.
    firsts: Vec<u8>,
    labels: Vec<u8>,
}

/// A node: text that patterns have in common.
#[derive(Clone, Copy, Debug)]
struct Node {
    /// Where the bytes after the first one stand, which lead here too.
    label: u32,
    label_len: u32,
    /// Where its children stand.
    children: u32,
    children_len: u32,
    /// The value of the text that ends here.
    exact: u32,
    /// The value of what lies below here.
    below: u32,
    /// The nearest node above whose `below` reaches this one; fixed, because the bytes between the two are.
    up: u32,
}

/// A range of patterns that still needs its children.
struct Pending<'a> {
    node: usize,
    /// How much of their text the node and those above it account for.
    depth: usize,
    entries: &'a [(&'a [u8], Leaf)],
}

impl Radix {
    /// Plants a tree for these patterns and gives its root. Breadth first, so that deep patterns need no deep stack.
    pub(crate) fn plant<K: Key>(&mut self, patterns: &BTreeMap<Vec<u8>, Leaf>) -> u32 {
        let entries: Vec<(&[u8], Leaf)> = patterns
            .iter()
            .map(|(key, leaf)| (key.as_slice(), *leaf))
            .collect();
        let shared = match (entries.first(), entries.last()) {
            (Some((first, _)), Some((last, _))) => &first[..shared_len(first, last)],
            _ => &[],
        };
        self.firsts.truncate(self.nodes.len());
        let root = self.grow(0, shared, NONE);
        let mut queue = VecDeque::from([Pending {
            node: root,
            depth: shared.len(),
            entries: &entries,
        }]);
        while let Some(pending) = queue.pop_front() {
            self.branch::<K>(&pending, &mut queue);
        }
        self.firsts.resize(self.nodes.len() + 8, 0);
        index(root)
    }

    /// Every value whose pattern matches `key` in the tree at `root`, the most specific first.
    #[inline]
    pub(crate) fn find<K: Key>(&self, root: u32, key: K) -> Matches<'_> {
        let mut at = root;
        let mut pos = 0;
        let mut found = Matches {
            radix: self,
            exact: NONE,
            below: NONE,
        };
        loop {
            let node = &self.nodes[at as usize];
            let label = node.label(&self.labels);
            // Most nodes below a fork have none.
            if !label.is_empty() {
                if !key.goes_on(pos, label) {
                    return found;
                }
                pos += label.len();
            }
            let next = (pos < key.len()).then(|| key.at(pos));
            if node.below != NONE && K::bound(pos, next) {
                found.below = at;
            }
            let Some(next) = next else {
                found.exact = node.exact;
                return found;
            };
            let Some(child) = self.child(node, next) else {
                return found;
            };
            pos += 1;
            at = child;
        }
    }

    #[inline]
    fn child(&self, node: &Node, byte: u8) -> Option<u32> {
        let count = node.children_len as usize;
        if count == 0 {
            return None;
        }
        let start = node.children as usize;
        if count > FEW {
            let firsts = &self.firsts[start..start + count];
            let offset = firsts.binary_search(&byte).ok()?;
            return Some(node.children + index(offset));
        }
        let wanted = u64::from_le_bytes([byte; 8]);
        let (blocks, _) = self.firsts.get(start..)?.as_chunks::<8>();
        // What stands behind the last child belongs to others, and behind the last of all there are eight zeros.
        for (block, at) in blocks.iter().zip((0..count).step_by(8)) {
            // Zero where a byte is the wanted one; the lowest zero is marked rightly, whatever is marked above it.
            let apart = u64::from_le_bytes(*block) ^ wanted;
            let found = apart.wrapping_sub(0x0101_0101_0101_0101) & !apart & 0x8080_8080_8080_8080;
            if found != 0 {
                let offset = at + found.trailing_zeros() as usize / 8;
                return (offset < count).then(|| node.children + index(offset));
            }
        }
        None
    }

    /// Gives `pending`'s node its own value and its children, and queues those.
    fn branch<'a, K: Key>(&mut self, pending: &Pending<'a>, queue: &mut VecDeque<Pending<'a>>) {
        let (here, depth) = (pending.node, pending.depth);
        let mut entries = pending.entries;
        if let Some((key, leaf)) = entries.first()
            && key.len() == depth
        {
            self.nodes[here].exact = leaf.exact.unwrap_or(NONE);
            self.nodes[here].below = leaf.below.unwrap_or(NONE);
            entries = &entries[1..];
        }
        self.nodes[here].children = index(self.nodes.len());
        for group in entries.chunk_by(|a, b| a.0[depth] == b.0[depth]) {
            let (shortest, last) = (group[0].0, group[group.len() - 1].0);
            let first = shortest[depth];
            let shared = shared_len(&shortest[depth..], &last[depth..]);
            let up = if self.nodes[here].below != NONE && K::bound(depth, Some(first)) {
                index(here)
            } else {
                self.nodes[here].up
            };
            let child = self.grow(first, &shortest[depth + 1..depth + shared], up);
            self.nodes[here].children_len += 1;
            queue.push_back(Pending {
                node: child,
                depth: depth + shared,
                entries: group,
            });
        }
    }

    fn grow(&mut self, first: u8, label: &[u8], up: u32) -> usize {
        let at = self.nodes.len();
        self.nodes.push(Node {
            label: index(self.labels.len()),
            label_len: index(label.len()),
            children: 0,
            children_len: 0,
            exact: NONE,
            below: NONE,
            up,
        });
        self.firsts.push(first);
        self.labels.extend_from_slice(label);
        at
    }
}

impl Node {
    #[inline]
    fn label<'a>(&self, labels: &'a [u8]) -> &'a [u8] {
        let start = self.label as usize;
        &labels[start..start + self.label_len as usize]
    }
}

/// The values that match one text.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Matches<'a> {
    radix: &'a Radix,
    exact: u32,
    below: u32,
}

impl Iterator for Matches<'_> {
    type Item = u32;

    #[inline]
    fn next(&mut self) -> Option<u32> {
        if self.exact != NONE {
            return Some(std::mem::replace(&mut self.exact, NONE));
        }
        if self.below == NONE {
            return None;
        }
        let node = &self.radix.nodes[self.below as usize];
        self.below = node.up;
        Some(node.below)
    }
}

/// How many bytes two texts begin with in common.
fn shared_len(a: &[u8], b: &[u8]) -> usize {
    a.iter().zip(b).take_while(|(a, b)| a == b).count()
}

/// A position as it is stored. Patterns come from a configuration file, which is far below 4 GiB.
#[expect(
    clippy::cast_possible_truncation,
    reason = "a table of 2^32 nodes or label bytes would need a configuration file of that size"
)]
pub(crate) fn index(position: usize) -> u32 {
    debug_assert!(
        position < NONE as usize,
        "the table is built from a file of less than 4 GiB"
    );
    position as u32
}
