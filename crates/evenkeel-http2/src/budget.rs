//! How much of each kind of work may be outstanding, and what pays it back.
//!
//! A budget is a debt with a ceiling. What an end sends raises it; real progress, such as an answered request, lowers it, and so
//! does time, slowly. A long connection that does little of something for hours is thus never ended for it, and a short
//! one that does nothing else is. What is sure to follow from progress may be paid for before it comes.

/// A kind of work that is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Budget {
    /// Streams that were reset, by either side.
    Resets,
    /// Bytes of header blocks, encoded and decoded.
    HeaderBytes,
    /// SETTINGS.
    Settings,
    /// PING.
    Pings,
    /// WINDOW_UPDATE.
    Windows,
    /// PRIORITY and PRIORITY_UPDATE.
    Priorities,
    /// Frames that hold nothing and end nothing.
    Empty,
    /// Frames of types that nobody needs.
    Unknown,
    /// Streams that were opened and have not ended.
    Open,
}

const COUNT: usize = 9;

/// The most that may be outstanding, how much of it a second forgives, and how much may be paid for in advance.
#[derive(Clone, Copy, Debug)]
struct Rule {
    most: u32,
    per_second: u32,
    ahead: u32,
}

const fn rule(most: u32, per_second: u32) -> Rule {
    Rule {
        most,
        per_second,
        ahead: 0,
    }
}

impl Rule {
    const fn ahead(mut self, ahead: u32) -> Self {
        self.ahead = ahead;
        self
    }
}

/// How large a head of each stream may be while all of them are open, unless less is allowed: as much as many servers take at all.
/// A browser repeats its cookies, which no table keeps from 4 KiB on, with each of a hundred requests.
const STREAM_HEAD: u32 = 16 * 1024;

/// In the order of [`Budget`]. docs/limits.md and docs/http2.md say the same to operators.
const RULES: [Rule; COUNT] = [
    // A browser that leaves a page takes back what it had asked: up to a hundred requests. Twice that, and ten a second for
    // clients whose long polls always end that way. More streams at once may be taken back at once: twice their number.
    rule(200, 10),
    // Sixteen heads of the largest size, which count as sent and as decoded, or all streams that may be open with a head of sixteen
    // kilobytes each.
    rule(1024 * 1024, 256 * 1024),
    // One at the start, and some that move a window while a download finds its speed.
    rule(50, 1),
    // Clients that measure the path send one for each of its round trips while data comes, which data pays for.
    rule(100, 5),
    // Two for each DATA frame is usual, one for a stream and one for the connection; DATA pays for four. Go sends both for every
    // 4 KiB that its program reads, and takes 4 MiB of a stream before it reads any: so DATA pays by its bytes as well, and ahead,
    // for 64 MiB that were sent and are not read. That many updates are 832 KiB of frames.
    rule(500, 20).ahead(64 * 1024),
    // Browsers of the old scheme build a tree of ten at the start; requests pay for two each.
    rule(200, 5),
    // The codec ends a connection at 101 of them in its life, whatever we count.
    rule(80, 1),
    // One or two that mean nothing may come with each request, so that nobody relies on their absence.
    rule(200, 10),
    // Four times as many as may be: the others are refused, once the codec comes to that. It reads as long as there is something to
    // read, and remembers each.
    rule(4 * 100 + OPEN_BEYOND, 0),
];

/// Streams that may be opened on any connection before the client knows how many it may have.
const OPEN_BEYOND: u32 = 100;

/// The debts of one end of a connection, and how high each may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Debts {
    owed: [u32; COUNT],
    /// What was paid for in advance, while nothing is owed.
    ahead: [u32; COUNT],
    most: [u32; COUNT],
}

impl Debts {
    /// None yet, on a connection that may have so many streams at once, with heads of so many bytes.
    pub(crate) const fn new(streams: u32, head: u32) -> Self {
        let mut most = [0; COUNT];
        let mut place = 0;
        while place < COUNT {
            most[place] = RULES[place].most;
            place += 1;
        }
        let resets = streams.saturating_mul(2);
        if resets > most[Budget::Resets as usize] {
            most[Budget::Resets as usize] = resets;
        }
        let head = if head < STREAM_HEAD {
            head
        } else {
            STREAM_HEAD
        };
        let bytes = streams.saturating_mul(head).saturating_mul(2);
        if bytes > most[Budget::HeaderBytes as usize] {
            most[Budget::HeaderBytes as usize] = bytes;
        }
        let open = streams.saturating_mul(4).saturating_add(OPEN_BEYOND);
        if open > most[Budget::Open as usize] {
            most[Budget::Open as usize] = open;
        }
        Self {
            owed: [0; COUNT],
            ahead: [0; COUNT],
            most,
        }
    }

    /// Adds to a debt: `false` when that is more than may be.
    #[inline]
    #[must_use]
    pub(crate) const fn charge(&mut self, budget: Budget, amount: u32) -> bool {
        let place = budget as usize;
        let unpaid = amount.saturating_sub(self.ahead[place]);
        self.ahead[place] = self.ahead[place].saturating_sub(amount);
        self.owed[place] = self.owed[place].saturating_add(unpaid);
        self.owed[place] <= self.most[place]
    }

    /// Pays back.
    #[inline]
    pub(crate) const fn credit(&mut self, budget: Budget, amount: u32) {
        let place = budget as usize;
        let more = amount.saturating_sub(self.owed[place]);
        self.owed[place] = self.owed[place].saturating_sub(amount);
        let ahead = self.ahead[place].saturating_add(more);
        let most = RULES[place].ahead;
        self.ahead[place] = if ahead < most { ahead } else { most };
    }

    /// What so many seconds forgive.
    pub(crate) fn forgive(&mut self, seconds: u64) {
        let seconds = u32::try_from(seconds).unwrap_or(u32::MAX);
        for (debt, rule) in self.owed.iter_mut().zip(RULES) {
            *debt = debt.saturating_sub(rule.per_second.saturating_mul(seconds));
        }
    }
}
