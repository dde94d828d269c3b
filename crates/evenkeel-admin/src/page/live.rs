//! `GET /api/v1/live`: a picture of the process every second, as server-sent events.

use crate::answer::Answer;
use crate::ask::Ask;

/// The stream, for as long as it is read.
pub(crate) fn show(ask: &Ask) -> Answer {
    let (spout, answer) = match ask.stream("text/event-stream") {
        Ok(both) => both,
        Err(no) => return no,
    };
    let mut watcher = ask.hall.live.watch();
    tokio::spawn(async move {
        loop {
            let event = tokio::select! {
                event = watcher.next() => event,
                () = spout.closed() => return,
            };
            if !event.is_some_and(|event| spout.send(event)) {
                return;
            }
        }
    });
    answer
}
