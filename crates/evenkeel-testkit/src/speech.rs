//! What is spoken on one side of a test: which HTTP, and whether over TLS. Origins are made by it, and [`crate::Caller`]s.
//!
//! ```no_run
//! use evenkeel_testkit::{Authority, Length, Speech, TlsOrigin};
//!
//! let leaf = Authority::new().certify(&["127.0.0.1"]);
//! let origin = Speech::h2().over(&TlsOrigin::with(&leaf)).serve(|exchange| {
//!     exchange.request();
//!     exchange.respond(200, "x: y\r\n", Length::Unknown);
//!     exchange.data("hello");
//!     exchange.trailers("grpc-status: 0\r\n");
//! });
//! ```

use std::sync::Arc;

use crate::faults::DeadAddress;
use crate::h2::Settings;
use crate::message::Request;
use crate::origin::{Conn, Exchange, Manner, Origin, Reply, Script, spoken_to};
use crate::port::Port;
use crate::tls::TlsOrigin;

/// How an origin speaks.
#[derive(Clone, Debug, Default)]
pub struct Speech {
    h2: Option<Settings>,
    tls: Option<TlsOrigin>,
}

impl Speech {
    /// HTTP/1.1.
    #[must_use]
    pub fn h1() -> Self {
        Self::default()
    }

    /// HTTP/2.
    #[must_use]
    pub fn h2() -> Self {
        Self::h2_with(&Settings::new())
    }

    /// HTTP/2 with these settings.
    #[must_use]
    pub fn h2_with(settings: &Settings) -> Self {
        Self {
            h2: Some(settings.clone()),
            tls: None,
        }
    }

    /// Over TLS by these terms.
    #[must_use]
    pub fn over(mut self, tls: &TlsOrigin) -> Self {
        self.tls = Some(tls.clone());
        self
    }

    /// An origin that runs `script` for every request.
    #[must_use]
    pub fn serve(&self, script: impl Fn(&mut Exchange<'_>) + Send + Sync + 'static) -> Origin {
        self.serve_on(free(), script)
    }

    /// The same where nothing listened before.
    #[must_use]
    pub fn revive(
        &self,
        dead: DeadAddress,
        script: impl Fn(&mut Exchange<'_>) + Send + Sync + 'static,
    ) -> Origin {
        self.serve_on(dead.into_port(), script)
    }

    /// An origin that answers every request.
    #[must_use]
    pub fn http(&self, answer: impl Fn(&Request) -> Reply + Send + Sync + 'static) -> Origin {
        self.serve(move |exchange| {
            if let Some(request) = exchange.request() {
                exchange.reply(&answer(&request));
            }
        })
    }

    /// An origin that answers every request with 200 and this body.
    #[must_use]
    pub fn saying(&self, body: &str) -> Origin {
        let body = body.to_owned();
        self.http(move |_| Reply::ok(&body))
    }

    /// An origin that runs `script` for every connection on which something comes, byte by byte, also over TLS.
    ///
    /// # Panics
    /// When it speaks HTTP/2.
    #[must_use]
    pub fn script(&self, script: impl Fn(&mut Conn) + Send + Sync + 'static) -> Origin {
        assert!(self.h2.is_none(), "connections of HTTP/2 have no script");
        let script = Script::Conn(Arc::new(spoken_to(script)));
        self.make(free(), script)
    }

    fn serve_on(
        &self,
        port: Port,
        script: impl Fn(&mut Exchange<'_>) + Send + Sync + 'static,
    ) -> Origin {
        let script = Arc::new(script);
        let script = match &self.h2 {
            None => Script::Exchange(script),
            Some(settings) => Script::Stream(script, settings.clone()),
        };
        self.make(port, script)
    }

    fn make(&self, port: Port, script: Script) -> Origin {
        let default = if self.h2.is_some() { "h2" } else { "http/1.1" };
        let tls = self.tls.as_ref().map(|terms| terms.config(default));
        Origin::in_manner(port, Manner { tls, script })
    }
}

fn free() -> Port {
    Port::free().expect("a port is free")
}
