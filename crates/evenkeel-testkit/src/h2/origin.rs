//! An origin's connection of HTTP/2: what drives it, while its streams are answered on threads of their own.

use std::future::poll_fn;
use std::io;
use std::net::TcpStream;
use std::sync::mpsc::SyncSender;
use std::task::Poll;

use h2::RecvStream;
use h2::server::SendResponse;
use http::Request;
use tokio::sync::mpsc::UnboundedReceiver;

use super::{Data, Settings};
use crate::tls::Handshake;
use crate::tls::pipe::Pipe;

/// What a script may do to the whole connection.
#[derive(Debug)]
pub(crate) enum Command {
    /// Tell when what was sent so far is on its way, as far as windows and socket allow: a reset would drop it.
    Flush(SyncSender<()>),
    /// Take no more streams (GOAWAY with `NO_ERROR`), and close after those under way.
    Retire,
    /// GOAWAY with this code, and close.
    Abort(u32),
    /// Close without a word.
    HangUp,
}

/// A stream as it came.
pub(crate) type Arrival = (Request<RecvStream>, SendResponse<Data>);

/// Drives a connection to its end. `begin` is told when its preface came, and `arrive` gets each stream.
pub(crate) fn serve(
    tcp: TcpStream,
    tls: Option<rustls::Connection>,
    settings: &Settings,
    mut commands: UnboundedReceiver<Command>,
    begin: impl FnOnce(Option<Handshake>),
    mut arrive: impl FnMut(Arrival),
) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .build()?;
    runtime.block_on(async {
        tcp.set_nonblocking(true)?;
        let tcp = tokio::net::TcpStream::from_std(tcp)?;
        let (pipe, handshake) = Pipe::open(tcp, tls).await?;
        let builder = builder(settings);
        let mut connection = builder
            .handshake::<_, Data>(pipe)
            .await
            .map_err(io::Error::other)?;
        begin(handshake);
        let mut flushing: Option<SyncSender<()>> = None;
        loop {
            let event = poll_fn(|cx| {
                if flushing.is_none()
                    && let Poll::Ready(Some(command)) = commands.poll_recv(cx)
                {
                    return Poll::Ready(Event::Ordered(command));
                }
                let came = connection.poll_accept(cx).map(|came| match came {
                    Some(Ok(arrival)) => Event::Came(Box::new(arrival)),
                    Some(Err(_)) | None => Event::Ended,
                });
                match (came, flushing.take()) {
                    (Poll::Pending, Some(told)) => Poll::Ready(Event::Flushed(told)),
                    (came, told) => {
                        flushing = told;
                        came
                    }
                }
            });
            match event.await {
                Event::Came(arrival) => arrive(*arrival),
                Event::Flushed(told) => drop(told),
                Event::Ordered(Command::Flush(told)) => flushing = Some(told),
                Event::Ordered(Command::Retire) => connection.graceful_shutdown(),
                Event::Ordered(Command::Abort(code)) => connection.abrupt_shutdown(code.into()),
                Event::Ordered(Command::HangUp) | Event::Ended => return Ok(()),
            }
        }
    })
}

enum Event {
    Came(Box<Arrival>),
    Ordered(Command),
    Flushed(SyncSender<()>),
    Ended,
}

fn builder(settings: &Settings) -> h2::server::Builder {
    let mut builder = h2::server::Builder::new();
    if let Some(bytes) = settings.window {
        builder.initial_window_size(bytes);
    }
    if let Some(bytes) = settings.connection_window {
        builder.initial_connection_window_size(bytes);
    }
    if let Some(number) = settings.max_streams {
        builder.max_concurrent_streams(number);
    }
    if let Some(bytes) = settings.max_frame {
        builder.max_frame_size(bytes);
    }
    if let Some(bytes) = settings.max_head {
        builder.max_header_list_size(bytes);
    }
    if settings.connect_protocol {
        builder.enable_connect_protocol();
    }
    builder
}
