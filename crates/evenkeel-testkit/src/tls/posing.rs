//! Clients whose data poses as a message of the handshake, or as a part of one: rustls itself sends such messages whole or not at
//! all. Of TLS 1.3 alone.

use std::cell::Cell;
use std::sync::{Arc, OnceLock};

use rustls::crypto::cipher::{
    AeadKey, Iv, MessageDecrypter, MessageEncrypter, OutboundOpaqueMessage, OutboundPlainMessage,
    Tls13AeadAlgorithm, UnsupportedOperationError,
};
use rustls::crypto::{CipherSuiteCommon, CryptoProvider, aws_lc_rs};
use rustls::{
    ConnectionTrafficSecrets, ContentType, Error, SupportedCipherSuite, Tls13CipherSuite,
};

thread_local! {
    static POSES: Cell<bool> = const { Cell::new(false) };
}

/// Whatever this thread sends meanwhile leaves as the handshake's.
pub(crate) fn as_handshake<T>(send: impl FnOnce() -> T) -> T {
    POSES.set(true);
    let sent = send();
    POSES.set(false);
    sent
}

/// The usual cryptography, which does so.
pub(crate) fn provider() -> Arc<CryptoProvider> {
    static PROVIDER: OnceLock<Arc<CryptoProvider>> = OnceLock::new();
    Arc::clone(PROVIDER.get_or_init(|| {
        let mut provider = aws_lc_rs::default_provider();
        for suite in &mut provider.cipher_suites {
            if let SupportedCipherSuite::Tls13(usual) = suite {
                // Once in the process's life.
                *suite = SupportedCipherSuite::Tls13(Box::leak(Box::new(posing(usual))));
            }
        }
        Arc::new(provider)
    }))
}

fn posing(usual: &'static Tls13CipherSuite) -> Tls13CipherSuite {
    Tls13CipherSuite {
        common: CipherSuiteCommon {
            suite: usual.common.suite,
            hash_provider: usual.common.hash_provider,
            confidentiality_limit: usual.common.confidentiality_limit,
        },
        hkdf_provider: usual.hkdf_provider,
        aead_alg: Box::leak(Box::new(Posing(usual.aead_alg))),
        quic: None,
    }
}

struct Posing(&'static dyn Tls13AeadAlgorithm);

impl Tls13AeadAlgorithm for Posing {
    fn encrypter(&self, key: AeadKey, iv: Iv) -> Box<dyn MessageEncrypter> {
        Box::new(Sealing(self.0.encrypter(key, iv)))
    }

    fn decrypter(&self, key: AeadKey, iv: Iv) -> Box<dyn MessageDecrypter> {
        self.0.decrypter(key, iv)
    }

    fn key_len(&self) -> usize {
        self.0.key_len()
    }

    fn extract_keys(
        &self,
        key: AeadKey,
        iv: Iv,
    ) -> Result<ConnectionTrafficSecrets, UnsupportedOperationError> {
        self.0.extract_keys(key, iv)
    }
}

struct Sealing(Box<dyn MessageEncrypter>);

impl MessageEncrypter for Sealing {
    fn encrypt(
        &mut self,
        mut message: OutboundPlainMessage<'_>,
        number: u64,
    ) -> Result<OutboundOpaqueMessage, Error> {
        if POSES.get() && message.typ == ContentType::ApplicationData {
            message.typ = ContentType::Handshake;
        }
        self.0.encrypt(message, number)
    }

    fn encrypted_payload_len(&self, length: usize) -> usize {
        self.0.encrypted_payload_len(length)
    }
}
