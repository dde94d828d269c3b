//! Bodies over both ends of a connection in memory: what passes, what waits, and what each way of breaking off is called.

use std::future::poll_fn;

use bytes::Bytes;
use evenkeel_base::{Fault, Side};
use evenkeel_http2::Refusal;
use h2::client::{ResponseFuture, SendRequest};
use h2::server::SendResponse;
use h2::{Reason, RecvStream, SendStream};
use http::{HeaderMap, HeaderValue, Request, Response};
use tokio::io::{DuplexStream, duplex};
use tokio::sync::mpsc;

use super::{H2Body, refused};
use crate::body::{Fill, Pump, Sink, Source, Trailers};
use crate::h2::{SEND_BUFFER, STREAM_WINDOW};
use crate::rig::{once, run};

/// What a server takes up.
type Taken = (Request<RecvStream>, SendResponse<Bytes>);

/// A client, and where the streams come out that it opens.
struct Ends {
    client: SendRequest<Bytes>,
    taken: mpsc::UnboundedReceiver<Taken>,
}

/// Both ends of a connection, driven by tasks of their own.
async fn ends() -> Ends {
    let (near, far) = duplex(1 << 20);
    let (streams, taken) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        let mut builder = h2::server::Builder::new();
        builder
            .initial_window_size(STREAM_WINDOW)
            .max_send_buffer_size(SEND_BUFFER);
        let mut connection = builder
            .handshake::<DuplexStream, Bytes>(near)
            .await
            .unwrap();
        while let Some(Ok(stream)) = connection.accept().await {
            let _ = streams.send(stream);
        }
    });
    let (client, connection) = h2::client::handshake(far).await.unwrap();
    tokio::spawn(connection);
    Ends { client, taken }
}

impl Ends {
    /// Opens a stream: what the client has of it, and the body that takes it up.
    async fn open(
        &mut self,
        fields: &[(&'static str, &'static str)],
        ends: bool,
    ) -> (ResponseFuture, SendStream<Bytes>, H2Body) {
        let mut request = Request::post("http://a.example/");
        for (name, value) in fields {
            request = request.header(*name, *value);
        }
        let mut client = self.client.clone().ready().await.unwrap();
        let (response, stream) = client
            .send_request(request.body(()).unwrap(), ends)
            .unwrap();
        let (request, respond) = self.taken.recv().await.unwrap();
        let mut body = H2Body::of_client(respond);
        body.receive(request.into_body());
        (response, stream, body)
    }
}

/// What a source gives until its end, and its trailers.
async fn read(source: &mut impl Source) -> Result<(Vec<u8>, Vec<String>), Fault> {
    let mut all = Vec::new();
    while poll_fn(|cx| source.poll_fill(cx)).await? == Fill::Data {
        all.extend_from_slice(source.data());
        source.consume(source.data().len());
    }
    let mut trailers = Vec::new();
    source.trailers(&mut |field| {
        trailers.push(format!(
            "{}: {}",
            field.name.escape_ascii(),
            field.value.escape_ascii()
        ));
    });
    Ok((all, trailers))
}

/// What a stream of the crate gives until its end.
async fn read_stream(mut stream: RecvStream) -> (Vec<u8>, Option<HeaderMap>) {
    let mut all = Vec::new();
    while let Some(data) = stream.data().await {
        let data = data.unwrap();
        stream.flow_control().release_capacity(data.len()).unwrap();
        all.extend_from_slice(&data);
    }
    (all, stream.trailers().await.unwrap())
}

const NO_TRAILERS: Trailers<'_> = &|_| {};

fn trailers(name: &'static str, value: &'static str) -> HeaderMap {
    let mut map = HeaderMap::new();
    map.insert(name, HeaderValue::from_static(value));
    map
}

