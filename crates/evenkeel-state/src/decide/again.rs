//! Whether a request may be sent again, as far as that is known before it is sent.

use evenkeel_base::rules::RetryRules;
use evenkeel_config::model::Cluster;
use evenkeel_policy::is_repeatable;

/// What a head says of its body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Body {
    /// There is none, or one of no bytes.
    None,
    /// So many bytes.
    Known(u64),
    /// Until it ends.
    Unknown,
}

/// What may be repeated of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Again {
    /// Its body is kept for another attempt, up to so many bytes; none: it is not kept.
    pub keeps: Option<usize>,
    /// An endpoint may see it though another one has.
    pub repeatable: bool,
}

impl Again {
    /// Of a request by a method that is idempotent, or not, and that is a call of gRPC, or not.
    #[inline]
    #[must_use]
    pub fn of(
        rules: &RetryRules,
        cluster: &Cluster,
        (idempotent, call): (bool, bool),
        body: Body,
    ) -> Self {
        let most = usize::try_from(rules.replay_buffer.bytes()).unwrap_or(usize::MAX);
        let may_fit = match body {
            Body::None => false,
            Body::Known(n) => n <= most as u64,
            Body::Unknown => true,
        };
        // Streams of HTTP/2 may be refused with the body on its way, and whatever the method it is then sent elsewhere.
        let may_be_refused = cluster.may_multiplex() && rules.attempts > 0;
        let keeps =
            may_fit && most > 0 && (is_repeatable(idempotent, call, rules) || may_be_refused);
        Self {
            keeps: keeps.then_some(most),
            repeatable: (idempotent || rules.non_idempotent) && (keeps || body == Body::None),
        }
    }
}
