//! Complete replies of well-behaved origins. What is not well-behaved is sent as bytes by a script.

use std::fmt::Write;

use crate::message::Request;

/// A response with `Content-Length`, or bytes as they are.
#[derive(Clone, Debug)]
pub struct Reply {
    form: Form,
    closes: bool,
}

#[derive(Clone, Debug)]
enum Form {
    Whole {
        status: u16,
        fields: String,
        body: Vec<u8>,
    },
    Raw(Vec<u8>),
}

impl Reply {
    /// 200 with this body.
    #[must_use]
    pub fn ok(body: impl AsRef<[u8]>) -> Self {
        Self::new(200, body)
    }

    /// This status and body.
    #[must_use]
    pub fn new(status: u16, body: impl AsRef<[u8]>) -> Self {
        Self {
            form: Form::Whole {
                status,
                fields: String::new(),
                body: body.as_ref().to_vec(),
            },
            closes: false,
        }
    }

    /// These bytes, whatever the method was.
    #[must_use]
    pub fn raw(bytes: impl AsRef<[u8]>) -> Self {
        Self {
            form: Form::Raw(bytes.as_ref().to_vec()),
            closes: false,
        }
    }

    /// 200 with the request's body.
    #[must_use]
    pub fn echo(request: &Request) -> Self {
        Self::ok(&request.body)
    }

    /// One more field.
    ///
    /// # Panics
    /// On a raw reply.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        match &mut self.form {
            Form::Whole { fields, .. } => {
                write!(fields, "{name}: {value}\r\n").expect("a string can be written to");
            }
            Form::Raw(_) => panic!("raw bytes have their fields already"),
        }
        self
    }

    /// Closes the connection afterwards, without having said so.
    #[must_use]
    pub fn then_close(mut self) -> Self {
        self.closes = true;
        self
    }

    pub(super) fn closes(&self) -> bool {
        self.closes
    }

    /// Its parts; none of a raw reply.
    pub(super) fn parts(&self) -> Option<(u16, &str, &[u8])> {
        match &self.form {
            Form::Raw(_) => None,
            Form::Whole {
                status,
                fields,
                body,
            } => Some((*status, fields, body)),
        }
    }

    pub(super) fn bytes(&self, head_only: bool) -> Vec<u8> {
        match &self.form {
            Form::Raw(bytes) => bytes.clone(),
            Form::Whole {
                status,
                fields,
                body,
            } => {
                let mut head = format!("HTTP/1.1 {status} Fine\r\n{fields}");
                if *status != 204 && *status != 304 {
                    write!(head, "Content-Length: {}\r\n", body.len())
                        .expect("a string can be written to");
                }
                head.push_str("\r\n");
                let mut bytes = head.into_bytes();
                if !head_only {
                    bytes.extend_from_slice(body);
                }
                bytes
            }
        }
    }
}
