//! What a fault means, as `GET /api/v1/faults/{name}` shows it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// `GET /api/v1/faults/{name}`: what a fault means.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub struct Fault {
    /// Its name.
    pub name: String,
    /// Whose it is: `client`, `evenkeel` or `endpoint`.
    pub side: String,
    /// The status of the reply; 499: there is none.
    pub status: u16,
    /// What happened.
    pub about: String,
    /// What usually causes it.
    pub causes: Vec<String>,
    /// What to look at.
    pub look: Vec<String>,
}
