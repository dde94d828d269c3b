//! A TLS connection in blocking style, which two threads may share: one reads while the other writes.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use rustls::Connection;

use super::Handshake;

/// The most that is sent in one record.
const RECORD: usize = 16_384;

/// A TCP socket and the TLS on it. Dropping it says goodbye (`close_notify`), unless it was told not to.
#[derive(Debug)]
pub struct TlsSocket {
    tcp: TcpStream,
    connection: Mutex<Connection>,
    /// What came and is not deciphered yet; whoever reads holds it, so that a reader blocks no writer.
    unread: Mutex<Vec<u8>>,
    /// Whoever sends holds it, so that records leave in the order in which they were made.
    sending: Mutex<()>,
    /// Whether the connection ends without a goodbye.
    abrupt: AtomicBool,
}

impl TlsSocket {
    pub(crate) fn new(tcp: TcpStream, connection: Connection) -> Self {
        Self {
            tcp,
            connection: Mutex::new(connection),
            unread: Mutex::default(),
            sending: Mutex::default(),
            abrupt: AtomicBool::new(false),
        }
    }

    pub(crate) fn tcp(&self) -> &TcpStream {
        &self.tcp
    }

    /// Waits until the handshake is done.
    pub(crate) fn handshake(&self) -> io::Result<Handshake> {
        let mut unread = lock(&self.unread);
        loop {
            self.flush()?;
            if let Some(handshake) = Handshake::of(&lock(&self.connection)) {
                return Ok(handshake);
            }
            self.fill(&mut unread)?;
            self.decipher(&mut unread)?;
        }
    }

    /// What was agreed on, when it was by now.
    pub(crate) fn agreed(&self) -> Option<Handshake> {
        Handshake::of(&lock(&self.connection))
    }

    pub(crate) fn read(&self, into: &mut [u8]) -> io::Result<usize> {
        let mut unread = lock(&self.unread);
        loop {
            match lock(&self.connection).reader().read(into) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                read => return read,
            }
            if unread.is_empty() {
                self.flush()?;
                self.fill(&mut unread)?;
            }
            self.decipher(&mut unread)?;
        }
    }

    pub(crate) fn write_all(&self, bytes: &[u8]) -> io::Result<()> {
        if lock(&self.connection).is_handshaking() {
            self.handshake()?;
        }
        for piece in bytes.chunks(RECORD) {
            let sending = lock(&self.sending);
            lock(&self.connection).writer().write_all(piece)?;
            self.send(&sending)?;
        }
        Ok(())
    }

    /// Ends one direction, or both. The sending one ends with a goodbye, unless both end.
    pub(crate) fn shutdown(&self, how: Shutdown) {
        if how == Shutdown::Write {
            self.goodbye();
        } else {
            self.abrupt.store(true, Ordering::Relaxed);
        }
        // It may have ended already, which is what was wanted.
        drop(self.tcp.shutdown(how));
    }

    /// Makes the end come without a goodbye, as an attacker's would.
    pub(crate) fn no_goodbye(&self) {
        self.abrupt.store(true, Ordering::Relaxed);
    }

    fn goodbye(&self) {
        if !self.abrupt.swap(true, Ordering::Relaxed) {
            lock(&self.connection).send_close_notify();
            drop(self.flush());
        }
    }

    fn flush(&self) -> io::Result<()> {
        let sending = lock(&self.sending);
        self.send(&sending)
    }

    fn send(&self, _sending: &MutexGuard<'_, ()>) -> io::Result<()> {
        let mut records = Vec::new();
        let mut connection = lock(&self.connection);
        while connection.wants_write() {
            connection.write_tls(&mut records)?;
        }
        drop(connection);
        (&self.tcp).write_all(&records)
    }

    fn fill(&self, unread: &mut Vec<u8>) -> io::Result<()> {
        let mut piece = [0; 65_536];
        let read = loop {
            match (&self.tcp).read(&mut piece) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                read => break read?,
            }
        };
        unread.extend_from_slice(&piece[..read]);
        if read == 0 {
            let mut connection = lock(&self.connection);
            if connection.is_handshaking() {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            // From now on its reader tells whether the end was announced.
            connection.read_tls(&mut io::empty())?;
        }
        Ok(())
    }

    fn decipher(&self, unread: &mut Vec<u8>) -> io::Result<()> {
        if unread.is_empty() {
            return Ok(());
        }
        let mut rest = &unread[..];
        let mut connection = lock(&self.connection);
        let taken = connection.read_tls(&mut rest)?;
        let processed = connection.process_new_packets();
        drop(connection);
        unread.drain(..taken);
        if let Err(error) = processed {
            // The alert that says so.
            drop(self.flush());
            return Err(io::Error::new(io::ErrorKind::InvalidData, error));
        }
        Ok(())
    }
}

impl Drop for TlsSocket {
    fn drop(&mut self) {
        // A reader that takes nothing is not waited for.
        if self.tcp.set_nonblocking(true).is_ok() {
            self.goodbye();
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
