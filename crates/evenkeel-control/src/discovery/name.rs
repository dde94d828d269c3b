//! The addresses of a name: from the table of hosts, else A and AAAA records.
//!
//! The two kinds of records are asked for apart. A family whose question fails keeps the addresses it had last, so that half an
//! answer does not take half of the endpoints away; one that is said to be empty has none.

use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use evenkeel_state::{Found, Look, Source};
use hickory_resolver::proto::rr::RecordType;

use super::dns::{Answer, Dns, NoAnswer};

/// The most addresses that are kept of a name: what a snapshot makes endpoints of (`evenkeel_state::compile`).
pub(super) const MOST: usize = 256;

/// The addresses of a name.
#[derive(Debug)]
pub(super) struct Named {
    dns: Arc<Dns>,
    host: String,
    port: u16,
    known: Families,
}

/// IPv4 and IPv6 addresses.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Families {
    v4: Vec<IpAddr>,
    v6: Vec<IpAddr>,
}

impl Named {
    /// The name `host`, of which these addresses are known.
    pub(super) fn new(dns: Arc<Dns>, host: &str, port: u16, known: &[SocketAddr]) -> Self {
        let (v4, v6) = known.iter().map(SocketAddr::ip).partition(IpAddr::is_ipv4);
        Self {
            dns,
            host: host.to_owned(),
            port,
            known: Families { v4, v6 },
        }
    }

    pub(super) fn host(&self) -> &str {
        &self.host
    }

    /// What it is known by.
    pub(super) fn key(&self) -> (String, u16) {
        (self.host.clone(), self.port)
    }

    /// The addresses that are known, with the port.
    pub(super) fn addresses(&self) -> Vec<SocketAddr> {
        let all = self.known.v4.iter().chain(&self.known.v6);
        let mut all: Vec<SocketAddr> = all.map(|ip| SocketAddr::new(*ip, self.port)).collect();
        // Name servers turn the order around with every answer, to spread clients that take the first.
        all.sort_unstable();
        all.dedup();
        all.truncate(MOST);
        all
    }

    /// Looks its addresses up; how long they are good for.
    pub(super) async fn look_up(&mut self) -> Result<Duration, String> {
        if let Some(here) = self.dns.known_here(&self.host) {
            let (v4, v6) = here.into_iter().partition(IpAddr::is_ipv4);
            self.known = Families { v4, v6 };
            return Ok(Duration::MAX);
        }
        let (v4, v6) = tokio::join!(
            self.dns.addresses(&self.host, RecordType::A),
            self.dns.addresses(&self.host, RecordType::AAAA),
        );
        let (known, good_for) = merged(&self.known, v4, v6)?;
        self.known = known;
        Ok(good_for)
    }
}

type Asked = Result<Answer<IpAddr>, NoAnswer>;

/// What is known after two answers.
fn merged(known: &Families, v4: Asked, v6: Asked) -> Result<(Families, Duration), String> {
    let (v4, v6) = match (v4, v6) {
        (Err(NoAnswer::Nothing), Err(NoAnswer::Nothing)) => {
            return Err("the name has no address".to_owned());
        }
        (Err(NoAnswer::Failed(why)), Err(_)) | (Err(_), Err(NoAnswer::Failed(why))) => {
            return Err(why);
        }
        answers => answers,
    };
    let mut good_for = Duration::MAX;
    let mut take = |answer: Asked, known: &[IpAddr]| match answer {
        Ok(answer) => {
            good_for = good_for.min(answer.good_for);
            answer.records
        }
        Err(NoAnswer::Nothing) => Vec::new(),
        Err(NoAnswer::Failed(_)) => known.to_vec(),
    };
    let known = Families {
        v4: take(v4, &known.v4),
        v6: take(v6, &known.v6),
    };
    Ok((known, good_for))
}

impl Source for Named {
    fn look(&mut self) -> Pin<Box<dyn Future<Output = Result<Look, String>> + Send + '_>> {
        Box::pin(async {
            let good_for = self.look_up().await?;
            Ok(Look {
                found: Found::Addresses(self.addresses()),
                good_for,
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `1.1.1.1 2.2.2.2 for 30`, `nothing` or `failed`.
    fn asked(text: &str) -> Asked {
        match text.split_once(" for ") {
            Some((addresses, seconds)) => Ok(Answer {
                records: ips(addresses),
                good_for: Duration::from_secs(seconds.parse().unwrap()),
            }),
            None if text == "nothing" => Err(NoAnswer::Nothing),
            None => Err(NoAnswer::Failed(text.to_owned())),
        }
    }

    fn ips(text: &str) -> Vec<IpAddr> {
        text.split_whitespace()
            .map(|ip| ip.parse().unwrap())
            .collect()
    }

    #[test]
    fn a_family_that_fails_keeps_what_it_had() {
        let known = Families {
            v4: ips("1.1.1.1"),
            v6: ips("::1"),
        };
        for (v4, v6, expected) in [
            ("2.2.2.2 for 30", "::2 for 9", Ok(("2.2.2.2", "::2", 9))),
            ("2.2.2.2 for 30", "nothing", Ok(("2.2.2.2", "", 30))),
            ("nothing", "::2 for 9", Ok(("", "::2", 9))),
            ("2.2.2.2 for 30", "refused", Ok(("2.2.2.2", "::1", 30))),
            ("refused", "::2 for 9", Ok(("1.1.1.1", "::2", 9))),
            ("nothing", "nothing", Err("the name has no address")),
            ("refused", "nothing", Err("refused")),
            ("nothing", "refused", Err("refused")),
            ("silent", "refused", Err("silent")),
        ] {
            let merged = merged(&known, asked(v4), asked(v6));
            let expected = expected.map(|(v4, v6, seconds)| {
                let families = Families {
                    v4: ips(v4),
                    v6: ips(v6),
                };
                (families, Duration::from_secs(seconds))
            });
            assert_eq!(merged, expected.map_err(str::to_owned), "{v4}, {v6}");
        }
    }

    #[test]
    fn the_order_of_an_answer_is_no_change() {
        let dns = || {
            Arc::new(Dns::new(evenkeel_config::model::Resolver {
                servers: Vec::new(),
                timeout: Duration::from_secs(1),
            }))
        };
        let known: Vec<SocketAddr> = ["[::1]:80", "2.2.2.2:80", "1.1.1.1:80", "2.2.2.2:80"]
            .map(|address| address.parse().unwrap())
            .to_vec();
        let named = Named::new(dns(), "a", 80, &known);
        let sorted: Vec<String> = named.addresses().iter().map(ToString::to_string).collect();
        assert_eq!(sorted, ["1.1.1.1:80", "2.2.2.2:80", "[::1]:80"]);
        let many: Vec<SocketAddr> = (0..300_u32)
            .map(|n| SocketAddr::new(std::net::Ipv4Addr::from_bits(n).into(), 80))
            .collect();
        assert_eq!(Named::new(dns(), "a", 80, &many).addresses().len(), MOST);
    }
}
