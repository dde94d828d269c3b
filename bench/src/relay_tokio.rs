//! The upper floor: a bare relay on tokio's current-thread runtime, heads read with httparse.
//!
//! It forwards as [`crate::relay_epoll`] does, with as little, in the way that is natural on tokio: one task per client,
//! straight code, no buffer while a connection waits. What an exchange costs here is what any proxy on tokio has to pay.

mod exchange;

use std::cell::RefCell;
use std::io;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::rc::Rc;

use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::runtime::{Builder, LocalOptions};

/// Read at once; as much as the other relay reads.
const INPUT: usize = 64 * 1024;

/// Room for a head and a small body.
const OUTPUT: usize = 8 * 1024;

/// Connections that may wait to be accepted; the system has its own, lower limit.
const BACKLOG: u32 = 65_535;

/// The whole program.
#[derive(Debug)]
pub struct Relay {
    shared: Rc<Shared>,
}

/// What all tasks share.
#[derive(Debug)]
struct Shared {
    origins: Vec<SocketAddrV4>,
    state: RefCell<State>,
}

#[derive(Debug)]
struct State {
    /// Whose turn it is.
    next: usize,
    /// Per origin, the connections that wait for a request.
    idle: Vec<Vec<TcpStream>>,
    /// Buffers that nobody uses.
    buffers: Vec<Buffers>,
}

/// What an exchange needs: room for what comes and for what goes.
#[derive(Debug)]
struct Buffers {
    input: Vec<u8>,
    output: Vec<u8>,
}

impl Relay {
    /// A relay to these ports of 127.0.0.1.
    #[must_use]
    pub fn new(origins: &[u16]) -> Self {
        let address = |port: &u16| SocketAddrV4::new(Ipv4Addr::LOCALHOST, *port);
        Self {
            shared: Rc::new(Shared {
                origins: origins.iter().map(address).collect(),
                state: RefCell::new(State {
                    next: 0,
                    idle: origins.iter().map(|_| Vec::new()).collect(),
                    buffers: Vec::new(),
                }),
            }),
        }
    }

    /// Listens on a port of 127.0.0.1, tells `listening` which one it got, and relays until the process ends.
    ///
    /// # Errors
    ///
    /// Fails when the port is taken.
    pub fn run(&self, port: u16, listening: impl FnOnce(u16) -> io::Result<()>) -> io::Result<()> {
        let runtime = Builder::new_current_thread()
            .enable_io()
            .build_local(LocalOptions::default())?;
        runtime.block_on(async {
            let listener = listen(port)?;
            listening(listener.local_addr()?.port())?;
            loop {
                // What can fail here is one connection, or the table of descriptors; neither ends the relay.
                let Ok((client, _)) = listener.accept().await else {
                    tokio::task::yield_now().await;
                    continue;
                };
                let shared = Rc::clone(&self.shared);
                tokio::task::spawn_local(async move {
                    // A failed exchange closes both connections, which is all that a relay without features says.
                    let _ = exchange::serve(client, &shared).await;
                });
            }
        })
    }
}

/// Listens with a queue as long as the system permits, as the others do.
fn listen(port: u16) -> io::Result<TcpListener> {
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseaddr(true)?;
    socket.bind((Ipv4Addr::LOCALHOST, port).into())?;
    socket.listen(BACKLOG)
}

impl Shared {
    /// A connection to the origin whose turn it is, and that origin's number.
    async fn obtain(&self) -> io::Result<(usize, TcpStream)> {
        let (turn, idle) = {
            let mut state = self.state.borrow_mut();
            let turn = state.next;
            state.next = (turn + 1) % self.origins.len();
            (turn, state.idle[turn].pop())
        };
        match idle {
            Some(origin) => Ok((turn, origin)),
            None => {
                let origin = TcpStream::connect(self.origins[turn]).await?;
                origin.set_nodelay(true)?;
                Ok((turn, origin))
            }
        }
    }

    fn keep(&self, turn: usize, origin: TcpStream) {
        self.state.borrow_mut().idle[turn].push(origin);
    }

    fn take_buffers(&self) -> Buffers {
        let kept = self.state.borrow_mut().buffers.pop();
        kept.unwrap_or_else(|| Buffers {
            input: Vec::with_capacity(INPUT),
            output: Vec::with_capacity(OUTPUT),
        })
    }

    fn give_buffers(&self, mut buffers: Buffers) {
        buffers.input.clear();
        buffers.output.clear();
        self.state.borrow_mut().buffers.push(buffers);
    }
}
