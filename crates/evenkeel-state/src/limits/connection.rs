//! Connections count from before they are made until they are closed, idle ones included.

use std::sync::Arc;

use super::{ClusterLimits, Full};
use crate::dial::Dial;
use crate::endpoint::EndpointState;
use crate::sync::{AtomicU32, Ordering};

/// A connection to an endpoint that is open, or about to be. It goes where the connection goes, also into a pool; when it
/// is dropped, its place is free and the next one in the waiting room is called in.
#[derive(Debug)]
pub struct OpenConnection {
    endpoint: Arc<EndpointState>,
    limits: Arc<ClusterLimits>,
    dial: u32,
}

impl OpenConnection {
    /// The same, made by the dial of that serial.
    #[must_use]
    pub(crate) fn made_by(mut self, dial: u32) -> Self {
        self.dial = dial;
        self
    }

    /// The serial of the [`Dial`] that it was made by: an endpoint that is dialed otherwise by now gets no request
    /// over it.
    #[inline]
    #[must_use]
    pub const fn dial(&self) -> u32 {
        self.dial
    }
}

impl ClusterLimits {
    /// Takes the place of a connection that is about to be made. Connections are counted whether there is a limit or not.
    ///
    /// # Errors
    /// What has no place: the endpoint, so that an idle connection to it has to be closed first; or the cluster, so that
    /// any of its idle connections has.
    pub fn connect(
        self: &Arc<Self>,
        endpoint: &Arc<EndpointState>,
    ) -> Result<OpenConnection, Full> {
        if !self.connections.take() {
            return Err(Full::Cluster);
        }
        let most = self.endpoint_connections.load(Ordering::Relaxed);
        if !endpoint.try_connect(most) {
            self.connections.give_back();
            return Err(Full::Endpoint);
        }
        Ok(OpenConnection {
            endpoint: Arc::clone(endpoint),
            limits: Arc::clone(self),
            dial: Dial::PLAIN.serial,
        })
    }

    /// Whether anybody can be waiting for a connection.
    fn limits_connections(&self) -> bool {
        let is_limit = |most: &AtomicU32| most.load(Ordering::Relaxed) != u32::MAX;
        is_limit(&self.connections.most) || is_limit(&self.endpoint_connections)
    }
}

impl Drop for OpenConnection {
    fn drop(&mut self) {
        self.endpoint.disconnected();
        self.limits.connections.give_back();
        if self.limits.limits_connections() {
            self.limits.room.released();
        }
    }
}
