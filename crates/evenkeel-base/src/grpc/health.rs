//! The two messages of `grpc.health.v1.Health/Check`, in the encoding of protocol buffers, and the five bytes that gRPC puts before
//! a message. Nothing else of either is understood here.

/// What an endpoint says of its health.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Health {
    /// It does not know.
    Unknown,
    /// It serves.
    Serving,
    /// It does not.
    NotServing,
    /// Of `Watch` alone, as the service is defined.
    ServiceUnknown,
    /// A number that the service does not define.
    Other,
}

impl Health {
    /// As the service's definition writes it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Unknown => "UNKNOWN",
            Self::Serving => "SERVING",
            Self::NotServing => "NOT_SERVING",
            Self::ServiceUnknown => "SERVICE_UNKNOWN",
            Self::Other => "a health that the service does not define",
        }
    }
}

/// A longer answer is not read: one that is what it should be has two bytes, and others may be added to it.
pub const MOST_BYTES: usize = 4 * 1024;

/// A flag, and the length in four bytes.
pub const PREFIX: usize = 5;

/// `HealthCheckRequest { string service = 1; }` as one message of a call.
#[must_use]
pub fn ask(service: &str) -> Vec<u8> {
    let mut message = Vec::new();
    // A field that has its default is not written.
    if !service.is_empty() {
        message.push(SERVICE);
        put_varint(&mut message, service.len() as u64);
        message.extend_from_slice(service.as_bytes());
    }
    let length = u32::try_from(message.len()).unwrap_or(u32::MAX);
    let mut body = vec![0];
    body.extend_from_slice(&length.to_be_bytes());
    body.append(&mut message);
    body
}

/// Reads the body of the response, which must be one message.
///
/// # Errors
/// When it is not, or the message is of another type: what is wrong with it.
pub fn read(body: &[u8]) -> Result<Health, &'static str> {
    let (prefix, message) = body.split_first_chunk::<PREFIX>().ok_or("no message")?;
    let [flag, length @ ..] = *prefix;
    if flag != 0 {
        return Err("a message is compressed, which was not offered");
    }
    if u32::from_be_bytes(length) as usize != message.len() {
        return Err("it has not one whole message");
    }
    read_message(message).ok_or("the message is no HealthCheckResponse")
}

/// `HealthCheckResponse { ServingStatus status = 1; }`. Unknown fields are passed over, and of a field that comes twice the last one
/// holds, as the encoding has it.
fn read_message(mut rest: &[u8]) -> Option<Health> {
    let mut status = 0;
    while !rest.is_empty() {
        let tag = take_varint(&mut rest)?;
        let (field, wire_type) = (tag >> 3, tag & 7);
        match (field, wire_type) {
            (0, _) => return None,
            (1, 0) => status = take_varint(&mut rest)?,
            (1, _) => return None,
            (_, 0) => drop(take_varint(&mut rest)?),
            (_, 1) => skip(&mut rest, 8)?,
            (_, 2) => {
                let length = take_varint(&mut rest)?;
                skip(&mut rest, usize::try_from(length).ok()?)?;
            }
            (_, 5) => skip(&mut rest, 4)?,
            // Groups are of another age.
            _ => return None,
        }
    }
    Some(match status {
        0 => Health::Unknown,
        1 => Health::Serving,
        2 => Health::NotServing,
        3 => Health::ServiceUnknown,
        _ => Health::Other,
    })
}

/// Field 1, with a length and so many bytes.
const SERVICE: u8 = 1 << 3 | 2;

/// No number of 64 bits takes more bytes, of seven bits each.
const MOST_VARINT: usize = 10;

fn put_varint(out: &mut Vec<u8>, mut number: u64) {
    while number > 0x7f {
        out.push((number & 0x7f) as u8 | 0x80);
        number >>= 7;
    }
    out.push((number & 0x7f) as u8);
}

fn take_varint(rest: &mut &[u8]) -> Option<u64> {
    let mut number = 0;
    for (at, byte) in rest.iter().enumerate().take(MOST_VARINT) {
        let bits = u64::from(byte & 0x7f);
        let shifted = bits << (7 * at);
        if shifted >> (7 * at) != bits {
            return None;
        }
        number |= shifted;
        if byte & 0x80 == 0 {
            *rest = &rest[at + 1..];
            return Some(number);
        }
    }
    None
}

fn skip(rest: &mut &[u8], n: usize) -> Option<()> {
    *rest = rest.get(n..)?;
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_is_asked_for_by_name() {
        assert_eq!(ask(""), [0, 0, 0, 0, 0]);
        assert_eq!(ask("ab"), [0, 0, 0, 0, 4, 0x0a, 2, b'a', b'b']);
        let long = ask(&"x".repeat(200));
        assert_eq!(long[..8], [0, 0, 0, 0, 203, 0x0a, 0xc8, 0x01]);
        assert_eq!(long.len(), PREFIX + 203);
    }

    #[test]
    fn an_answer_is_one_message_of_that_type_and_nothing_else() {
        let one = |message: &[u8]| {
            let length = u8::try_from(message.len()).unwrap();
            [&[0, 0, 0, 0, length], message].concat()
        };
        for (message, expected) in [
            (&[][..], Some(Health::Unknown)),
            (&[8, 1], Some(Health::Serving)),
            (&[8, 2], Some(Health::NotServing)),
            (&[8, 3], Some(Health::ServiceUnknown)),
            (&[8, 9], Some(Health::Other)),
            // A negative number of an enumeration has ten bytes.
            (
                &[8, 255, 255, 255, 255, 255, 255, 255, 255, 255, 1],
                Some(Health::Other),
            ),
            (&[8, 2, 8, 1], Some(Health::Serving)),
            (&[16, 200, 1, 8, 1], Some(Health::Serving)),
            (&[0x1a, 2, 8, 2, 8, 1], Some(Health::Serving)),
            (&[0x15, 1, 2, 3, 4, 8, 1], Some(Health::Serving)),
            (&[0x11, 1, 2, 3, 4, 5, 6, 7, 8, 8, 1], Some(Health::Serving)),
            (&[8], None),
            (&[8, 129], None),
            (&[8, 255, 255, 255, 255, 255, 255, 255, 255, 255, 2], None),
            (
                &[8, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 1],
                None,
            ),
            (&[0x0a, 1, 1], None),
            (&[0x0a, 9, 1], None),
            (
                &[0x1a, 255, 255, 255, 255, 255, 255, 255, 255, 255, 1],
                None,
            ),
            (&[0x13, 8, 1], None),
            (&[0, 1], None),
        ] {
            assert_eq!(read(&one(message)).ok(), expected, "{message:?}");
        }
    }

    #[test]
    fn what_stands_before_the_message_is_true() {
        for body in [
            &[][..],
            &[0, 0, 0, 0],
            &[1, 0, 0, 0, 2, 8, 1],
            &[0, 0, 0, 0, 3, 8, 1],
            &[0, 0, 0, 0, 2, 8, 1, 0],
            &[0, 255, 255, 255, 255, 8, 1],
        ] {
            read(body).unwrap_err();
        }
        assert_eq!(read(&[0, 0, 0, 0, 2, 8, 1]), Ok(Health::Serving));
    }
}
