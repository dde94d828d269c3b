//! What the meter counts, what pays it back, and that cuts of the bytes change nothing.

use std::time::Duration;

use proptest::collection::vec;
use proptest::prelude::{any, prop};
use proptest::{prop_assert_eq, proptest};

use super::*;

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const END_STREAM: u8 = 1;
const PADDED: u8 = 8;

fn now() -> Instant {
    // The one moment that a test without a clock can have.
    thread_local!(static NOW: Instant = start());
    NOW.with(|now| *now)
}

#[expect(clippy::disallowed_methods, reason = "a moment to count from")]
fn start() -> Instant {
    Instant::now()
}

fn frame(kind: u8, flags: u8, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let mut frame = length[1..].to_vec();
    frame.extend_from_slice(&[kind, flags, 0, 0, 0, 1]);
    frame.extend_from_slice(payload);
    frame
}

/// A meter of a client behind its preface.
fn client() -> Meter {
    let mut meter = Meter::new(Role::Client, now());
    meter.incoming(PREFACE, now()).unwrap();
    meter
}

/// How many of a frame a fresh meter takes, and what it says to the next one.
fn most(meter: &Meter, frame: &[u8]) -> (u32, Abuse) {
    most_of(&mut meter.clone(), frame)
}

/// The same of this one.
fn most_of(meter: &mut Meter, frame: &[u8]) -> (u32, Abuse) {
    for taken in 0..10_000 {
        if let Err(abuse) = meter.incoming(frame, now()) {
            return (taken, abuse);
        }
    }
    panic!("no limit: {frame:?}");
}

#[test]
fn each_flood_has_its_limit_and_its_name() {
    for (frame, limit, abuse) in [
        (frame(3, 0, &[0; 4]), 200, Abuse::RapidReset),
        (frame(4, 0, &[]), 50, Abuse::SettingsFlood),
        (frame(4, 1, &[]), 50, Abuse::SettingsFlood),
        (frame(6, 0, &[0; 8]), 100, Abuse::PingFlood),
        (frame(6, 1, &[0; 8]), 100, Abuse::PingFlood),
        (frame(8, 0, &[0, 0, 0, 1]), 500, Abuse::WindowFlood),
        (frame(2, 0, &[0; 5]), 200, Abuse::PriorityFlood),
        (frame(0x10, 0, &[0; 4]), 200, Abuse::PriorityFlood),
        (frame(0, 0, &[]), 80, Abuse::EmptyFrames),
        (frame(0, PADDED, &[0]), 80, Abuse::EmptyFrames),
        (frame(0, PADDED, &[200; 201]), 80, Abuse::EmptyFrames),
        (frame(1, 4, &[]), 80, Abuse::EmptyFrames),
        (frame(9, 0, &[]), 5, Abuse::ContinuationFlood),
        (frame(9, 0, &[0; 16_384]), 5, Abuse::ContinuationFlood),
        (frame(1, 4, &[0; 16_384]), 64, Abuse::HeaderFlood),
        (frame(7, 0, &[0; 8]), 200, Abuse::UnknownFrames),
        (frame(0xc, 0, &[]), 200, Abuse::UnknownFrames),
        (frame(0xff, 0xff, &[1; 100]), 200, Abuse::UnknownFrames),
    ] {
        assert_eq!(most(&client(), &frame), (limit, abuse), "{frame:?}");
    }
}

/// HEADERS of this stream with so many bytes.
fn open(stream: u32, length: usize) -> Vec<u8> {
    let mut open = frame(1, 4, &vec![0; length]);
    open[5..9].copy_from_slice(&stream.to_be_bytes());
    open
}

