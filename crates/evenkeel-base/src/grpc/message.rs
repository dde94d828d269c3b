//! `grpc-message`: a sentence in percent-encoding.

/// Encodes text for `grpc-message`: what is not printable ASCII, and `%` itself, becomes `%` and two digits (PROTOCOL-HTTP2,
/// Status-Message; RFC 3986 §2.1).
#[must_use]
pub fn encode_message(text: &str) -> String {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if matches!(byte, b' '..=b'~') && byte != b'%' {
            encoded.push(char::from(byte));
        } else {
            let (high, low) = (usize::from(byte >> 4), usize::from(byte & 15));
            encoded.extend(['%', char::from(HEX[high]), char::from(HEX[low])]);
        }
    }
    encoded
}
