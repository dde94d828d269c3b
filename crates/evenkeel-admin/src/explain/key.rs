//! What requests are told apart by, in words.

use evenkeel_base::rules::KeyPart;

use super::Asked;

/// Each part, with what the request has where that is short.
pub(super) fn parts(of: &Asked<'_>, by: &[KeyPart]) -> Vec<String> {
    let one = |part: &KeyPart| match part {
        KeyPart::Client => format!(
            "client {}",
            of.client
                .ip
                .map_or_else(|| "without an address".to_owned(), |ip| ip.to_string())
        ),
        KeyPart::Header(name) => format!("header {name}"),
        KeyPart::Cookie(name) => format!("cookie {name}"),
        KeyPart::Path => "path".to_owned(),
        KeyPart::Query => "query".to_owned(),
        KeyPart::Parameter(name) => format!("parameter {name}"),
    };
    by.iter().map(one).collect()
}
