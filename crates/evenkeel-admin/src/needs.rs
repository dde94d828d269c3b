//! What a page asks of whoever wants it.

/// What is asked of whoever wants a page by the admin address; by the control socket everything is had for the asking.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Needs {
    /// Nothing at all: orchestrators ask for it, by whatever name.
    Nothing,
    /// A name that is this address's, but no token: it is the same for everybody and tells nothing.
    Name,
    /// Leave to look.
    Read,
    /// Leave to change something.
    Write,
}
