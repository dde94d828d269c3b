//! A client's connection of HTTP/2.

use std::future::poll_fn;
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::mpsc::{self, SyncSender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use h2::client::SendRequest;
use h2::{Ping, PingPong};
use socket2::SockRef;

use super::{Call, Data, Settings, fields, park};
use crate::broken::Broken;
use crate::client::Cut;
use crate::ends::{self, HangUp};
use crate::length::Length;
use crate::message::Response;
use crate::patience::{PATIENCE, eventually};
use crate::tls::pipe::Pipe;
use crate::tls::{Handshake, TlsClient};

/// One connection, on which any number of calls may be under way; they end with it. What goes wrong on it panics, unless a
/// method says otherwise.
#[derive(Debug)]
pub struct Client {
    requests: SendRequest<Data>,
    pings: Option<PingPong>,
    handshake: Option<Handshake>,
    link: Arc<Link>,
    host: String,
    /// Calls whose response was not asked for yet, the oldest first.
    begun: Vec<Call>,
    resets: bool,
}

impl Client {
    /// Connects over TCP, with prior knowledge.
    ///
    /// # Panics
    /// When nobody listens, or what answers speaks no HTTP/2.
    #[must_use]
    #[track_caller]
    pub fn connect(address: SocketAddr) -> Self {
        Self::connect_with(address, None, &Settings::new())
    }

    /// Connects over TLS; whether the other side agrees to HTTP/2 by ALPN does not matter here ([`Client::handshake`] tells).
    ///
    /// # Panics
    /// As [`Client::connect`], and when TLS fails.
    #[must_use]
    #[track_caller]
    pub fn tls(address: SocketAddr, tls: &TlsClient) -> Self {
        Self::connect_with(address, Some(tls), &Settings::new())
    }

    /// Connects with settings of its own, over TLS or not.
    ///
    /// # Panics
    /// As [`Client::tls`].
    #[must_use]
    #[track_caller]
    pub fn connect_with(address: SocketAddr, tls: Option<&TlsClient>, settings: &Settings) -> Self {
        Self::try_connect(address, tls, settings)
            .unwrap_or_else(|broken| panic!("no HTTP/2 with {address}: {broken}"))
    }

    /// The same for a case in which it may fail.
    ///
    /// # Errors
    /// Why it does.
    ///
    /// # Panics
    /// When nobody listens.
    #[track_caller]
    pub fn try_connect(
        address: SocketAddr,
        tls: Option<&TlsClient>,
        settings: &Settings,
    ) -> Result<Self, Broken> {
        let tcp = TcpStream::connect_timeout(&address, PATIENCE)
            .and_then(|tcp| tcp.set_nodelay(true).map(|()| tcp))
            .unwrap_or_else(|error| panic!("no connection to {address}: {error}"));
        let link = Arc::new(Link {
            tcp: tcp.try_clone()?,
            secure: tls.is_some(),
            end: Mutex::new(None),
        });
        ends::note(&link);
        let tls = tls.map(|terms| terms.connection("h2"));
        let (tell, told) = mpsc::sync_channel(1);
        thread::spawn({
            let (link, settings) = (Arc::clone(&link), settings.clone());
            move || drive(tcp, tls, &settings, &link, &tell)
        });
        let begun = told.recv_timeout(PATIENCE).map_err(|_| Broken::Silent)??;
        Ok(Self {
            requests: begun.requests,
            pings: begun.pings,
            handshake: begun.handshake,
            link,
            host: "a.example".to_owned(),
            begun: Vec::new(),
            resets: false,
        })
    }

    /// Says another `:authority` from now on; it is `a.example` at first.
    #[must_use]
    pub fn host(mut self, host: &str) -> Self {
        host.clone_into(&mut self.host);
        self
    }

    /// What was agreed on by TLS, when there is any.
    #[must_use]
    pub fn handshake(&self) -> Option<&Handshake> {
        self.handshake.as_ref()
    }

    /// A GET, and its response.
    #[track_caller]
    pub fn get(&mut self, target: &str) -> Response {
        self.ask("GET", target, "", "")
    }

    /// A POST with `content-length`, and its response.
    #[track_caller]
    pub fn post(&mut self, target: &str, body: &str) -> Response {
        let length = format!("content-length: {}\r\n", body.len());
        self.ask("POST", target, &length, body)
    }

    /// A GET with these field lines (`"Name: value\r\n…"`; names are sent in lower case), and its response.
    #[track_caller]
    pub fn get_with(&mut self, target: &str, fields: &str) -> Response {
        self.ask("GET", target, fields, "")
    }

    /// Any request with these field lines and this body, and its response.
    #[track_caller]
    pub fn ask(&mut self, method: &str, target: &str, fields: &str, body: &str) -> Response {
        self.start(method, target, fields, body).response()
    }

    /// Sends a whole request. Of a body that the other side does not want any more the rest is left out: it has answered.
    #[track_caller]
    pub fn start(&mut self, method: &str, target: &str, fields: &str, body: &str) -> Call {
        if body.is_empty() {
            return self.begin(method, target, fields, Length::None);
        }
        let mut call = self.begin(method, target, fields, Length::Unknown);
        if call.try_data(body) {
            call.try_end();
        }
        call
    }

    /// Sends a whole request whose response is read later, by [`Client::response`].
    #[track_caller]
    pub fn send_request(&mut self, method: &str, target: &str, fields: &str, body: &str) {
        let call = self.start(method, target, fields, body);
        self.begun.push(call);
    }

    /// The response to the oldest request of [`Client::send_request`] that was not asked for yet.
    ///
    /// # Panics
    /// When there is no such request, or it is cut.
    #[track_caller]
    pub fn response(&mut self, method: &str) -> Response {
        match self.try_response(method) {
            Ok(response) => response,
            Err(cut) => panic!("expected a response, but {}: {:?}", cut.why, cut.head),
        }
    }

    /// The same, or how far it came.
    ///
    /// # Errors
    /// When it is cut.
    ///
    /// # Panics
    /// When there is no such request.
    pub fn try_response(&mut self, method: &str) -> Result<Response, Box<Cut>> {
        assert!(!self.begun.is_empty(), "no request was sent");
        let mut call = self.begun.remove(0);
        assert_eq!(call.method(), method, "it is the oldest one's turn");
        call.try_response()
    }

    /// Begins a request with these field lines. Lines such as `:scheme: https`, `:authority: …` and `:protocol: websocket`
    /// replace or add pseudo-fields.
    ///
    /// # Panics
    /// When the connection takes no more requests.
    #[must_use]
    #[track_caller]
    pub fn begin(&mut self, method: &str, target: &str, fields: &str, length: Length) -> Call {
        self.try_begin(method, target, fields, length)
            .unwrap_or_else(|broken| panic!("evenkeel takes no request: {broken}"))
    }

    /// The same for a case in which the connection may be ending.
    ///
    /// # Errors
    /// Why it takes no more requests; [`Broken::Silent`] when its streams are all in use.
    pub fn try_begin(
        &mut self,
        method: &str,
        target: &str,
        fields: &str,
        length: Length,
    ) -> Result<Call, Broken> {
        let secure = self.link.secure;
        let request = fields::request(method, target, &self.host, secure, fields, length);
        park::wait(poll_fn(|cx| self.requests.poll_ready(cx)))??;
        let (response, send) = self
            .requests
            .send_request(request, length == Length::None)?;
        Ok(Call::new(method, response, send))
    }

    /// How many streams the other side allows at once, as far as it has said.
    #[must_use]
    pub fn max_streams(&self) -> usize {
        self.requests.current_max_send_streams()
    }

    /// Waits until the other side has allowed extended CONNECT (RFC 8441).
    #[track_caller]
    pub fn wait_connect_protocol(&self) {
        eventually("SETTINGS_ENABLE_CONNECT_PROTOCOL", || {
            let allowed = self.requests.is_extended_connect_protocol_enabled();
            allowed.then_some(())
        });
    }

    /// Sends a PING and waits for its answer: all frames sent before were read then.
    ///
    /// # Panics
    /// When none comes.
    #[track_caller]
    pub fn ping(&mut self) {
        let pings = self.pings.as_mut().expect("it is there from the start");
        pings.send_ping(Ping::opaque()).expect("one ping at a time");
        match park::wait(poll_fn(|cx| pings.poll_pong(cx))) {
            Ok(Ok(_)) => {}
            Ok(Err(error)) => panic!("no answer to a ping: {error}"),
            Err(broken) => panic!("no answer to a ping: {broken}"),
        }
    }

    /// Waits until the other side has said GOAWAY, and gives its code; calls under way may go on.
    ///
    /// # Panics
    /// When it does not, or the connection ends without one.
    #[track_caller]
    pub fn wait_goaway(&mut self) -> u32 {
        let requests = &mut self.requests;
        eventually("GOAWAY", || {
            let ready = park::wait(poll_fn(|cx| {
                std::task::Poll::Ready(requests.poll_ready(cx))
            }));
            match ready {
                Ok(std::task::Poll::Ready(Err(error))) => match Broken::from(error) {
                    Broken::GoneAway(code) => Some(code),
                    broken => panic!("expected GOAWAY, but {broken}"),
                },
                _ => None,
            }
        })
    }

    /// Waits until the connection is closed by the other side, and says how: nothing when it was closed well.
    ///
    /// # Panics
    /// When it is not closed in time.
    #[track_caller]
    pub fn wait_closed(&mut self) -> Option<Broken> {
        eventually("the connection's end", || self.link.ended())
    }

    /// Whether the connection has ended.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.link.ended().is_some()
    }

    /// Makes the kernel hold few received bytes.
    ///
    /// # Panics
    /// When the socket cannot do it.
    #[must_use]
    pub fn small_receive_buffer(self) -> Self {
        SockRef::from(&self.link.tcp)
            .set_recv_buffer_size(4096)
            .expect("a buffer can be made small");
        self
    }

    /// Ends the connection with a reset of TCP.
    ///
    /// # Panics
    /// When the socket cannot do it.
    pub fn reset(mut self) {
        SockRef::from(&self.link.tcp)
            .set_linger(Some(Duration::ZERO))
            .expect("a socket can be told to reset");
        self.resets = true;
        // Its driver takes that for the end and lets go of the socket, which nobody has ended yet.
        drop(self.link.tcp.shutdown(Shutdown::Read));
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        if !self.resets {
            self.link.hang_up();
        }
    }
}

