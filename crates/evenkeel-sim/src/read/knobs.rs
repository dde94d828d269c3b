//! Knobs of the kinds that scenarios have, in fewer lines.

use std::time::Duration;

use evenkeel_config::layer::{Bounds, Knob};

/// A number with a fraction.
pub(super) const fn number(
    key: &'static str,
    about: &'static str,
    default: f64,
    why: &'static str,
    (least, greatest): (f64, f64),
    example: &'static str,
) -> Knob<f64> {
    Knob {
        key,
        about,
        default,
        why,
        bounds: Some(Bounds { least, greatest }),
        required: false,
        example,
    }
}

/// A whole number.
pub(super) const fn count(
    key: &'static str,
    about: &'static str,
    default: u32,
    why: &'static str,
    (least, greatest): (u32, u32),
    example: &'static str,
) -> Knob<u32> {
    Knob {
        key,
        about,
        default,
        why,
        bounds: Some(Bounds { least, greatest }),
        required: false,
        example,
    }
}

/// A time.
pub(super) const fn time(
    key: &'static str,
    about: &'static str,
    default: Duration,
    why: &'static str,
    (least, greatest): (Duration, Duration),
    example: &'static str,
) -> Knob<Duration> {
    Knob {
        key,
        about,
        default,
        why,
        bounds: Some(Bounds { least, greatest }),
        required: false,
        example,
    }
}

/// Yes or no; no when it is not given.
pub(super) const fn switch(
    key: &'static str,
    about: &'static str,
    why: &'static str,
) -> Knob<bool> {
    Knob {
        key,
        about,
        default: false,
        why,
        bounds: None,
        required: false,
        example: "true",
    }
}
