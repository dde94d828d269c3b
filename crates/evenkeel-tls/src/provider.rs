//! The cryptography that everything here is made with: aws-lc-rs, its suites and its order.

use std::sync::{Arc, OnceLock};

use rustls::crypto::CryptoProvider;
use rustls::crypto::aws_lc_rs::cipher_suite::TLS13_AES_128_GCM_SHA256;
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::{CipherSuite, SupportedCipherSuite};

/// The provider, made once.
pub(crate) fn provider() -> &'static Arc<CryptoProvider> {
    static PROVIDER: OnceLock<Arc<CryptoProvider>> = OnceLock::new();
    PROVIDER.get_or_init(|| {
        let mut provider = default_provider();
        // The sort is stable: AES-256 and ChaCha20 follow, each version's as they were.
        provider
            .cipher_suites
            .sort_by_key(|suite| !is_quick(suite.suite()));
        Arc::new(provider)
    })
}

/// AES-128 is as far from being broken as AES-256, and takes three quarters of its time.
const fn is_quick(suite: CipherSuite) -> bool {
    matches!(
        suite,
        CipherSuite::TLS13_AES_128_GCM_SHA256
            | CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256
            | CipherSuite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256
    )
}

/// SHA-256 of several pieces, one behind the other.
pub(crate) fn sha256<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> [u8; 32] {
    let mut digest = [0; 32];
    if let SupportedCipherSuite::Tls13(suite) = TLS13_AES_128_GCM_SHA256 {
        let mut hash = suite.common.hash_provider.start();
        for piece in pieces {
            hash.update(piece);
        }
        for (to, from) in digest.iter_mut().zip(hash.finish().as_ref()) {
            *to = *from;
        }
    }
    digest
}
