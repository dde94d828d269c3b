//! Reads whole messages as a connection would: bytes arrive in pieces, what is consumed leaves the buffer.

use evenkeel_base::head::{RequestHead, ResponseHead};
use evenkeel_http1::{
    Asked, ChunkReader, ChunkState, Limits, Refusal, Request, RequestBody, RequestParser, Response,
    ResponseBody, ResponseParser,
};

/// How reading one message ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outcome<T> {
    Head(Refusal),
    Body(Refusal),
    Incomplete,
    Whole(T),
}

/// A request as it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ReadRequest {
    pub(crate) head: Request,
    pub(crate) method: Vec<u8>,
    pub(crate) target: Vec<u8>,
    pub(crate) authority: Vec<u8>,
    pub(crate) fields: Vec<(Vec<u8>, Vec<u8>)>,
    pub(crate) body: Vec<u8>,
    pub(crate) rest: Vec<u8>,
}

/// A response as it was read; interim ones are skipped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ReadResponse {
    pub(crate) head: Response,
    pub(crate) status: u16,
    pub(crate) body: Vec<u8>,
    pub(crate) rest: Vec<u8>,
}

/// Where the pieces of a message end.
pub(crate) struct Cuts {
    ends: Vec<usize>,
}

impl Cuts {
    /// The whole in one piece.
    pub(crate) fn whole(length: usize) -> Self {
        Self { ends: vec![length] }
    }

    /// Two pieces.
    pub(crate) fn at(offset: usize, length: usize) -> Self {
        Self {
            ends: vec![offset, length],
        }
    }

    /// Pieces of `step` bytes.
    pub(crate) fn every(step: usize, length: usize) -> Self {
        let ends = (0..length).step_by(step).skip(1).chain([length]).collect();
        Self { ends }
    }
}

/// What has arrived and was not consumed.
struct Inbox<'a> {
    bytes: &'a [u8],
    ends: std::vec::IntoIter<usize>,
    given: usize,
    unread: Vec<u8>,
}

impl<'a> Inbox<'a> {
    fn new(bytes: &'a [u8], cuts: Cuts) -> Self {
        Self {
            bytes,
            ends: cuts.ends.into_iter(),
            given: 0,
            unread: Vec::new(),
        }
    }

    /// Takes the next piece; `false` at the end.
    fn receive(&mut self) -> bool {
        let Some(end) = self.ends.next() else {
            return false;
        };
        self.unread.extend_from_slice(&self.bytes[self.given..end]);
        self.given = end;
        true
    }

    fn rest(self) -> Vec<u8> {
        [self.unread, self.bytes[self.given..].to_vec()].concat()
    }

    /// A body of `length` bytes.
    fn counted(&mut self, length: u64) -> Option<Vec<u8>> {
        let length = usize::try_from(length).ok()?;
        while self.unread.len() < length {
            if !self.receive() {
                return None;
            }
        }
        Some(self.unread.drain(..length).collect())
    }

    /// A chunked body.
    fn chunked(&mut self) -> Result<Option<Vec<u8>>, Refusal> {
        let (mut reader, mut body) = (ChunkReader::new(), Vec::new());
        loop {
            let chunked = reader.read(&mut self.unread, &Limits::default())?;
            body.extend_from_slice(&self.unread[chunked.payload]);
            self.unread.drain(..chunked.consumed);
            if matches!(chunked.state, ChunkState::Done { .. }) {
                return Ok(Some(body));
            }
            if !self.receive() {
                return Ok(None);
            }
        }
    }
}

/// Reads the request at the start of `bytes`.
pub(crate) fn request(bytes: &[u8], cuts: Cuts) -> Outcome<ReadRequest> {
    let mut inbox = Inbox::new(bytes, cuts);
    let (mut parser, mut head) = (RequestParser::default(), RequestHead::default());
    let request = loop {
        match parser.parse(&inbox.unread, &Limits::default(), &mut head) {
            Err(refusal) => return Outcome::Head(refusal),
            Ok(Some(request)) => break request,
            Ok(None) if inbox.receive() => {}
            Ok(None) => return Outcome::Incomplete,
        }
    };
    let view = head.view(&inbox.unread);
    let query = view.query().map(|query| [b"?", query].concat());
    let path = if view.path().is_empty() {
        view.authority()
    } else {
        view.path()
    };
    let mut read = ReadRequest {
        head: request,
        method: view.method_name().to_vec(),
        target: [path, &query.unwrap_or_default()].concat(),
        authority: view.authority().to_vec(),
        fields: view
            .fields()
            .map(|f| (f.name.to_vec(), f.value.to_vec()))
            .collect(),
        body: Vec::new(),
        rest: Vec::new(),
    };
    inbox.unread.drain(..request.consumed);
    let body = match request.body {
        RequestBody::Empty => Ok(Some(Vec::new())),
        RequestBody::Known(length) => Ok(inbox.counted(length)),
        RequestBody::Chunked => inbox.chunked(),
    };
    match body {
        Err(refusal) => Outcome::Body(refusal),
        Ok(None) => Outcome::Incomplete,
        Ok(Some(body)) => {
            read.body = body;
            read.rest = inbox.rest();
            Outcome::Whole(read)
        }
    }
}

/// Reads the final response at the start of `bytes`, after which the endpoint closes.
pub(crate) fn response(bytes: &[u8], cuts: Cuts, asked: Asked) -> Outcome<ReadResponse> {
    let mut inbox = Inbox::new(bytes, cuts);
    let (mut parser, mut head) = (ResponseParser::default(), ResponseHead::default());
    let response = loop {
        match parser.parse(&inbox.unread, &Limits::default(), asked, &mut head) {
            Err(refusal) => return Outcome::Head(refusal),
            Ok(Some(response)) => {
                inbox.unread.drain(..response.consumed);
                if head.status >= 200 || head.status == 101 {
                    break response;
                }
            }
            Ok(None) if inbox.receive() => {}
            Ok(None) => return Outcome::Incomplete,
        }
    };
    let body = match response.body {
        ResponseBody::Empty | ResponseBody::Tunnel => Ok(Some(Vec::new())),
        ResponseBody::Known(length) => Ok(inbox.counted(length)),
        ResponseBody::Chunked => inbox.chunked(),
        ResponseBody::UntilClose => {
            while inbox.receive() {}
            Ok(Some(std::mem::take(&mut inbox.unread)))
        }
    };
    match body {
        Err(refusal) => Outcome::Body(refusal),
        Ok(None) => Outcome::Incomplete,
        Ok(Some(body)) => Outcome::Whole(ReadResponse {
            head: response,
            status: head.status,
            body,
            rest: inbox.rest(),
        }),
    }
}
