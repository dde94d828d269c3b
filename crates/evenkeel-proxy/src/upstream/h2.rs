//! HTTP/2 to endpoints: one stream of a trunk as the endpoint's side of one attempt.
//!
//! Heads are the codec's on the wire and `evenkeel_http2`'s in here; bodies are [`H2Body`]'s. What a failed attempt has sent is
//! known: nothing, when the endpoint says so (REFUSED_STREAM, a GOAWAY whose last stream is an earlier one: RFC 9113 §8.7), or
//! when the system has taken nothing since the request was begun.
//!
//! A WebSocket is an extended CONNECT here (RFC 8441), and an upgrade to the pipeline: its response looks like the 101 that an
//! endpoint of HTTP/1.1 would give.

mod request;

use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use evenkeel_base::{Fault, ResponseHead, ResponseView};
use evenkeel_http1::reason_phrase;
use evenkeel_http2::{self as http2, Limits};
use h2::client::ResponseFuture;
use h2::{Reason, RecvStream, SendStream};
use http::Response;

use crate::block::Blocks;
use crate::body::Length;
use crate::h2::{H2Body, websocket};
use crate::trunks::{Place, Trunk, Unsent};
use crate::upstream::h2::request::Draft;
use crate::upstream::{Answer, Ask, Fields, Line, Upstream};

/// One stream of a trunk.
#[derive(Debug)]
pub(crate) struct H2Upstream {
    body: H2Body,
    response: Option<ResponseFuture>,
    head: ResponseHead,
    block: Vec<u8>,
    /// The method is HEAD: what says how long a body is does not say that there is one.
    bodiless: bool,
    tunnel: Option<Box<Tunnel>>,
    /// Whether the endpoint is reached through TLS.
    https: bool,
    /// Why there is no response, once that is known.
    failed: Option<Failed>,
    /// How often the system had taken something when the request was begun.
    progress: u64,
    blocks: Rc<Blocks>,
    /// Given back when all of the stream is gone.
    place: Place,
}

/// What a WebSocket waits with until the endpoint has agreed.
#[derive(Debug)]
struct Tunnel {
    send: SendStream<Bytes>,
    receive: Option<RecvStream>,
    /// The echo of the client's key.
    accept: Option<[u8; 28]>,
}

/// What is known of an attempt that failed.
#[derive(Clone, Copy, Debug)]
struct Failed {
    fault: Fault,
    /// The endpoint has not looked at it.
    untouched: bool,
    /// It is the connection that ended, and not this stream alone.
    with_connection: bool,
}

impl Failed {
    /// The stream alone failed, by what the endpoint did with it.
    const fn stream(fault: Fault) -> Self {
        Self {
            fault,
            untouched: false,
            with_connection: false,
        }
    }

    /// Nothing of the request was sent.
    const fn unsent(fault: Fault) -> Self {
        Self {
            fault,
            untouched: true,
            with_connection: false,
        }
    }

    /// The connection takes no new requests any more.
    const fn leaving() -> Self {
        Self {
            fault: Fault::EndpointClosed,
            untouched: true,
            with_connection: true,
        }
    }

    /// What the crate says of a stream.
    fn of(error: &h2::Error, trunk: &Trunk) -> Self {
        let is_remote = error.is_remote();
        match error.reason() {
            // Of a stream behind the last one that the endpoint will look at; nothing else fails streams that way.
            _ if error.is_go_away() && is_remote => Self::leaving(),
            Some(Reason::REFUSED_STREAM) if error.is_reset() && is_remote => {
                Self::unsent(Fault::StreamRefused)
            }
            _ if error.is_reset() && is_remote => Self::stream(Fault::EndpointReset),
            // What the crate has found wrong with it.
            _ if error.is_reset() => Self::stream(Fault::ResponseMalformed),
            _ => {
                let known = trunk.end();
                let otherwise = if error.is_io() {
                    Fault::EndpointClosed
                } else {
                    Fault::ResponseMalformed
                };
                Self {
                    fault: known.unwrap_or(otherwise),
                    untouched: false,
                    with_connection: true,
                }
            }
        }
    }
}

