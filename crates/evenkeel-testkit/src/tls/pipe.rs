//! A connection for the `h2` crate: a TCP socket of tokio's, with or without TLS on it.

use std::future::poll_fn;
use std::io::{self, Read, Write};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use rustls::Connection;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use super::Handshake;

/// A connected socket.
#[derive(Debug)]
pub(crate) struct Pipe {
    tcp: TcpStream,
    tls: Option<Box<Connection>>,
}

impl Pipe {
    /// Over this socket; with TLS when there is one, whose handshake is done then.
    pub(crate) async fn open(
        tcp: TcpStream,
        tls: Option<Connection>,
    ) -> io::Result<(Self, Option<Handshake>)> {
        let mut pipe = Self {
            tcp,
            tls: tls.map(Box::new),
        };
        poll_fn(|cx| pipe.poll_handshake(cx)).await?;
        let handshake = pipe.tls.as_deref().and_then(Handshake::of);
        Ok((pipe, handshake))
    }

    fn poll_handshake(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Some(tls) = &mut self.tls else {
            return Poll::Ready(Ok(()));
        };
        loop {
            ready!(send(tls, &mut self.tcp, cx))?;
            if !tls.is_handshaking() {
                return Poll::Ready(Ok(()));
            }
            if ready!(receive(tls, &mut self.tcp, cx))? == 0 {
                return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into()));
            }
        }
    }
}

impl AsyncRead for Pipe {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let Self { tcp, tls } = &mut *self;
        let Some(tls) = tls else {
            return Pin::new(tcp).poll_read(cx, into);
        };
        loop {
            match tls.reader().read(into.initialize_unfilled()) {
                Ok(read) => {
                    into.advance(read);
                    return Poll::Ready(Ok(()));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Poll::Ready(Err(error)),
            }
            ready!(receive(tls, tcp, cx))?;
            // Answers to what was received (a change of keys); when the socket is full they go with what is sent next.
            if let Poll::Ready(Err(error)) = send(tls, tcp, cx) {
                return Poll::Ready(Err(error));
            }
        }
    }
}

impl AsyncWrite for Pipe {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let Self { tcp, tls } = &mut *self;
        let Some(tls) = tls else {
            return Pin::new(tcp).poll_write(cx, bytes);
        };
        // Nothing is taken before the socket took what was taken earlier: what is not sent is not held here.
        ready!(send(tls, tcp, cx))?;
        let taken = tls.writer().write(bytes)?;
        match send(tls, tcp, cx) {
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            _ => Poll::Ready(Ok(taken)),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Self { tcp, tls } = &mut *self;
        match tls {
            None => Pin::new(tcp).poll_flush(cx),
            Some(tls) => send(tls, tcp, cx),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Self { tcp, tls } = &mut *self;
        if let Some(tls) = tls {
            tls.send_close_notify();
            ready!(send(tls, tcp, cx))?;
        }
        Pin::new(tcp).poll_shutdown(cx)
    }
}

/// Sends all that TLS has to send.
fn send(tls: &mut Connection, tcp: &mut TcpStream, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
    while tls.wants_write() {
        ready!(blocking(tls.write_tls(&mut Blocking { tcp, cx })))?;
    }
    Poll::Ready(Ok(()))
}

/// Receives something and deciphers it; 0 at the end of what comes.
fn receive(
    tls: &mut Connection,
    tcp: &mut TcpStream,
    cx: &mut Context<'_>,
) -> Poll<io::Result<usize>> {
    let read = ready!(blocking(tls.read_tls(&mut Blocking { tcp, cx })))?;
    if let Err(error) = tls.process_new_packets() {
        // The alert that says so, if it can be sent at once.
        drop(send(tls, tcp, cx));
        return Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, error)));
    }
    Poll::Ready(Ok(read))
}

fn blocking<T>(done: io::Result<T>) -> Poll<io::Result<T>> {
    match done {
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Poll::Pending,
        done => Poll::Ready(done),
    }
}

/// A socket as rustls wants one: what would have to wait says so.
struct Blocking<'a, 'b> {
    tcp: &'a mut TcpStream,
    cx: &'a mut Context<'b>,
}

impl Read for Blocking<'_, '_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let mut into = ReadBuf::new(into);
        match Pin::new(&mut *self.tcp).poll_read(self.cx, &mut into) {
            Poll::Ready(read) => read.map(|()| into.filled().len()),
            Poll::Pending => Err(io::ErrorKind::WouldBlock.into()),
        }
    }
}

impl Write for Blocking<'_, '_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match Pin::new(&mut *self.tcp).poll_write(self.cx, bytes) {
            Poll::Ready(written) => written,
            Poll::Pending => Err(io::ErrorKind::WouldBlock.into()),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
