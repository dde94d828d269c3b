//! The live feed from its other end: a stream of server-sent events, told one picture at a time.

use std::io;
use std::path::Path;

use evenkeel_net::{Stream, Wire};
use http_body_util::{BodyExt, Empty};
use hyper::Request;
use hyper::body::{Body, Bytes};
use hyper::client::conn::http1;
use hyper::header::HOST;
use tokio::net::UnixStream;
use tokio::time;

use super::{Failed, MAX_ANSWER, PATIENCE, understand};
use crate::view::live::Picture;

/// The longest event that is read; a feed that sends more is hung up on. Pictures are bounded far below ([`crate::view::live::Bounds`]).
const MAX_EVENT: usize = 32 * 1024 * 1024;

/// Watches the process, and tells each picture as it comes. Returns when there will be no more, with the reason.
///
/// Nothing for ten seconds is a reason as well: there is one every second.
pub async fn watch(socket: &Path, mut told: impl FnMut(Picture)) -> Failed {
    match follow(socket, &mut told).await {
        Ok(()) => Failed::Nobody(socket.to_owned(), io::ErrorKind::UnexpectedEof.into()),
        Err(failed) => failed,
    }
}

async fn follow(socket: &Path, told: &mut impl FnMut(Picture)) -> Result<(), Failed> {
    let nobody = |error: io::Error| Failed::Nobody(socket.to_owned(), error);
    let lost = |error: hyper::Error| nobody(io::Error::other(error));
    let connect = time::timeout(PATIENCE, UnixStream::connect(socket));
    let stream = connect.await.unwrap_or_else(|late| Err(late.into()));
    let stream = stream.map_err(nobody)?;
    let (mut sender, connection) = http1::handshake(Wire(Stream::Unix(stream)))
        .await
        .map_err(lost)?;
    let request = Request::get("/api/v1/live")
        .header(HOST, "evenkeel")
        .body(Empty::<Bytes>::new())
        .map_err(|error| Failed::Refused(error.to_string()))?;
    let reading = async {
        let answer = time::timeout(PATIENCE, sender.send_request(request));
        let answer = answer.await.map_err(|late| nobody(late.into()))?;
        let (head, mut body) = answer.map_err(lost)?.into_parts();
        if !head.status.is_success() {
            let body = http_body_util::Limited::new(body, MAX_ANSWER).collect();
            let body = body
                .await
                .map_or_else(|_| Bytes::new(), |all| all.to_bytes());
            return understand::<()>(head.status, &body).map_err(Failed::Refused);
        }
        let mut feed = Feed::default();
        while let Some(piece) = next(&mut body).await.map_err(nobody)? {
            feed.took(&piece, told).map_err(Failed::Refused)?;
        }
        Ok(())
    };
    let mut reading = std::pin::pin!(reading);
    let mut connection = std::pin::pin!(connection);
    tokio::select! {
        ended = &mut reading => ended,
        // What was read when the connection ends is still to be had.
        _ = &mut connection => reading.await,
    }
}

/// What comes next of the stream; none: its end.
async fn next<B>(body: &mut B) -> io::Result<Option<Bytes>>
where
    B: Body<Data = Bytes, Error = hyper::Error> + Unpin,
{
    match time::timeout(PATIENCE, body.frame()).await {
        Ok(Some(Ok(frame))) => Ok(Some(frame.into_data().unwrap_or_default())),
        Ok(Some(Err(error))) => Err(io::Error::other(error)),
        Ok(None) => Ok(None),
        Err(late) => Err(late.into()),
    }
}

/// Events out of pieces of a stream.
#[derive(Debug, Default)]
struct Feed {
    unread: Vec<u8>,
}

impl Feed {
    /// One more piece came; the pictures in it that are whole now are told.
    fn took(&mut self, piece: &[u8], told: &mut impl FnMut(Picture)) -> Result<(), String> {
        // The end of an event may lie between two pieces.
        let mut seen = self.unread.len().saturating_sub(1);
        self.unread.extend_from_slice(piece);
        let mut begin = 0;
        while let Some(at) = self.unread[seen..]
            .windows(2)
            .position(|end| end == b"\n\n")
        {
            let end = seen + at;
            if let Some(picture) = picture(&self.unread[begin..end])? {
                told(picture);
            }
            begin = end + 2;
            seen = begin;
        }
        self.unread.drain(..begin);
        if self.unread.len() > MAX_EVENT {
            return Err(format!("an event has more than {MAX_EVENT} bytes"));
        }
        Ok(())
    }
}

/// The picture that an event brings, when it is one. Events of other names, and fields of names that are not known, are for
/// others: <https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation>.
fn picture(event: &[u8]) -> Result<Option<Picture>, String> {
    let field = |name: &[u8]| {
        let mut lines = event.split(|byte| *byte == b'\n');
        lines.find_map(|line| line.strip_prefix(name))
    };
    if field(b"event: ") != Some(b"picture") {
        return Ok(None);
    }
    serde_json::from_slice(field(b"data: ").unwrap_or_default())
        .map(Some)
        .map_err(|error| format!("its picture is not to be understood: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// When the pictures in a stream are of, however it is cut.
    fn read(stream: &str, size: usize) -> Result<Vec<u64>, String> {
        let mut feed = Feed::default();
        let mut seen = Vec::new();
        for piece in stream.as_bytes().chunks(size) {
            feed.took(piece, &mut |picture: Picture| seen.push(picture.at_ms))?;
        }
        Ok(seen)
    }

    fn sent(at_ms: u64) -> String {
        let picture = Picture {
            at_ms,
            ..Picture::default()
        };
        let text = serde_json::to_string(&picture).unwrap();
        format!("event: picture\ndata: {text}\n\n")
    }

    #[test]
    fn pictures_are_told_however_the_stream_is_cut() {
        let stream = format!(
            "event: history\ndata: {{}}\n\n: a comment\n\n{}{}",
            sent(1),
            sent(2)
        );
        for size in [1, 2, 3, 7, 50, stream.len()] {
            assert_eq!(read(&stream, size), Ok(vec![1, 2]), "{size}");
        }
        assert_eq!(read(&stream[..stream.len() - 1], 9), Ok(vec![1]));
    }

    #[test]
    fn what_is_no_picture_is_said() {
        for stream in ["event: picture\ndata: {\n\n", "event: picture\n\n"] {
            let error = read(stream, 64).unwrap_err();
            assert!(error.contains("not to be understood"), "{error}");
        }
    }
}
