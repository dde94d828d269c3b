//! Tests of the crate from outside, in one program: one link instead of one for each file.

#[cfg(test)]
mod balancing;
#[cfg(test)]
mod corpus;
#[cfg(test)]
mod dates;
#[cfg(test)]
mod decisions;
#[cfg(test)]
mod docs;
#[cfg(test)]
mod golden;
#[cfg(test)]
mod good;
#[cfg(test)]
mod json_schema;
#[cfg(test)]
mod part;
#[cfg(test)]
mod picks;
#[cfg(test)]
mod properties;
#[cfg(test)]
mod rules;
#[cfg(test)]
mod source;
#[cfg(test)]
mod traces;
