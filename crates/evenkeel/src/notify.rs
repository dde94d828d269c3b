//! What the service manager is told (sd_notify(3)): lines of `NAME=value`, one datagram each time, to the socket that
//! `NOTIFY_SOCKET` names. Without it there is nobody to tell.
//!
//! Nothing depends on its being heard: who does not read loses the datagram.

use std::env;
use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};

use rustix::time::{ClockId, clock_gettime};

/// Whom to tell.
#[derive(Debug)]
pub(crate) struct Notify(Option<(UnixDatagram, SocketAddr)>);

impl Notify {
    /// Whoever the environment names.
    pub(crate) fn begin() -> Self {
        let target = env::var_os("NOTIFY_SOCKET").filter(|name| !name.is_empty());
        let opened = target.map(|name| open(&name)).transpose();
        Self(opened.unwrap_or_else(|error| {
            tracing::warn!(%error, "the service manager cannot be told anything");
            None
        }))
    }

    /// This process serves. After an upgrade it is the one that counts from now on.
    pub(crate) fn ready(&self, workers: usize) {
        let pid = std::process::id();
        self.tell(&format!(
            "READY=1\nMAINPID={pid}\nSTATUS=serving with {workers} worker{}",
            if workers == 1 { "" } else { "s" }
        ));
    }

    /// Another configuration is about to take the place of the current one; [`Notify::ready`] ends that.
    pub(crate) fn reloading(&self) {
        let now = clock_gettime(ClockId::Monotonic);
        let micros = i128::from(now.tv_sec) * 1_000_000 + i128::from(now.tv_nsec) / 1_000;
        self.tell(&format!(
            "RELOADING=1\nMONOTONIC_USEC={micros}\nSTATUS=reading the configuration again"
        ));
    }

    /// That process has taken the place of this one, which ends without anybody being told to wait for it.
    pub(crate) fn replaced(&self, pid: u32) {
        self.tell(&format!("MAINPID={pid}"));
    }

    /// It is about to end.
    pub(crate) fn stopping(&self) {
        self.tell("STOPPING=1\nSTATUS=finishing what is under way");
    }

    fn tell(&self, lines: &str) {
        if let Some((socket, target)) = &self.0 {
            let _ = socket.send_to_addr(lines.as_bytes(), target);
        }
    }
}

fn open(name: &OsStr) -> io::Result<(UnixDatagram, SocketAddr)> {
    let socket = UnixDatagram::unbound()?;
    socket.set_nonblocking(true)?;
    Ok((socket, address(name)?))
}

/// A path, or behind an `@` the name of a socket that has no file.
fn address(name: &OsStr) -> io::Result<SocketAddr> {
    match name.as_bytes().strip_prefix(b"@") {
        #[cfg(target_os = "linux")]
        Some(name) => {
            use std::os::linux::net::SocketAddrExt;
            SocketAddr::from_abstract_name(name)
        }
        _ => SocketAddr::from_pathname(name),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a listener at that address hears of these words.
    fn heard(listener: &UnixDatagram, name: &str, say: impl FnOnce(&Notify)) -> String {
        say(&Notify(Some(open(OsStr::new(name)).unwrap())));
        let mut buffer = [0; 512];
        let length = listener.recv(&mut buffer).unwrap();
        String::from_utf8_lossy(&buffer[..length]).into_owned()
    }

    #[test]
    fn each_state_is_told() {
        let path = env::temp_dir().join(format!("evenkeel-notify-{}.sock", std::process::id()));
        let listener = UnixDatagram::bind(&path).unwrap();
        let name = path.to_str().unwrap();
        let pid = std::process::id();
        let ready = heard(&listener, name, |notify| notify.ready(1));
        assert_eq!(
            ready,
            format!("READY=1\nMAINPID={pid}\nSTATUS=serving with 1 worker")
        );
        let reloading = heard(&listener, name, Notify::reloading);
        let (_, micros) = reloading.split_once("MONOTONIC_USEC=").unwrap();
        let micros: u64 = micros.lines().next().unwrap().parse().unwrap();
        assert!(
            micros > 0 && reloading.starts_with("RELOADING=1\n"),
            "{reloading}"
        );
        assert_eq!(
            heard(&listener, name, |notify| notify.replaced(7)),
            "MAINPID=7"
        );
        assert!(heard(&listener, name, Notify::stopping).starts_with("STOPPING=1\n"));
        std::fs::remove_file(path).unwrap();
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn its_socket_may_be_one_without_a_file() {
        let name = format!("@evenkeel-notify-{}", std::process::id());
        let listener = UnixDatagram::bind_addr(&address(OsStr::new(&name)).unwrap()).unwrap();
        assert_eq!(
            heard(&listener, &name, |notify| notify.replaced(7)),
            "MAINPID=7"
        );
    }

    #[test]
    fn where_nobody_listens_nobody_is_told() {
        Notify(None).ready(2);
        Notify(Some(open(OsStr::new("/nowhere/at/all")).unwrap())).ready(2);
    }
}