impl H2Upstream {
    /// An attempt that has a place on a trunk; `https` says whether the endpoint is reached through TLS.
    pub(crate) fn new(place: Place, https: bool, blocks: &Rc<Blocks>) -> Box<Self> {
        let progress = place.trunk().progress();
        Box::new(Self {
            body: H2Body::of_endpoint(),
            response: None,
            head: ResponseHead::default(),
            block: Vec::new(),
            bodiless: false,
            tunnel: None,
            https,
            failed: None,
            progress,
            blocks: Rc::clone(blocks),
            place,
        })
    }

    /// The body, to be looked at.
    pub(crate) const fn source(&self) -> &H2Body {
        &self.body
    }

    /// How long the connection had been idle, when that it ended is what the attempt failed of: it had waited for a request, or
    /// nothing of this one was sent by it. That is then no fault of the endpoint's.
    pub(crate) fn stale_after(&self, idle: Option<Duration>) -> Option<Duration> {
        let failed = self.failed?;
        let had_waited = idle.is_some_and(|idle| !idle.is_zero());
        let is_stale = failed.with_connection && (had_waited || !self.has_sent());
        is_stale.then(|| idle.unwrap_or_default())
    }

    /// Why a response broke off that seemed to by that fault, where more is known of its connection.
    pub(crate) fn why(&self, fault: Fault) -> Fault {
        match self.place.trunk().end() {
            Some(Fault::EndpointFlood) if fault == Fault::ResponseCut => Fault::EndpointFlood,
            _ => fault,
        }
    }

    fn fail(&mut self, failed: Failed) -> Fault {
        self.failed = Some(failed);
        self.body.fail(failed.fault);
        failed.fault
    }

    fn begin(&mut self, draft: Draft, length: Length, ask: &Ask<'_>) -> Result<(), Failed> {
        let accept = draft.key.as_deref().map(websocket::accept);
        let request = draft.finish(self.https).map_err(Failed::unsent)?;
        let ends = matches!(length, Length::Empty | Length::Known(0)) && ask.upgrade.is_none();
        let trunk = self.place.trunk();
        self.progress = trunk.progress();
        let (response, send) = trunk.send(request, ends).map_err(|unsent| match unsent {
            // What is wrong with the request itself has been found before.
            Unsent::Refused(error) if !error.is_go_away() && !error.is_io() => {
                Failed::unsent(Fault::Internal)
            }
            Unsent::Refused(_) | Unsent::Leaving => Failed::leaving(),
        })?;
        self.response = Some(response);
        if ask.upgrade.is_some() {
            self.body.send(None);
            self.tunnel = Some(Box::new(Tunnel {
                send,
                receive: None,
                accept,
            }));
        } else {
            self.body.send((!ends).then_some(send));
        }
        Ok(())
    }

    /// Reads a head that the codec has decoded; `ends` says whether the stream ends with it.
    fn read(&mut self, head: &Response<()>, ends: bool) -> Result<Answer, Fault> {
        if self.block.capacity() == 0 {
            self.block = self.blocks.take_out();
            self.head = self.blocks.response_heads.take();
        }
        let status = head.status();
        let fields = head
            .headers()
            .iter()
            .map(|(name, value)| (name.as_str().as_bytes(), value.as_bytes()));
        let fields = std::iter::once((&b":status"[..], status.as_str().as_bytes())).chain(fields);
        let limits = Limits::default();
        let read = http2::response(
            fields,
            (ends, self.bodiless),
            &limits,
            &mut self.block,
            &mut self.head,
        );
        self.place.trunk().decoded(self.block.len());
        let read = read.map_err(http2::Refusal::fault_of_response)?;
        if read.interim {
            return Ok(Answer::Interim);
        }
        let length = match read.length {
            _ if self.bodiless || matches!(self.head.status, 204 | 304) => Length::Empty,
            Some(length) => Length::Known(length),
            None if ends => {
                // As endpoints of HTTP/1.1 have to say it: who is passed the response looks for it.
                request::add_field(&mut self.block, &mut self.head, b"content-length", b"0");
                Length::Known(0)
            }
            None => Length::Unknown,
        };
        Ok(Answer::Final(length))
    }

