//! Messages as they came over the wire, and what a test may expect of them.
//!
//! Nothing is normalised: fields keep their order, their case and their number.

use std::fmt;

use crate::broken::Broken;
use crate::tls::Handshake;

/// A field line.
#[derive(Clone, PartialEq, Eq)]
pub struct Field {
    /// The name as it was spelt.
    pub name: String,
    /// The value without surrounding white space.
    pub value: Vec<u8>,
}

/// A start line and fields.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// The three parts of the start line; the last may have spaces, and may be empty.
    pub start: [String; 3],
    /// The fields.
    pub fields: Vec<Field>,
    /// Every byte of it, with the empty line at its end.
    pub raw: Vec<u8>,
}

/// A request as an origin received it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// Its head.
    pub head: Head,
    /// Its body, without framing.
    pub body: Vec<u8>,
    /// The trailers of its chunked body.
    pub trailers: Vec<Field>,
    /// Which of the origin's connections it came on, from 0.
    pub connection: usize,
    /// What was agreed on by TLS, on a connection with it.
    pub tls: Option<Handshake>,
}

/// A response as a client received it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    /// The interim (1xx) heads before it.
    pub interim: Vec<Head>,
    /// Its head.
    pub head: Head,
    /// How its body was framed.
    pub framing: Framing,
    /// Its body, without framing; of a cut response what came of it.
    pub body: Vec<u8>,
    /// The trailers of its chunked body.
    pub trailers: Vec<Field>,
}

/// How the end of a body is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// There is none.
    None,
    /// After so many bytes.
    Length(u64),
    /// After the last chunk.
    Chunked,
    /// When the connection closes.
    Close,
    /// With the stream of HTTP/2.
    Stream,
}

impl Head {
    /// The values of all fields of that name, in order; names compare without case.
    #[must_use]
    pub fn all(&self, name: &str) -> Vec<String> {
        values(&self.fields, name)
    }

    /// The value of the field of that name.
    ///
    /// # Panics
    /// When there are several.
    #[must_use]
    #[track_caller]
    pub fn one(&self, name: &str) -> Option<String> {
        let mut all = self.all(name);
        assert!(all.len() < 2, "there is more than one {name}: {self}");
        all.pop()
    }

    /// The status of a response's head.
    ///
    /// # Panics
    /// When it is a request's head.
    #[must_use]
    #[track_caller]
    pub fn status(&self) -> u16 {
        self.start[1]
            .parse()
            .unwrap_or_else(|_| panic!("this head has no status: {self}"))
    }

    /// How the body after a request's head is framed.
    ///
    /// # Errors
    /// When the fields leave a doubt.
    pub fn request_framing(&self) -> Result<Framing, Broken> {
        Ok(self.declared()?.unwrap_or(Framing::None))
    }

    /// How the body after a final response's head is framed; `method` is that of the request.
    ///
    /// # Errors
    /// When the fields leave a doubt.
    pub fn response_framing(&self, method: &str) -> Result<Framing, Broken> {
        let declared = self.declared()?;
        let status = self.status();
        if status == 204 || status < 200 {
            return match declared {
                None => Ok(Framing::None),
                Some(_) => Err(Broken::Malformed(format!("{status} with a framed body"))),
            };
        }
        if method == "HEAD" || status == 304 {
            return Ok(Framing::None);
        }
        Ok(declared.unwrap_or(Framing::Close))
    }

    fn declared(&self) -> Result<Option<Framing>, Broken> {
        let doubt = || Err(Broken::Malformed(format!("framing in doubt: {self}")));
        match (
            &*self.all("transfer-encoding"),
            &*self.all("content-length"),
        ) {
            ([], []) => Ok(None),
            ([], [length]) if length.bytes().all(|b| b.is_ascii_digit()) => match length.parse() {
                Ok(length) => Ok(Some(Framing::Length(length))),
                Err(_) => doubt(),
            },
            ([coding], []) if coding == "chunked" => Ok(Some(Framing::Chunked)),
            _ => doubt(),
        }
    }
}