#[test]
fn a_body_and_its_trailers_pass_both_ways() {
    run(async {
        let mut ends = ends().await;
        let (response, mut stream, mut body) = ends.open(&[], false).await;
        assert!(!body.is_received());
        stream.send_data("one".into(), false).unwrap();
        stream.send_data("two".into(), false).unwrap();
        stream.send_trailers(trailers("x-sum", "6")).unwrap();
        let (data, fields) = read(&mut body).await.unwrap();
        assert_eq!(
            (&data[..], &fields[..]),
            (&b"onetwo"[..], &["x-sum: 6".to_owned()][..])
        );
        assert!(body.is_received());

        body.begin_response(Response::new(()), false);
        let n = poll_fn(|cx| body.poll_data(cx, b"back", false)).await;
        assert_eq!(n, Ok(4));
        poll_fn(|cx| {
            body.poll_end(cx, &|each| {
                each(evenkeel_base::head::Field {
                    name: b"X-Sum",
                    value: b"4",
                    known: evenkeel_base::Known::Other,
                });
            })
        })
        .await
        .unwrap();
        assert!(body.is_sent());
        let (data, fields) = read_stream(response.await.unwrap().into_body()).await;
        assert_eq!(
            (&data[..], fields.unwrap()),
            (&b"back"[..], trailers("x-sum", "4"))
        );
    });
}

#[test]
fn a_response_without_a_body_is_its_head_and_one_that_is_last_ends_with_its_data() {
    run(async {
        let mut ends = ends().await;
        let (response, _, mut body) = ends.open(&[], true).await;
        assert!(body.is_received());
        body.begin_response(Response::new(()), true);
        poll_fn(|cx| body.poll_flush(cx)).await.unwrap();
        assert!(body.is_sent());
        assert!(response.await.unwrap().body().is_end_stream());

        let (response, _, mut body) = ends.open(&[], true).await;
        body.begin_response(Response::new(()), false);
        let n = poll_fn(|cx| body.poll_data(cx, b"all", true)).await;
        assert_eq!((n, body.is_sent()), (Ok(3), true));
        poll_fn(|cx| body.poll_end(cx, NO_TRAILERS)).await.unwrap();
        let (data, trailers) = read_stream(response.await.unwrap().into_body()).await;
        assert_eq!((&data[..], trailers), (&b"all"[..], None));
    });
}

#[test]
fn a_response_of_which_nothing_left_can_be_taken_back() {
    run(async {
        let mut ends = ends().await;
        let (response, _, mut body) = ends.open(&[], true).await;
        let status = |status: u16| Response::builder().status(status).body(()).unwrap();
        body.begin_response(status(200), false);
        assert!(body.retract());
        body.interim(status(103));
        body.begin_response(status(502), true);
        poll_fn(|cx| body.poll_flush(cx)).await.unwrap();
        assert!(!body.retract(), "it has left");
        assert_eq!(response.await.unwrap().status(), 502);
    });
}

#[test]
fn what_nobody_reads_stops_its_writer_within_64_kib() {
    run(async {
        let mut ends = ends().await;
        let (response, _, mut body) = ends.open(&[], true).await;
        body.begin_response(Response::new(()), false);
        let piece = [b'x'; 10_000];
        let mut sent = 0;
        let mut idle = 0;
        // The codec moves what it got between two tries; once it takes nothing more, that is all there is room for.
        while idle < 100 {
            match once(|cx| body.poll_data(cx, &piece, false)).await {
                std::task::Poll::Ready(n) => (sent, idle) = (sent + n.unwrap(), 0),
                std::task::Poll::Pending => idle += 1,
            }
            tokio::task::yield_now().await;
        }
        assert_eq!(sent, 65_535, "the client's window, and nothing beyond it");

        let (data, _) = tokio::join!(
            async { read_stream(response.await.unwrap().into_body()).await.0 },
            async {
                let mut left = &piece[..];
                while !left.is_empty() {
                    let n = poll_fn(|cx| body.poll_data(cx, left, true)).await;
                    left = &left[n.unwrap()..];
                }
            }
        );
        assert_eq!(data.len(), sent + piece.len());
    });
}

#[test]
fn what_is_not_consumed_is_not_given_back_to_the_sender() {
    run(async {
        let mut ends = ends().await;
        let (_response, mut stream, mut body) = ends.open(&[], false).await;
        stream.reserve_capacity(1 << 20);
        let mut sent = 0;
        while sent < 65_535 {
            let room = poll_fn(|cx| stream.poll_capacity(cx))
                .await
                .unwrap()
                .unwrap();
            stream.send_data(vec![b'x'; room].into(), false).unwrap();
            sent += room;
        }
        poll_fn(|cx| body.poll_fill(cx)).await.unwrap();
        for _ in 0..100 {
            tokio::task::yield_now().await;
            assert!(once(|cx| stream.poll_capacity(cx)).await.is_pending());
        }
        let mut read = 0;
        while read < 40_000 {
            poll_fn(|cx| body.poll_fill(cx)).await.unwrap();
            read += body.data().len();
            body.consume(body.data().len());
        }
        let room = poll_fn(|cx| stream.poll_capacity(cx))
            .await
            .unwrap()
            .unwrap();
        assert!(room >= 32 * 1024, "{room}");
    });
}

