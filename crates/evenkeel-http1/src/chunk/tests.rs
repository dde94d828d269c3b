//! Tests of the chunk reader; the table of refused bytes is `evenkeel_testkit::vectors`.

use super::*;

/// The payload, the trailer lines and what is left behind the body.
type Parts = (Vec<u8>, Vec<u8>, Vec<u8>);

/// Reads `bytes` in pieces of `step`; `None` when the body has not ended.
fn read(bytes: &[u8], step: usize) -> Result<Option<Parts>, Refusal> {
    let (mut reader, limits) = (ChunkReader::new(), Limits::default());
    let (mut unread, mut body) = (Vec::new(), Vec::new());
    let mut pieces = bytes.chunks(step);
    while let Some(piece) = pieces.next() {
        unread.extend_from_slice(piece);
        let chunked = reader.read(&mut unread, &limits)?;
        assert!(chunked.payload.end <= chunked.consumed);
        body.extend_from_slice(&unread[chunked.payload]);
        if let ChunkState::Done { trailers } = chunked.state {
            let trailers = unread[trailers].to_vec();
            unread.drain(..chunked.consumed);
            return Ok(Some((
                body,
                trailers,
                [unread, pieces.flatten().copied().collect()].concat(),
            )));
        }
        unread.drain(..chunked.consumed);
    }
    Ok(None)
}

fn refused(bytes: &[u8]) -> Refusal {
    let whole = read(bytes, bytes.len()).unwrap_err();
    for step in 1..bytes.len() {
        assert_eq!(read(bytes, step), Err(whole), "in pieces of {step}");
    }
    whole
}

#[test]
fn payload_trailers_and_rest() {
    let bytes = b"5\r\nhello\r\n1;a\r\n \r\n006 ; a=b;c=\"d;\\\"\r\"x\r\n".as_slice();
    assert_eq!(refused(bytes), Refusal::ChunkExtensionInvalid);
    let bytes = b"5\r\nhello\r\n1;a\r\n \r\n006 ; a=b;c = \"d;\\\"\" ; e\r\nworld!\r\n0\r\nA: b\r\nc:\r\n\r\nGET".as_slice();
    for step in 1..=bytes.len() {
        let (body, trailers, rest) = read(bytes, step).unwrap().unwrap();
        assert_eq!(body, b"hello world!");
        assert_eq!(trailers, b"A: b\r\nc:\r\n");
        assert_eq!(rest, b"GET");
    }
}

#[test]
fn a_hundred_thousand_tiny_chunks_are_one_payload() {
    let mut bytes = b"1\r\nA\r\n".repeat(100_000);
    bytes.extend_from_slice(b"0\r\n\r\n");
    let chunked = ChunkReader::new()
        .read(&mut bytes, &Limits::default())
        .unwrap();
    assert_eq!(chunked.payload.len(), 100_000);
    assert_eq!(chunked.consumed, bytes.len());
    assert!(bytes[chunked.payload].iter().all(|&b| b == b'A'));
}

#[test]
fn a_chunk_that_fills_the_slice_stays_in_place() {
    let mut bytes = b"1\r\nA\r\nff\r\n".to_vec();
    bytes.extend_from_slice(&[b'B'; 200]);
    let chunked = ChunkReader::new()
        .read(&mut bytes, &Limits::default())
        .unwrap();
    assert_eq!(chunked.payload, 9..210);
    assert_eq!((bytes[9], bytes[10], chunked.consumed), (b'A', b'B', 210));
}

