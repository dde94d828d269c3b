//! What a balancer may know about one endpoint. It is not the endpoint: address, pool and counters stay with their owners.

/// An endpoint as a balancer sees it: three numbers that may change between two looks.
pub trait Candidate {
    /// Its share, 0 to 1,000; 0 gets no new requests.
    fn weight(&self) -> u16;

    /// Requests it has been given, by all workers, whose responses have not ended.
    fn in_flight(&self) -> u32;

    /// Whether it takes new requests: health, outlier ejection, admin state and limits in one word.
    fn admits(&self) -> bool;
}

impl<C: Candidate + ?Sized> Candidate for &C {
    fn weight(&self) -> u16 {
        (**self).weight()
    }

    fn in_flight(&self) -> u32 {
        (**self).in_flight()
    }

    fn admits(&self) -> bool {
        (**self).admits()
    }
}

impl<C: Candidate + ?Sized> Candidate for std::sync::Arc<C> {
    fn weight(&self) -> u16 {
        (**self).weight()
    }

    fn in_flight(&self) -> u32 {
        (**self).in_flight()
    }

    fn admits(&self) -> bool {
        (**self).admits()
    }
}
