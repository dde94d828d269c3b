//! Clients of HTTP/2 that ask for large bodies on many streams and let none of them come.
//!
//! Every other one opens no window: it reads, and not a byte of a body may be sent to it. The others open all windows and read
//! nothing. Whether such a connection is still there shows when something is sent on it, so they send a frame now and then that
//! means nothing.

use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use evenkeel_testkit::floods::stream;
use evenkeel_testkit::frames::{Frame, PREFACE, get, kind};
use tokio::io::AsyncWriteExt;
use tokio::time::{sleep, timeout};

use super::ears::Ears;
use super::readers::narrow;
use super::{Crowd, Member, PATIENCE};

/// SETTINGS_INITIAL_WINDOW_SIZE.
const INITIAL_WINDOW_SIZE: u16 = 4;

/// The largest window.
const WHOLE: u32 = 0x7fff_ffff;

/// So much is added to the window that a connection begins with.
const MORE: u32 = WHOLE - 65_535;

/// From one of the frames that mean nothing to the next: fewer than are forgiven.
const SIGN: Duration = Duration::from_millis(200);

/// What such clients ask for.
#[derive(Clone, Copy, Debug)]
pub struct Stalling {
    /// Its path.
    pub path: &'static str,
    /// On so many streams at once.
    pub streams: u32,
    /// So long after one the next one comes.
    pub apart: Duration,
}

/// Lets so many ask; each tells how long the last of its streams was let once all that it asked for had begun, as far as it can
/// see that. None of one that never got so far, or was let go on.
#[must_use]
pub fn stalled(to: SocketAddr, number: usize, how: Stalling) -> Crowd<Option<Duration>> {
    Crowd::gather(number, move |member| async move {
        sleep(how.apart * u32::try_from(member.number).unwrap_or_default()).await;
        let stalled = stall(to, how, &member);
        timeout(PATIENCE, stalled).await.ok()?.ok()
    })
}

async fn stall(to: SocketAddr, how: Stalling, member: &Member) -> io::Result<Duration> {
    let reads = member.number.is_multiple_of(2);
    let (reading, mut mouth) = narrow(to).await?.into_split();
    let window = if reads { 0 } else { WHOLE };
    let mut bytes = PREFACE.to_vec();
    bytes.extend(Frame::settings(&[(INITIAL_WINDOW_SIZE, window)]).bytes());
    bytes.extend(Frame::window(0, MORE).bytes());
    bytes.extend((0..how.streams).flat_map(|number| get(stream(number), how.path)));
    mouth.write_all(&bytes).await?;
    let mut since = Instant::now();
    let mut ears = Ears::new(reading);
    if reads {
        let mut open = how.streams;
        while open > 0 {
            // A connection that ends takes all of them along.
            let Ok(frame) = ears.frame().await else {
                break;
            };
            open -= u32::from(frame.kind == kind::RST_STREAM);
            if frame.kind == kind::HEADERS {
                since = Instant::now();
            }
        }
    } else {
        let sign = Frame::new(0x77, 0, 0, []).bytes();
        while mouth.write_all(&sign).await.is_ok() {
            sleep(SIGN).await;
        }
    }
    Ok(since.elapsed())
}
