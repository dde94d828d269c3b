//! The places of a service: SRV records (RFC 2782), and the addresses of the names in them.
//!
//! The names are looked up together with the records, so that a record that is new comes with its addresses: a cluster must not
//! be empty in between. A name that cannot be looked up keeps the addresses it had last; one that never had any is left out.

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use evenkeel_state::{Found, Look, Service, Source};
use tokio::task::JoinSet;

use super::dns::{Dns, NoAnswer, Record};
use super::name::Named;

/// The most records that are kept of a service.
const MOST: usize = 256;

/// The highest tier that there is: records of priorities beyond that share it.
const LAST_TIER: u8 = 15;

/// The greatest weight of an endpoint.
const HEAVIEST: u16 = 1000;

/// So many names of one service are looked up at the same time.
const AT_ONCE: usize = 16;

/// A service.
#[derive(Debug)]
pub(super) struct Records {
    dns: Arc<Dns>,
    name: String,
    names: HashMap<(String, u16), Named>,
}

impl Records {
    /// The service of that name, of which these places are known.
    pub(super) fn new(dns: Arc<Dns>, name: &str, known: &[Service]) -> Self {
        let named = |one: &Service| {
            let named = Named::new(Arc::clone(&dns), &one.host, one.port, &one.addresses);
            ((one.host.clone(), one.port), named)
        };
        Self {
            names: known.iter().map(named).collect(),
            dns,
            name: name.to_owned(),
        }
    }

    async fn look_up(&mut self) -> Result<Look, String> {
        let answer = self
            .dns
            .services(&self.name)
            .await
            .map_err(|why| match why {
                NoAnswer::Nothing => "the name has no SRV record".to_owned(),
                NoAnswer::Failed(why) => why,
            })?;
        let mut places = places(answer.records);
        if places.is_empty() {
            return Err("its record says that the service is not there".to_owned());
        }
        let (found, good_for, failure) = self.look_up_names(&places).await;
        for place in &mut places {
            let found = found.get(&(place.host.clone(), place.port));
            place.addresses = found.cloned().unwrap_or_default();
        }
        places.retain(|place| !place.addresses.is_empty());
        if places.is_empty() {
            return Err(
                failure.unwrap_or_else(|| "no name in its records has an address".to_owned())
            );
        }
        Ok(Look {
            found: Found::Services(places),
            good_for: good_for.min(answer.good_for),
        })
    }

    /// The addresses of the places' names, how long they are good for, and why one has none.
    async fn look_up_names(
        &mut self,
        places: &[Service],
    ) -> (
        HashMap<(String, u16), Vec<SocketAddr>>,
        Duration,
        Option<String>,
    ) {
        let mut known = std::mem::take(&mut self.names);
        let mut waiting = places.iter().map(|place| {
            let key = (place.host.clone(), place.port);
            let named = known.remove(&key);
            named.unwrap_or_else(|| Named::new(Arc::clone(&self.dns), &place.host, place.port, &[]))
        });
        let (mut found, mut good_for, mut failure) = (HashMap::new(), Duration::MAX, None);
        let mut looks = JoinSet::new();
        loop {
            while looks.len() < AT_ONCE
                && let Some(mut named) = waiting.next()
            {
                looks.spawn(async move {
                    let outcome = named.look_up().await;
                    (named, outcome)
                });
            }
            let Some(joined) = looks.join_next().await else {
                break;
            };
            let Ok((named, outcome)) = joined else {
                continue;
            };
            match outcome {
                Ok(time) => good_for = good_for.min(time),
                Err(why) => failure = Some(format!("{}: {why}", named.host())),
            }
            found.insert(named.key(), named.addresses());
            self.names.insert(named.key(), named);
        }
        (found, good_for, failure)
    }
}

impl Source for Records {
    fn look(&mut self) -> Pin<Box<dyn Future<Output = Result<Look, String>> + Send + '_>> {
        Box::pin(self.look_up())
    }
}

