//! The scenarios that come with evenkeel: files of `scenarios/`, compiled in.

use crate::read::{Checked, check};

/// A scenario by its name, and its text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Builtin {
    /// What `--scenario` calls it.
    pub name: &'static str,
    /// The file.
    pub text: &'static str,
}

macro_rules! builtin {
    ($($name:literal),* $(,)?) => {
        /// All of them, in the order in which they are listed.
        pub const ALL: &[Builtin] = &[
            $(Builtin {
                name: $name,
                text: include_str!(concat!("../scenarios/", $name, ".toml")),
            },)*
        ];
    };
}

builtin!(
    "steady-70",
    "steady-90",
    "steady-105",
    "mixed-hardware",
    "slow-endpoint",
    "antagonists",
    "flash-crowd",
    "rolling-restart",
    "retry-storm",
    "retry-storm-no-budget",
    "zone-loss",
    "many-nodes",
    "hot-keys",
    "prequal-paper-70",
    "prequal-paper-90",
    "prequal-paper-hobbled",
    "prequal-ramp",
);

impl Builtin {
    /// The one of that name.
    #[must_use]
    pub fn find(name: &str) -> Option<Self> {
        ALL.iter().copied().find(|one| one.name == name)
    }

    /// What it is, in one line: the first of its file.
    #[must_use]
    pub fn headline(&self) -> &'static str {
        let first = self.text.lines().next().unwrap_or_default();
        first.trim_start_matches('#').trim()
    }

    /// Reads it.
    #[must_use]
    pub fn read(&self) -> Checked {
        check(self.text, &format!("{}.toml", self.name), self.name)
    }
}
