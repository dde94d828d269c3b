//! Whole writes and appended reads on a stream, within a probe's time.

use std::future::poll_fn;
use std::io;

use evenkeel_net::Stream;

use super::bad::{Awaited, Bad};
use super::patience::Patience;

/// How much one read asks for.
const READ_BYTES: usize = 4 * 1024;

/// Sends all of `bytes`.
pub(super) async fn send(
    stream: &mut Stream,
    mut bytes: &[u8],
    patience: &Patience,
) -> Result<(), Bad> {
    while !bytes.is_empty() {
        let written = patience
            .wait(Awaited::Sending, poll_fn(|cx| stream.poll_write(cx, bytes)))
            .await?
            .map_err(|error| broken(Awaited::Sending, &error))?;
        bytes = bytes.get(written..).unwrap_or_default();
    }
    Ok(())
}

/// Appends what comes next to `bytes`, at most `most` of it; 0 at the end of the stream.
pub(super) async fn receive(
    stream: &mut Stream,
    bytes: &mut Vec<u8>,
    most: usize,
    awaited: Awaited,
    patience: &Patience,
) -> Result<usize, Bad> {
    let start = bytes.len();
    bytes.resize(start + most.clamp(1, READ_BYTES), 0);
    let read = patience
        .wait(
            awaited,
            poll_fn(|cx| stream.poll_read(cx, &mut bytes[start..])),
        )
        .await?
        .map_err(|error| broken(awaited, &error))?;
    bytes.truncate(start + read);
    Ok(read)
}

fn broken(awaited: Awaited, error: &io::Error) -> Bad {
    let why = match error.kind() {
        io::ErrorKind::ConnectionReset => "it was reset".into(),
        io::ErrorKind::BrokenPipe => "it was closed".into(),
        _ => error.to_string(),
    };
    Bad::Broken(awaited, why)
}
