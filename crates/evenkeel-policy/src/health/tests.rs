//! Results in, verdicts and pauses out.
