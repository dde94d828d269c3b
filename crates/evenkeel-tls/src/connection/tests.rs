//! A client of rustls's usual kind against the machine, byte by byte and without sockets.

use std::io::{Read, Write};
use std::sync::Arc;

use proptest::collection::vec;
use proptest::prelude::{ProptestConfig, any, proptest};
use rcgen::{CertificateParams, KeyPair};
use rustls::pki_types::{PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, ServerConfig, ServerConnection};

use super::*;
use crate::client::{Alpn, ClientTerms, ClientTls};
use crate::identity::Identity;
use crate::server::{ServerTls, Terms, TicketKeys};
use crate::terms::Version;

/// Both sides, and what is between them.
struct Pair {
    client: ClientConnection,
    server: Connection,
    outgoing: Outgoing,
    /// What the machine has opened.
    opened: Vec<u8>,
    /// So much is given to the machine at once, and so much room it has.
    piece: usize,
    room: usize,
}

fn tls(least: Version) -> (ServerTls, Arc<ClientConfig>) {
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(["a.example".to_owned()]).unwrap();
    let certificate = params.self_signed(&key).unwrap();
    let identity =
        Identity::parse(certificate.pem().as_bytes(), key.serialize_pem().as_bytes()).unwrap();
    let terms = Terms {
        identities: &[identity],
        least,
        protocols: &["h2", "http/1.1"],
        clients: None,
        tickets: &TicketKeys::new().unwrap(),
    };
    let mut roots = RootCertStore::empty();
    roots.add(certificate.der().clone()).unwrap();
    let builder = ClientConfig::builder_with_provider(Arc::clone(crate::provider::provider()));
    let versions: &[_] = match least {
        Version::Tls12 => &[&rustls::version::TLS12],
        Version::Tls13 => &[&rustls::version::TLS13],
    };
    let mut client = builder
        .with_protocol_versions(versions)
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    client.alpn_protocols = vec![b"http/1.1".to_vec()];
    (ServerTls::new(&terms).unwrap(), Arc::new(client))
}

impl Pair {
    fn new(tls: &ServerTls, client: &Arc<ClientConfig>, piece: usize, room: usize) -> Self {
        let name = ServerName::try_from("a.example").unwrap();
        Self {
            client: ClientConnection::new(Arc::clone(client), name).unwrap(),
            server: tls.accept().unwrap(),
            outgoing: Outgoing::default(),
            opened: Vec::new(),
            piece,
            room,
        }
    }

    /// Lets each side hear what the other has to say, until both are silent.
    fn exchange(&mut self) -> Result<(), Failure> {
        loop {
            let mut said = Vec::new();
            while self.client.wants_write() {
                self.client.write_tls(&mut said).unwrap();
            }
            let answers = mem::take(&mut self.outgoing);
            if said.is_empty() && answers.is_empty() {
                return Ok(());
            }
            let mut answers = answers.bytes();
            while !answers.is_empty() {
                self.client.read_tls(&mut answers).unwrap();
                self.client.process_new_packets().unwrap();
            }
            for piece in said.chunks(self.piece) {
                self.hear(piece)?;
            }
        }
    }

    fn hear(&mut self, piece: &[u8]) -> Result<(), Failure> {
        let mut incoming = self.server.held().to_vec();
        incoming.extend_from_slice(piece);
        let mut room = vec![0; self.room];
        loop {
            let opened = self
                .server
                .open(&mut incoming, &mut room, &mut self.outgoing)?;
            self.opened.extend_from_slice(&room[..opened.plain]);
            loop {
                let n = self.server.take_rest(&mut room);
                self.opened.extend_from_slice(&room[..n]);
                if n == 0 {
                    break;
                }
            }
            if opened.wants_more {
                return Ok(());
            }
            incoming = self.server.held().to_vec();
        }
    }