/// The places that records name, in a stable order, without their addresses. A place that is named twice has the better of the
/// two priorities.
fn places(records: Vec<Record>) -> Vec<Service> {
    let mut by_priority: BTreeMap<u16, Vec<Record>> = BTreeMap::new();
    for record in records {
        if !record.host.is_empty() && record.port != 0 {
            by_priority.entry(record.priority).or_default().push(record);
        }
    }
    let mut places: Vec<Service> = Vec::new();
    for (tier, records) in (0..=LAST_TIER)
        .chain(std::iter::repeat(LAST_TIER))
        .zip(by_priority.into_values())
    {
        let weights = weights(&records);
        for (record, weight) in records.into_iter().zip(weights) {
            let is_there = |one: &Service| (&one.host, one.port) == (&record.host, record.port);
            if !places.iter().any(is_there) && places.len() < MOST {
                places.push(Service {
                    tier,
                    host: record.host,
                    port: record.port,
                    weight,
                    addresses: Vec::new(),
                });
            }
        }
    }
    places.sort_unstable();
    places
}

/// The weights of the records of one priority as endpoints have them, from 1 to [`HEAVIEST`]. RFC 2782: all 0 are all alike, and
/// a 0 beside others is "a very small chance"; it is the smallest then, and the others are as large as may be.
fn weights(records: &[Record]) -> Vec<u16> {
    let heaviest = records.iter().map(|one| one.weight).max().unwrap_or(0);
    let some_zero = records.iter().any(|one| one.weight == 0);
    let scaled = |weight: u16| {
        let scaled = (u32::from(weight) * u32::from(HEAVIEST)).div_ceil(u32::from(heaviest));
        u16::try_from(scaled).unwrap_or(HEAVIEST)
    };
    let as_is = heaviest <= HEAVIEST && !some_zero;
    let weight = |one: &Record| match one.weight {
        0 => 1,
        weight if as_is => weight,
        weight => scaled(weight),
    };
    records.iter().map(weight).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Records as zone files have them: `priority weight port target`.
    fn records(lines: &[&str]) -> Vec<Record> {
        let read = |line: &&str| {
            let words: Vec<&str> = line.split(' ').collect();
            Record {
                priority: words[0].parse().unwrap(),
                weight: words[1].parse().unwrap(),
                port: words[2].parse().unwrap(),
                host: words[3].trim_end_matches('.').to_owned(),
            }
        };
        lines.iter().map(read).collect()
    }

    /// `tier: host:port × weight`.
    fn shown(lines: &[&str]) -> Vec<String> {
        let show =
            |one: Service| format!("{}: {}:{} × {}", one.tier, one.host, one.port, one.weight);
        places(records(lines)).into_iter().map(show).collect()
    }

    #[test]
    fn priorities_are_tiers_and_weights_weights() {
        let lines = [
            "20 5 80 c.",
            "10 60 8080 b.",
            "10 20 8080 a.",
            "500 0 80 d.",
        ];
        let expected = [
            "0: a:8080 × 20",
            "0: b:8080 × 60",
            "1: c:80 × 5",
            "2: d:80 × 1",
        ];
        assert_eq!(shown(&lines), expected);
        let mut turned = lines;
        turned.reverse();
        assert_eq!(
            shown(&turned),
            expected,
            "the order of an answer is no change"
        );
    }

    #[test]
    fn weights_beyond_ours_keep_their_proportions() {
        for (given, expected) in [
            (&[0, 0][..], &[1, 1][..]),
            (&[1, 2], &[1, 2]),
            (&[1000, 1], &[1000, 1]),
            (&[65_535, 32_768, 1], &[1000, 501, 1]),
            // A very small chance, not a half.
            (&[0, 1], &[1, 1000]),
            (&[0, 10, 5], &[1, 1000, 500]),
        ] {
            let lines: Vec<String> = given.iter().map(|w| format!("0 {w} 80 a{w}.")).collect();
            let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
            assert_eq!(weights(&records(&lines)), expected, "{given:?}");
        }
    }

    #[test]
    fn what_is_no_place() {
        // RFC 2782: "." means that the service is not there.
        assert_eq!(shown(&["0 0 0 ."]), [""; 0]);
        assert_eq!(shown(&["0 1 0 a."]), [""; 0]);
        // One place, once, with the better priority.
        assert_eq!(
            shown(&["5 9 80 a.", "1 3 80 a.", "1 3 81 a."]),
            ["0: a:80 × 3", "0: a:81 × 3"]
        );
    }

    #[test]
    fn there_is_a_last_tier_and_a_most() {
        let lines: Vec<String> = (0..300).map(|n| format!("{n} 1 80 a{n}.")).collect();
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        let places = places(records(&lines));
        assert_eq!(places.len(), MOST);
        let tiers: Vec<u8> = places.iter().map(|one| one.tier).collect();
        assert_eq!((tiers[14], tiers[15], tiers[MOST - 1]), (14, 15, 15));
    }
}