    /// The final response: its head, and where its body comes from.
    fn answered(&mut self, response: Response<RecvStream>) -> Result<Answer, Fault> {
        let (parts, receive) = response.into_parts();
        let head = Response::from_parts(parts, ());
        let answer = self.read(&head, receive.is_end_stream())?;
        let Some(mut tunnel) = self.tunnel.take() else {
            // What follows by the stream where no body may is not looked at: the stream is given up instead.
            if answer != Answer::Final(Length::Empty) {
                self.body.receive(receive);
            }
            return Ok(answer);
        };
        if !head.status().is_success() {
            self.body.receive(receive);
            return Ok(answer);
        }
        // What an endpoint of HTTP/1.1 would say.
        self.head.status = 101;
        let (block, head) = (&mut self.block, &mut self.head);
        request::add_field(block, head, b"upgrade", b"websocket");
        if let Some(accept) = tunnel.accept {
            request::add_field(block, head, b"sec-websocket-accept", &accept);
        }
        tunnel.receive = Some(receive);
        self.tunnel = Some(tunnel);
        Ok(Answer::Tunnel)
    }
}

impl Upstream for H2Upstream {
    type Body = H2Body;

    fn body(&mut self) -> &mut H2Body {
        &mut self.body
    }

    fn begin_request(&mut self, line: Line<'_>, length: Length, ask: Ask<'_>, fields: impl Fields) {
        self.bodiless = ask.head;
        let drafted = match ask.upgrade {
            Some(protocol) if !protocol.eq_ignore_ascii_case(b"websocket") => {
                Err(Failed::unsent(Fault::UpgradeUnsupported))
            }
            Some(_) if !self.place.trunk().takes_upgrades() => {
                Err(Failed::unsent(Fault::UpgradeUnsupported))
            }
            upgrade => {
                let mut draft = Draft::new(line, upgrade.is_some());
                fields.write(&mut draft);
                draft.length(length);
                if ask.trailers {
                    draft.take_trailers();
                }
                Ok(draft)
            }
        };
        let begun = drafted.and_then(|draft| self.begin(draft, length, &ask));
        if let Err(failed) = begun {
            self.fail(failed);
        }
    }

    fn poll_response(&mut self, cx: &mut Context<'_>) -> Poll<Result<Answer, Fault>> {
        if let Some(failed) = self.failed {
            return Poll::Ready(Err(failed.fault));
        }
        let Some(response) = &mut self.response else {
            return Poll::Ready(Err(Fault::Internal));
        };
        let failed = match ready!(response.poll_informational(cx)) {
            Some(Ok(head)) => return Poll::Ready(self.read(&head, false)),
            Some(Err(error)) => Failed::of(&error, self.place.trunk()),
            None => match ready!(Pin::new(response).poll(cx)) {
                Ok(response) => {
                    self.response = None;
                    return Poll::Ready(self.answered(response));
                }
                Err(error) => Failed::of(&error, self.place.trunk()),
            },
        };
        Poll::Ready(Err(self.fail(failed)))
    }

    fn response(&self) -> ResponseView<'_> {
        self.head.view(&self.block)
    }

    /// The protocol has no phrases (RFC 9113 §8.3.2): it is the usual one.
    fn status_line(&self) -> (u16, &[u8]) {
        (self.head.status, reason_phrase(self.head.status).as_bytes())
    }

    fn has_sent(&self) -> bool {
        !self.failed.is_some_and(|failed| failed.untouched)
            && self.place.trunk().progress() != self.progress
    }

    fn begin_tunnel(&mut self) {
        if let Some(tunnel) = self.tunnel.take() {
            self.body.send(Some(tunnel.send));
            if let Some(receive) = tunnel.receive {
                self.body.receive(receive);
            }
        }
    }
}

impl Drop for H2Upstream {
    fn drop(&mut self) {
        self.blocks.give_out(std::mem::take(&mut self.block));
        let head = std::mem::take(&mut self.head);
        self.blocks.response_heads.give(head);
    }
}

#[cfg(test)]
mod tests;
