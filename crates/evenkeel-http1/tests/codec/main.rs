//! The codec against the table of vectors, against properties, against itself on a corpus, and against hyper.

#[cfg(test)]
mod corpus;
#[cfg(test)]
mod drive;
#[cfg(test)]
mod hyper;
#[cfg(test)]
mod properties;
#[cfg(test)]
mod vectors;
