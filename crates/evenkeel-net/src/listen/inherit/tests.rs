//! Handing over, as far as one process can do that with itself.

use std::net::{SocketAddr, TcpStream};
use std::path::Path;

use super::super::ListenSocket;
use super::*;

/// Hands all sockets over; gives the next listener's sockets.
fn hand_over(sockets: &[ListenSocket], workers: usize) -> Vec<ListenSocket> {
    let loans: Vec<Loan> = sockets
        .iter()
        .map(|one| one.lease().get().unwrap())
        .collect();
    let mut distinct: Vec<&Loan> = Vec::new();
    for loan in &loans {
        if !distinct.iter().any(|known| known.is_same(loan)) {
            distinct.push(loan);
        }
    }
    let copies = distinct
        .iter()
        .map(|loan| loan.as_fd().try_clone_to_owned().unwrap());
    let next = Listener::inherit(copies.collect(), loans[0].owner()).unwrap();
    loans.iter().for_each(Loan::hand_over);
    assert!(sockets.iter().all(ListenSocket::is_handed_over));
    next.into_sockets(workers)
}

fn numbers(sockets: &[ListenSocket]) -> usize {
    let mut numbers: Vec<_> = sockets.iter().map(ListenSocket::number).collect();
    numbers.sort_unstable();
    numbers.dedup();
    numbers.len()
}

fn accepted(sockets: &[ListenSocket]) -> usize {
    sockets
        .iter()
        .map(|one| std::iter::from_fn(|| one.try_accept().ok()).count())
        .sum()
}

#[tokio::test]
async fn no_queued_connection_is_lost_whatever_the_number_of_workers() {
    for (before, after, sockets) in [
        (1, 1, 1),
        (3, 3, 3),
        (4, 1, 4),
        (3, 2, 3),
        (1, 4, 4),
        (2, 5, 5),
    ] {
        let first = Listener::bind_ip(SocketAddr::from(([127, 0, 0, 1], 0)), before).unwrap();
        let address = first.ip().unwrap();
        let queued: Vec<_> = (0..40)
            .map(|_| TcpStream::connect(address).unwrap())
            .collect();
        let next = hand_over(&first.into_sockets(before), after);
        assert_eq!(numbers(&next), sockets, "{before} to {after}");
        assert_eq!(next.len(), before.max(after));
        let later: Vec<_> = (0..40)
            .map(|_| TcpStream::connect(address).unwrap())
            .collect();
        assert_eq!(
            accepted(&next),
            queued.len() + later.len(),
            "{before} to {after}"
        );
        drop(next);
        TcpStream::connect(address).unwrap_err();
    }
}

#[test]
fn the_file_of_a_unix_socket_goes_with_the_last_process() {
    let path = std::env::temp_dir().join(format!("evenkeel-inherit-{}.sock", std::process::id()));
    let first = Listener::bind_unix(&path).unwrap().into_sockets(2);
    assert_eq!(numbers(&first), 1);
    let next = hand_over(&first, 3);
    drop(first);
    assert!(path.exists(), "the first process has ended");
    let reaches = |path: &Path| std::os::unix::net::UnixStream::connect(path).is_ok();
    assert!(reaches(&path));
    // Another process that ends before it serves leaves the file where it is.
    let copy = next[0].lease().get().unwrap().as_fd().try_clone_to_owned();
    drop(Listener::inherit(vec![copy.unwrap()], Owner::Us).unwrap());
    assert!(reaches(&path));
    drop(next);
    assert!(!path.exists());
}

#[test]
fn what_listens_to_nothing_is_no_listener() {
    let free = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let (one, _other) = std::os::unix::net::UnixStream::pair().unwrap();
    let listening = || std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    for sockets in [
        vec![],
        vec![OwnedFd::from(free)],
        vec![OwnedFd::from(one)],
        vec![listening().into(), listening().into()],
    ] {
        let error = Listener::inherit(sockets, Owner::Us).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput, "{error}");
    }
}

#[test]
fn a_socket_of_the_starter_stays_as_it_is() {
    let kept = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let copy = OwnedFd::from(kept.try_clone().unwrap());
    let sockets = Listener::inherit(vec![copy], Owner::Starter)
        .unwrap()
        .into_sockets(3);
    assert_eq!(
        (sockets.len(), numbers(&sockets)),
        (3, 1),
        "nobody joins its port"
    );
    drop(sockets);
    TcpStream::connect(kept.local_addr().unwrap()).unwrap();
}
