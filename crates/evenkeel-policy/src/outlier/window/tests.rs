//! What the last seconds hold.
