//! The configuration file: read it all, report every mistake at once, hand on only what is right.
//!
//! [`check()`] turns text into a [`model::Config`] or into diagnostics; [`print()`] turns a configuration into the
//! shortest text that means it; [`check_cluster()`] reads a cluster out of another document; [`proxy()`] makes the one that needs no file. [`schema()`] and
//! [`reference_markdown`] come from the same knobs that reading uses. Nothing here opens a file, reads the environment
//! or touches the network: [`Source`] is how the binary lends those.

mod check;
mod circle;
mod cookies;
mod diagnostic;
mod elsewhere;
pub mod fuzzing;
mod knob;
pub mod layer;
pub mod model;
mod part;
mod print;
mod proxy;
mod raw;
mod reach;
mod reference;
mod schema;
mod section;
mod show;
mod source;
mod spelling;
mod value;

pub use check::{Checked, check};
pub use diagnostic::{Diagnostic, Note, Place, Severity, render_all};
pub use part::{CheckedCluster, check_cluster};
pub use print::{print, print_settings};
pub use proxy::{parse_balancer, proxy};
pub use reference::{
    access_log_markdown, examples, fault_markdown, fault_text, faults_markdown, reference_markdown,
};
pub use schema::{schema, schema_text};
pub use section::cluster::added::{EndpointSaid, check_endpoint};
pub use section::cluster::endpoint::MOST_ENDPOINTS;
pub use section::cluster::list::{CheckedList, check_list};
pub use section::cluster::scheme::Spoken;
pub use show::{show, show_json, shown_text, shown_value};
pub use source::{Nowhere, Source};
pub use spelling::nearest;
pub use value::net::parse_bind;
pub use value::pattern::body_regex;
