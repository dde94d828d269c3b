//! From a request's body to an order.

use std::time::Duration;

use evenkeel_base::rules::AdminState;
use evenkeel_base::unit::parse_duration;
use evenkeel_config::model::LogLevel;
use evenkeel_config::{EndpointSaid, check_endpoint};
use evenkeel_state::command::{Command, EndpointOrder};
use serde::de::DeserializeOwned;

use crate::view;

/// The greatest weight, as in the configuration.
const MAX_WEIGHT: u16 = 1_000;

/// What a body says; one that is left out says nothing.
pub(crate) fn read<T: DeserializeOwned + Default>(body: &[u8]) -> Result<T, String> {
    if body.iter().all(u8::is_ascii_whitespace) {
        return Ok(T::default());
    }
    serde_json::from_slice(body).map_err(|error| format!("the body is wrong: {error}"))
}

/// `{"trial": "30s"}`.
pub(crate) fn reload(_: &[String], body: &[u8]) -> Result<Command, String> {
    let view::Reload { trial } = read(body)?;
    let trial = if trial.is_empty() {
        Duration::ZERO
    } else {
        parse_duration(&trial).map_err(|error| format!("trial: {error}"))?
    };
    Ok(Command::Reload { trial })
}

/// `{"program": "/usr/bin/evenkeel"}`; without it the one that runs, as it is on disk by now.
pub(crate) fn upgrade(_: &[String], body: &[u8]) -> Result<Command, String> {
    let view::Upgrade { program } = read(body)?;
    if !program.is_empty() && !program.starts_with('/') {
        return Err(format!("program: \"{program}\" is no absolute path"));
    }
    Ok(Command::Upgrade {
        program: program.into(),
    })
}

/// `{"admin": "drain"}` or `{"weight": 3}`.
pub(crate) fn endpoint(names: &[String], body: &[u8]) -> Result<Command, String> {
    let [cluster, endpoint] = names else {
        return Err("a cluster and an endpoint are needed".to_owned());
    };
    let order = match read(body)? {
        view::EndpointOrder {
            admin: Some(admin),
            weight: None,
        } => admin_order(&admin)?,
        view::EndpointOrder {
            admin: None,
            weight: Some(weight),
        } if weight <= MAX_WEIGHT => EndpointOrder::Weight(weight),
        view::EndpointOrder {
            admin: None,
            weight: Some(weight),
        } => return Err(format!("a weight is 0 to {MAX_WEIGHT}, not {weight}")),
        _ => {
            return Err("say one of {\"admin\": \"drain\"} and {\"weight\": 3}".to_owned());
        }
    };
    Ok(Command::Endpoint {
        cluster: cluster.clone(),
        endpoint: endpoint.clone(),
        order,
    })
}

/// `{"address": "10.0.0.1:80", "weight": 3}`.
pub(crate) fn add(names: &[String], body: &[u8]) -> Result<Command, String> {
    let [cluster] = names else {
        return Err("a cluster is needed".to_owned());
    };
    let view::NewEndpoint {
        address,
        id,
        weight,
        zone,
    } = read(body)?;
    if address.is_empty() {
        return Err("say where it is: {\"address\": \"10.0.0.1:8080\"}".to_owned());
    }
    let said = EndpointSaid {
        address: &address,
        id: id.as_deref(),
        weight,
        zone: zone.as_deref(),
    };
    let (scheme, endpoint) = check_endpoint(&said)?;
    Ok(Command::AddEndpoint {
        cluster: cluster.clone(),
        endpoint: Box::new(endpoint),
        scheme,
    })
}

/// No body: the path says it all.
pub(crate) fn remove(names: &[String], _: &[u8]) -> Result<Command, String> {
    let [cluster, endpoint] = names else {
        return Err("a cluster and an endpoint are needed".to_owned());
    };
    Ok(Command::RemoveEndpoint {
        cluster: cluster.clone(),
        endpoint: endpoint.clone(),
    })
}

/// `{"level": "debug", "for": "10m"}`.
pub(crate) fn log(_: &[String], body: &[u8]) -> Result<Command, String> {
    let view::LogOrder { level, time } = read(body)?;
    let level = match level.as_str() {
        AS_CONFIGURED => None,
        name => Some(LogLevel::named(name).ok_or_else(|| {
            let all = LogLevel::ALL.map(LogLevel::name).join(", ");
            format!("level: \"{name}\" is none of {all} and {AS_CONFIGURED}")
        })?),
    };
    let time = if time.is_empty() {
        Duration::ZERO
    } else {
        parse_duration(&time).map_err(|error| format!("for: {error}"))?
    };
    Ok(Command::LogLevel { level, time })
}

/// What takes back all that was ordered.
pub(crate) const AS_CONFIGURED: &str = "as-configured";

