//! The access log: where records go, which, and of what fields. The table of fields is here, so that the JSON record, templates,
//! `check` and the manual cannot name them differently.

use std::path::PathBuf;
use std::time::Duration;

/// The access log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessLog {
    /// Where records go.
    pub to: AccessLogTarget,
    /// In which form.
    pub format: AccessFormat,
    /// The permissions of a file that is made.
    pub mode: u32,
    /// Which fields of requests stand in the record, by their names in small letters.
    pub request_headers: Vec<String>,
    /// The same of the endpoints' responses.
    pub response_headers: Vec<String>,
    /// So many thousandths of a percent of the records are written.
    pub sample: u32,
    /// What takes that long has a record anyway.
    pub slow: Duration,
}

/// All records, as [`AccessLog::sample`].
pub const ALL_RECORDS: u32 = 100_000;

/// Where access records go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AccessLogTarget {
    /// Nowhere.
    Off,
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
    /// Appended to a file.
    File(PathBuf),
}

/// The form of an access record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AccessFormat {
    /// A line for people.
    Text,
    /// A JSON object a line.
    Json,
    /// The Common Log Format.
    Clf,
    /// The same with the referer and the user agent.
    Combined,
    /// What the operator wrote.
    Template(Vec<Piece>),
}

/// A piece of a template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece {
    /// Text that stands in the record as it is.
    Text(String),
    /// A field.
    Field(LogField),
    /// A header field of the request, by its name in small letters.
    Request(String),
    /// A header field of the endpoint's response.
    Response(String),
}

/// Where a field of the access log can stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stands {
    /// In the JSON object, and in templates.
    Everywhere,
    /// In templates alone: the JSON object has its parts.
    Template,
}

macro_rules! fields {
    ($($variant:ident $name:literal $stands:ident $texts:literal $about:literal;)*) => {
        /// A field of an access record. See [`LogField::about`] for each.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(u8)]
        pub enum LogField {
            $(#[doc = $about] $variant,)*
        }

        impl LogField {
            /// Every field, in the order of the JSON object.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The key in the JSON object and the name in templates.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// Where it stands.
            #[must_use]
            pub const fn stands(self) -> Stands {
                match self { $(Self::$variant => Stands::$stands,)* }
            }

            /// How many texts of the greatest length it may be: those that a client chooses, and lists.
            #[must_use]
            pub const fn texts(self) -> usize {
                match self { $(Self::$variant => $texts,)* }
            }

            /// What it says, in a sentence.
            #[must_use]
            pub const fn about(self) -> &'static str {
                match self { $(Self::$variant => $about,)* }
            }
        }
    };
}

fields! {
    Time "time" Everywhere 0 "When the exchange ended: RFC 3339, UTC, milliseconds.";
    TimeClf "time_clf" Template 0 "The same as Apache and nginx write it: `28/Nov/2026:10:00:00 +0000`.";
    Sampled "sampled" Everywhere 0 "For how many requests this record stands, where only some are written (`sample`). It is left out where that is one.";
    Listener "listener" Everywhere 0 "The listener's name.";
    Client "client" Everywhere 0 "The client's address, behind `trusted_proxies` that of the first one not trusted; `unix` for a Unix socket.";
    Method "method" Everywhere 1 "The method.";
    Host "host" Everywhere 1 "The host that was asked for, with the port if one was given.";
    Target "target" Everywhere 2 "The path with its query, as the client sent it.";
    Path "path" Template 1 "The path without its query.";
    Query "query" Template 1 "The query without its question mark.";
    RequestLine "request_line" Template 3 "Method, target and version, as `GET /x?y HTTP/1.1`.";
    Version "version" Everywhere 0 "The version of HTTP the client spoke: `1.0`, `1.1` or `2`.";
    Status "status" Everywhere 0 "The status that the client got; 499: it was gone before there was one.";
    GrpcStatus "grpc_status" Everywhere 0 "How the call ended, when it was one of gRPC: `ok`, `unavailable` and so on.";
    Route "route" Everywhere 0 "The route's name.";
    Cluster "cluster" Everywhere 0 "The cluster's name.";
    Endpoint "endpoint" Everywhere 0 "The endpoint of the last attempt, by its id.";
    Attempts "attempts" Everywhere 0 "How many attempts were made.";
    Connect "connect_ms" Everywhere 0 "How long the last attempt took to get its connection, TLS included; 0: it was there.";
    ConnectTls "tls_ms" Everywhere 0 "The part of that which was TLS with the endpoint; left out where there was none.";
    Tried "tried" Everywhere 1 "The attempts that others followed, in short: `endpoint` and `why` of each; in templates `ENDPOINT/WHY`, with commas.";
    Queued "queued_ms" Everywhere 0 "How long the request waited for a place at an endpoint, before all attempts; left out where it did not.";
    FirstByte "first_byte_ms" Everywhere 0 "From the request's first byte to the head of the response.";
    Total "total_ms" Everywhere 0 "From the request's first byte to the last of the response, or to the failure.";
    BytesIn "bytes_in" Everywhere 0 "Bytes of the request's body.";
    BytesOut "bytes_out" Everywhere 0 "Bytes of the response's body.";
    Fault "fault" Everywhere 0 "Why the exchange failed: a name of [faults](faults.md).";
    Detail "detail" Everywhere 0 "The reason in more detail: the rule of HTTP that was broken, or a budget that was spent.";
    Tls "tls" Everywhere 0 "The client's version of TLS.";
    Sni "sni" Everywhere 1 "The name that the client asked for by TLS.";
    RequestId "request_id" Everywhere 1 "The `X-Request-Id` that the endpoint saw: the client's, or one that evenkeel made.";
    TraceId "trace_id" Everywhere 0 "The id of the trace, where `[trace]` is on: kept from the client or begun here, exported or not.";
    UserAgent "user_agent" Everywhere 1 "The client's `User-Agent`.";
    Referer "referer" Template 1 "The client's `Referer`.";
    TryEndpoint "tries.endpoint" Everywhere 1 "Of each attempt: the endpoint's id.";
    TryBegan "tries.began_ms" Everywhere 1 "When it began, from the request's first byte.";
    TryQueued "tries.queued_ms" Everywhere 1 "How long the request had waited for a place before it; left out where it did not.";
    TryConnect "tries.connect_ms" Everywhere 1 "How long it took to get a connection, or tried to, TLS included; left out where one was there.";
    TryTls "tries.tls_ms" Everywhere 1 "The part of that which was TLS; left out where there was none. Over HTTP/2 the wait for the endpoint's settings is in it.";
    TryFirstByte "tries.first_byte_ms" Everywhere 1 "From its beginning to the head of the response; left out where none came.";
    TryTotal "tries.total_ms" Everywhere 1 "From its beginning to its end.";
    TryStatus "tries.status" Everywhere 1 "The status of the endpoint's response; left out where none came.";
    TryWhy "tries.why" Everywhere 1 "Why it brought the client no response, or not all of it: a fault's name, a status, the name of a gRPC status, or `cancelled` where another was faster.";
}

impl LogField {
    /// The field of that name.
    #[must_use]
    pub fn of(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|field| field.name() == name)
    }
}
