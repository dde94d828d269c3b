//! The compiled route table: the most specific route that matches a request wins, and the order of routes never matters.
//!
//! Pure: a request's head goes in, a [`RouteId`](evenkeel_base::RouteId) comes out. What a route then does is not known
//! here, and neither is the configuration file: [`RouteMatch`](evenkeel_base::matching::RouteMatch) is all that is read.
//! The order that decides is [`Specificity`](evenkeel_base::matching::Specificity), which `check` uses too.

pub mod asked;
pub mod fuzzing;

mod condition;
mod names;
mod radix;
mod table;

pub use asked::{Asked, asked};
pub use table::{Considered, RouteTable};