fn admin_order(name: &str) -> Result<EndpointOrder, String> {
    if name == AS_CONFIGURED {
        return Ok(EndpointOrder::AsConfigured);
    }
    let mut all = AdminState::ALL.into_iter();
    let found = all.find(|admin| admin.name() == name);
    found
        .map(EndpointOrder::Admin)
        .ok_or_else(|| format!("\"{name}\" is none of ready, drain, maint and {AS_CONFIGURED}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_become_orders() {
        let of = |body: &str| match endpoint(&["c".to_owned(), "e".to_owned()], body.as_bytes()) {
            Ok(Command::Endpoint { order, .. }) => Ok(order),
            Ok(other) => panic!("{other:?}"),
            Err(error) => Err(error),
        };
        for (body, expected) in [
            (
                r#"{"admin":"drain"}"#,
                EndpointOrder::Admin(AdminState::Drain),
            ),
            (r#"{"admin":"as-configured"}"#, EndpointOrder::AsConfigured),
            (r#"{"weight":0}"#, EndpointOrder::Weight(0)),
            (r#"{"weight":1000}"#, EndpointOrder::Weight(1_000)),
        ] {
            assert_eq!(of(body), Ok(expected), "{body}");
        }
        for (body, expected) in [
            ("", "say one of"),
            ("{}", "say one of"),
            (r#"{"admin":"drain","weight":1}"#, "say one of"),
            (r#"{"weight":1001}"#, "0 to 1000"),
            (r#"{"weight":-1}"#, "the body is wrong"),
            (r#"{"admin":"drain","weight":null}"#, "the body is wrong"),
            (r#"{"admin":"off"}"#, "none of ready"),
            (r#"{"amdin":"drain"}"#, "unknown field `amdin`"),
            ("[", "the body is wrong"),
        ] {
            let error = of(body).unwrap_err();
            assert!(error.contains(expected), "{body}: {error}");
        }
    }

    #[test]
    fn an_endpoint_is_added_by_what_it_is_called_in_the_configuration() {
        let of = |body: &str| match add(&["c".to_owned()], body.as_bytes()) {
            Ok(Command::AddEndpoint {
                endpoint, scheme, ..
            }) => Ok((endpoint.id, endpoint.weight, scheme.is_some())),
            Ok(other) => panic!("{other:?}"),
            Err(error) => Err(error),
        };
        for (body, expected) in [
            (r#"{"address":"10.0.0.1:80"}"#, ("10.0.0.1:80", 1, false)),
            (
                r#"{"address":"http://10.0.0.1","id":"a","weight":0}"#,
                ("a", 0, true),
            ),
        ] {
            let (id, weight, scheme) = expected;
            assert_eq!(of(body), Ok((id.to_owned(), weight, scheme)), "{body}");
        }
        for (body, part) in [
            ("", "say where it is"),
            ("{}", "say where it is"),
            (r#"{"address":"x"}"#, "not an address"),
            (r#"{"address":":1","weight":1001}"#, "1000"),
            (r#"{"address":":1","wait":1}"#, "unknown field"),
        ] {
            let error = of(body).unwrap_err();
            assert!(error.contains(part), "{body}: {error}");
        }
    }

    #[test]
    fn a_level_of_the_log_has_a_name_and_maybe_a_time() {
        for (body, expected) in [
            (r#"{"level":"debug"}"#, Some((Some(LogLevel::Debug), 0))),
            (
                r#"{"level":"warn","for":"2m"}"#,
                Some((Some(LogLevel::Warn), 120)),
            ),
            (r#"{"level":"as-configured"}"#, Some((None, 0))),
            (r#"{"level":"loud"}"#, None),
            (r#"{"level":"debug","for":"soon"}"#, None),
            ("", None),
        ] {
            let seen = match log(&[], body.as_bytes()) {
                Ok(Command::LogLevel { level, time }) => Some((level, time.as_secs())),
                _ => None,
            };
            assert_eq!(seen, expected, "{body}");
        }
    }

    #[test]
    fn a_program_is_a_path_from_the_root_or_none() {
        for (body, expected) in [
            ("", Some("")),
            (r#"{"program":"/bin/x"}"#, Some("/bin/x")),
            (r#"{"program":"x"}"#, None),
            (r#"{"path":"/x"}"#, None),
        ] {
            let program = match upgrade(&[], body.as_bytes()) {
                Ok(Command::Upgrade { program }) => Some(program),
                _ => None,
            };
            assert_eq!(program, expected.map(Into::into), "{body}");
        }
    }

    #[test]
    fn a_trial_is_a_time() {
        for (body, expected) in [
            ("", Some(0)),
            ("{}", Some(0)),
            (r#"{"trial":"30s"}"#, Some(30)),
            (r#"{"trial":"2m"}"#, Some(120)),
            (r#"{"trial":"soon"}"#, None),
            (r#"{"trial":30}"#, None),
        ] {
            let trial = match reload(&[], body.as_bytes()) {
                Ok(Command::Reload { trial }) => Some(trial.as_secs()),
                _ => None,
            };
            assert_eq!(trial, expected, "{body}");
        }
    }
}
