//! HTTP/1.1 to endpoints.

use std::io;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use evenkeel_base::FieldSink;
use evenkeel_base::{Fault, ResponseView, Side};
use evenkeel_config::model::Cluster;
use evenkeel_http1::{Asked, Limits, ResponseBody, ResponseParser};
use evenkeel_net::Stream;
use evenkeel_state::{EndpointState, OpenConnection};

use crate::body::Length;
use crate::h1::{Boundary, Channel, Incoming, Reply, chunked_unless_known};
use crate::upstream::{Answer, Ask, Fields, Line, Upstream};
use crate::worker::Worker;

/// An endpoint's connection in the middle of an attempt.
#[derive(Debug)]
pub(crate) struct H1Upstream {
    channel: Box<Channel>,
}

impl H1Upstream {
    /// A channel on a fresh connection.
    pub(crate) fn channel(stream: Stream, open: OpenConnection, worker: &Worker) -> Box<Channel> {
        let mut channel = Channel::new(stream, Side::Upstream, &worker.blocks);
        channel.open = Some(open);
        channel
    }

    /// Takes up a fresh or idle connection.
    #[inline]
    pub(crate) const fn new(channel: Box<Channel>) -> Self {
        Self { channel }
    }

    /// Puts the connection into the worker's pool, when it can carry another exchange and one may come. It has been free since
    /// then.
    pub(crate) fn give_back(
        self,
        worker: &Worker,
        endpoint: &EndpointState,
        cluster: &Cluster,
        since: Instant,
    ) {
        if let Some((connection, announced)) = self.into_reusable()
            && !worker.is_draining()
        {
            if let Some(seconds) = announced {
                endpoint.keepalive.announced(seconds.into());
            }
            let keep = endpoint.keepalive.limit(cluster.timeouts.keepalive);
            let most = cluster.max_idle_connections;
            worker.pool.put(endpoint, connection, keep, most, since);
        }
    }

    /// The body, to be looked at.
    pub(crate) const fn source(&self) -> &Channel {
        &self.channel
    }

    /// The connection, when it can carry another exchange: both sides want to, both directions are at a message
    /// boundary, and the endpoint has not sent more than its response. With it the seconds that the endpoint announced.
    fn into_reusable(mut self) -> Option<(Boundary, Option<u32>)> {
        let Reply {
            head,
            has_table,
            asked,
            persistent,
            keep_alive,
            ..
        } = &mut self.channel.reply;
        // The next response is read with the parser that this one has left at a beginning.
        let (status, head) = (head.status, std::mem::take(head));
        let (persistent, keep_alive) = (std::mem::take(persistent), keep_alive.take());
        let bodiless = asked.head || matches!(status, 204 | 304);
        *has_table = false;
        self.channel.block.pool().response_heads.give(head);
        if !persistent {
            return None;
        }
        let boundary = self.channel.into_boundary()?;
        let boundary = if bodiless { boundary.doubt() } else { boundary };
        Some((boundary, keep_alive))
    }

    fn take_head(&mut self) -> Poll<Result<Option<Answer>, Fault>> {
        let limits = Limits::default();
        let channel = &mut *self.channel;
        let reply = &mut channel.reply;
        if !reply.has_table {
            reply.has_table = true;
            reply.head = channel.block.pool().response_heads.take();
        }
        let message = channel.block.message();
        let parsed = reply
            .parser
            .parse(message, &limits, reply.asked, &mut reply.head);
        let response = match parsed {
            Ok(Some(response)) => response,
            Ok(None) => return Poll::Ready(Ok(None)),
            Err(refusal) => return Poll::Ready(Err(refusal.fault_of_response())),
        };
        reply.persistent = response.persistent;
        reply.keep_alive = response.keep_alive_timeout.or(reply.keep_alive);
        let (status, asked_head) = (reply.head.status, reply.asked.head);
        channel.head = response.consumed;
        channel.block.consume(response.consumed);
        if response.body == ResponseBody::Tunnel {
            return Poll::Ready(Ok(Some(Answer::Tunnel)));
        }
        if status < 200 {
            return Poll::Ready(Ok(Some(Answer::Interim)));
        }
        let bodyless = asked_head || status == 204 || status == 304;
        let (incoming, length) = match response.body {
            ResponseBody::Empty if bodyless => (Incoming::Done, Length::Empty),
            ResponseBody::Empty | ResponseBody::Tunnel => (Incoming::Done, Length::Known(0)),
            ResponseBody::Known(left) => (Incoming::Known { left }, Length::Known(left)),
            ResponseBody::Chunked => (Incoming::Chunked, Length::Unknown),
            ResponseBody::UntilClose => (Incoming::Raw, Length::Unknown),
        };
        channel.begin_body(incoming);
        Poll::Ready(Ok(Some(Answer::Final(length))))
    }
}

