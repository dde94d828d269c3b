//! What `retry` can be about: kinds of faults, statuses, and statuses of gRPC.

use evenkeel_base::GrpcStatus;
use evenkeel_base::grpc::GrpcStatuses;
use evenkeel_base::rules::{RetryOn, Statuses};
use serde_json::Value as Json;

use crate::raw::{At, Cx, Node};
use crate::value::scalar::Choice;
use crate::value::{Bounds, Value};

/// One kind of fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Connect,
    Reset,
    Timeout,
    Malformed,
}

impl Choice for Kind {
    fn all() -> Vec<(&'static str, Self)> {
        vec![
            ("connect", Self::Connect),
            ("reset", Self::Reset),
            ("timeout", Self::Timeout),
            ("malformed", Self::Malformed),
        ]
    }
}

impl Value for RetryOn {
    type Bound = ();

    fn read(node: &Node<'_>, _: Option<&Bounds<()>>, cx: &mut Cx<'_>) -> Option<Self> {
        let kinds: Vec<Kind> = Vec::read(node, None, cx)?;
        Some(Self {
            connect: kinds.contains(&Kind::Connect),
            reset: kinds.contains(&Kind::Reset),
            timeout: kinds.contains(&Kind::Timeout),
            malformed: kinds.contains(&Kind::Malformed),
        })
    }

    fn toml(&self) -> String {
        let kinds: Vec<Kind> = [
            (self.connect, Kind::Connect),
            (self.reset, Kind::Reset),
            (self.timeout, Kind::Timeout),
            (self.malformed, Kind::Malformed),
        ]
        .into_iter()
        .filter_map(|(is, kind)| is.then_some(kind))
        .collect();
        kinds.toml()
    }

    fn kind() -> String {
        Vec::<Kind>::kind()
    }

    fn schema(_: Option<&Bounds<()>>) -> Json {
        Vec::<Kind>::schema(None)
    }
}

impl Value for Statuses {
    type Bound = ();

    fn read(node: &Node<'_>, _: Option<&Bounds<()>>, cx: &mut Cx<'_>) -> Option<Self> {
        let statuses: Vec<At<u64>> = Vec::read(node, None, cx)?;
        let before = cx.count();
        let mut set = Self::NONE;
        for At { value, span } in statuses {
            match u16::try_from(value) {
                Ok(status @ Self::LEAST..=Self::GREATEST) => set = set.with(status),
                _ => {
                    cx.error(
                        span,
                        format!("{value} is no status of a failure, so it is never tried again"),
                    )
                    .help(format!(
                        "write statuses from {} to {}; who cannot answer now says 502, 503 or 504",
                        Self::LEAST,
                        Self::GREATEST
                    ));
                }
            }
        }
        (cx.count() == before).then_some(set)
    }

    fn toml(&self) -> String {
        self.iter().collect::<Vec<u16>>().toml()
    }

    fn kind() -> String {
        format!(
            "status from {} to {}, or a list of them",
            Self::LEAST,
            Self::GREATEST
        )
    }

    fn schema(_: Option<&Bounds<()>>) -> Json {
        Vec::<u16>::schema(Some(&Bounds {
            least: Self::LEAST,
            greatest: Self::GREATEST,
        }))
    }
}

impl Choice for GrpcStatus {
    fn all() -> Vec<(&'static str, Self)> {
        let errors = Self::ALL.into_iter().filter(|one| *one != Self::Ok);
        errors.map(|one| (one.name(), one)).collect()
    }
}

impl Value for GrpcStatuses {
    type Bound = ();

    fn read(node: &Node<'_>, _: Option<&Bounds<()>>, cx: &mut Cx<'_>) -> Option<Self> {
        let statuses: Vec<GrpcStatus> = Vec::read(node, None, cx)?;
        Some(statuses.into_iter().collect())
    }

    fn toml(&self) -> String {
        self.iter().collect::<Vec<_>>().toml()
    }

    fn kind() -> String {
        Vec::<GrpcStatus>::kind()
    }

    fn schema(_: Option<&Bounds<()>>) -> Json {
        Vec::<GrpcStatus>::schema(None)
    }
}