/// A connection as its driver and its owner both know it.
#[derive(Debug)]
struct Link {
    tcp: TcpStream,
    secure: bool,
    /// How it ended; by itself when it did so well.
    end: Mutex<Option<Option<Broken>>>,
}

impl Link {
    fn ended(&self) -> Option<Option<Broken>> {
        let end = self.end.lock().unwrap_or_else(PoisonError::into_inner);
        end.clone()
    }
}

impl HangUp for Link {
    fn hang_up(&self) {
        // It may have ended already, which is what was wanted.
        drop(self.tcp.shutdown(Shutdown::Both));
    }
}

/// A connection that can be used.
struct Begun {
    requests: SendRequest<Data>,
    pings: Option<PingPong>,
    handshake: Option<Handshake>,
}

type Tell = SyncSender<Result<Begun, Broken>>;

fn drive(
    tcp: TcpStream,
    tls: Option<rustls::Connection>,
    settings: &Settings,
    link: &Link,
    tell: &Tell,
) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .build()
        .expect("a runtime can be built");
    let ended = runtime.block_on(async {
        tcp.set_nonblocking(true)?;
        let tcp = tokio::net::TcpStream::from_std(tcp)?;
        let (pipe, handshake) = Pipe::open(tcp, tls).await?;
        let mut builder = h2::client::Builder::new();
        builder.enable_push(false);
        if let Some(bytes) = settings.window {
            builder.initial_window_size(bytes);
        }
        if let Some(bytes) = settings.connection_window {
            builder.initial_connection_window_size(bytes);
        }
        if let Some(bytes) = settings.max_frame {
            builder.max_frame_size(bytes);
        }
        if let Some(bytes) = settings.max_head {
            builder.max_header_list_size(bytes);
        }
        let (requests, mut connection) = builder.handshake::<_, Data>(pipe).await?;
        let begun = Begun {
            requests,
            pings: connection.ping_pong(),
            handshake,
        };
        if tell.send(Ok(begun)).is_err() {
            return Ok(());
        }
        connection.await.map_err(Broken::from)
    });
    let ended: Option<Broken> = ended.err();
    *link.end.lock().unwrap_or_else(PoisonError::into_inner) = Some(ended.clone());
    if let Some(broken) = ended {
        // Nobody listens any more when the connection had begun.
        drop(tell.try_send(Err(broken)));
    }
}