#[test]
fn streams_are_opened_no_faster_than_they_end() {
    let streams = |meter: &mut Meter, from: u32, count: u32| {
        (from..from + count).try_for_each(|n| meter.incoming(&open(2 * n + 1, 5), now()))
    };
    let mut meter = client();
    streams(&mut meter, 0, 500).unwrap();
    assert_eq!(streams(&mut meter, 500, 1), Err(Abuse::StreamFlood));
    let mut meter = client().for_streams(1_000, 32 * 1024);
    streams(&mut meter, 0, 4_100).unwrap();
    assert_eq!(streams(&mut meter, 4_100, 1), Err(Abuse::StreamFlood));
    // Answers, resets of ours and resets of the client's end them; trailers open none.
    let mut meter = client();
    for n in 0..1_000 {
        streams(&mut meter, 4 * n, 4).unwrap();
        meter.incoming(&open(8 * n + 7, 5), now()).unwrap();
        meter.outgoing(&frame(1, END_STREAM, &[8])).unwrap();
        meter.outgoing(&frame(0, END_STREAM, b"x")).unwrap();
        meter.outgoing(&frame(3, 0, &[0; 4])).unwrap();
        meter.incoming(&frame(3, 0, &[0; 4]), now()).unwrap();
    }
}

#[test]
fn more_streams_at_once_may_be_taken_back_at_once() {
    let meter = |streams| {
        let mut meter = Meter::new(Role::Client, now()).for_streams(streams, 32 * 1024);
        meter.incoming(PREFACE, now()).unwrap();
        meter
    };
    let reset = frame(3, 0, &[0; 4]);
    for (streams, resets) in [(1, 200), (100, 200), (1_000, 2_000)] {
        assert_eq!(most(&meter(streams), &reset), (resets, Abuse::RapidReset));
    }
    let head = frame(1, 4, &[0; 16_384]);
    assert_eq!(most(&meter(1_000), &head), (2_000, Abuse::HeaderFlood));
    assert_eq!(most(&meter(1), &head).0, 64);
}

#[test]
fn all_streams_may_be_open_with_cookies_of_many_kilobytes() {
    let opened = |head: u32, length: usize| {
        let mut meter = client().for_streams(100, head);
        (0..100).find(|n| {
            let sent = meter.incoming(&open(2 * n + 1, length), now());
            sent.and_then(|()| meter.decoded(length)).is_err()
        })
    };
    for (head, length, end) in [
        (32 * 1024, 8 * 1024, None),
        (32 * 1024, 16 * 1024, None),
        (32 * 1024, 17 * 1024, Some(94)),
        (12 * 1024, 12 * 1024, None),
        (12 * 1024, 13 * 1024, Some(92)),
    ] {
        assert_eq!(opened(head, length), end, "{length} of {head}");
    }
}

#[test]
fn data_and_requests_are_no_abuse() {
    let mut meter = client();
    let answer = frame(1, 5, &[8]);
    for honest in [
        frame(0, 0, b"x"),
        frame(0, END_STREAM, b""),
        frame(0, PADDED, &[0, 1]),
        frame(1, 5, &[0; 20]),
        frame(1, 4, &[0; 20]),
    ] {
        for _ in 0..5_000 {
            meter.incoming(&honest, now()).unwrap();
            meter.outgoing(&answer).unwrap();
        }
    }
}

#[test]
fn each_header_block_has_continuations_of_its_own() {
    let mut meter = client();
    for _ in 0..1_000 {
        meter.incoming(&frame(1, 0, &[0]), now()).unwrap();
        for _ in 0..5 {
            meter.incoming(&frame(9, 0, &[0]), now()).unwrap();
        }
        meter.outgoing(&frame(1, END_STREAM, &[8])).unwrap();
    }
}

#[test]
fn a_head_of_an_endpoint_may_be_as_long_as_is_decoded() {
    let mut meter = Meter::new(Role::Endpoint, now());
    meter.incoming(&frame(1, 0, &[0; 16_384]), now()).unwrap();
    let more = frame(9, 0, &[0; 16_384]);
    assert_eq!(most(&meter, &more), (20, Abuse::ContinuationFlood));
}

#[test]
fn an_endpoint_may_reset_what_we_asked_of_it() {
    let mut meter = Meter::new(Role::Endpoint, now());
    for _ in 0..10_000 {
        meter.incoming(&frame(3, 0, &[0; 4]), now()).unwrap();
    }
    let (pings, abuse) = most(&meter, &frame(6, 0, &[0; 8]));
    assert_eq!((pings, abuse), (100, Abuse::PingFlood));
}

