//! A connection to an endpoint as its cluster wants it: plain, or through TLS, whose handshake is part of connecting.

use std::fmt;
use std::io;

use evenkeel_base::{Fault, Target};
use evenkeel_tls::client::EndpointTls;
use evenkeel_tls::{Failure, Reason};

use crate::connect::connect;
use crate::stream::Stream;
use crate::tls::{HandshakeError, TlsStream};

/// Why there is no connection to an endpoint.
#[derive(Debug)]
pub enum NotConnected {
    /// The system could not make one.
    Socket(io::Error),
    /// The endpoint closed it in the middle of the handshake, or it broke.
    Cut(io::Error),
    /// There is no TLS with this endpoint.
    Tls(Failure),
}

/// Connects, and shakes hands when there is TLS. How long that may take is the caller's business: dropping the future gives up.
///
/// # Errors
/// See [`NotConnected`].
pub async fn dial(target: &Target, tls: Option<&EndpointTls>) -> Result<Stream, NotConnected> {
    dial_noting(target, tls, || ()).await
}

/// The same, and calls `shaking` when a handshake begins: also who gives up wants to know how far it came.
///
/// # Errors
/// See [`NotConnected`].
pub async fn dial_noting(
    target: &Target,
    tls: Option<&EndpointTls>,
    shaking: impl FnOnce(),
) -> Result<Stream, NotConnected> {
    let stream = connect(target).await.map_err(NotConnected::Socket)?;
    let Some(tls) = tls else {
        return Ok(stream);
    };
    shaking();
    // Boxed: a handshake's state would make every connect without one larger.
    Box::pin(secure(stream, tls)).await
}

async fn secure(stream: Stream, tls: &EndpointTls) -> Result<Stream, NotConnected> {
    let connection = tls.connect().map_err(NotConnected::Tls)?;
    let stream = TlsStream::handshake(stream, connection).await;
    let stream = stream.map_err(|error| match error {
        HandshakeError::Io(error) => NotConnected::Cut(error),
        HandshakeError::Tls(failure, _) => NotConnected::Tls(failure),
        HandshakeError::Plain(..) => NotConnected::Cut(io::ErrorKind::InvalidData.into()),
    })?;
    tls.check(stream.connection()).map_err(NotConnected::Tls)?;
    Ok(Stream::Tls(Box::new(stream)))
}

impl NotConnected {
    /// What it is called when TLS is what failed; `None` when the system could not connect.
    #[must_use]
    pub fn tls_fault(&self) -> Option<Fault> {
        match self {
            Self::Socket(_) => None,
            Self::Cut(_) => Some(Fault::TlsHandshakeFailed),
            Self::Tls(failure) => Some(fault_of(failure)),
        }
    }
}

impl fmt::Display for NotConnected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Socket(error) => error.fmt(f),
            Self::Cut(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                f.write_str("it closed the connection during the TLS handshake")
            }
            Self::Cut(error) => write!(f, "the connection broke during the TLS handshake: {error}"),
            Self::Tls(failure) => failure.fmt(f),
        }
    }
}

impl std::error::Error for NotConnected {}

/// The fault of an endpoint's stream that failed by TLS; `None` when it failed by itself.
#[must_use]
pub fn tls_fault(error: &io::Error) -> Option<Fault> {
    let inner = error.get_ref()?;
    inner.downcast_ref::<Failure>().map(fault_of)
}

fn fault_of(failure: &Failure) -> Fault {
    match failure.reason() {
        Reason::BadCertificate | Reason::NoCertificate => Fault::TlsCertificateRefused,
        Reason::Refused => Fault::TlsAlertReceived,
        Reason::NotTls | Reason::NoAgreement | Reason::Broken => Fault::TlsHandshakeFailed,
    }
}
