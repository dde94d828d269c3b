//! `bad-day-origin ADDRESS:PORT NAME [MANNER…]`: an endpoint whose bad days are ordered (see the library's `origin`).

use anyhow::{Context, Result};
use evenkeel_reliability::origin;

fn main() -> Result<()> {
    let mut words = std::env::args().skip(1);
    let address = words.next().context("an address is missing")?;
    let name = words.next().context("a name is missing")?;
    let manner = words.collect::<Vec<_>>().join(" ");
    let manner = manner.parse().map_err(anyhow::Error::msg)?;
    origin::run(address.parse()?, &name, manner)
}
