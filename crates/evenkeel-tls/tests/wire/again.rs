//! What a connection opens is what its peer has sealed, however the bytes come, and whoever changes them; and what a stranger sends is
//! judged alike however it is cut. What is kept of it stays bounded.
//!
//! The fuzz target of TLS uses this file too. An input is a byte that chooses what is played, and then what a stranger sends to a
//! listener, or the steps of a conversation, two bytes each.

use std::collections::VecDeque;
use std::io::{ErrorKind, Read, Write};
use std::sync::{Arc, LazyLock};

use evenkeel_tls::client::{Alpn, ClientTerms, EndpointTls, Roots};
use evenkeel_tls::connection::{OVERHEAD, RECORD};
use evenkeel_tls::server::Terms;
use evenkeel_tls::{
    ClientTls, Connection, Failure, Identity, Outgoing, ServerTls, TicketKeys, Version,
};
use rcgen::{CertificateParams, KeyPair};
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, ServerConfig, ServerConnection};

/// So many encrypted bytes are kept at most: the longest message of a handshake that rustls takes, in records of the usual size.
const MOST_HELD: usize = 0xffff + 4 + 6 * OVERHEAD + RECORD;

/// So often somebody takes new keys: rustls hangs up on who does nothing else, after 32 times.
const MOST_KEYS: u32 = 16;

/// The lengths of the pieces that a stranger's bytes are cut into, beside the whole.
const STEPS: [usize; 3] = [1, 3, 100];

/// Who can play.
struct Cast {
    listener: ServerTls,
    endpoint: EndpointTls,
    /// By version: 1.2 and 1.3.
    clients: [Arc<ClientConfig>; 2],
    servers: [Arc<ServerConfig>; 2],
}

static CAST: LazyLock<Cast> = LazyLock::new(|| {
    let key = KeyPair::generate().expect("a key");
    let params = CertificateParams::new(["a.example".to_owned()]).expect("a name");
    let certificate = params.self_signed(&key).expect("a certificate");
    let pem = certificate.pem();
    let identity = Identity::parse(pem.as_bytes(), key.serialize_pem().as_bytes());
    let terms = Terms {
        identities: &[identity.expect("an identity")],
        least: Version::Tls12,
        protocols: &["h2", "http/1.1"],
        clients: None,
        tickets: &TicketKeys::new().expect("keys"),
    };
    let client = ClientTls::new(&ClientTerms {
        roots: Some(Roots::from_pem(pem.as_bytes()).expect("roots")),
        identity: None,
        min_version: Version::Tls12,
        alpn: Alpn::Either,
    });
    let mut roots = RootCertStore::empty();
    roots.add(certificate.der().clone()).expect("a root");
    let provider = Arc::new(default_provider());
    let versions = [[&rustls::version::TLS12], [&rustls::version::TLS13]];
    Cast {
        listener: ServerTls::new(&terms).expect("a listener"),
        endpoint: client.expect("a client").towards("a.example"),
        clients: versions.map(|versions| {
            let builder = ClientConfig::builder_with_provider(Arc::clone(&provider));
            let builder = builder
                .with_protocol_versions(&versions)
                .expect("a version");
            let builder = builder.with_root_certificates(roots.clone());
            Arc::new(builder.with_no_client_auth())
        }),
        servers: versions.map(|versions| {
            let builder = ServerConfig::builder_with_provider(Arc::clone(&provider));
            let builder = builder
                .with_protocol_versions(&versions)
                .expect("a version");
            let chain = vec![certificate.der().clone()];
            let key = PrivateKeyDer::from_pem_slice(key.serialize_pem().as_bytes());
            let builder = builder.with_no_client_auth();
            let config = builder.with_single_cert(chain, key.expect("a key"));
            Arc::new(config.expect("a server"))
        }),
    }
});

/// The entry of the fuzz target.
pub(crate) fn all(data: &[u8]) {
    let Some((first, rest)) = data.split_first() else {
        return;
    };
    match first & 3 {
        0 => stranger(rest, || CAST.listener.accept().expect("a connection")),
        1 => stranger(rest, || {
            let mut connection = CAST.endpoint.connect().expect("a connection");
            let begun = connection.begin(&mut Outgoing::default());
            begun.expect("its first words");
            connection
        }),
        which => {
            let mut talk = Talk::new(which == 2, usize::from(first >> 2 & 1));
            for step in rest.chunks_exact(2).take(64) {
                if talk.step(step[0], step[1]).is_err() {
                    return talk.failed();
                }
            }
            talk.finish();
        }
    }
}

