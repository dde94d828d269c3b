//! How balancers that compare latencies read them: what an endpoint counts as that was not measured, and which difference is one.

/// An endpoint with requests in flight, none of which has been answered within memory, counts as this slow: 11 days, more than
/// anything that is measured. Without it, one that hangs from its first request on would look like one that is new, and get
/// every request (Finagle's Peak EWMA has the same penalty).
const UNANSWERED_US: f32 = 1e12;

/// Latencies up to so many times the other are equal. Estimates that age apart differ by so much although their endpoints do
/// not; if every difference counted, equal endpoints would be told apart by who was asked last, and weights would mean
/// nothing.
pub(super) const EQUAL: f32 = 1.25;

/// What the latency of an endpoint counts as in a comparison. One that is idle and not known is worth a try: 0.
#[inline]
pub(super) fn assumed(measured: Option<f32>, in_flight: u32) -> f32 {
    match measured {
        Some(latency) => latency,
        None if in_flight == 0 => 0.0,
        None => UNANSWERED_US,
    }
}

#[cfg(test)]
mod tests;