impl Request {
    /// The method.
    #[must_use]
    pub fn method(&self) -> &str {
        &self.head.start[0]
    }

    /// The host that it was sent to: `Host`, or `:authority` of HTTP/2.
    ///
    /// # Panics
    /// When there are several.
    #[must_use]
    #[track_caller]
    pub fn host(&self) -> Option<String> {
        let host = self.head.one(":authority");
        host.or_else(|| self.head.one("host"))
    }

    /// The target as it was sent.
    #[must_use]
    pub fn target(&self) -> &str {
        &self.head.start[1]
    }

    /// The value of the field of that name.
    ///
    /// # Panics
    /// When there are several.
    #[must_use]
    #[track_caller]
    pub fn field(&self, name: &str) -> Option<String> {
        self.head.one(name)
    }

    /// The body as text.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// Expectations, made to be chained; each panics with the whole response when it is not met.
impl Response {
    /// It has this status.
    #[track_caller]
    #[expect(
        clippy::return_self_not_must_use,
        reason = "the end of a chain of expectations is of no use"
    )]
    pub fn status(self, status: u16) -> Self {
        assert_eq!(self.head.status(), status, "{self}");
        self
    }

    /// It has one field of that name, with this value.
    #[track_caller]
    #[expect(clippy::return_self_not_must_use, reason = "as for status")]
    pub fn header(self, name: &str, value: &str) -> Self {
        assert_eq!(self.head.all(name), [value], "{name} of {self}");
        self
    }

    /// It has no field of that name.
    #[track_caller]
    #[expect(clippy::return_self_not_must_use, reason = "as for status")]
    pub fn without(self, name: &str) -> Self {
        assert!(self.head.all(name).is_empty(), "{name} in {self}");
        self
    }

    /// It has this body.
    #[track_caller]
    #[expect(clippy::return_self_not_must_use, reason = "as for status")]
    pub fn body(self, body: impl AsRef<[u8]>) -> Self {
        assert!(
            self.body == body.as_ref(),
            "expected the body {:?} of {self}",
            String::from_utf8_lossy(body.as_ref())
        );
        self
    }

    /// It has this trailer, once.
    #[track_caller]
    #[expect(clippy::return_self_not_must_use, reason = "as for status")]
    pub fn trailer(self, name: &str, value: &str) -> Self {
        assert_eq!(
            values(&self.trailers, name),
            [value],
            "trailer {name} of {self}"
        );
        self
    }

    /// It is a reply of evenkeel's own for this fault: the name stands in `Proxy-Status`.
    #[track_caller]
    #[expect(clippy::return_self_not_must_use, reason = "as for status")]
    pub fn fault(self, name: &str) -> Self {
        let proxy_status = self.head.one("proxy-status").unwrap_or_default();
        assert!(
            proxy_status.contains(&format!("\"{name}\"")),
            "expected the fault {name} in Proxy-Status: {self}"
        );
        self
    }

    /// The value of the field of that name.
    ///
    /// # Panics
    /// When there are several.
    #[must_use]
    #[track_caller]
    pub fn field(&self, name: &str) -> Option<String> {
        self.head.one(name)
    }

    /// The body as text.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// The values of all fields of that name, in order; names compare without case.
#[must_use]
pub fn values(fields: &[Field], name: &str) -> Vec<String> {
    fields
        .iter()
        .filter(|field| field.name.eq_ignore_ascii_case(name))
        .map(|field| String::from_utf8_lossy(&field.value).into_owned())
        .collect()
}

impl fmt::Debug for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.name, String::from_utf8_lossy(&self.value))
    }
}

impl fmt::Display for Head {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(String::from_utf8_lossy(&self.raw).trim_end())
    }
}

impl fmt::Display for Response {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = &self.body[..self.body.len().min(500)];
        write!(
            f,
            "\n{}\n\n{}\n({} bytes of body, {:?})",
            self.head,
            String::from_utf8_lossy(shown),
            self.body.len(),
            self.framing
        )
    }
}