/// Gives bytes to a connection, whole and in pieces.
fn stranger(bytes: &[u8], connection: impl Fn() -> Connection) {
    let mut whole = connection();
    let verdict = hear(&mut whole, bytes, bytes.len());
    for step in STEPS {
        let mut pieces = connection();
        assert_eq!(hear(&mut pieces, bytes, step), verdict, "pieces of {step}");
        assert_eq!(pieces.is_handshaking(), whole.is_handshaking());
        assert_eq!(pieces.has_ended(), whole.has_ended());
        let proof = |one: &mut Connection| {
            let proof = CAST.listener.proof(one)?;
            Some(proof.name().map(ToOwned::to_owned))
        };
        assert_eq!(
            proof(&mut pieces),
            proof(&mut connection_again(&connection, bytes))
        );
    }
}

/// A connection that has heard these bytes as a whole.
fn connection_again(connection: &impl Fn() -> Connection, bytes: &[u8]) -> Connection {
    let mut again = connection();
    let _ = hear(&mut again, bytes, bytes.len());
    again
}

/// What becomes of these bytes: nothing plain can, without keys.
fn hear(connection: &mut Connection, bytes: &[u8], step: usize) -> Result<(), Failure> {
    let (mut outgoing, mut plain) = (Outgoing::default(), [0; 64]);
    for piece in bytes.chunks(step.max(1)) {
        let mut incoming = [connection.held(), piece].concat();
        let opened = connection.open(&mut incoming, &mut plain, &mut outgoing)?;
        assert_eq!(opened.plain, 0, "nobody has the keys");
        assert!(
            connection.held().len() <= MOST_HELD,
            "what is kept is bounded"
        );
    }
    Ok(())
}

/// A connection of ours and one of rustls's usual kind, and what is between them.
struct Talk {
    ours: Connection,
    theirs: rustls::Connection,
    /// What is under way, from each.
    to_ours: VecDeque<u8>,
    to_theirs: VecDeque<u8>,
    /// What each has sealed, and what the other has opened of it.
    sealed: Vec<u8>,
    sealed_there: Vec<u8>,
    opened: Vec<u8>,
    opened_there: Vec<u8>,
    /// Somebody between them changed something.
    is_touched: bool,
    goodbye: bool,
    goodbye_there: bool,
    /// How often they took new keys.
    refreshed: u32,
}

impl Talk {
    fn new(listens: bool, version: usize) -> Self {
        let name = ServerName::try_from("a.example").expect("a name");
        let (ours, theirs): (_, rustls::Connection) = if listens {
            let client = ClientConnection::new(Arc::clone(&CAST.clients[version]), name);
            (CAST.listener.accept(), client.expect("a client").into())
        } else {
            let server = ServerConnection::new(Arc::clone(&CAST.servers[version]));
            (CAST.endpoint.connect(), server.expect("a server").into())
        };
        let mut talk = Self {
            ours: ours.expect("a connection"),
            theirs,
            to_ours: VecDeque::new(),
            to_theirs: VecDeque::new(),
            sealed: Vec::new(),
            sealed_there: Vec::new(),
            opened: Vec::new(),
            opened_there: Vec::new(),
            is_touched: false,
            goodbye: false,
            goodbye_there: false,
            refreshed: 0,
        };
        let mut outgoing = Outgoing::default();
        if !listens {
            talk.ours.begin(&mut outgoing).expect("its first words");
        }
        talk.to_theirs.extend(outgoing.bytes());
        talk
    }

    /// One step; it fails as soon as one side is of no use any more.
    fn step(&mut self, what: u8, much: u8) -> Result<(), ()> {
        let much = usize::from(much);
        match what % 10 {
            0 => self.seal(much * 97),
            1 => self.seal_there(much * 97),
            2 => self.deliver(much + 1, much % 7 + 1),
            3 => self.deliver(much * 300, much * 200 + 1),
            4 => self.deliver_there(much + 1),
            5 => self.deliver_there(much * 300),
            6 => self.settle(),
            // A connection that has said goodbye and then hears nonsense is one that rustls's debug builds have no alert for.
            7 | 9 if self.is_touched => Ok(()),
            8 if self.goodbye || self.goodbye_there => Ok(()),
            7 => self.say_goodbye(),
            8 => {
                // Of both directions one, by the lowest bit, and one bit of it.
                let between = if much & 1 == 0 {
                    &mut self.to_ours
                } else {
                    &mut self.to_theirs
                };
                let at = (much >> 1) * between.len() / 128;
                if let Some(byte) = between.get_mut(at) {
                    *byte ^= 1 << (much % 8);
                    self.is_touched = true;
                }
                Ok(())
            }
            // Who hangs up in the middle of a handshake has broken it off.
            _ if self.theirs.is_handshaking() => Ok(()),
            _ => {
                if much & 1 == 0 {
                    self.theirs.send_close_notify();
                    self.goodbye_there = true;
                } else if !self.goodbye_there && self.refreshed < MOST_KEYS {
                    self.refreshed += 1;
                    // New keys from now on (TLS 1.3).
                    let _ = self.theirs.refresh_traffic_keys();
                }
                self.speak_there();
                Ok(())
            }
        }
    }