#[test]
fn an_answer_pays_for_a_reset_and_its_header_bytes() {
    let mut meter = client();
    for _ in 0..10_000 {
        meter.incoming(&frame(1, 4, &[0; 16_384]), now()).unwrap();
        meter.decoded(16_384).unwrap();
        meter.incoming(&frame(3, 0, &[0; 4]), now()).unwrap();
        meter.outgoing(&frame(0, END_STREAM, b"answer")).unwrap();
    }
    let answer = frame(1, 4, &[8]);
    for _ in 0..200 {
        meter.incoming(&frame(3, 0, &[0; 4]), now()).unwrap();
        meter.outgoing(&answer).unwrap();
    }
    let verdict = meter.incoming(&frame(3, 0, &[0; 4]), now());
    assert_eq!(verdict, Err(Abuse::RapidReset), "begun is not answered");
}

#[test]
fn an_answer_of_an_endpoint_pays_too() {
    let mut meter = Meter::new(Role::Endpoint, now());
    for _ in 0..1_000 {
        meter.incoming(&frame(1, 5, &[0; 16_384]), now()).unwrap();
    }
    let (heads, abuse) = most(&meter, &frame(1, 4, &[0; 16_384]));
    assert_eq!((heads, abuse), (64, Abuse::HeaderFlood));
}

#[test]
fn what_the_client_makes_us_reset_counts_and_what_we_reset_for_ourselves_does_not() {
    let count = |code: u8| {
        let mut meter = client();
        (0..1_000).find_map(|sent| {
            let verdict = meter.outgoing(&frame(3, 0, &[0, 0, 0, code]));
            verdict.err().map(|abuse| (sent, abuse))
        })
    };
    for code in [0, 2, 8] {
        assert_eq!(count(code), None, "{code}");
    }
    assert_eq!(count(7), Some((200, Abuse::ProvokedReset)));
    for code in [1, 3, 5, 6, 9, 11] {
        assert_eq!(count(code), Some((100, Abuse::ProvokedReset)), "{code}");
    }
}

#[test]
fn what_the_codec_ends_a_connection_for_has_a_name_too() {
    for (word, expected) in [
        ("too_many_resets", Err(Abuse::RapidReset)),
        ("too_many_internal_resets", Err(Abuse::ProvokedReset)),
        ("too_many_continuations", Err(Abuse::ContinuationFlood)),
        ("header_list_way_too_large", Err(Abuse::HeaderBomb)),
        ("too_many_data_frames", Err(Abuse::TinyData)),
        ("something_new", Ok(())),
        ("", Ok(())),
    ] {
        let goaway = [&[0, 0, 0, 1, 0, 0, 0, 11], word.as_bytes()].concat();
        let bytes = [frame(7, 0, &goaway), frame(1, 5, &[8])].concat();
        assert_eq!(client().outgoing(&bytes), expected, "{word}");
        let mut pieces = client();
        for byte in &bytes {
            let _ = pieces.outgoing(&[*byte]);
        }
        assert_eq!(pieces.verdict(), expected, "{word}");
    }
    client().outgoing(&frame(7, 0, &[0; 3])).unwrap();
}

#[test]
fn resets_of_both_sides_are_one_debt() {
    let mut meter = client();
    for _ in 0..66 {
        meter.incoming(&frame(3, 0, &[0; 4]), now()).unwrap();
        meter.outgoing(&frame(3, 0, &[0, 0, 0, 1])).unwrap();
    }
    meter.outgoing(&frame(3, 0, &[0, 0, 0, 1])).unwrap();
    let verdict = meter.incoming(&frame(3, 0, &[0; 4]), now());
    assert_eq!(verdict, Err(Abuse::RapidReset));
}

