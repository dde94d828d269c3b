//! What a balancer may know about one endpoint. It is not the endpoint: address, pool and counters stay with their owners.

use crate::load::Load;

/// An endpoint as a balancer sees it: facts that may change between two looks.
pub trait Candidate {
    /// Its part of the cluster's traffic compared with the others, 0 to 1,000; 0 gets no new requests, whatever happens.
    fn weight(&self) -> u16;

    /// Requests it has been given, by all workers, whose responses have not ended.
    fn in_flight(&self) -> u32;

    /// Which part of its weight it gets at this moment, in thousandths: health, ejection and slow start in one number
    /// ([`Standing::share`](crate::Standing::share)).
    fn share(&self) -> u16;

    /// Whether it is below its limit of requests in flight.
    fn has_room(&self) -> bool;

    /// What is measured of it; none where nothing is.
    fn load(&self) -> Option<&Load> {
        None
    }
}

impl<C: Candidate + ?Sized> Candidate for &C {
    fn weight(&self) -> u16 {
        (**self).weight()
    }

    fn in_flight(&self) -> u32 {
        (**self).in_flight()
    }

    fn share(&self) -> u16 {
        (**self).share()
    }

    fn has_room(&self) -> bool {
        (**self).has_room()
    }

    fn load(&self) -> Option<&Load> {
        (**self).load()
    }
}

impl<C: Candidate + ?Sized> Candidate for std::sync::Arc<C> {
    fn weight(&self) -> u16 {
        (**self).weight()
    }

    fn in_flight(&self) -> u32 {
        (**self).in_flight()
    }

    fn share(&self) -> u16 {
        (**self).share()
    }

    fn has_room(&self) -> bool {
        (**self).has_room()
    }

    fn load(&self) -> Option<&Load> {
        (**self).load()
    }
}
