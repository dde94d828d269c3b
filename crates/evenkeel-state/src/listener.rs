//! What is known about a listener beyond any one snapshot, and the number by which its connections find it again.
//!
//! A listener is the address that it is bound to: over a reload its place in the file may change, and its name and every knob
//! of it, and its sockets and connections stay.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

use evenkeel_config::model::{Bind, Listener};

use crate::clients::ClientConnections;

/// The shared state of one listener.
#[derive(Debug)]
pub struct ListenerState {
    /// A number that no other listener of this process has.
    pub serial: u32,
    /// Who has how many connections to it.
    pub clients: Arc<ClientConnections>,
    /// Where it is bound, with the port that the system chose; known once it is.
    address: OnceLock<String>,
}

impl ListenerState {
    /// Where it is bound, with the port that the system chose; none: it is not bound yet.
    #[must_use]
    pub fn address(&self) -> Option<&str> {
        self.address.get().map(String::as_str)
    }

    /// It is bound there, for as long as it is known.
    pub fn is_bound(&self, address: String) {
        let _ = self.address.set(address);
    }
}

/// The address, and where the system chooses the port, also the name: each has a port of its own.
type ListenerKey = (Bind, String);

/// The listeners of the process.
#[derive(Debug, Default)]
pub(crate) struct Listeners {
    next_serial: u32,
    by_address: HashMap<ListenerKey, Arc<ListenerState>>,
}

impl Listeners {
    /// The states of these listeners: those that are known, and new ones. Those that nobody refers to any more are forgotten.
    pub(crate) fn compile(&mut self, listeners: &[Listener]) -> Arc<[Arc<ListenerState>]> {
        let states = listeners.iter().map(|listener| {
            let state = self.by_address.entry(key(listener)).or_insert_with(|| {
                self.next_serial = self.next_serial.wrapping_add(1);
                Arc::new(ListenerState {
                    serial: self.next_serial,
                    clients: ClientConnections::new(),
                    address: OnceLock::new(),
                })
            });
            Arc::clone(state)
        });
        let states = states.collect();
        self.by_address
            .retain(|_, state| Arc::strong_count(state) > 1);
        states
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

    /// The serials of listeners, each given as `name: bind`.
    fn serials(listeners: &mut Listeners, all: &[&str]) -> Vec<u32> {
        let mut text = "version = 1\n[[route]]\nrespond.body = \"\"\n".to_owned();
        for one in all {
            let (name, bind) = one.split_once(": ").unwrap();
            text.push_str(&format!("[listener.{name}]\nbind = \"{bind}\"\n"));
        }
        let config = check(&text, "test", &Nowhere).config.unwrap();
        let states = listeners.compile(&config.listeners);
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
}
