//! How the clients of a cluster are kept at their endpoints, made ready for one set of endpoints.
//!
//! Which endpoint a token names is `evenkeel-policy`'s to say; here is the cookie around it. Whether the endpoint that is
//! named may be used is decided where an attempt finds its place.

use std::borrow::Cow;
use std::fmt::Write;

use evenkeel_base::Target;
use evenkeel_base::rules::{BalancerRules, HashRules, HashTable, KeyPart};
use evenkeel_config::model::{self, SameSite, StickyCookie};
use evenkeel_policy::sticky::{TOKEN_LENGTH, Tokens, join};
use evenkeel_policy::{Member, Tiers};

use crate::endpoint::Endpoint;

/// What keeps the clients of a cluster at their endpoints.
#[derive(Debug)]
pub enum Sticky {
    /// Nothing.
    Off,
    /// A cookie.
    Cookie(Cookie),
    /// What their requests have in common.
    Hashed(Box<Hashed>),
}

/// The cookies of a cluster's clients.
#[derive(Debug)]
pub struct Cookie {
    name: Box<str>,
    tokens: Tokens,
    /// What `Set-Cookie` says for each endpoint: made here, so that a first request costs no more than others.
    fields: Box<[Box<str>]>,
}

/// Endpoints picked by a hash alone, whatever balancer the cluster has.
#[derive(Debug)]
pub struct Hashed {
    /// What is hashed.
    pub key: Vec<KeyPart>,
    /// Who picks for requests that have a key.
    pub tiers: Tiers,
}

impl Sticky {
    /// For these endpoints; `spare_key` seals the cookies of a cluster without keys of its own.
    pub(crate) fn new(
        cluster: &model::Cluster,
        endpoints: &[Endpoint],
        members: &[Member<'_>],
        spare_key: &[u8],
    ) -> Self {
        match &cluster.sticky {
            model::Sticky::Off => Self::Off,
            model::Sticky::Cookie(cookie) => {
                Self::Cookie(Cookie::new(cookie, &cluster.name, endpoints, spare_key))
            }
            model::Sticky::Hashed(key) => {
                let rules = BalancerRules::Hash(HashRules {
                    key: key.clone(),
                    ..HashRules::of(HashTable::Rendezvous)
                });
                Self::Hashed(Box::new(Hashed {
                    key: key.clone(),
                    tiers: Tiers::new(&rules, &cluster.tiers, members, None),
                }))
            }
        }
    }
}

impl Cookie {
    fn new(rules: &StickyCookie, cluster: &str, endpoints: &[Endpoint], spare_key: &[u8]) -> Self {
        let keys: Vec<&[u8]> = if rules.keys.is_empty() {
            vec![spare_key]
        } else {
            rules.keys.iter().map(|key| &*key.0).collect()
        };
        let ids: Vec<&str> = endpoints.iter().map(|endpoint| &*endpoint.id).collect();
        // Of a name that is down to one address the clients stay, and with what they hold they do when it has more again.
        let before: Vec<(String, u32)> = endpoints
            .iter()
            .zip(0..)
            .filter_map(|(endpoint, at)| Some((with_address(endpoint)?, at)))
            .collect();
        let tokens = Tokens::new(&keys, cluster, &ids).knowing(&keys, cluster, &before);
        let attributes = attributes(rules);
        let field = |token: &str| format!("{}={token}{attributes}", rules.name).into_boxed_str();
        Self {
            name: rules.name.as_str().into(),
            fields: tokens.all().map(field).collect(),
            tokens,
        }
    }

    /// Its name.
    #[inline]
    #[must_use]
    pub const fn name(&self) -> &str {
        &self.name
    }

    /// The position of the endpoint that this token names; none when it names none that is there.
    #[inline]
    #[must_use]
    pub fn endpoint(&self, token: &[u8]) -> Option<usize> {
        self.tokens.position(token)
    }

    /// What `Set-Cookie` says to a client of the endpoint at that position, who keeps these tokens of other clusters.
    #[must_use]
    pub fn field(&self, position: usize, others: &[&str]) -> Option<Cow<'_, str>> {
        let field = self.fields.get(position)?;
        if others.is_empty() {
            return Some(Cow::Borrowed(field));
        }
        let (name, rest) = field.split_at_checked(self.name.len() + 1)?;
        let (token, attributes) = rest.split_at_checked(TOKEN_LENGTH)?;
        let value = join(token, others);
        Some(Cow::Owned(format!("{name}{value}{attributes}")))
    }
}

/// What an endpoint was called if its name had more addresses before; none for one that is no name's only address.
fn with_address(endpoint: &Endpoint) -> Option<String> {
    let Target::Ip(address) = &endpoint.target else {
        return None;
    };
    let ip = format!("/{}", address.ip());
    let is_only = *endpoint.authority != *address.to_string() && !endpoint.id.ends_with(&ip);
    is_only.then(|| format!("{}{ip}", endpoint.id))
}

/// What stands behind the value (RFC 6265bis §4.1.1). A cookie without `Max-Age` ends with the browser (§4.1.2.2), and scripts
/// have no use for any of ours.
fn attributes(rules: &StickyCookie) -> String {
    let mut text = format!("; Path={}", rules.path);
    if !rules.lifetime.is_zero() {
        // A browser forgets a cookie of no seconds at once, so a part of one counts as one. Writing to a string does not fail.
        let _ = write!(text, "; Max-Age={}", rules.lifetime.as_secs().max(1));
    }
    text.push_str(match rules.same_site {
        SameSite::Strict => "; SameSite=Strict",
        SameSite::Lax => "; SameSite=Lax",
        SameSite::None => "; SameSite=None",
    });
    if rules.secure {
        text.push_str("; Secure");
    }
    text.push_str("; HttpOnly");
    text
}

#[cfg(test)]
mod tests;