    /// The client reads what it got.
    fn read(&mut self) -> Vec<u8> {
        let mut read = Vec::new();
        // Until it would block.
        let _ = self.client.reader().read_to_end(&mut read);
        read
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn what_goes_in_comes_out_however_it_is_cut(
        sizes in vec(0_usize..40_000, 1..5),
        piece in 1_usize..20_000,
        room in 1_usize..30_000,
        old in any::<bool>(),
    ) {
        let (server, client) = tls(if old { Version::Tls12 } else { Version::Tls13 });
        let mut pair = Pair::new(&server, &client, piece, room);
        pair.exchange().unwrap();
        assert!(!pair.server.is_handshaking() && !pair.client.is_handshaking());
        assert_eq!(pair.server.alpn(), Some(&b"http/1.1"[..]));
        assert_eq!(pair.server.version(), if old { "TLSv1.2" } else { "TLSv1.3" });
        let mut sent = Vec::new();
        for (at, size) in sizes.iter().enumerate() {
            let bytes: Vec<u8> = (0..*size).map(|i| u8::try_from((i * 7 + at) % 251).unwrap()).collect();
            pair.client.writer().write_all(&bytes).unwrap();
            pair.exchange().unwrap();
            sent.extend_from_slice(&bytes);
            let mut got = Vec::new();
            for part in bytes.chunks(RECORD * 2) {
                pair.server.seal(part, &mut pair.outgoing).unwrap();
                pair.exchange().unwrap();
                got.extend(pair.read());
            }
            assert_eq!(got, bytes);
        }
        assert_eq!(pair.opened, sent);
        assert!(pair.server.is_at_boundary() && pair.server.held.capacity() == 0, "an idle one holds nothing");
    }

    #[test]
    fn no_bytes_make_it_panic(
        mut bytes in vec(any::<u8>(), 0..600),
        handshake in any::<bool>(),
        after in any::<bool>(),
    ) {
        let (server, client) = tls(Version::Tls13);
        let mut pair = Pair::new(&server, &client, usize::MAX, 100);
        if after {
            pair.exchange().unwrap();
        }
        if handshake && bytes.len() > 5 {
            let length = u16::try_from(bytes.len() - 5).unwrap().to_be_bytes();
            bytes[..5].copy_from_slice(&[22, 3, 3, length[0], length[1]]);
        }
        // Who has failed is asked for nothing more, whatever is asked.
        let failed = pair.hear(&bytes).is_err();
        let sealed = pair.server.seal(b"x", &mut pair.outgoing);
        assert!(!failed || sealed.is_err());
        pair.server.say_goodbye(&mut pair.outgoing).unwrap();
        assert!(!failed || pair.hear(&bytes).is_err());
    }
}

#[test]
fn an_end_is_told_from_a_cut() {
    let (server, client) = tls(Version::Tls13);
    let mut pair = Pair::new(&server, &client, 100, 100);
    pair.exchange().unwrap();
    assert!(!pair.server.has_ended());
    pair.client.writer().write_all(b"last words").unwrap();
    pair.client.send_close_notify();
    pair.exchange().unwrap();
    assert!(pair.server.has_ended());
    assert_eq!(pair.opened, b"last words");
    // One direction: the other goes on.
    pair.server.seal(b"and mine", &mut pair.outgoing).unwrap();
    pair.server.say_goodbye(&mut pair.outgoing).unwrap();
    let said = pair.outgoing.bytes().len();
    pair.server.say_goodbye(&mut pair.outgoing).unwrap();
    assert_eq!(pair.outgoing.bytes().len(), said, "once");
    pair.exchange().unwrap();
    assert_eq!(pair.read(), b"and mine");
}

#[test]
fn what_is_no_tls_has_a_reason_and_an_alert() {
    for (bytes, reason) in [
        (&b"GET / HTTP/1.1\r\n\r\n"[..], Reason::NotTls),
        (b"\x16\x03\x01\0\x05\x01\0\0\x01\0", Reason::Broken),
    ] {
        let (server, client) = tls(Version::Tls12);
        let mut pair = Pair::new(&server, &client, usize::MAX, 100);
        let failure = pair.hear(bytes).unwrap_err();
        assert_eq!(failure.reason(), reason, "{failure}");
        assert_eq!(
            pair.outgoing.bytes().first(),
            Some(&21),
            "{failure}: an alert"
        );
    }
    let (_, client) = tls(Version::Tls12);
    let (server, _) = tls(Version::Tls13);
    let failure = Pair::new(&server, &client, usize::MAX, 100)
        .exchange()
        .unwrap_err();
    assert_eq!(failure.reason(), Reason::NoAgreement, "{failure}");
}

#[test]
fn a_message_of_the_handshake_that_has_half_arrived_does_not_hinder_writing() {
    // TLS 1.2: a client may begin to ask for another handshake; its message comes in two records.
    let (server, client) = tls(Version::Tls12);
    let mut pair = Pair::new(&server, &client, usize::MAX, 100);
    pair.exchange().unwrap();
    pair.client.writer().write_all(b"hello").unwrap();
    let mut said = Vec::new();
    pair.client.write_tls(&mut said).unwrap();
    for cut in 1..said.len() {
        let mut pair = Pair::new(&server, &client, usize::MAX, 100);
        pair.exchange().unwrap();
        pair.client.writer().write_all(b"hello").unwrap();
        let mut said = Vec::new();
        pair.client.write_tls(&mut said).unwrap();
        pair.hear(&said[..cut]).unwrap();
        pair.server.seal(b"mine", &mut pair.outgoing).unwrap();
        pair.hear(&said[cut..]).unwrap();
        pair.exchange().unwrap();
        let read = pair.read();
        assert_eq!(
            (pair.opened.as_slice(), read.as_slice()),
            (&b"hello"[..], &b"mine"[..]),
            "{cut}"
        );
    }
}

/// A client of ours and one who accepted it, of rustls's usual kind, whose records carry 50 bytes at most; and its tickets, which
/// have not left.
fn in_small_records() -> (Connection, ServerConnection, Vec<u8>) {
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(["a.example".to_owned()]).unwrap();
    let chain = vec![params.self_signed(&key).unwrap().der().clone()];
    let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let mut config = ServerConfig::builder_with_provider(Arc::clone(crate::provider::provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .unwrap();
    config.max_fragment_size = Some(55);
    let terms = ClientTerms {
        roots: None,
        identity: None,
        min_version: Version::Tls13,
        alpn: Alpn::Http1,
    };
    let tls = ClientTls::new(&terms).unwrap().towards("a.example");
    let mut far = ServerConnection::new(Arc::new(config)).unwrap();
    let (mut near, mut outgoing) = (tls.connect().unwrap(), Outgoing::default());
    near.begin(&mut outgoing).unwrap();
    loop {
        let mut said = outgoing.bytes();
        while !said.is_empty() {
            far.read_tls(&mut said).unwrap();
            far.process_new_packets().unwrap();
        }
        outgoing.clear();
        let mut said = Vec::new();
        while far.wants_write() {
            far.write_tls(&mut said).unwrap();
        }
        if !far.is_handshaking() {
            return (near, far, said);
        }
        open_behind(&mut near, &said, &mut [], &mut outgoing);
    }
}

/// Opens what a connection holds and what came behind it.
fn open_behind(
    connection: &mut Connection,
    came: &[u8],
    room: &mut [u8],
    outgoing: &mut Outgoing,
) -> Opened {
    let mut incoming = connection.held().to_vec();
    incoming.extend_from_slice(came);
    connection.open(&mut incoming, room, outgoing).unwrap()
}

#[test]
fn of_a_message_that_has_come_in_part_there_is_nothing_to_read() {
    let (mut near, mut far, tickets) = in_small_records();
    let mut outgoing = Outgoing::default();
    let (mut left, mut parts) = (&tickets[..], 0);
    while is_whole_record(left) {
        let size = 5 + usize::from(u16::from_be_bytes([left[3], left[4]]));
        let (record, rest) = left.split_at(size);
        left = rest;
        let opened = open_behind(&mut near, record, &mut [0; 99], &mut outgoing);
        assert_eq!(
            opened,
            Opened {
                plain: 0,
                wants_more: true
            }
        );
        parts += usize::from(is_whole_record(near.held()));
        assert!(!near.has_bytes(), "a record that was looked at already");
        near.seal(b"mine", &mut outgoing).unwrap();
        assert!(!near.has_bytes(), "and again by who writes");
    }
    assert!(parts > 1, "{parts}");
    assert!(left.is_empty() && near.is_at_boundary());
    // What there was no room for is there to be read.
    far.writer().write_all(&[b'x'; 150]).unwrap();
    let mut said = Vec::new();
    far.write_tls(&mut said).unwrap();
    let opened = open_behind(&mut near, &said, &mut [0; 50], &mut outgoing);
    assert_eq!(
        opened,
        Opened {
            plain: 50,
            wants_more: false
        }
    );
    assert!(near.has_bytes() && near.held().len() > 100);
}

#[test]
fn a_message_in_tiny_records_takes_no_memory_without_bound() {
    let (server, client) = tls(Version::Tls13);
    let mut pair = Pair::new(&server, &client, usize::MAX, 100);
    // The beginning of a first message of 65,535 bytes; what follows comes byte by byte.
    let record = |byte: u8| [22, 3, 1, 0, 1, byte];
    pair.hear(&[1, 0, 0xff, 0xff].map(record).concat()).unwrap();
    let some = record(0).repeat(100);
    let failed = (0..1_000).find_map(|_| pair.hear(&some).err());
    assert_eq!(failed.unwrap().reason(), Reason::Broken);
    let held = pair.server.held().len();
    assert!(
        (MOST_HELD..=MOST_HELD + some.len()).contains(&held),
        "{held}"
    );
}