    /// We seal so many bytes, once there are keys.
    fn seal(&mut self, much: usize) -> Result<(), ()> {
        if self.ours.is_handshaking() || self.goodbye {
            return Ok(());
        }
        let plain: Vec<u8> = (0..=250)
            .cycle()
            .skip(self.sealed.len() % 251)
            .take(much)
            .collect();
        let mut outgoing = Outgoing::default();
        self.ours.seal(&plain, &mut outgoing).map_err(|_| ())?;
        self.to_theirs.extend(outgoing.bytes());
        self.sealed.extend(plain);
        Ok(())
    }

    fn seal_there(&mut self, much: usize) -> Result<(), ()> {
        if self.theirs.is_handshaking() || self.goodbye_there {
            return Ok(());
        }
        let plain: Vec<u8> = (0..=240)
            .cycle()
            .skip(self.sealed_there.len() % 241)
            .take(much)
            .collect();
        let written = self.theirs.writer().write(&plain).map_err(|_| ())?;
        self.sealed_there.extend(&plain[..written]);
        self.speak_there();
        Ok(())
    }

    fn say_goodbye(&mut self) -> Result<(), ()> {
        let mut outgoing = Outgoing::default();
        let handshaking = self.ours.is_handshaking();
        self.ours.say_goodbye(&mut outgoing).map_err(|_| ())?;
        self.goodbye |= !handshaking;
        self.to_theirs.extend(outgoing.bytes());
        Ok(())
    }

    /// What their side has to say.
    fn speak_there(&mut self) {
        let mut said = Vec::new();
        while self.theirs.wants_write() {
            self.theirs
                .write_tls(&mut said)
                .expect("a vector takes everything");
        }
        self.to_ours.extend(said);
    }

    /// Gives us so many of the bytes under way, with so much room for what is plain.
    fn deliver(&mut self, much: usize, room: usize) -> Result<(), ()> {
        let piece: Vec<u8> = self.to_ours.drain(..much.min(self.to_ours.len())).collect();
        let mut incoming = [self.ours.held(), &piece].concat();
        let mut outgoing = Outgoing::default();
        let mut plain = vec![0; room];
        let result = loop {
            let opened = self.ours.open(&mut incoming, &mut plain, &mut outgoing);
            let Ok(opened) = opened else {
                break Err(());
            };
            self.opened.extend(&plain[..opened.plain]);
            loop {
                let n = self.ours.take_rest(&mut plain);
                self.opened.extend(&plain[..n]);
                if n == 0 {
                    break;
                }
            }
            if opened.wants_more {
                break Ok(());
            }
            incoming = self.ours.held().to_vec();
        };
        self.to_theirs.extend(outgoing.bytes());
        assert!(
            self.sealed_there.starts_with(&self.opened),
            "nobody can forge it"
        );
        assert!(
            self.ours.held().len() <= MOST_HELD,
            "what is kept is bounded"
        );
        assert!(!self.ours.has_ended() || self.goodbye_there || self.is_touched);
        result
    }

    fn deliver_there(&mut self, much: usize) -> Result<(), ()> {
        let piece: Vec<u8> = self
            .to_theirs
            .drain(..much.min(self.to_theirs.len()))
            .collect();
        let mut piece = piece.as_slice();
        while !piece.is_empty() {
            if self.theirs.read_tls(&mut piece).map_err(|_| ())? == 0 {
                break;
            }
            let processed = self.theirs.process_new_packets();
            self.speak_there();
            processed.map_err(|_| ())?;
            let mut read = Vec::new();
            match self.theirs.reader().read_to_end(&mut read) {
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(error) => panic!("{error}"),
            }
            self.opened_there.extend(read);
            assert!(
                self.sealed.starts_with(&self.opened_there),
                "we seal what we are given"
            );
        }
        Ok(())
    }

    /// Everything that is under way arrives, until both are silent.
    fn settle(&mut self) -> Result<(), ()> {
        self.speak_there();
        while !(self.to_ours.is_empty() && self.to_theirs.is_empty()) {
            self.deliver(usize::MAX, 1_000)?;
            self.deliver_there(usize::MAX)?;
            self.speak_there();
        }
        Ok(())
    }

    /// Only who was lied to may give up.
    fn failed(&self) {
        assert!(self.is_touched, "it failed without a reason");
    }

    /// In the end, everything has arrived.
    fn finish(mut self) {
        if self.settle().is_err() {
            return self.failed();
        }
        if self.is_touched {
            return;
        }
        assert!(!self.ours.is_handshaking() && !self.theirs.is_handshaking());
        assert_eq!(self.opened.len(), self.sealed_there.len(), "all arrives");
        assert_eq!(self.opened_there.len(), self.sealed.len(), "all arrives");
        assert_eq!(self.ours.has_ended(), self.goodbye_there);
        assert!(self.ours.is_at_boundary() && self.ours.held().is_empty());
    }
}
