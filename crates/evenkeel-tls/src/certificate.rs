//! What a certificate says: its names, its validity, whom it is about. As text that is safe in logs and in header fields.

use std::net::{Ipv4Addr, Ipv6Addr};

use x509_parser::objects::{oid_registry, oid2abbrev};
use x509_parser::parse_x509_certificate;
use x509_parser::prelude::{GeneralName, X509Certificate, X509Name};

use crate::provider::sha256;

/// What a certificate says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certificate {
    /// The hosts that it is for: names in lower case, wildcards with their `*.`, addresses as text.
    pub hosts: Vec<String>,
    /// Every alternative name with its kind: `DNS:a.example,URI:spiffe://…`.
    pub alternatives: String,
    /// Whom it is about, in one line (RFC 4514).
    pub subject: String,
    /// SHA-256 of the whole certificate, in lower-case hex.
    pub fingerprint: String,
    /// The first second of its validity, counted from 1970.
    pub not_before: i64,
    /// The last one.
    pub not_after: i64,
}

impl Certificate {
    /// What a certificate (DER) says.
    ///
    /// # Errors
    /// When it is none.
    pub fn of(der: &[u8]) -> Result<Self, String> {
        let (_, parsed) = parse_x509_certificate(der)
            .map_err(|error| format!("cannot be read as an X.509 certificate: {error}"))?;
        let validity = parsed.validity();
        let (hosts, alternatives) = names(&parsed);
        Ok(Self {
            hosts,
            alternatives,
            subject: one_line(parsed.subject()),
            fingerprint: hex(&sha256([der])),
            not_before: validity.not_before.timestamp(),
            not_after: validity.not_after.timestamp(),
        })
    }

    /// Whether it is for that host, given in lower case: a wildcard stands for one label (RFC 9525 §6.3).
    #[must_use]
    pub fn is_for(&self, host: &str) -> bool {
        let rest = host.split_once('.').map(|(_, rest)| rest);
        let is_for = |name: &str| match name.strip_prefix("*.") {
            Some(wild) => rest == Some(wild),
            None => name == host,
        };
        self.hosts.iter().any(|name| is_for(name))
    }

    /// Whether it is valid at that second, counted from 1970.
    #[must_use]
    pub fn is_in_time(&self, now: i64) -> bool {
        (self.not_before..=self.not_after).contains(&now)
    }
}

/// The last second of a certificate (DER); none when it is none.
pub(crate) fn not_after(der: &[u8]) -> Option<i64> {
    let (_, parsed) = parse_x509_certificate(der).ok()?;
    Some(parsed.validity().not_after.timestamp())
}

/// The hosts, and every alternative name in one line. A subject's common name is no host: no client has looked at that for years
/// (RFC 9525 §2).
fn names(certificate: &X509Certificate<'_>) -> (Vec<String>, String) {
    let Ok(Some(extension)) = certificate.subject_alternative_name() else {
        return Default::default();
    };
    let (mut hosts, mut all) = (Vec::new(), Vec::new());
    for name in &extension.value.general_names {
        let (kind, text) = match name {
            GeneralName::DNSName(name) => {
                hosts.push(name.to_ascii_lowercase());
                ("DNS", (*name).to_owned())
            }
            GeneralName::IPAddress(bytes) => {
                let Some(address) = address(bytes) else {
                    continue;
                };
                hosts.push(address.clone());
                ("IP", address)
            }
            GeneralName::URI(uri) => ("URI", (*uri).to_owned()),
            GeneralName::RFC822Name(mail) => ("email", (*mail).to_owned()),
            _ => continue,
        };
        all.push(format!("{kind}:{}", escaped(&text)));
    }
    (hosts, all.join(","))
}

fn address(bytes: &[u8]) -> Option<String> {
    if let Ok(v4) = <[u8; 4]>::try_from(bytes) {
        return Some(Ipv4Addr::from(v4).to_string());
    }
    let v6 = <[u8; 16]>::try_from(bytes).ok()?;
    Some(Ipv6Addr::from(v6).to_string())
}