#[test]
fn data_pays_for_windows_and_pings() {
    let mut meter = client();
    for _ in 0..10_000 {
        meter.outgoing(&frame(0, 0, b"data")).unwrap();
        for _ in 0..4 {
            meter.incoming(&frame(8, 0, &[0, 0, 0, 1]), now()).unwrap();
        }
        meter.incoming(&frame(6, 0, &[0; 8]), now()).unwrap();
    }
}

/// The two updates that Go sends for every 4 KiB which its program has read.
fn read_4_kib(meter: &mut Meter) -> Result<(), Abuse> {
    let window = frame(8, 0, &[0, 0, 0x10, 0]);
    meter.incoming(&[window.clone(), window].concat(), now())
}

#[test]
fn a_reader_by_four_kilobytes_is_no_flood() {
    let mut endpoint = Meter::new(Role::Endpoint, now());
    endpoint.outgoing(PREFACE).unwrap();
    for meter in [client(), endpoint] {
        for length in [4_096, 16_384, 65_536] {
            let mut meter = meter.clone();
            for _ in 0..1_000 {
                meter.outgoing(&frame(0, 0, &vec![0; length])).unwrap();
                (0..length / 4_096).for_each(|_| read_4_kib(&mut meter).unwrap());
            }
        }
    }
}

#[test]
fn what_was_sent_may_be_read_much_later() {
    let mut meter = client();
    for _ in 0..(64 << 20) / 16_384 {
        meter.outgoing(&frame(0, 0, &[0; 16_384])).unwrap();
    }
    for _ in 0..(64 << 20) / 4_096 {
        read_4_kib(&mut meter).unwrap();
    }
    let mut idle = client();
    for _ in 0..100_000 {
        idle.outgoing(&frame(0, 0, b"x")).unwrap();
    }
    let ahead = (0..).find(|_| read_4_kib(&mut idle).is_err());
    assert_eq!(ahead, Some((65_536 + 500) / 2), "no more than that is paid");
}

#[test]
fn requests_pay_for_what_comes_along() {
    let mut meter = client();
    for n in 0..10_000 {
        meter.incoming(&open(2 * n + 1, 10), now()).unwrap();
        for kind in [2, 8, 0x0b] {
            meter.incoming(&frame(kind, 0, &[0; 5]), now()).unwrap();
            meter.incoming(&frame(kind, 0, &[0; 5]), now()).unwrap();
        }
        meter.outgoing(&frame(1, 5, &[8])).unwrap();
    }
}

#[test]
fn time_forgives_what_is_slow() {
    let mut meter = client();
    let mut then = now();
    for _ in 0..10_000 {
        then += Duration::from_millis(1_000);
        meter.incoming(&frame(4, 0, &[]), then).unwrap();
        for _ in 0..5 {
            meter.incoming(&frame(6, 0, &[0; 8]), then).unwrap();
        }
    }
    for _ in 0..49 {
        meter.incoming(&frame(4, 0, &[]), then).unwrap();
    }
    then += Duration::from_millis(999);
    let verdict = meter.incoming(&frame(4, 0, &[]), then);
    assert_eq!(verdict, Err(Abuse::SettingsFlood), "no second has passed");
}

#[test]
fn time_that_goes_backwards_forgives_nothing() {
    let mut meter = Meter::new(Role::Endpoint, now() + Duration::from_secs(100));
    assert_eq!(most(&meter, &frame(4, 0, &[])), (50, Abuse::SettingsFlood));
    meter.incoming(&frame(4, 0, &[]), now()).unwrap();
}

#[test]
fn a_verdict_stays() {
    let mut meter = client();
    let flood = frame(6, 0, &[0; 8]).repeat(101);
    assert_eq!(meter.incoming(&flood, now()), Err(Abuse::PingFlood));
    let later = now() + Duration::from_secs(3_600);
    assert_eq!(meter.incoming(b"", later), Err(Abuse::PingFlood));
    assert_eq!(meter.outgoing(b""), Err(Abuse::PingFlood));
    assert_eq!(meter.decoded(usize::MAX), Err(Abuse::PingFlood));
    assert_eq!(meter.verdict(), Err(Abuse::PingFlood));
}

