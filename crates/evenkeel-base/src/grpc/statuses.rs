//! A set of statuses that tell of an error.

use std::fmt;

use crate::grpc::GrpcStatus;

/// A set of statuses, [`GrpcStatus::Ok`] never among them.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct GrpcStatuses(u32);

impl GrpcStatuses {
    /// The empty set.
    pub const NONE: Self = Self(0);

    /// Whether it is empty.
    #[inline]
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Whether `status` is in it.
    #[must_use]
    pub const fn contains(self, status: GrpcStatus) -> bool {
        self.0 & (1 << status as u32) != 0
    }

    /// The set with `status` too; a call that went well changes nothing.
    #[must_use]
    pub const fn with(self, status: GrpcStatus) -> Self {
        match status {
            GrpcStatus::Ok => self,
            _ => Self(self.0 | 1 << status as u32),
        }
    }

    /// What is in it, by number.
    pub fn iter(self) -> impl Iterator<Item = GrpcStatus> {
        let all = GrpcStatus::ALL.into_iter();
        all.filter(move |status| self.contains(*status))
    }
}

impl FromIterator<GrpcStatus> for GrpcStatuses {
    fn from_iter<I: IntoIterator<Item = GrpcStatus>>(statuses: I) -> Self {
        statuses.into_iter().fold(Self::NONE, Self::with)
    }
}

impl fmt::Debug for GrpcStatuses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}