/// A name in one line, the last part first (RFC 4514 §2).
fn one_line(name: &X509Name<'_>) -> String {
    let parts: Vec<_> = name.iter_rdn().collect();
    let parts = parts.iter().rev().map(|part| {
        let attributes = part.iter().map(|attribute| {
            let kind = attribute.attr_type();
            let abbreviated = oid2abbrev(kind, oid_registry());
            let kind = abbreviated.map_or_else(|_| kind.to_id_string(), str::to_owned);
            let value = attribute.as_str().map(escaped);
            let value = value.unwrap_or_else(|_| format!("#{}", hex(attribute.as_slice())));
            format!("{kind}={value}")
        });
        attributes.collect::<Vec<_>>().join("+")
    });
    parts.collect::<Vec<_>>().join(",")
}

/// A value in which nothing can be taken for the next one (RFC 4514 §2.4), and nothing breaks a header field: what is not visible
/// ASCII is written as bytes in hex.
fn escaped(value: &str) -> String {
    let mut out = String::with_capacity(value.len());
    let last = value.len().saturating_sub(1);
    for (at, byte) in value.bytes().enumerate() {
        match byte {
            b',' | b'+' | b'"' | b'\\' | b'<' | b'>' | b';' => {
                out.push('\\');
                out.push(char::from(byte));
            }
            b'#' | b' ' if at == 0 => {
                out.push('\\');
                out.push(char::from(byte));
            }
            b' ' if at == last => out.push_str("\\ "),
            b' '..=b'~' => out.push(char::from(byte)),
            other => {
                out.push('\\');
                out.push_str(&hex(&[other]));
            }
        }
    }
    out
}

/// The day of a moment, counted in seconds from 1970, as `2026-11-28` (UTC).
#[must_use]
pub fn date(seconds: i64) -> String {
    // Days since 0000-03-01, in eras of 400 years: a year then ends with February, and leap days with it.
    let days = seconds.div_euclid(86_400) + 719_468;
    let (era, of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = year + era * 400 + i64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02}")
}

fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |nibble: u8| char::from(DIGITS[usize::from(nibble & 15)]);
    let mut out = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        out.push(digit(byte >> 4));
        out.push(digit(*byte));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_value_can_be_taken_for_two() {
        for (value, expected) in [
            ("plain", "plain"),
            ("a, O=admins", "a\\, O=admins"),
            ("a+b\"c\\d<e>f;g", "a\\+b\\\"c\\\\d\\<e\\>f\\;g"),
            ("#x", "\\#x"),
            (" x ", "\\ x\\ "),
            (" ", "\\ "),
            ("a\r\nb\0", "a\\0d\\0ab\\00"),
            ("ü", "\\c3\\bc"),
            ("", ""),
        ] {
            assert_eq!(escaped(value), expected, "{value:?}");
        }
    }

    #[test]
    fn a_moment_has_its_day() {
        for (seconds, expected) in [
            (0, "1970-01-01"),
            (86_399, "1970-01-01"),
            (-1, "1969-12-31"),
            (951_782_400, "2000-02-29"),
            (1_798_761_599, "2026-12-31"),
            (4_102_444_800, "2100-01-01"),
            (4_107_542_400, "2100-03-01"),
        ] {
            assert_eq!(date(seconds), expected);
        }
    }

    fn certificate(hosts: &[&str], not_before: i64, not_after: i64) -> Certificate {
        Certificate {
            hosts: hosts.iter().map(|&host| host.to_owned()).collect(),
            alternatives: String::new(),
            subject: String::new(),
            fingerprint: String::new(),
            not_before,
            not_after,
        }
    }

    #[test]
    fn the_first_and_the_last_second_count() {
        let certificate = certificate(&[], 10, 20);
        for (now, expected) in [(9, false), (10, true), (20, true), (21, false)] {
            assert_eq!(certificate.is_in_time(now), expected, "{now}");
        }
    }

    #[test]
    fn a_wildcard_stands_for_one_label() {
        let certificate = certificate(&["a.example", "*.b.example", "::1"], 0, 0);
        for (host, expected) in [
            ("a.example", true),
            ("x.a.example", false),
            ("x.b.example", true),
            ("b.example", false),
            ("x.y.b.example", false),
            ("*.b.example", true),
            ("::1", true),
            ("", false),
        ] {
            assert_eq!(certificate.is_for(host), expected, "{host}");
        }
    }
}
