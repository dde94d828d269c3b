//! A request's fields, as a codec has decoded them, into evenkeel's head (RFC 9113 §8.3.1, RFC 8441).
//!
//! What passes here can be written as an HTTP/1.1 request that every reader takes for the same single request. So the rules are
//! those of the HTTP/1 codec, and where HTTP/2 is stricter, its own.

use evenkeel_base::field::is_token;
use evenkeel_base::grammar::{decimal, path_length};
use evenkeel_base::head::{RequestHead, Span, Version};
use evenkeel_base::{Authority, Known, Method};

use crate::Limits;
use crate::block::Lines;
use crate::refusal::Refusal;

/// What a request says beside its head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Request {
    /// Content-Length. The codec has to hold the body to it.
    pub length: Option<u64>,
    /// What the client expects before it sends the body.
    pub expect: Expect,
    /// The `:protocol` of an extended CONNECT (RFC 8441), within the block. The head's method is then GET: what HTTP/1 would call
    /// this request, with an Upgrade field of that value.
    pub upgrade: Option<Span>,
    /// Whether the client reads trailers (RFC 9110 §10.1.4).
    pub te_trailers: bool,
    /// Whether the scheme is `https`; nothing is said about the connection that the request came by.
    pub https: bool,
}

/// What the Expect field asks for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Expect {
    /// Nothing.
    #[default]
    None,
    /// `100-continue`, once.
    Continue,
    /// Anything else: 417.
    Unknown,
}

/// Checks the fields of a request, pseudo-fields (`:method` and so on) among them and first, in the order in which they came, and
/// fills `block` and `head` with them. `ends` says whether the stream ends with this head.
///
/// Crumbs of cookies are joined (RFC 9113 §8.2.3). The fields stand in the block as lines of HTTP/1.
///
/// # Errors
/// The first reason to refuse the request. It is malformed then, in the words of RFC 9113 §8.1.1: a stream error PROTOCOL_ERROR, or
/// a reply with the status of [`Refusal::fault_of_request`].
pub fn request<'f>(
    fields: impl IntoIterator<Item = (&'f [u8], &'f [u8])>,
    ends: bool,
    limits: &Limits,
    block: &mut Vec<u8>,
    head: &mut RequestHead,
) -> Result<Request, Refusal> {
    head.clear();
    let mut table = std::mem::take(&mut head.fields);
    let read = read(fields, limits, Lines::new(block, &mut table, limits), head);
    head.fields = table;
    let (target, facts) = read?;
    facts.finish(target, ends, block, head)
}

fn read<'f>(
    fields: impl IntoIterator<Item = (&'f [u8], &'f [u8])>,
    limits: &Limits,
    mut lines: Lines<'_>,
    head: &mut RequestHead,
) -> Result<(Target, Facts), Refusal> {
    let mut fields = fields.into_iter();
    let mut pseudo = Pseudo::default();
    let mut first = None;
    for (name, value) in fields.by_ref() {
        if name.first() != Some(&b':') {
            first = Some((name, value));
            break;
        }
        pseudo.add(name, value)?;
    }
    let target = pseudo.write(limits, &mut lines, head)?;
    let mut facts = Facts::default();
    for (name, value) in first.into_iter().chain(fields) {
        let (known, span) = lines.field(name, value)?;
        if known != Known::Other {
            facts.add(known, value, span)?;
        }
    }
    lines.finish()?;
    Ok((target, facts))
}

/// The pseudo-fields of a request.
#[derive(Clone, Copy, Debug, Default)]
struct Pseudo<'f> {
    method: Option<&'f [u8]>,
    scheme: Option<&'f [u8]>,
    authority: Option<&'f [u8]>,
    path: Option<&'f [u8]>,
    protocol: Option<&'f [u8]>,
}

/// What the pseudo-fields say.
#[derive(Clone, Copy, Debug)]
struct Target {
    /// The port that an authority without one means.
    https: bool,
    upgrade: Option<Span>,
}

impl<'f> Pseudo<'f> {
    fn add(&mut self, name: &[u8], value: &'f [u8]) -> Result<(), Refusal> {
        let place = match name {
            b":method" => &mut self.method,
            b":scheme" => &mut self.scheme,
            b":authority" => &mut self.authority,
            b":path" => &mut self.path,
            b":protocol" => &mut self.protocol,
            _ => return Err(Refusal::PseudoUnknown),
        };
        match place.replace(value) {
            None => Ok(()),
            Some(_) => Err(Refusal::PseudoRepeated),
        }
    }