/// Gathers for as long as something comes.
async fn gather(body: &mut H2Body) {
    for _ in 0..200 {
        poll_fn(|cx| {
            body.gather(cx);
            std::task::Poll::Ready(())
        })
        .await;
        tokio::task::yield_now().await;
    }
}

#[test]
fn small_frames_of_a_stream_that_stands_still_are_put_together() {
    run(async {
        let mut ends = ends().await;
        // With what the codec reckons for each frame, one of these is half of what it bears.
        let mut stalled = Vec::new();
        for _ in 0..8 {
            let (response, mut stream, mut body) = ends.open(&[], false).await;
            let mut sent = Vec::new();
            for n in 0..100_u8 {
                let piece = [n; 30];
                stream.send_data(piece.to_vec().into(), false).unwrap();
                sent.extend(piece);
                gather(&mut body).await;
            }
            stalled.push((response, stream, body, sent));
        }
        for (_response, mut stream, mut body, sent) in stalled {
            stream.send_trailers(trailers("x-sum", "6")).unwrap();
            let (data, fields) = read(&mut body).await.unwrap();
            assert_eq!(data, sent);
            assert_eq!(fields, ["x-sum: 6"]);
        }
    });
}

#[test]
fn what_is_gathered_keeps_its_order_and_its_window() {
    run(async {
        let mut ends = ends().await;
        let (_response, mut stream, mut body) = ends.open(&[], false).await;
        let lengths = [
            40, 1, 3_000, 7, 1_023, 1_024, 16_384, 2, 9_000, 0, 12_000, 5,
        ];
        let mut sent = Vec::new();
        for (n, length) in (0_u8..).zip(lengths) {
            let piece = vec![n; length];
            sent.extend_from_slice(&piece);
            stream.send_data(piece.into(), n == 11).unwrap();
        }
        gather(&mut body).await;
        assert!(!body.is_last() && !body.is_received());
        let mut read = Vec::new();
        while poll_fn(|cx| body.poll_fill(cx)).await == Ok(Fill::Data) {
            let n = body.data().len().min(700);
            read.extend_from_slice(&body.data()[..n]);
            body.consume(n);
        }
        assert_eq!(read, sent);
        assert!(body.is_received());

        let (_response, mut stream, mut body) = ends.open(&[], false).await;
        for _ in 0..65_535 / 30 {
            stream.send_data(vec![0; 30].into(), false).unwrap();
            gather(&mut body).await;
        }
        stream.reserve_capacity(1 << 20);
        gather(&mut body).await;
        let room = once(|cx| stream.poll_capacity(cx)).await;
        assert!(
            matches!(room, std::task::Poll::Ready(Some(Ok(15)))),
            "{room:?}"
        );
    });
}

#[test]
fn each_way_of_breaking_off_has_its_name() {
    run(async {
        let mut ends = ends().await;
        // The client takes its request back.
        let (_, mut stream, mut body) = ends.open(&[], false).await;
        assert!(once(|cx| body.poll_gone(cx)).await.is_pending());
        stream.send_reset(Reason::CANCEL);
        poll_fn(|cx| body.poll_gone(cx)).await;
        assert_eq!(read(&mut body).await, Err(Fault::ClientGone));
        body.begin_response(Response::new(()), false);
        let written = poll_fn(|cx| body.poll_data(cx, b"x", true)).await;
        assert_eq!(written, Err(Fault::ClientGone));

        // It sends less, or more, than it said.
        for said in ["6", "2"] {
            let (response, mut stream, mut body) =
                ends.open(&[("content-length", said)], false).await;
            stream.send_data("four".into(), true).unwrap();
            let told = response.await.unwrap_err();
            assert_eq!(told.reason(), Some(Reason::PROTOCOL_ERROR));
            assert_eq!(
                read(&mut body).await,
                Err(Fault::RequestBodyMalformed),
                "{said}"
            );
        }

        // Its trailers could not stand in lines.
        let (response, mut stream, mut body) = ends.open(&[], false).await;
        stream.send_trailers(trailers("x", " padded ")).unwrap();
        assert_eq!(read(&mut body).await, Err(Fault::RequestBodyMalformed));
        let told = response.await.unwrap_err();
        assert_eq!(told.reason(), Some(Reason::PROTOCOL_ERROR));
    });
}

