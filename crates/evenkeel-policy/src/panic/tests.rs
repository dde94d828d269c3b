//! When health is ignored.
