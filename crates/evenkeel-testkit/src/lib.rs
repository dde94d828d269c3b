//! Beside the floors: the language in which end-to-end tests are written.
//!
//! [`Origin`]s and [`Client`]s speak HTTP/1.1 byte by byte over real sockets, [`Evenkeel`] runs the real binary between
//! them, and [`faults`] are addresses where nothing, or nothing good, listens. It is not built on `evenkeel-http1`: the
//! parser here is a second, tiny and strict one, so that a test cannot share the codec's mistakes. It is plain blocking
//! code on threads, because a test should read like a script.
//!
//! [`pki`] makes certificates, [`tls`] says how they are used, and [`h2`] speaks HTTP/2 message by message. A [`Speech`] makes
//! an origin of either protocol, with or without TLS, whose script gets [`origin::Exchange`]s; a [`Caller`] is a client of
//! either: so one case can be told for every pair of protocols.
//!
//! ```no_run
//! use evenkeel_testkit::{Evenkeel, Origin, Setup};
//!
//! let origin = Origin::saying("hello");
//! let proxy = Evenkeel::start(&Setup::to([&origin]));
//! proxy.client().get("/").status(200).body("hello");
//! ```
//!
//! What goes wrong panics with a sentence, and nothing waits longer than [`patience::PATIENCE`]. A test needs no clean-up:
//! when an [`Evenkeel`] goes out of scope, it asserts what every test asserts (see there).

#![expect(
    clippy::panic,
    clippy::expect_used,
    reason = "this crate is for tests: a panic is how a test fails"
)]

pub mod broken;
pub mod caller;
pub mod client;
pub mod digest;
pub mod dns;
pub mod ends;
pub mod evenkeel;
pub mod faults;
pub mod floods;
pub mod folder;
pub mod frames;
pub mod gate;
pub mod h2;
mod length;
pub mod message;
pub mod origin;
pub mod patience;
pub mod pattern;
pub mod pki;
mod port;
pub mod setup;
pub mod speech;
pub mod stream;
pub mod tls;
pub mod vectors;
pub mod wire;

pub use broken::Broken;
pub use caller::Caller;
pub use client::Client;
pub use digest::websocket_accept;
pub use dns::{Mood, NameServer};
pub use evenkeel::{Evenkeel, Line, Start, run, shell};
pub use folder::Folder;
pub use gate::Gate;
pub use length::Length;
pub use message::{Head, Request, Response};
pub use origin::{Conn, Exchange, Origin, Reply};
pub use patience::eventually;
pub use pattern::Pattern;
pub use pki::{Authority, Leaf};
pub use setup::Setup;
pub use speech::Speech;
pub use tls::{Handshake, TlsClient, TlsOrigin};
