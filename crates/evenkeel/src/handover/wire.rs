//! What goes over the socket between two processes: texts with their length in front, and descriptors.
//!
//! All of it blocks, with the timeouts of the socket: the old process has a thread for it, the new one nothing else to do.

use std::io::{self, IoSlice, IoSliceMut, Read, Write};
use std::mem::MaybeUninit;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
};

/// The longest text: what was learnt of some hundred thousand endpoints.
pub(super) const MAX_TEXT: usize = 256 * 1024 * 1024;

/// So many descriptors go in one message; the system takes 253.
const PER_MESSAGE: usize = 64;

/// What a message with descriptors has beside them, for one without a byte is none.
const MARK: [u8; 1] = [0];

/// Sends a text.
pub(super) fn send(mut stream: &UnixStream, text: &[u8]) -> io::Result<()> {
    let length = u32::try_from(text.len())
        .ok()
        .filter(|_| text.len() <= MAX_TEXT);
    let length = length.ok_or_else(|| wrong("it is too long to be handed over"))?;
    stream.write_all(&length.to_be_bytes())?;
    stream.write_all(text)
}

/// The next text, of `most` bytes at most.
pub(super) fn receive(mut stream: &UnixStream, most: usize) -> io::Result<Vec<u8>> {
    let mut length = [0; 4];
    stream.read_exact(&mut length)?;
    let length = usize::try_from(u32::from_be_bytes(length)).unwrap_or(usize::MAX);
    if length > most {
        return Err(wrong("what came is no answer"));
    }
    let mut text = vec![0; length];
    stream.read_exact(&mut text)?;
    Ok(text)
}

/// Sends descriptors.
pub(super) fn send_descriptors(stream: &UnixStream, all: &[BorrowedFd<'_>]) -> io::Result<()> {
    for some in all.chunks(PER_MESSAGE) {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(PER_MESSAGE))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        if !control.push(SendAncillaryMessage::ScmRights(some)) {
            return Err(wrong("there is no room for the descriptors"));
        }
        sendmsg(
            stream,
            &[IoSlice::new(&MARK)],
            &mut control,
            SendFlags::NOSIGNAL,
        )?;
    }
    Ok(())
}

/// Receives so many descriptors, none of which a program that is started gets by accident.
pub(super) fn receive_descriptors(stream: &UnixStream, number: usize) -> io::Result<Vec<OwnedFd>> {
    let mut all: Vec<OwnedFd> = Vec::new();
    while all.len() < number {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(PER_MESSAGE))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let mut mark = MARK;
        let received = recvmsg(
            stream,
            &mut [IoSliceMut::new(&mut mark)],
            &mut control,
            RecvFlags::CMSG_CLOEXEC,
        )?;
        let before = all.len();
        for message in control.drain() {
            if let RecvAncillaryMessage::ScmRights(some) = message {
                all.extend(some);
            }
        }
        // Fewer than were sent come when this process may have no more.
        let sent = (number - before).min(PER_MESSAGE);
        if received.bytes == 0 || all.len() - before < sent {
            return Err(wrong(
                "descriptors are missing: is the limit of open files too low?",
            ));
        }
    }
    Ok(all)
}

fn wrong(why: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why.to_owned())
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;
    use std::thread;

    use super::*;

    #[test]
    fn texts_and_descriptors_arrive_whatever_their_number() {
        let (old, new) = UnixStream::pair().unwrap();
        let files: Vec<_> = (0..150)
            .map(|_| std::fs::File::open("/dev/null").unwrap())
            .collect();
        let sender = thread::spawn(move || {
            let borrowed: Vec<_> = files.iter().map(AsFd::as_fd).collect();
            send(&old, &vec![b'x'; 1_000_000]).unwrap();
            send_descriptors(&old, &borrowed).unwrap();
            send(&old, b"end").unwrap();
        });
        assert_eq!(receive(&new, MAX_TEXT).unwrap().len(), 1_000_000);
        assert_eq!(receive_descriptors(&new, 150).unwrap().len(), 150);
        assert_eq!(receive(&new, 3).unwrap(), b"end");
        sender.join().unwrap();
        receive(&new, 3).unwrap_err();
    }

    #[test]
    fn fewer_descriptors_than_were_to_come_are_missed_at_once() {
        let (old, new) = UnixStream::pair().unwrap();
        let file = std::fs::File::open("/dev/null").unwrap();
        send_descriptors(&old, &[file.as_fd()]).unwrap();
        // Nobody sends more, and nobody is waited for.
        let error = receive_descriptors(&new, 2).unwrap_err();
        assert!(error.to_string().contains("limit of open files"), "{error}");
    }

    #[test]
    fn what_is_no_text_is_refused_before_it_is_read() {
        let (old, new) = UnixStream::pair().unwrap();
        (&old).write_all(b"garbage, and more of it").unwrap();
        let error = receive(&new, 1024).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidData);
    }
}