#[test]
fn trailers_hold_what_grpc_says_of_an_error_and_more_is_nobody_s_malformed_body() {
    run(async {
        let mut ends = ends().await;
        for (length, fault) in [
            (5_000, None),
            (16_000, None),
            (17_000, Some(Fault::RequestHeadTooLarge)),
        ] {
            let (_response, mut stream, mut body) = ends.open(&[], false).await;
            let mut map = trailers("grpc-status", "13");
            let details = HeaderValue::from_bytes(&vec![b'x'; length]).unwrap();
            map.insert("grpc-status-details-bin", details);
            stream.send_trailers(map).unwrap();
            assert_eq!(read(&mut body).await.err(), fault, "{length}");
        }
        let large = refused(Side::Upstream, Refusal::HeadTooLarge);
        assert_eq!(large, Fault::ResponseHeadTooLarge);
    });
}

#[test]
fn an_endpoint_s_half_is_called_by_its_own_faults() {
    run(async {
        let mut ends = ends().await;
        let (response, stream, mut far) = ends.open(&[], false).await;
        let mut near = H2Body::of_endpoint();
        near.send(Some(stream));
        poll_fn(|cx| near.poll_data(cx, b"ask", true))
            .await
            .unwrap();
        assert_eq!(read(&mut far).await.unwrap().0, b"ask");
        far.begin_response(Response::new(()), false);
        poll_fn(|cx| far.poll_data(cx, b"half", false))
            .await
            .unwrap();
        near.receive(response.await.unwrap().into_body());
        assert_eq!(poll_fn(|cx| near.poll_fill(cx)).await, Ok(Fill::Data));
        far.reset(Reason::INTERNAL_ERROR);
        assert_eq!(read(&mut near).await, Err(Fault::ResponseCut));

        // It takes no more of the request.
        let (response, stream, mut far) = ends.open(&[], false).await;
        let mut near = H2Body::of_endpoint();
        near.send(Some(stream));
        far.reset(Reason::REFUSED_STREAM);
        let refused = response.await.unwrap_err();
        assert_eq!(refused.reason(), Some(Reason::REFUSED_STREAM));
        let written = poll_fn(|cx| near.poll_data(cx, b"x", true)).await;
        assert_eq!(written, Err(Fault::EndpointReset));
        near.fail(Fault::EndpointClosed);
        let written = poll_fn(|cx| near.poll_end(cx, NO_TRAILERS)).await;
        assert_eq!(written, Err(Fault::EndpointClosed));
        assert_eq!(near.side, Side::Upstream);
    });
}

#[test]
fn a_pump_carries_a_long_body_from_stream_to_stream() {
    run(async {
        let (mut left, mut right) = (ends().await, ends().await);
        let (response, mut stream, mut from) = left.open(&[], false).await;
        let (_onward, onward, mut to) = right.open(&[], false).await;
        let mut out = H2Body::of_endpoint();
        out.send(Some(onward));
        let body: Vec<u8> = (0..400_000_u32).map(|n| n.to_le_bytes()[0]).collect();
        let send = async {
            let mut left = Bytes::from(body.clone());
            while !left.is_empty() {
                stream.reserve_capacity(left.len());
                let room = poll_fn(|cx| stream.poll_capacity(cx))
                    .await
                    .unwrap()
                    .unwrap();
                let piece = left.split_to(room.min(left.len()));
                stream.send_data(piece, left.is_empty()).unwrap();
            }
        };
        let mut pump = Pump::new(std::time::Instant::now(), u64::MAX, true);
        let pumped = poll_fn(|cx| pump.poll(cx, &mut from, &mut out, &|_| true));
        let ((), pumped, read) = tokio::join!(send, pumped, read(&mut to));
        assert_eq!(pumped, Ok(()));
        assert!(read.unwrap().0 == body && pump.done);
        drop(response);
    });
}