#[test]
fn each_flaw_has_its_name() {
    for (bytes, refusal) in [
        ("5\nhello", Refusal::ChunkLineEnd),
        ("5\rhello", Refusal::ChunkLineEnd),
        ("2;\nXX\r\n", Refusal::ChunkLineEnd),
        ("2;\rXX\r\n", Refusal::ChunkExtensionInvalid),
        ("2;a\r\rXX\r\n", Refusal::ChunkLineEnd),
        ("5\r\nhelloX", Refusal::ChunkOverrun),
        ("5\r\nhello\n", Refusal::ChunkOverrun),
        ("5\r\nhello\rX", Refusal::ChunkOverrun),
        ("\r\n", Refusal::ChunkSizeInvalid),
        ("0x5\r\n", Refusal::ChunkSizeInvalid),
        ("5g\r\n", Refusal::ChunkSizeInvalid),
        (" 5\r\n", Refusal::ChunkSizeInvalid),
        ("5 \r\n", Refusal::ChunkExtensionInvalid),
        ("5;\r\n", Refusal::ChunkExtensionInvalid),
        ("5;a=\r\n", Refusal::ChunkExtensionInvalid),
        ("5;a=[\r\n", Refusal::ChunkExtensionInvalid),
        ("5;a=\"x\r\n", Refusal::ChunkExtensionInvalid),
        ("5;a=\"x\"y\r\n", Refusal::ChunkExtensionInvalid),
        ("5;a b\r\n", Refusal::ChunkExtensionInvalid),
        ("10000000000000005\r\n", Refusal::ChunkSizeTooLarge),
        ("8000000000000000\r\n", Refusal::ChunkSizeTooLarge),
        ("FFFFFFFFFFFFFFFF\r\n", Refusal::ChunkSizeTooLarge),
        ("00000000000000005\r\n", Refusal::ChunkSizeTooLarge),
        ("0\n\r\n", Refusal::ChunkLineEnd),
        ("0\r\n\n", Refusal::TrailerInvalid),
        ("0\r\n\rX", Refusal::TrailerInvalid),
        ("0\r\nA: b\n\r\n", Refusal::TrailerInvalid),
        ("0\r\nA : b\r\n\r\n", Refusal::TrailerInvalid),
        ("0\r\nA: b\r\n c\r\n\r\n", Refusal::TrailerInvalid),
        ("0\r\nA: \0\r\n\r\n", Refusal::TrailerInvalid),
    ] {
        assert_eq!(refused(bytes.as_bytes()), refusal, "{bytes:?}");
    }
    assert_eq!(read(b"7FFFFFFFFFFFFFFF\r\n", 1), Ok(None));
}

#[test]
fn extensions_are_bounded_per_line_and_in_all() {
    let line = |length: usize| [b"1;".as_slice(), &vec![b'a'; length - 1], b"\r\nA\r\n"].concat();
    assert_eq!(read(&line(4096), 1000), Ok(None));
    assert_eq!(read(&line(4097), 1000), Err(Refusal::ChunkExtensionTooLong));
    assert_eq!(read(&line(4000).repeat(4), 1000), Ok(None));
    assert_eq!(
        read(&line(4000).repeat(5), 1000),
        Err(Refusal::ChunkExtensionTooLong)
    );
    // Four lines use 16 KiB and bring four bytes, so that four more are free.
    let used = line(4096).repeat(4);
    assert_eq!(read(&[used.as_slice(), &line(4)].concat(), 1000), Ok(None));
    let over = read(&[used.as_slice(), &line(5)].concat(), 1000);
    assert_eq!(over, Err(Refusal::ChunkExtensionTooLong));
    let generous = b"10;0123456789abcd\r\n0123456789abcdef\r\n".repeat(10_000);
    assert_eq!(read(&generous, 1000), Ok(None));
}

#[test]
fn trailer_sections_are_bounded() {
    let section = |count: usize, length: usize| {
        let field = [b"a: ".as_slice(), &vec![b'x'; length], b"\r\n"].concat();
        [b"0\r\n".as_slice(), &field.repeat(count), b"\r\n"].concat()
    };
    assert!(read(&section(100, 10), 1000).unwrap().is_some());
    assert_eq!(
        read(&section(101, 10), 1000),
        Err(Refusal::TrailersTooLarge)
    );
    assert_eq!(
        read(&section(20, 2000), 1000),
        Err(Refusal::TrailersTooLarge)
    );
    assert_eq!(
        read(&section(1, 1 << 20), 1000),
        Err(Refusal::TrailersTooLarge)
    );
}

#[test]
fn after_the_end_there_is_nothing_more() {
    let mut reader = ChunkReader::new();
    let first = reader
        .read(&mut b"0\r\n\r\nmore".to_vec(), &Limits::default())
        .unwrap();
    assert_eq!(first.consumed, 5);
    let second = reader
        .read(&mut b"more".to_vec(), &Limits::default())
        .unwrap();
    assert_eq!((second.consumed, second.payload), (0, 0..0));
}
