//! The cap over a whole cluster.
