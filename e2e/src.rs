//! End-to-end tests live in `tests/`, one module per topic; cargo wants a package to have a library beside them.