    /// Checks them and writes their text.
    fn write(
        self,
        limits: &Limits,
        lines: &mut Lines<'_>,
        head: &mut RequestHead,
    ) -> Result<Target, Refusal> {
        let method = self.method.ok_or(Refusal::PseudoMissing)?;
        if !is_token(method) {
            return Err(Refusal::MethodInvalid);
        }
        head.version = Version::Http2;
        head.method = Method::from_bytes(method);
        if let Some(authority) = self.authority {
            let port = Authority::parse(authority)
                .ok_or(Refusal::HostInvalid)?
                .port;
            if head.method == Method::Connect && self.protocol.is_none() && port.is_none() {
                return Err(Refusal::HostInvalid);
            }
            head.authority = lines.text(authority)?;
        }
        let mut target = Target {
            https: false,
            upgrade: None,
        };
        match (head.method, self.protocol) {
            (Method::Connect, None) => {
                self.authority.ok_or(Refusal::PseudoMissing)?;
                if self.scheme.is_some() || self.path.is_some() {
                    return Err(Refusal::PseudoMisplaced);
                }
                head.method_span = lines.text(method)?;
                return Ok(target);
            }
            (Method::Connect, Some(protocol)) => {
                self.authority.ok_or(Refusal::PseudoMissing)?;
                // As an upgrade of HTTP/1.1, h2c would be a tunnel for requests that nobody looks at.
                if !is_token(protocol) || protocol.eq_ignore_ascii_case(b"h2c") {
                    return Err(Refusal::ProtocolInvalid);
                }
                target.upgrade = Some(lines.text(protocol)?);
                head.method = Method::Get;
                head.method_span = lines.text(b"GET")?;
            }
            (_, Some(_)) => return Err(Refusal::PseudoMisplaced),
            (_, None) => head.method_span = lines.text(method)?,
        }
        target.https = match self.scheme.ok_or(Refusal::PseudoMissing)? {
            b"http" => false,
            b"https" => true,
            _ => return Err(Refusal::SchemeRefused),
        };
        let path = self.path.ok_or(Refusal::PseudoMissing)?;
        // As the line of HTTP/1 that it would be: two spaces, and eight bytes of the version.
        if head.method_span.len() + path.len() + 10 > limits.line_bytes {
            return Err(Refusal::LineTooLong);
        }
        let length = match path {
            b"*" if head.method == Method::Options => 1,
            path => path_length(path).ok_or(Refusal::TargetInvalid)?,
        };
        let text = lines.text(path)?;
        let (start, end) = (usize::from(text.start), usize::from(text.end));
        head.path = Span::new(start, start + length);
        head.query = (length < path.len()).then(|| Span::new(start + length + 1, end));
        Ok(target)
    }
}

/// What the fields seen so far say.
#[derive(Clone, Copy, Debug, Default)]
struct Facts {
    length: Option<u64>,
    host: Option<Span>,
    expect: Expect,
    te_trailers: bool,
}

impl Facts {
    /// Takes a field whose name we know.
    fn add(&mut self, known: Known, value: &[u8], span: Span) -> Result<(), Refusal> {
        match known {
            Known::Host if self.host.is_some() => return Err(Refusal::HostRepeated),
            Known::Host => {
                Authority::parse(value).ok_or(Refusal::HostInvalid)?;
                self.host = Some(span);
            }
            Known::ContentLength if self.length.is_some() => return Err(Refusal::LengthRepeated),
            Known::ContentLength => {
                self.length = Some(decimal(value).ok_or(Refusal::LengthInvalid)?);
            }
            Known::Expect => {
                let first = self.expect == Expect::None;
                self.expect = if first && value.eq_ignore_ascii_case(b"100-continue") {
                    Expect::Continue
                } else {
                    Expect::Unknown
                };
            }
            Known::Te => self.te_trailers = true,
            _ => {}
        }
        Ok(())
    }

    /// What the head as a whole says.
    fn finish(
        self,
        target: Target,
        ends: bool,
        block: &[u8],
        head: &mut RequestHead,
    ) -> Result<Request, Refusal> {
        match self.host {
            Some(host) if head.authority.is_empty() => head.authority = host,
            Some(host) => {
                let both = Authority::parse(head.authority.of(block))
                    .zip(Authority::parse(host.of(block)));
                let port = match (head.method, target.https) {
                    // A CONNECT target always has a port, its Host may lack it.
                    (Method::Connect, _) => both
                        .and_then(|(authority, _)| authority.port)
                        .unwrap_or_default(),
                    (_, true) => 443,
                    (_, false) => 80,
                };
                if !both.is_some_and(|(authority, host)| authority.agrees(&host, port)) {
                    return Err(Refusal::AuthorityMismatch);
                }
            }
            None if head.authority.is_empty() => return Err(Refusal::HostMissing),
            None => {}
        }
        if ends && self.length.is_some_and(|length| length > 0) {
            return Err(Refusal::LengthMismatch);
        }
        if target.upgrade.is_some() && self.length.is_some() {
            return Err(Refusal::ProtocolInvalid);
        }
        Ok(Request {
            length: self.length,
            expect: self.expect,
            upgrade: target.upgrade,
            te_trailers: self.te_trailers,
            https: target.https,
        })
    }
}

#[cfg(test)]
mod tests;
