//! `evenkeel top`: the live feed of a running evenkeel on a terminal.
//!
//! ```text
//! feed (a task) ─▶ pictures ─┐
//! keys (a thread) ───────────┼─▶ screen (decides) ─▶ draw
//! orders (tasks) ─▶ answers ─┘        └─▶ an order, or the end
//! ```
//!
//! Here is what acts: the terminal, the socket, signals. What a key means is [`screen`]'s, what is seen is [`draw`]'s.

mod draw;
mod figures;
mod screen;

use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use evenkeel_admin::client::{self, Failed};
use evenkeel_admin::view;
use evenkeel_admin::view::live::Picture;
use ratatui::DefaultTerminal;
use ratatui::buffer::Buffer;
use ratatui::crossterm::event::{self, Event, KeyEvent, KeyEventKind};
use ratatui::layout::Rect;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc::{self, Receiver, Sender};
use tokio::time::{self, MissedTickBehavior};

use crate::cli::TopArgs;
use crate::operate::{asked, told};
use crate::top::screen::{Act, Order, Screen};

/// The pause before another try at a feed that ended: a process may be on its way.
const AGAIN: Duration = Duration::from_secs(1);

/// So much may wait to be shown; a screen that is slower than this holds up the feed, which leaves pictures out then.
const WAITING: usize = 16;

/// How wide a picture is printed where nobody says how wide it may be.
const PRINTED: u16 = 132;

/// What there is to know.
#[derive(Debug)]
enum News {
    Picture(Box<Picture>),
    /// There is no feed, for this reason.
    Lost(Failed),
    /// What came of an order.
    Answered(Result<String, String>),
    Key(KeyEvent),
    /// The terminal has another size.
    Resized,
}

/// Runs the command.
///
/// # Errors
/// When the terminal cannot be written.
pub(crate) fn run(args: &TopArgs) -> anyhow::Result<ExitCode> {
    if args.once || args.ask.json || !io::stdout().is_terminal() {
        let mut events = Vec::new();
        let answer = asked(&args.ask, async |socket| {
            events = past(socket).await.unwrap_or_default();
            first(socket).await
        })?;
        return told(&args.ask, answer, |picture| printed(picture, events));
    }
    let mut outcome = Ok(());
    let answer = asked(&args.ask, async |socket| {
        live(socket, &mut outcome)
            .await
            .map(|()| serde_json::Value::Null)
    })?;
    outcome?;
    match answer.answer {
        Ok(_) => Ok(ExitCode::SUCCESS),
        Err(_) => told(&args.ask, answer, |_| String::new()),
    }
}

/// The next picture.
async fn first(socket: &Path) -> Result<Picture, Failed> {
    let (sender, mut pictures) = mpsc::channel(1);
    let feed = client::watch(socket, |picture| {
        let _ = sender.try_send(picture);
    });
    tokio::select! {
        Some(picture) = pictures.recv() => Ok(picture),
        failed = feed => Err(failed),
    }
}

/// What happened so far, as far as it is kept.
async fn past(socket: &Path) -> Result<Vec<view::Event>, Failed> {
    let events = client::get::<view::Events>(socket, "/api/v1/events").await?;
    Ok(events.events)
}

/// A picture as text: the screen with as many lines as it wants.
fn printed(picture: Picture, events: Vec<view::Event>) -> String {
    let mut screen = Screen::default();
    let now = picture.at_ms;
    screen.happened(events);
    screen.told(picture);
    let height = u16::try_from(draw::wanted(&screen)).unwrap_or(u16::MAX);
    let mut buffer = Buffer::empty(Rect::new(0, 0, PRINTED, height));
    draw::draw(&mut buffer, &screen, now, false);
    draw::text(&buffer)
}

