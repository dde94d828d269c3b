//! Ejection, trial and return, with written-out instants.
