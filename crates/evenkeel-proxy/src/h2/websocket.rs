//! The handshake of RFC 6455 where only one side has it: HTTP/1.1 wants a key and its echo, HTTP/2 (RFC 8441) neither.
//!
//! The echo proves that an endpoint means WebSocket and has not copied a field back; it protects nothing, so that the hash
//! behind it, which has long been broken, does no harm.

/// What is hashed along with the key (RFC 6455 §1.3).
const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// A key: sixteen bytes of chance in base64.
pub(crate) fn key(chance: [u64; 2]) -> [u8; 24] {
    let mut bytes = [0; 16];
    for (to, from) in bytes.chunks_exact_mut(8).zip(chance) {
        to.copy_from_slice(&from.to_be_bytes());
    }
    base64(&bytes)
}

/// What an endpoint that speaks WebSocket answers to that key.
pub(crate) fn accept(key: &[u8]) -> [u8; 28] {
    base64(&sha1(&[key, GUID].concat()))
}

/// Base64 (RFC 4648 §4) with its padding, of so many bytes as make `N` characters.
fn base64<const N: usize>(bytes: &[u8]) -> [u8; N] {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = [b'='; N];
    for (group, digits) in bytes.chunks(3).zip(out.chunks_exact_mut(4)) {
        let byte = |at: usize| u32::from(group.get(at).copied().unwrap_or_default());
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for (digit, shift) in digits.iter_mut().zip([18, 12, 6, 0]).take(group.len() + 1) {
            *digit = DIGITS[(bits >> shift) as usize % 64];
        }
    }
    out
}

/// SHA-1 (FIPS 180-4 §6.1).
fn sha1(message: &[u8]) -> [u8; 20] {
    let mut padded = message.to_vec();
    padded.push(0x80);
    padded.resize(padded.len().next_multiple_of(64), 0);
    if padded.len() - message.len() < 9 {
        padded.resize(padded.len() + 64, 0);
    }
    let bits = (message.len() as u64 * 8).to_be_bytes();
    let end = padded.len();
    padded[end - 8..].copy_from_slice(&bits);
    let mut state = [
        0x6745_2301_u32,
        0xefcd_ab89,
        0x98ba_dcfe,
        0x1032_5476,
        0xc3d2_e1f0,
    ];
    for block in padded.as_chunks::<64>().0 {
        mix(&mut state, block);
    }
    let mut digest = [0; 20];
    for (to, word) in digest.chunks_exact_mut(4).zip(state) {
        to.copy_from_slice(&word.to_be_bytes());
    }
    digest
}

fn mix(state: &mut [u32; 5], block: &[u8; 64]) {
    let mut words = [0_u32; 80];
    for (word, bytes) in words.iter_mut().zip(block.as_chunks::<4>().0) {
        *word = u32::from_be_bytes(*bytes);
    }
    for t in 16..80 {
        words[t] = (words[t - 3] ^ words[t - 8] ^ words[t - 14] ^ words[t - 16]).rotate_left(1);
    }
    let [mut a, mut b, mut c, mut d, mut e] = *state;
    for (t, word) in words.into_iter().enumerate() {
        let (f, k) = match t {
            0..20 => ((b & c) | (!b & d), 0x5a82_7999),
            20..40 => (b ^ c ^ d, 0x6ed9_eba1),
            40..60 => ((b & c) | (b & d) | (c & d), 0x8f1b_bcdc),
            _ => (b ^ c ^ d, 0xca62_c1d6),
        };
        let next = a
            .rotate_left(5)
            .wrapping_add(f)
            .wrapping_add(e)
            .wrapping_add(k)
            .wrapping_add(word);
        (e, d, c, b, a) = (d, c, b.rotate_left(30), a, next);
    }
    for (total, part) in state.iter_mut().zip([a, b, c, d, e]) {
        *total = total.wrapping_add(part);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_of_the_rfc() {
        assert_eq!(
            accept(b"dGhlIHNhbXBsZSBub25jZQ=="),
            *b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
        );
    }

    #[test]
    fn hashes_of_every_length_of_padding() {
        let hex = |message: &[u8]| -> String {
            let digest = sha1(message);
            digest.iter().map(|byte| format!("{byte:02x}")).collect()
        };
        assert_eq!(hex(b""), "da39a3ee5e6b4b0d3255bfef95601890afd80709");
        assert_eq!(hex(b"abc"), "a9993e364706816aba3e25717850c26c9cd0d89d");
        let two_blocks = b"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq";
        assert_eq!(hex(two_blocks), "84983e441c3bd26ebaae4aa1f95129e5e54670f1");
        assert_eq!(hex(&[b'a'; 64]), "0098ba824b5c16427bd7a1122a5a442a25ec644d");
    }

    #[test]
    fn a_key_is_sixteen_bytes_in_base64() {
        assert_eq!(key([0, 0]), *b"AAAAAAAAAAAAAAAAAAAAAA==");
        assert_eq!(key([u64::MAX, u64::MAX]), *b"/////////////////////w==");
    }
}