/// Shows pictures until there is a key or a signal for the end. Fails where there is not even a first picture.
async fn live(socket: &Path, outcome: &mut io::Result<()>) -> Result<(), Failed> {
    let (sender, mut news) = mpsc::channel(WAITING);
    let past = past(socket).await?;
    let feed = tokio::spawn(feed(socket.to_owned(), sender.clone()));
    let mut screen = Screen::default();
    screen.happened(past);
    match news.recv().await {
        Some(News::Picture(picture)) => screen.told(*picture),
        Some(News::Lost(failed)) => return Err(failed),
        _ => return Ok(()),
    }
    *outcome = on_terminal(socket, &mut screen, &sender, &mut news).await;
    feed.abort();
    Ok(())
}

async fn on_terminal(
    socket: &Path,
    screen: &mut Screen,
    sender: &Sender<News>,
    news: &mut Receiver<News>,
) -> io::Result<()> {
    let mut ends = [
        signal(SignalKind::terminate())?,
        signal(SignalKind::hangup())?,
        signal(SignalKind::interrupt())?,
    ];
    // It also sees to it that a panic leaves the terminal as it was.
    let mut terminal = ratatui::try_init()?;
    let keys = sender.clone();
    thread::spawn(move || read_keys(&keys));
    let shown = show(socket, screen, sender, news, &mut terminal, &mut ends).await;
    ratatui::try_restore()?;
    shown
}

async fn show(
    socket: &Path,
    screen: &mut Screen,
    sender: &Sender<News>,
    news: &mut Receiver<News>,
    terminal: &mut DefaultTerminal,
    [terminate, hang_up, interrupt]: &mut [Signal; 3],
) -> io::Result<()> {
    let colors = std::env::var_os("NO_COLOR").is_none();
    let mut clock = time::interval(Duration::from_secs(1));
    clock.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        terminal.draw(|frame| draw::draw(frame.buffer_mut(), screen, now_ms(), colors))?;
        let one = tokio::select! {
            one = news.recv() => one,
            // Ages are of now.
            _ = clock.tick() => continue,
            _ = terminate.recv() => return Ok(()),
            _ = hang_up.recv() => return Ok(()),
            _ = interrupt.recv() => return Ok(()),
        };
        match one {
            None => return Ok(()),
            Some(News::Picture(picture)) => screen.told(*picture),
            Some(News::Lost(failed)) => screen.lost(failed.to_string()),
            Some(News::Answered(answer)) => screen.answered(answer),
            Some(News::Resized) => {}
            Some(News::Key(key)) => match screen.key(key) {
                Act::Nothing => {}
                Act::Quit => return Ok(()),
                Act::Order(order) => {
                    tokio::spawn(give(socket.to_owned(), order, sender.clone()));
                }
            },
        }
    }
}

/// Tells pictures for ever, from one process after the other.
async fn feed(socket: PathBuf, news: Sender<News>) {
    loop {
        let failed = client::watch(&socket, |picture| {
            let _ = news.try_send(News::Picture(Box::new(picture)));
        });
        let failed = failed.await;
        if news.send(News::Lost(failed)).await.is_err() {
            return;
        }
        time::sleep(AGAIN).await;
    }
}

/// Gives an order, and tells what came of it.
async fn give(socket: PathBuf, order: Order, news: Sender<News>) {
    let path = client::endpoint_path(&order.cluster, &order.endpoint);
    let body = view::EndpointOrder {
        admin: Some(order.admin.to_owned()),
        weight: None,
    };
    let answer = client::post::<view::Done>(&socket, &path, &body).await;
    let answer = answer
        .map(|done| done.what)
        .map_err(|failed| failed.to_string());
    let _ = news.send(News::Answered(answer)).await;
}

/// Tells what is typed, until nobody listens any more.
fn read_keys(news: &Sender<News>) {
    loop {
        let one = match event::read() {
            Ok(Event::Key(key)) if key.kind != KeyEventKind::Release => News::Key(key),
            Ok(Event::Resize(..)) => News::Resized,
            Ok(_) => continue,
            Err(_) => return,
        };
        if news.blocking_send(one).is_err() {
            return;
        }
    }
}

fn now_ms() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.map_or(0, |since| {
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    })
}
