//! What is known about a listener beyond any one snapshot, and the number by which its connections find it again.
//!
//! A listener is the address that it is bound to: over a reload its place in the file may change, and its name and every knob
//! of it, and its sockets and connections stay. So do the keys of its tickets: clients go on where they left off across a reload.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError};

use evenkeel_config::model::{Bind, Listener, ListenerTls, Protocols};
use evenkeel_tls::server::Terms;
use evenkeel_tls::{Identity, ServerTls, TicketKeys};

use crate::clients::ClientConnections;
use crate::sync::Mutex;
use crate::traffic::Traffic;

/// The shared state of one listener.
#[derive(Debug)]
pub struct ListenerState {
    /// A number that no other listener of this process has.
    pub serial: u32,
    /// Who has how many connections to it.
    pub clients: Arc<ClientConnections>,
    /// What is counted of its exchanges.
    pub traffic: Traffic,
    /// Where it is bound, with the port that the system chose; known once it is. One that a reload takes out and another brings
    /// back is still known where an older snapshot has it, and is bound anew: at another port where the system chooses.
    address: Mutex<Option<String>>,
}

impl ListenerState {
    /// Where it is bound, with the port that the system chose; none: it is not bound yet.
    #[must_use]
    pub fn address(&self) -> Option<String> {
        let address = self.address.lock();
        address.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// It is bound there from now on.
    pub fn is_bound(&self, address: String) {
        let mut known = self.address.lock().unwrap_or_else(PoisonError::into_inner);
        *known = Some(address);
    }
}

/// The address, and where the system chooses the port, also the name: each has a port of its own.
type ListenerKey = (Bind, String);

/// The listeners of the process.
#[derive(Debug, Default)]
pub(crate) struct Listeners {
    next_serial: u32,
    by_address: HashMap<ListenerKey, Known>,
}

/// A listener that is known.
#[derive(Debug)]
struct Known {
    state: Arc<ListenerState>,
    tls: Option<KnownTls>,
}

/// What its TLS was compiled from, and what it came to.
#[derive(Debug)]
struct KnownTls {
    config: ListenerTls,
    protocols: Protocols,
    tickets: TicketKeys,
    compiled: ServerTls,
}

/// What is compiled of the listeners, in their order.
#[derive(Clone, Debug)]
pub(crate) struct Compiled {
    pub(crate) states: Arc<[Arc<ListenerState>]>,
    pub(crate) tls: Arc<[Option<ServerTls>]>,
}

impl Listeners {
    /// The states of these listeners: those that are known, and new ones. Those that nobody refers to any more are forgotten.
    pub(crate) fn compile(&mut self, listeners: &[Listener], workers: usize) -> Compiled {
        let (mut states, mut tls) = (Vec::new(), Vec::new());
        for listener in listeners {
            let known = self.by_address.entry(key(listener)).or_insert_with(|| {
                self.next_serial = self.next_serial.wrapping_add(1);
                let state = Arc::new(ListenerState {
                    serial: self.next_serial,
                    clients: ClientConnections::new(),
                    traffic: Traffic::new(workers),
                    address: Mutex::new(None),
                });
                Known { state, tls: None }
            });
            states.push(Arc::clone(&known.state));
            known.tls = match &listener.tls {
                None => None,
                Some(config) => KnownTls::compile(config, listener.protocols, known.tls.take()),
            };
            tls.push(known.tls.as_ref().map(|tls| tls.compiled.clone()));
        }
        self.by_address
            .retain(|_, known| Arc::strong_count(&known.state) > 1);
        Compiled {
            states: states.into(),
            tls: tls.into(),
        }
    }
}

impl KnownTls {
    /// Compiles it anew when it is another. A ticket brings its client's certificate along, and nobody checks that again: where
    /// clients are checked otherwise than before, the keys are new.
    fn compile(config: &ListenerTls, protocols: Protocols, before: Option<Self>) -> Option<Self> {
        let is_same = |one: &Self| one.config == *config && one.protocols == protocols;
        if before.as_ref().is_some_and(is_same) {
            return before;
        }
        let check = |config: &ListenerTls| config.client.as_ref().map(|one| one.check.clone());
        let tickets = match before {
            Some(one) if check(&one.config) == check(config) => Ok(one.tickets),
            _ => TicketKeys::new(),
        };
        let compiled = tickets.and_then(|tickets| {
            let all = config.certificates.iter();
            let identities: Vec<Identity> = all.map(|one| one.identity.clone()).collect();
            let compiled = ServerTls::new(&Terms {
                identities: &identities,
                least: config.min_version,
                protocols: offered(protocols),
                clients: check(config).as_ref(),
                tickets: &tickets,
            });
            compiled.map(|compiled| (tickets, compiled))
        });
        match compiled {
            Ok((tickets, compiled)) => Some(Self {
                config: config.clone(),
                protocols,
                tickets,
                compiled,
            }),
            // Nobody is served without TLS in its place: the data plane sees that there should be some, and says so.
            Err(_) => None,
        }
    }
}

/// The protocols as ALPN spells them (RFC 7301 §6), the preferred one first.
const fn offered(protocols: Protocols) -> &'static [&'static str] {
    match protocols {
        Protocols::ALL => &["h2", "http/1.1"],
        Protocols { http2: true, .. } => &["h2"],
        Protocols { http2: false, .. } => &["http/1.1"],
    }
}

