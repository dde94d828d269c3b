//! A name server on a port of this host, whose records a test changes as it likes.
//!
//! Like the HTTP of this crate it is written by hand, so that it shares no mistake with the resolver that it answers. It knows A,
//! AAAA and SRV over UDP (RFC 1035 §4.1, RFC 2782), and no compression but that of the name that was asked for.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};

use crate::stream::loopback;

/// How it answers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mood {
    /// What its records say.
    #[default]
    Well,
    /// SERVFAIL.
    Failing,
    /// Not at all.
    Silent,
}

/// A name server.
#[derive(Debug)]
pub struct NameServer {
    inner: Arc<Inner>,
    address: SocketAddr,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Inner {
    socket: UdpSocket,
    state: Mutex<State>,
    over: AtomicBool,
}

#[derive(Debug, Default)]
struct State {
    mood: Mood,
    /// By lower-case name.
    records: HashMap<String, Vec<Record>>,
    /// The names that were asked for, once for each question.
    asked: Vec<String>,
}

/// One record: its type, its time to live in seconds, its data.
#[derive(Clone, Debug)]
struct Record {
    kind: u16,
    ttl: u32,
    data: Vec<u8>,
}

const A: u16 = 1;
const AAAA: u16 = 28;
const SRV: u16 = 33;

/// Response codes (RFC 1035 §4.1.1).
const NO_ERROR: u8 = 0;
const SERVER_FAILURE: u8 = 2;
const NAME_ERROR: u8 = 3;

impl NameServer {
    /// One that knows no name.
    ///
    /// # Panics
    /// When no port is free.
    #[must_use]
    pub fn new() -> Self {
        let socket = UdpSocket::bind(loopback(0)).expect("a port is free");
        let address = socket.local_addr().expect("it has an address");
        let inner = Arc::new(Inner {
            socket,
            state: Mutex::default(),
            over: AtomicBool::new(false),
        });
        let thread = thread::spawn({
            let inner = Arc::clone(&inner);
            move || inner.serve()
        });
        Self {
            inner,
            address,
            thread: Some(thread),
        }
    }

    /// The lines of a configuration that ask it, and have an answer or a failure within two seconds.
    #[must_use]
    pub fn section(&self) -> String {
        let address = self.address;
        format!("[resolver]\nservers = \"{address}\"\ntimeout = \"2s\"\n")
    }

    /// The name has these addresses for so many seconds.
    ///
    /// # Panics
    /// When one is no address.
    pub fn set(&self, name: &str, ttl: u32, addresses: &[&str]) {
        let record = |text: &&str| match text.parse().expect("an address") {
            IpAddr::V4(ip) => (A, ip.octets().to_vec()),
            IpAddr::V6(ip) => (AAAA, ip.octets().to_vec()),
        };
        self.put(name, ttl, addresses.iter().map(record).collect());
    }

    /// The service has these records for so many seconds: priority, weight, port, target.
    pub fn set_service(&self, name: &str, ttl: u32, records: &[(u16, u16, u16, &str)]) {
        let record = |(priority, weight, port, target): &(u16, u16, u16, &str)| {
            let mut data = Vec::new();
            for number in [priority, weight, port] {
                data.extend(number.to_be_bytes());
            }
            data.extend(encode(target));
            (SRV, data)
        };
        self.put(name, ttl, records.iter().map(record).collect());
    }

    /// Nobody knows the name.
    pub fn remove(&self, name: &str) {
        self.inner.state().records.remove(name);
    }

    /// It answers like that from now on.
    pub fn mood(&self, mood: Mood) {
        self.inner.state().mood = mood;
    }

    /// How many questions were asked about a name.
    #[must_use]
    pub fn asked(&self, name: &str) -> usize {
        let state = self.inner.state();
        state.asked.iter().filter(|asked| *asked == name).count()
    }

    fn put(&self, name: &str, ttl: u32, records: Vec<(u16, Vec<u8>)>) {
        let record = |(kind, data)| Record { kind, ttl, data };
        let records = records.into_iter().map(record).collect();
        self.inner.state().records.insert(name.to_owned(), records);
    }
}

impl Default for NameServer {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for NameServer {
    fn drop(&mut self) {
        self.inner.over.store(true, Ordering::Relaxed);
        // Wakes the thread; if that fails, so does what it waits for.
        drop(self.inner.socket.send_to(&[], self.address));
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}

impl Inner {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn serve(&self) {
        let mut question = [0; 1500];
        while let Ok((length, from)) = self.socket.recv_from(&mut question) {
            if self.over.load(Ordering::Relaxed) {
                return;
            }
            if let Some(answer) = question.get(..length).and_then(|q| self.answer(q)) {
                // Who has gone does not hear it.
                drop(self.socket.send_to(&answer, from));
            }
        }
    }

