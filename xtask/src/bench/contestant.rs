//! Who takes part: the proxies, the floors, and the settings that a scenario may want of them. It starts nothing.

/// A proxy, or a floor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Who {
    Evenkeel,
    /// A second build of evenkeel (`--against`).
    Against,
    Nginx,
    Haproxy,
    /// A bare relay on epoll: what the kernel costs.
    Epoll,
    /// A bare relay on tokio: what the kernel and the runtime cost.
    Tokio,
}

impl Who {
    /// Everyone.
    pub(super) const ALL: [Self; 6] = [
        Self::Evenkeel,
        Self::Against,
        Self::Nginx,
        Self::Haproxy,
        Self::Epoll,
        Self::Tokio,
    ];

    /// Its name, in tables and on the command line.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Evenkeel => "evenkeel",
            Self::Against => "against",
            Self::Nginx => "nginx",
            Self::Haproxy => "haproxy",
            Self::Epoll => "epoll",
            Self::Tokio => "tokio",
        }
    }

    /// Whether it is one of those to beat.
    pub(super) const fn is_rival(self) -> bool {
        matches!(self, Self::Nginx | Self::Haproxy)
    }
}

/// Which lines of a template hold (`bench/configs/`); a proxy without a line for a setting runs as in `Plain`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Setting {
    Plain,
    /// Without the forwarding fields.
    Bare,
    /// As suits large and streamed bodies.
    Large,
    /// `Large`, and bodies moved by splice(2).
    Spliced,
    Routes,
    Endpoints,
    /// With the access log.
    Logged,
    /// With an access log of JSON and 1 % of the requests traced.
    Observed,
    /// TLS towards clients, with HTTP/2 for those that want it.
    Tls,
    /// HTTP/2 without TLS towards clients.
    H2,
}

impl Setting {
    /// Every setting.
    pub(super) const ALL: [Self; 10] = [
        Self::Plain,
        Self::Bare,
        Self::Large,
        Self::Spliced,
        Self::Routes,
        Self::Endpoints,
        Self::Logged,
        Self::Observed,
        Self::Tls,
        Self::H2,
    ];

    /// Its name, in templates and tables.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Bare => "bare",
            Self::Large => "large",
            Self::Spliced => "spliced",
            Self::Routes => "routes",
            Self::Endpoints => "endpoints",
            Self::Logged => "logged",
            Self::Observed => "observed",
            Self::Tls => "tls",
            Self::H2 => "h2",
        }
    }
}

/// One place in a scenario.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Entrant {
    pub(super) who: Who,
    pub(super) setting: Setting,
    /// Whether it is there only to be what the same proxy in the scenario's setting is compared with.
    pub(super) baseline: bool,
}

impl Entrant {
    /// `who` as `setting` has it.
    pub(super) const fn new(who: Who, setting: Setting) -> Self {
        Self {
            who,
            setting,
            baseline: false,
        }
    }

    /// `who` in its plain setting, to compare it with itself.
    pub(super) const fn baseline(who: Who) -> Self {
        Self {
            who,
            setting: Setting::Plain,
            baseline: true,
        }
    }

    /// `haproxy, spliced`.
    pub(super) fn label(self) -> String {
        match self.setting {
            Setting::Plain => self.who.name().to_owned(),
            setting => format!("{}, {}", self.who.name(), setting.name()),
        }
    }
}