fn key(listener: &Listener) -> ListenerKey {
    let chosen = matches!(&listener.bind, Bind::Ip(address) if address.port() == 0);
    let name = if chosen {
        listener.name.clone()
    } else {
        String::new()
    };
    (listener.bind.clone(), name)
}

#[cfg(test)]
mod tests {
    use evenkeel_config::{Nowhere, check};

    use super::*;

    /// The states of listeners, each given as `name: bind`.
    fn states(listeners: &mut Listeners, all: &[&str]) -> Arc<[Arc<ListenerState>]> {
        let mut text = "version = 1\n[[route]]\nrespond.body = \"\"\n".to_owned();
        for one in all {
            let (name, bind) = one.split_once(": ").unwrap();
            text.push_str(&format!("[listener.{name}]\nbind = \"{bind}\"\n"));
        }
        let config = check(&text, "test", &Nowhere).config.unwrap();
        listeners.compile(&config.listeners, 1).states
    }

    /// Their serials.
    fn serials(listeners: &mut Listeners, all: &[&str]) -> Vec<u32> {
        let states = states(listeners, all);
        states.iter().map(|state| state.serial).collect()
    }

    #[test]
    fn a_listener_is_its_address_whatever_its_name_and_place() {
        let mut all = Listeners::default();
        let mut of = |list: &[&str]| serials(&mut all, list);
        assert_eq!(of(&["a: 127.0.0.1:81", "b: 127.0.0.1:82"]), [1, 2]);
        assert_eq!(of(&["b: 127.0.0.1:82", "c: 127.0.0.1:81"]), [2, 1]);
        assert_eq!(of(&["a: 127.0.0.1:0", "b: 127.0.0.1:0"]), [3, 4]);
        assert_eq!(of(&["b: 127.0.0.1:0", "a: unix:/x"]), [4, 5]);
    }

    #[test]
    fn a_listener_that_comes_back_is_where_it_is_bound_now() {
        let mut all = Listeners::default();
        let before = states(&mut all, &["a: 127.0.0.1:0"]);
        assert_eq!(before[0].address(), None);
        before[0].is_bound("127.0.0.1:40001".to_owned());
        states(&mut all, &["b: 127.0.0.1:0"]);
        // The snapshot of before is the way back: it keeps what is known of its listeners.
        let after = states(&mut all, &["a: 127.0.0.1:0"]);
        assert!(Arc::ptr_eq(&before[0], &after[0]));
        after[0].is_bound("127.0.0.1:40002".to_owned());
        assert_eq!(after[0].address().as_deref(), Some("127.0.0.1:40002"));
    }
}
