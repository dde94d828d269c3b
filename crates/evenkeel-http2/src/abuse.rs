//! What a connection is ended for, one name each: the name stands in the log, in the counter's label and in the docs.
//!
//! How much of each is too much is [`crate::meter`]'s business; what a name means is this table.

use std::fmt;

macro_rules! abuses {
    ($($variant:ident $name:literal $about:literal;)*) => {
        /// Why a connection is ended with GOAWAY and ENHANCE_YOUR_CALM. See [`Abuse::about`] for each.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(u8)]
        pub enum Abuse {
            $(#[doc = $about] $variant,)*
        }

        impl Abuse {
            /// Every one, in the order of the table.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// How many there are: the length of a table of counters.
            pub const COUNT: usize = Self::ALL.len();

            /// The name in logs, metrics and docs.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// What was done, in a sentence for people.
            #[must_use]
            pub const fn about(self) -> &'static str {
                match self { $(Self::$variant => $about,)* }
            }
        }
    };
}

abuses! {
    RapidReset "rapid-reset" "It took back more requests than it let us answer.";
    ProvokedReset "provoked-reset" "It made us reset more streams than it let us answer.";
    StreamFlood "stream-flood" "It opened several times as many streams as it may have, before any of them could end.";
    ContinuationFlood "continuation-flood" "It spread a header block over more CONTINUATION frames than any honest one needs.";
    HeaderFlood "header-flood" "It sent more header bytes than its answered requests account for.";
    HeaderBomb "header-bomb" "Its header block decodes to several times what a head may hold.";
    SettingsFlood "settings-flood" "It sent too many SETTINGS frames.";
    PingFlood "ping-flood" "It sent more PING frames than the DATA sent to it accounts for.";
    WindowFlood "window-flood" "It sent more WINDOW_UPDATE frames than the DATA sent to it accounts for.";
    PriorityFlood "priority-flood" "It sent more PRIORITY frames than its requests account for.";
    EmptyFrames "empty-frames" "It sent too many DATA or HEADERS frames that hold nothing and end nothing.";
    TinyData "tiny-data" "It sent more small DATA frames than were taken from it.";
    UnknownFrames "unknown-frames" "It sent more frames that mean nothing here than its requests account for.";
}

impl Abuse {
    /// The error code of the GOAWAY frame: ENHANCE_YOUR_CALM (RFC 9113 §7).
    pub const CODE: u32 = 0xb;

    /// Which abuse the h2 crate means when it ends a connection of itself with [`Abuse::CODE`], told by how the debug data of its
    /// GOAWAY begins: its own limits are wider than ours, but two it alone can see. `None` for texts that later versions may bring.
    pub(crate) fn of_codec(word: &[u8]) -> Option<Self> {
        // The meter keeps sixteen bytes.
        [
            ("too_many_resets", Self::RapidReset),
            ("too_many_internal_resets", Self::ProvokedReset),
            ("too_many_continuations", Self::ContinuationFlood),
            ("header_list_way_too_large", Self::HeaderBomb),
            ("too_many_data_frames", Self::TinyData),
        ]
        .into_iter()
        .find(|(text, _)| !word.is_empty() && text.as_bytes().starts_with(word))
        .map(|(_, abuse)| abuse)
    }

    /// Its place in a table of counters.
    #[must_use]
    pub const fn index(self) -> usize {
        self as usize
    }
}

const _: () = assert!(size_of::<Abuse>() == 1);

impl fmt::Display for Abuse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_abuse_has_a_name_of_its_own() {
        for (i, abuse) in Abuse::ALL.iter().enumerate() {
            assert_eq!(abuse.index(), i);
            let same = Abuse::ALL.iter().filter(|a| a.name() == abuse.name());
            assert_eq!(same.count(), 1, "{abuse}");
            assert!(abuse.about().ends_with('.'), "{abuse}");
        }
    }
}
