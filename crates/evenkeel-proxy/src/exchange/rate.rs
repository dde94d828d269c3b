//! The rate limits of a route: what a request is counted by, and what becomes of one that is over a limit.
//!
//! How much is too much is `evenkeel-policy`'s to say. All limits of a route are looked at before any counts the request: one
//! that is refused by the last of them has used up nothing of the others.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Instant;

use evenkeel_base::rules::RateKey;
use evenkeel_base::{Fault, RequestView, RouteId};
use evenkeel_policy::ClientKey;

use crate::exchange::client::Client;
use crate::exchange::cookie::cookie;
use crate::record::{Limited, Record};
use crate::scene::Scene;

/// The detail in the access record of a request that a limit on trial would have refused.
const DRY_RUN: &str = "rate-limit-dry-run";

/// Asks the route's limits.
pub(crate) fn admit(
    scene: &Scene<'_>,
    route: RouteId,
    request: &RequestView<'_>,
    client: Client,
    record: &mut Record,
) -> Result<(), Fault> {
    let limiters = scene.snapshot.rate_limits(route);
    if limiters.is_empty() {
        return Ok(());
    }
    let now = scene.worker.micros(Instant::now());
    let several = limiters.len() > 1;
    for counts in [false, true] {
        if !counts && !several {
            continue;
        }
        for (position, limiter) in limiters.iter().enumerate() {
            let rules = limiter.rules();
            let key = key(&rules.key, request, client);
            let decision = if counts {
                limiter.admit(&key, now)
            } else {
                limiter.look(&key, now)
            };
            if decision.admitted {
                continue;
            }
            if rules.dry_run {
                record.detail = Some(DRY_RUN);
                continue;
            }
            record.rate = Some(Box::new(Limited {
                limiter: Arc::clone(limiter),
                position,
                decision,
            }));
            return Err(Fault::RateLimited);
        }
    }
    Ok(())
}

/// What a request is counted by. Those without it share a bucket.
fn key<'a>(by: &RateKey, request: &RequestView<'a>, client: Client) -> Cow<'a, [u8]> {
    match by {
        RateKey::Route => Cow::Borrowed(b""),
        RateKey::Client => match client.ip {
            Some(ip) => Cow::Owned(ClientKey::from(ip).as_bytes().to_vec()),
            None => Cow::Borrowed(b""),
        },
        RateKey::Path => Cow::Borrowed(request.path()),
        RateKey::Header(name) => {
            let mut values = request
                .fields()
                .filter(|field| field.name.eq_ignore_ascii_case(name.as_bytes()))
                .map(|field| field.value);
            let first = values.next().unwrap_or_default();
            match values.next() {
                None => Cow::Borrowed(first),
                // Several fields are one list (RFC 9110 §5.3): an order of their own must not make them several keys.
                Some(second) => {
                    let mut all = first.to_vec();
                    for value in std::iter::once(second).chain(values) {
                        all.extend_from_slice(b", ");
                        all.extend_from_slice(value);
                    }
                    Cow::Owned(all)
                }
            }
        }
        RateKey::Cookie(name) => {
            Cow::Borrowed(cookie(request, name.as_bytes()).unwrap_or_default())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rig;

    fn key_of(by: &RateKey, from: Option<&str>, fields: &str) -> Vec<u8> {
        let bytes = format!("GET /a/b?q HTTP/1.1\r\nHost: a\r\n{fields}\r\n");
        let head = rig::parse(bytes.as_bytes()).unwrap();
        let client = Client {
            ip: from.map(|ip| ip.parse().unwrap()),
            behind_proxy: false,
        };
        key(by, &head.view(bytes.as_bytes()), client).into_owned()
    }

    #[test]
    fn requests_are_counted_by_what_the_route_says() {
        let header = RateKey::Header("X-Api-Key".into());
        let cookie = RateKey::Cookie("sid".into());
        for (by, fields, expected) in [
            (&RateKey::Route, "", ""),
            (&RateKey::Path, "", "/a/b"),
            (&header, "", ""),
            (&header, "x-api-key: k1\r\n", "k1"),
            (&header, "X-Api-Key: k1\r\nX-API-KEY: k2\r\n", "k1, k2"),
            (&cookie, "", ""),
            (&cookie, "Cookie: a=1; sid=s1; b=2\r\n", "s1"),
        ] {
            let found = key_of(by, Some("10.0.0.1"), fields);
            assert_eq!(String::from_utf8_lossy(&found), expected, "{by:?} {fields}");
        }
    }

    #[test]
    fn one_subscriber_is_one_client() {
        let key = |from| key_of(&RateKey::Client, from, "");
        assert_eq!(key(Some("2001:db8::1")), key(Some("2001:db8::2")));
        assert_ne!(key(Some("10.0.0.1")), key(Some("10.0.0.2")));
        assert_eq!(key(None), b"");
    }
}
