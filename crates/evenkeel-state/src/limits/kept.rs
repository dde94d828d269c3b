//! The places of a request that outlives its snapshot.

use std::sync::Arc;

use super::{ClusterLimits, Permit};
use crate::endpoint::EndpointState;

/// A [`Permit`] that holds what it is of: its request may go on for longer than the snapshot that it began with.
#[derive(Debug)]
pub struct KeptPermit {
    limits: Arc<ClusterLimits>,
    endpoint: Arc<EndpointState>,
    is_counted: bool,
}

impl Permit<'_> {
    /// The same places, to be kept; this one has none from now on. None: it had none. The limits and the endpoint are those that it
    /// is of.
    #[must_use = "its places are given back"]
    pub fn keep(
        &mut self,
        limits: &Arc<ClusterLimits>,
        endpoint: &Arc<EndpointState>,
    ) -> Option<KeptPermit> {
        debug_assert!(
            std::ptr::eq(self.limits, &raw const **limits)
                && std::ptr::eq(self.endpoint, &raw const **endpoint),
            "the places are others'"
        );
        self.in_flight.take()?.keep();
        Some(KeptPermit {
            limits: Arc::clone(limits),
            endpoint: Arc::clone(endpoint),
            is_counted: self.is_counted,
        })
    }
}

impl Drop for KeptPermit {
    fn drop(&mut self) {
        drop(Permit {
            limits: &self.limits,
            endpoint: &self.endpoint,
            in_flight: Some(self.endpoint.kept()),
            is_counted: self.is_counted,
        });
    }
}
