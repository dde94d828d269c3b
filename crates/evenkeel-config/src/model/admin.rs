//! The admin address.

use std::net::SocketAddr;
use std::path::PathBuf;

use evenkeel_tls::{ClientCheck, Secret};

use crate::model::ListenerCertificate;

/// Where operators are answered beside the control socket, and what is asked of them.
#[derive(Clone, Debug, PartialEq)]
pub struct Admin {
    /// The address.
    pub bind: SocketAddr,
    /// What whoever asks has to know; none: nothing.
    pub token: Option<AdminToken>,
    /// TLS that is spoken; none: HTTP as it is.
    pub tls: Option<AdminTls>,
    /// Names that lead to this address, in lower case, beside `localhost` and those of the certificate.
    pub hosts: Vec<String>,
    /// Whether nothing can be ordered here.
    pub read_only: bool,
}

/// A token, which stands in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AdminToken {
    /// The file.
    pub file: PathBuf,
    /// What stands in it.
    pub secret: Secret,
}

/// TLS of the admin address.
#[derive(Clone, Debug, PartialEq)]
pub struct AdminTls {
    /// What is shown.
    pub certificate: ListenerCertificate,
    /// The file of the authorities whose certificates are believed of clients, which have to show one, and the check that follows
    /// from it; none: nothing is asked of them.
    pub clients: Option<(PathBuf, ClientCheck)>,
}
