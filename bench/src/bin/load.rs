//! `bench-load`: the command line of the load generator.

use anyhow::Result;
use clap::Parser;
use evenkeel_bench::load::{self, Options};

fn main() -> Result<()> {
    load::run(&Options::parse())
}