#[test]
fn where_frames_end_is_known_after_a_verdict_too() {
    let mut meter = Meter::new(Role::Endpoint, now());
    assert!(!meter.is_between_frames(), "the preface is still to come");
    meter.outgoing(PREFACE).unwrap();
    assert!(meter.is_between_frames());
    most_of(&mut meter, &frame(6, 0, &[0; 8]));
    let data = frame(0, 0, b"data");
    for (n, byte) in (1..).zip(&data) {
        let _ = meter.outgoing(&[*byte]);
        assert_eq!(meter.is_between_frames(), n == data.len(), "{n}");
    }
}

#[test]
fn decoded_bytes_are_header_bytes() {
    let mut meter = client();
    meter.decoded(1024 * 1024).unwrap();
    assert_eq!(meter.decoded(1), Err(Abuse::HeaderFlood));
    assert_eq!(client().decoded(usize::MAX), Err(Abuse::HeaderFlood));
}

#[test]
fn payloads_that_look_like_frames_are_stepped_over() {
    let inner = frame(6, 0, &[0; 8]).repeat(1_000);
    let mut meter = client();
    meter.incoming(&frame(0, 0, &inner), now()).unwrap();
    let length = u32::from_be_bytes([0, 0xff, 0xff, 0xff]);
    let mut endless = vec![0xff, 0xff, 0xff, 0, 0, 0, 0, 0, 1];
    endless.resize(9 + usize::try_from(length).unwrap(), 6);
    meter.incoming(&endless, now()).unwrap();
    assert_eq!(most(&meter, &frame(6, 0, &[0; 8])), (100, Abuse::PingFlood));
}

/// What is told of the bytes when they are cut at these lengths.
fn walk(bytes: &[u8], cuts: &[usize]) -> Vec<(Frame, usize)> {
    let mut walker = Walker::new(false);
    let mut told = Vec::new();
    let (mut from, mut cuts) = (0, cuts.iter().cycle());
    while from < bytes.len() {
        let end = (from + cuts.next().map_or(bytes.len(), |cut| *cut)).min(bytes.len());
        let mut piece = &bytes[from..end];
        while let Some(frame) = walker.next(&mut piece) {
            told.push((frame, end - piece.len()));
        }
        from = end;
    }
    told
}

proptest! {
    #[test]
    fn however_the_bytes_are_cut_the_same_frames_are_told_at_the_same_places(
        frames in vec((0..12_u8, any::<u8>(), vec(any::<u8>(), 0..20)), 0..40),
        cuts in vec(1..30_usize, 1..10),
    ) {
        let bytes: Vec<u8> = frames
            .iter()
            .flat_map(|(kind, flags, payload)| frame(*kind, *flags, payload))
            .collect();
        let whole = walk(&bytes, &[]);
        prop_assert_eq!(whole.len(), frames.len());
        for ((told, _), (kind, _, payload)) in whole.iter().zip(&frames) {
            prop_assert_eq!((told.kind, told.length as usize), (*kind, payload.len()));
        }
        prop_assert_eq!(&walk(&bytes, &cuts), &whole);
        prop_assert_eq!(&walk(&bytes, &[1]), &whole);
    }

    #[test]
    fn however_the_bytes_are_cut_the_debts_are_the_same(
        bytes in vec(prop::sample::select(vec![0_u8, 0, 0, 0, 1, 2, 3, 4, 6, 8, 9, 11, 255]), 0..3_000),
        cut in 1..40_usize,
    ) {
        let (mut whole, mut pieces) = (client(), client());
        let verdict = whole.incoming(&bytes, now()).and_then(|()| whole.outgoing(&bytes));
        let mut of_pieces = Ok(());
        for piece in bytes.chunks(cut) {
            of_pieces = pieces.incoming(piece, now());
        }
        for piece in bytes.chunks(cut) {
            of_pieces = of_pieces.and_then(|()| pieces.outgoing(piece));
        }
        prop_assert_eq!(verdict, of_pieces);
        prop_assert_eq!(whole.debts, pieces.debts);
    }
}