    /// The answer to a question; `None`: silence.
    fn answer(&self, question: &[u8]) -> Option<Vec<u8>> {
        let (name, kind, end) = read_question(question)?;
        let mut state = self.state();
        state.asked.push(name.clone());
        let known = state.records.get(&name);
        let (code, records) = match (state.mood, known) {
            (Mood::Silent, _) => return None,
            (Mood::Failing, _) => (SERVER_FAILURE, Vec::new()),
            (Mood::Well, None) => (NAME_ERROR, Vec::new()),
            (Mood::Well, Some(records)) => {
                let of_kind = records.iter().filter(|record| record.kind == kind);
                (NO_ERROR, of_kind.cloned().collect())
            }
        };
        let mut answer = question.get(..2)?.to_vec();
        // A response to a query that wanted recursion, which there is; then how many of what.
        answer.extend([0x81, 0x80 | code, 0, 1]);
        answer.extend(u16::try_from(records.len()).ok()?.to_be_bytes());
        answer.extend([0, 0, 0, 0]);
        answer.extend(question.get(12..end)?);
        for record in records {
            // The name stands at byte 12.
            answer.extend([0xC0, 12]);
            answer.extend(record.kind.to_be_bytes());
            answer.extend([0, 1]);
            answer.extend(record.ttl.to_be_bytes());
            answer.extend(u16::try_from(record.data.len()).ok()?.to_be_bytes());
            answer.extend(record.data);
        }
        Some(answer)
    }
}

/// The lower-case name and the type of the one question in a message, and where it ends.
fn read_question(message: &[u8]) -> Option<(String, u16, usize)> {
    let mut labels = Vec::new();
    let mut at = 12;
    loop {
        let length = usize::from(*message.get(at)?);
        at += 1;
        if length == 0 {
            break;
        }
        let label = message.get(at..at + length)?;
        labels.push(String::from_utf8(label.to_ascii_lowercase()).ok()?);
        at += length;
    }
    let kind = message.get(at..at + 2)?;
    Some((
        labels.join("."),
        u16::from_be_bytes(kind.try_into().ok()?),
        at + 4,
    ))
}

/// A name as messages have it.
fn encode(name: &str) -> Vec<u8> {
    let labels = name.split('.').filter(|label| !label.is_empty());
    let mut encoded: Vec<u8> = labels
        .flat_map(|label| {
            let length = u8::try_from(label.len()).expect("a label is short");
            std::iter::once(length).chain(label.bytes())
        })
        .collect();
    encoded.push(0);
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A query for a name and type, by hand.
    fn ask(server: &NameServer, name: &str, kind: u8) -> Option<Vec<u8>> {
        let mut question = vec![7, 9, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
        question.extend(encode(name));
        question.extend([0, kind, 0, 1]);
        server.inner.answer(&question)
    }

    #[test]
    fn it_answers_what_it_was_told() {
        let server = NameServer::new();
        server.set("a.test", 5, &["10.0.0.1", "::1"]);
        let answer = ask(&server, "A.test", 1).unwrap();
        assert_eq!(answer[..8], [7, 9, 0x81, 0x80, 0, 1, 0, 1]);
        let record = [0xC0, 12, 0, 1, 0, 1, 0, 0, 0, 5, 0, 4, 10, 0, 0, 1];
        assert!(answer.ends_with(&record), "{answer:?}");
        assert_eq!(ask(&server, "a.test", 28).unwrap()[7], 1);
        assert_eq!(
            ask(&server, "a.test", 33).unwrap()[3..8],
            [0x80, 0, 1, 0, 0]
        );
        assert_eq!(ask(&server, "b.test", 1).unwrap()[3], 0x83);
        server.mood(Mood::Failing);
        assert_eq!(ask(&server, "a.test", 1).unwrap()[3], 0x82);
        server.mood(Mood::Silent);
        assert_eq!(ask(&server, "a.test", 1), None);
        assert_eq!((server.asked("a.test"), server.asked("b.test")), (5, 1));
    }

    #[test]
    fn a_service_has_priority_weight_port_and_target() {
        let server = NameServer::new();
        server.set_service("_http._tcp.test", 1, &[(1, 2, 80, "a.test")]);
        let answer = ask(&server, "_http._tcp.test", 33).unwrap();
        assert!(
            answer.ends_with(b"\0\x01\0\x02\0\x50\x01a\x04test\0"),
            "{answer:?}"
        );
    }
}
