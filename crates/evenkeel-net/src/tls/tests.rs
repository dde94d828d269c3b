//! A client of rustls's usual kind, blocking and in a thread of its own, against a stream of ours.

use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream as StdUnixStream;
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::thread;

use evenkeel_tls::client::{Alpn, ClientTerms};
use evenkeel_tls::server::Terms;
use evenkeel_tls::{ClientTls, Identity, ServerTls, TicketKeys, Version};
use rcgen::{CertificateParams, KeyPair};
use rustls::pki_types::{PrivateKeyDer, ServerName};
use rustls::{
    ClientConfig, ClientConnection, RootCertStore, ServerConfig, ServerConnection, StreamOwned,
};
use tokio::net::UnixStream;
use tokio::runtime::Builder;

use super::*;
use crate::Stream;

type FarSide = StreamOwned<ClientConnection, StdUnixStream>;

/// Runs `near` on a stream of ours, whose far side is in the hands of `far`.
fn meet<T: Send + 'static>(
    far: impl FnOnce(FarSide) -> T + Send + 'static,
    near: impl AsyncFnOnce(&mut Stream),
) -> T {
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(["a.example".to_owned()]).unwrap();
    let certificate = params.self_signed(&key).unwrap();
    let (chain, key) = (certificate.pem(), key.serialize_pem());
    let tls = ServerTls::new(&Terms {
        identities: &[Identity::parse(chain.as_bytes(), key.as_bytes()).unwrap()],
        least: Version::Tls12,
        protocols: &[],
        clients: None,
        tickets: &TicketKeys::new().unwrap(),
    })
    .unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(certificate.der().clone()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::try_from("a.example").unwrap();
    let client = ClientConnection::new(Arc::new(config), name).unwrap();
    let (ours, theirs) = StdUnixStream::pair().unwrap();
    ours.set_nonblocking(true).unwrap();
    let thread = thread::spawn(move || far(StreamOwned::new(client, theirs)));
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let socket = Stream::Unix(UnixStream::from_std(ours).unwrap());
        let stream = TlsStream::handshake(socket, tls.accept().unwrap()).await;
        near(&mut Stream::Tls(Box::new(stream.unwrap()))).await;
    });
    thread.join().unwrap()
}

fn pattern(size: usize) -> Vec<u8> {
    (0_u8..=250).cycle().take(size).collect()
}

async fn write_all(stream: &mut Stream, mut bytes: &[u8]) {
    while !bytes.is_empty() {
        let n = poll_fn(|cx| stream.poll_write(cx, bytes)).await.unwrap();
        bytes = &bytes[n..];
    }
    poll_fn(|cx| stream.poll_flush(cx)).await.unwrap();
}