impl Upstream for H1Upstream {
    type Body = Channel;

    #[inline]
    fn body(&mut self) -> &mut Channel {
        &mut self.channel
    }

    fn begin_request(&mut self, line: Line<'_>, length: Length, ask: Ask<'_>, fields: impl Fields) {
        self.channel.reply.asked = Asked {
            head: ask.head,
            connect: false,
            upgrade: ask.upgrade.is_some(),
        };
        self.channel
            .outgoing
            .begin_request(line, chunked_unless_known(length), |sink| {
                fields.write(sink);
                if let Some(protocol) = ask.upgrade {
                    sink.field(b"Connection", b"upgrade");
                    sink.field(b"Upgrade", protocol);
                }
            });
    }

    fn poll_response(&mut self, cx: &mut Context<'_>) -> Poll<Result<Answer, Fault>> {
        if self.channel.head > 0 {
            // The last head was an interim one: the next message begins behind it.
            self.channel.head = 0;
            self.channel.block.begin_message();
            self.channel.reply.parser = ResponseParser::default();
        }
        loop {
            if !self.channel.block.message().is_empty()
                && let Some(answer) = ready!(self.take_head())?
            {
                return Poll::Ready(Ok(answer));
            }
            match ready!(
                self.channel
                    .poll_read_head(cx, Limits::default().head_bytes)
            ) {
                Ok(true) => {}
                Ok(false) => return Poll::Ready(Err(Fault::EndpointClosed)),
                Err(error) => return Poll::Ready(Err(fault_of(&error))),
            }
        }
    }

    fn response(&self) -> ResponseView<'_> {
        let channel = &self.channel;
        channel.reply.head.view(channel.block.message())
    }

    fn has_sent(&self) -> bool {
        self.channel.outgoing.has_sent()
    }

    fn begin_tunnel(&mut self) {
        self.channel.begin_tunnel();
    }
}

/// The fault of a connection that fails before the response's head.
fn fault_of(error: &io::Error) -> Fault {
    match evenkeel_net::tls_fault(error) {
        Some(fault) => fault,
        None if error.kind() == io::ErrorKind::InvalidData => Fault::ResponseHeadTooLarge,
        None => Fault::EndpointReset,
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::rc::Rc;

    use evenkeel_base::Known;
    use tokio::io::AsyncWriteExt;
    use tokio::task::yield_now;

    use super::*;
    use crate::block::Blocks;
    use crate::rig;

    #[test]
    fn a_response_that_comes_byte_by_byte_is_the_same() {
        rig::run(async {
            let blocks = Rc::new(Blocks::default());
            let (near, mut far) = rig::pair();
            let mut up = H1Upstream::new(Channel::new(near, Side::Upstream, &blocks));
            let send = async {
                for byte in b"HTTP/1.1 103 Early\r\nA: b\r\n\r\nHTTP/1.1 404 Gone\r\nKeep-Alive: x\r\nContent-Length: 3\r\n\r\nabc" {
                    far.write_all(&[*byte]).await.unwrap();
                    yield_now().await;
                }
            };
            let read = async {
                assert_eq!(
                    poll_fn(|cx| up.poll_response(cx)).await,
                    Ok(Answer::Interim)
                );
                assert_eq!(up.response().status(), 103);
                let answer = poll_fn(|cx| up.poll_response(cx)).await;
                assert_eq!(answer, Ok(Answer::Final(Length::Known(3))));
                assert_eq!(
                    (up.response().status(), up.response().reason()),
                    (404, &b"Gone"[..])
                );
                assert_eq!(up.response().known(Known::KeepAlive), Some(&b"x"[..]));
            };
            tokio::join!(send, read);
        });
    }
}
