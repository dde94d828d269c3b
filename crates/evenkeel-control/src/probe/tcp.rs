//! A TCP probe: a connection, which may say something and expect something back.

use evenkeel_config::model::Probe;
use evenkeel_net::Stream;
use memchr::memmem;

use super::bad::{Awaited, Bad, quoted};
use super::good::Good;
use super::patience::Patience;
use super::wire;

/// So much of what comes back is searched for what must be in it.
const MAX_ANSWER: usize = Probe::TALK_LIMIT;

/// What is sent and what must come back.
#[derive(Debug)]
pub(super) struct Ask {
    send: Vec<u8>,
    expect: Vec<u8>,
}

impl Ask {
    pub(super) fn new(send: &[u8], expect: &[u8]) -> Self {
        Self {
            send: send.to_vec(),
            expect: expect.to_vec(),
        }
    }

    /// Whether the endpoint has to say something.
    pub(super) const fn waits(&self) -> bool {
        !self.expect.is_empty()
    }

    /// Asks on a fresh connection and judges what comes.
    pub(super) async fn put(&self, stream: &mut Stream, patience: &Patience) -> Result<Good, Bad> {
        wire::send(stream, &self.send, patience).await?;
        let mut answer = Vec::new();
        while memmem::find(&answer, &self.expect).is_none() {
            let room = MAX_ANSWER.saturating_sub(answer.len());
            let read = match room {
                0 => 0,
                _ => wire::receive(stream, &mut answer, room, Awaited::Answer, patience).await?,
            };
            match (read, answer.len()) {
                (0, 0) => return Err(Bad::Closed(Awaited::Answer)),
                (0, after) => {
                    let wanted = quoted(&self.expect);
                    return Err(Bad::Answer { wanted, after });
                }
                _ => {}
            }
        }
        Ok(if self.waits() {
            Good::Answered
        } else {
            Good::Connected
        })
    }
}