fn of_tls(stream: &Stream) -> &TlsStream<Stream> {
    match stream {
        Stream::Tls(stream) => stream,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_reader_that_stops_holds_up_the_writer_and_loses_nothing() {
    let size = 3_000_000;
    let (start, go) = channel();
    let read = meet(
        move |mut far| {
            far.conn.complete_io(&mut far.sock).unwrap();
            go.recv().unwrap();
            let mut read = Vec::new();
            far.read_to_end(&mut read).unwrap();
            read
        },
        async |stream| {
            let bytes = pattern(size);
            let mut left = &bytes[..];
            // The socket is full at some time, and what is sealed by then waits.
            while let Poll::Ready(n) = poll_fn(|cx| Poll::Ready(stream.poll_write(cx, left))).await
            {
                left = &left[n.unwrap()..];
            }
            let held = of_tls(stream).unsent.len();
            assert!((1..=BATCH + RECORDS * OVERHEAD).contains(&held), "{held}");
            let pending = poll_fn(|cx| Poll::Ready(stream.poll_flush(cx))).await;
            assert!(pending.is_pending());
            start.send(()).unwrap();
            write_all(stream, left).await;
            assert_eq!(of_tls(stream).unsent.capacity(), 0, "given back");
            poll_fn(|cx| stream.poll_shutdown(cx)).await.unwrap();
        },
    );
    assert_eq!(read, pattern(size));
}

#[test]
fn pieces_leave_as_if_they_were_one() {
    let sizes = [
        [0, 1, 0],
        [5, 70_000, 2],
        [200, 16_384, 2],
        [16_384, 0, 7],
        [3, 16_381, 1],
        [40_000, 40_000, 40_000],
    ];
    let read = meet(
        |mut far| {
            let mut read = Vec::new();
            far.read_to_end(&mut read).unwrap();
            read
        },
        async |stream| {
            for pieces in sizes {
                let mut rest = pattern(pieces.iter().sum());
                let (a, b) = (pieces[0], pieces[0] + pieces[1]);
                let pieces = [&rest[..a], &rest[a..b], &rest[b..]].map(IoSlice::new);
                let n = poll_fn(|cx| stream.poll_write_vectored(cx, &pieces))
                    .await
                    .unwrap();
                assert!(n == rest.len() || n == BATCH);
                write_all(stream, &rest.split_off(n)).await;
            }
            poll_fn(|cx| stream.poll_shutdown(cx)).await.unwrap();
        },
    );
    let expected: Vec<u8> = sizes
        .iter()
        .flat_map(|pieces| pattern(pieces.iter().sum()))
        .collect();
    assert_eq!(read, expected);
}

#[test]
fn bytes_that_are_opened_already_are_ready_to_be_read() {
    meet(
        |mut far| {
            far.write_all(&pattern(10_000)).unwrap();
            let mut end = Vec::new();
            far.read_to_end(&mut end).unwrap();
        },
        async |stream| {
            let mut read = Vec::new();
            while read.len() < 10_000 {
                poll_fn(|cx| stream.poll_read_ready(cx)).await.unwrap();
                let mut few = [0; 700];
                let n = poll_fn(|cx| stream.poll_read(cx, &mut few)).await.unwrap();
                read.extend_from_slice(&few[..n]);
                if read.len() < 10_000 {
                    // Not by the socket: all has been read from that.
                    assert!(!stream.is_quiet(true));
                }
            }
            assert_eq!(read, pattern(10_000));
            assert!(stream.is_quiet(true) && stream.is_quiet(false));
            poll_fn(|cx| stream.poll_shutdown(cx)).await.unwrap();
        },
    );
}

#[test]
fn an_end_that_nobody_said_is_an_error() {
    for says_goodbye in [true, false] {
        meet(
            move |mut far| {
                far.write_all(b"last").unwrap();
                if says_goodbye {
                    far.conn.send_close_notify();
                }
                far.flush().unwrap();
                far.sock.shutdown(Shutdown::Write).unwrap();
                // With tickets of ours unread its close would be a reset.
                far.sock.read_to_end(&mut Vec::new()).unwrap();
            },
            async |stream| {
                let mut buf = [0; 99];
                let n = poll_fn(|cx| stream.poll_read(cx, &mut buf)).await.unwrap();
                assert_eq!(&buf[..n], b"last");
                let end = poll_fn(|cx| stream.poll_read(cx, &mut buf)).await;
                match end {
                    Ok(n) => assert!(says_goodbye && n == 0),
                    Err(error) => {
                        assert!(!says_goodbye && error.kind() == io::ErrorKind::UnexpectedEof);
                    }
                }
                assert!(!stream.is_quiet(true));
            },
        );
    }
}

/// One who accepts, of rustls's usual kind, in the same thread.
struct Accepted {
    tls: ServerConnection,
    socket: StdUnixStream,
}

impl Accepted {
    /// A stream of ours that has connected, and who accepted it: its tickets have not left yet. Its records have `fragment` bytes
    /// at most.
    async fn meet(fragment: Option<usize>) -> (Stream, Self) {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(["a.example".to_owned()]).unwrap();
        let chain = vec![params.self_signed(&key).unwrap().der().clone()];
        let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .unwrap();
        config.max_fragment_size = fragment;
        let (ours, socket) = StdUnixStream::pair().unwrap();
        ours.set_nonblocking(true).unwrap();
        let tls = ServerConnection::new(Arc::new(config)).unwrap();
        let mut far = Self { tls, socket };
        let thread = thread::spawn(move || {
            while far.tls.is_handshaking() {
                while far.tls.wants_write() {
                    far.tls.write_tls(&mut far.socket).unwrap();
                }
                far.tls.read_tls(&mut far.socket).unwrap();
                far.tls.process_new_packets().unwrap();
            }
            far
        });
        let terms = ClientTerms {
            roots: None,
            identity: None,
            min_version: Version::Tls13,
            alpn: Alpn::Either,
        };
        let tls = ClientTls::new(&terms).unwrap().towards("a.example");
        let ours = Stream::Unix(UnixStream::from_std(ours).unwrap());
        let near = TlsStream::handshake(ours, tls.connect().unwrap()).await;
        (Stream::Tls(Box::new(near.unwrap())), thread.join().unwrap())
    }

    /// What it has to say, which has not left.
    fn said(&mut self) -> Vec<u8> {
        let mut said = Vec::new();
        while self.tls.wants_write() {
            self.tls.write_tls(&mut said).unwrap();
        }
        said
    }

    fn send(&mut self, bytes: &[u8]) {
        self.socket.write_all(bytes).unwrap();
    }

    fn read(&mut self, size: usize) -> Vec<u8> {
        let mut read = Vec::new();
        while read.len() < size {
            self.tls.read_tls(&mut self.socket).unwrap();
            self.tls.process_new_packets().unwrap();
            // Until it would block.
            let _ = self.tls.reader().read_to_end(&mut read);
        }
        read
    }
}

/// Bytes come that are no data: who reads goes on waiting, however it reads.
async fn hear_nothing(near: &mut Stream, far: &mut Accepted, bytes: &[u8], piece: usize) {
    for (at, piece) in bytes.chunks(piece).enumerate() {
        far.send(piece);
        poll_fn(|cx| near.poll_read_ready(cx)).await.unwrap();
        let mut buf = [0; 100];
        let read = poll_fn(|cx| {
            Poll::Ready(if at % 2 == 0 {
                near.poll_read(cx, &mut buf)
            } else {
                near.poll_read_awaited(cx, &mut buf)
            })
        });
        let read = read.await;
        assert!(read.is_pending(), "{at}: {read:?}");
        // Or who waits would be told so for ever.
        let ready = poll_fn(|cx| Poll::Ready(near.poll_read_ready(cx))).await;
        assert!(ready.is_pending(), "{at}: ready to be read, and was not");
    }
}

/// A request, before whose first byte and behind whose last one something comes that is no data, and its response.
async fn exchange(near: &mut Stream, far: &mut Accepted, silent: (&[u8], &[u8]), piece: usize) {
    hear_nothing(near, far, silent.0, piece).await;
    write_all(near, &pattern(50_000)).await;
    hear_nothing(near, far, silent.1, piece).await;
    assert_eq!(far.read(50_000), pattern(50_000));
    far.tls.writer().write_all(b"the response").unwrap();
    let response = far.said();
    far.send(&response);
    let mut buf = [0; 100];
    let n = poll_fn(|cx| near.poll_read(cx, &mut buf)).await.unwrap();
    assert_eq!(&buf[..n], b"the response");
}

#[test]
fn who_waits_for_bytes_goes_on_waiting_when_a_message_has_come_in_part() {
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(tokio::task::unconstrained(async {
        let (mut near, mut far) = Accepted::meet(Some(55)).await;
        let tickets = far.said();
        // Each piece is a record and no message.
        let piece = 5 + usize::from(u16::from_be_bytes([tickets[3], tickets[4]]));
        let (begun, rest) = tickets.split_at(2 * piece);
        hear_nothing(&mut near, &mut far, begun, piece).await;
        assert!(!near.is_quiet(false), "no connection for another request");
        exchange(&mut near, &mut far, (rest, &[]), 10_000).await;
        assert!(near.is_quiet(true) && near.is_quiet(false));
    }));
}

#[test]
fn tickets_and_new_keys_are_no_end_whenever_they_come_and_however_they_are_cut() {
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(tokio::task::unconstrained(async {
        for (piece, fragment) in [1, 2, 3, 50, 10_000]
            .into_iter()
            .zip([None, Some(32)].into_iter().cycle())
        {
            let (mut near, mut far) = Accepted::meet(fragment).await;
            let tickets = far.said();
            assert!(tickets.len() > 100, "two tickets");
            let (before, behind) = tickets.split_at(tickets.len() * piece % 97);
            exchange(&mut near, &mut far, (before, behind), piece).await;
            for cut in 0..=20 {
                far.tls.refresh_traffic_keys().unwrap();
                let keys = far.said();
                exchange(&mut near, &mut far, keys.split_at(cut), piece).await;
            }
            // Between two exchanges, nobody waits.
            far.tls.refresh_traffic_keys().unwrap();
            let keys = far.said();
            far.send(&keys);
            assert!(near.is_quiet(true) && near.is_quiet(false));
            exchange(&mut near, &mut far, (&[], &[]), piece).await;
        }
    }));
}
