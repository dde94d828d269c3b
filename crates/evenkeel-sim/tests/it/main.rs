//! The simulator against what is known without it: queueing theory, the rules of evenkeel, and itself.

#[cfg(test)]
mod builtin;
#[cfg(test)]
mod corpus;
#[cfg(test)]
mod docs;
#[cfg(test)]
mod mistakes;
#[cfg(test)]
mod paper;
#[cfg(test)]
mod rules;
#[cfg(test)]
mod small;
#[cfg(test)]
mod theory;
