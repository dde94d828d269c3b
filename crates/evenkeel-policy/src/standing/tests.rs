//! The word and its changes.
