//! Clients of HTTP/2 that make work and nothing else, and come again whenever they are turned away.
//!
//! Most of them read what they are told, and hang up when they are told to be calm. Every fourth is deaf: it reads nothing
//! once it has begun, and sends on until it cannot.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use evenkeel_testkit::floods::{Flood, SLOW, stream};
use evenkeel_testkit::frames::{Frame, PREFACE, get, kind};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::net::tcp::OwnedWriteHalf;
use tokio::time::{sleep, sleep_until, timeout};

use super::Crowd;
use super::ears::Ears;

/// How long an attack may go on before it counts as one that is let go on.
const PATIENCE: Duration = Duration::from_secs(10);

/// Every so many are deaf.
const DEAF: usize = 4;

/// What such clients do.
#[derive(Clone, Copy, Debug)]
pub struct Flooding {
    /// What they send, in turns.
    pub floods: &'static [Flood],
    /// From one connection of a client to its next one.
    pub every: Duration,
}

/// How a connection of such a client ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ending {
    /// The code of the GOAWAY that it was told, when it was listening.
    pub told: Option<u32>,
    /// How long it was let from the first byte of its flood, which has passed no budget; or from the last piece, where it waited
    /// after each. None when it was let go on.
    pub after: Option<Duration>,
}

/// Lets so many flood, until they are told to go; each tells of all its connections.
#[must_use]
pub fn flooders(to: SocketAddr, number: usize, how: Flooding) -> Crowd<Vec<Ending>> {
    let bytes = how.floods.iter().map(Flood::bytes);
    let bytes: Arc<Vec<Vec<u8>>> = Arc::new(bytes.collect());
    let spread = how.every / u32::try_from(number).unwrap_or(u32::MAX).max(1);
    Crowd::gather(number, move |mut member| {
        let bytes = Arc::clone(&bytes);
        async move {
            // They come one after the other and not all at once.
            sleep(spread * u32::try_from(member.number).unwrap_or_default()).await;
            let mut endings = Vec::new();
            for turn in member.number.. {
                let began = Instant::now();
                let which = turn % how.floods.len().max(1);
                let (flood, bytes) = (&how.floods[which], &bytes[which]);
                let is_deaf = !flood.waits && member.number % DEAF == DEAF - 1;
                let attack = timeout(PATIENCE, attack(to, flood, bytes, is_deaf)).await;
                endings.push(attack.unwrap_or_default());
                tokio::select! {
                    biased;
                    () = member.is_over() => break,
                    () = sleep_until((began + how.every).into()) => {}
                }
            }
            endings
        }
    })
}

/// Lets so many ask for so much at once that is never answered, until they are told to go.
#[must_use]
pub fn askers(to: SocketAddr, number: usize, streams: u32) -> Crowd<()> {
    Crowd::gather(number, move |mut member| async move {
        let Ok((_ears, mut mouth)) = greet(to).await else {
            return;
        };
        let all: Vec<u8> = (0..streams)
            .flat_map(|number| get(stream(number), SLOW))
            .collect();
        if mouth.write_all(&all).await.is_ok() {
            member.is_ready();
            member.is_over().await;
        }
    })
}

/// Floods once, on a connection of its own.
async fn attack(to: SocketAddr, flood: &Flood, bytes: &[u8], is_deaf: bool) -> Ending {
    let mut ending = Ending::default();
    let Ok((mut ears, mut mouth)) = greet(to).await else {
        // Turned away at the door.
        ending.after = Some(Duration::ZERO);
        return ending;
    };
    let mut since = Instant::now();
    if is_deaf {
        send_on(&mut mouth, flood, bytes).await;
    } else if flood.waits {
        for number in 0..flood.pieces {
            since = Instant::now();
            let sent = mouth.write_all(&(flood.piece)(number)).await;
            if sent.is_err() || ears.is_over(true).await {
                break;
            }
        }
    } else {
        let sending = async {
            // It takes no more when it has seen enough.
            drop(mouth.write_all(bytes).await);
            std::future::pending::<()>().await;
        };
        tokio::select! {
            biased;
            _ = ears.is_over(false) => {}
            () = sending => {}
        }
    }
    ending.told = ears.told;
    ending.after = Some(since.elapsed());
    ending
}

/// Connects, and waits until both sides know each other's settings.
async fn greet(to: SocketAddr) -> io::Result<(Ears, OwnedWriteHalf)> {
    let stream = TcpStream::connect(to).await?;
    stream.set_nodelay(true)?;
    let (reading, mut mouth) = stream.into_split();
    let mut ears = Ears::new(reading);
    let settings = Frame::settings(&[]).bytes();
    mouth.write_all(&[PREFACE, &settings].concat()).await?;
    let mut known = 0;
    while known < 2 {
        known += u32::from(ears.frame().await?.kind == kind::SETTINGS);
    }
    mouth.write_all(&Frame::settings_ack().bytes()).await?;
    Ok((ears, mouth))
}

/// Sends a flood, and further pieces of it, until they are taken no more.
async fn send_on(mouth: &mut OwnedWriteHalf, flood: &Flood, bytes: &[u8]) {
    let mut sent = mouth.write_all(bytes).await;
    let mut number = flood.pieces;
    while sent.is_ok() {
        let pieces = number..number + flood.pieces;
        number = pieces.end;
        let more: Vec<u8> = pieces.flat_map(flood.piece).collect();
        sent = mouth.write_all(&more).await;
    }
}
