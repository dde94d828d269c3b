//! Responses that evenkeel makes itself: fixed ones, redirects, and the replies that tell of a fault.

use std::future::poll_fn;
use std::task::Poll;
use std::time::{Instant, SystemTime};

use evenkeel_base::FieldSink;
use evenkeel_base::edits::Edits;
use evenkeel_base::grpc::{self, encode_message};
use evenkeel_base::{Fault, GrpcStatus, Method, RequestView};
use evenkeel_config::model::{Redirect, Respond, Route};
use evenkeel_http1::reason_phrase;
use evenkeel_policy::rate::{LimitField, PolicyField, retry_after};
use evenkeel_state::decide::target;

use crate::body::{Length, Sink, discard_received};
use crate::downstream::{Downstream, Expect};
use crate::exchange::explained;
use crate::record::{Limited, Record};
use crate::scene::{After, Scene};

/// Who the `Proxy-Status` entries are by (RFC 9209 §2).
const NAME: &str = "evenkeel";
/// What `Retry-After` says, in seconds: long enough for an ejection or a queue to change, short enough for people.
const RETRY_AFTER: &str = "1";

/// A response of ours.
struct Reply<'a> {
    status: u16,
    content_type: &'a str,
    body: &'a [u8],
    fault: Option<Fault>,
    /// How a call of gRPC ends with it.
    grpc: Option<GrpcStatus>,
    /// The limit it was refused by, and the route that has it.
    rate: Option<(&'a Limited, &'a str)>,
    location: Option<&'a str>,
    edits: Option<&'a Edits>,
}

/// Answers with a route's fixed response.
pub(crate) async fn fixed<D: Downstream>(
    scene: &Scene<'_>,
    down: &mut D,
    route: &Route,
    respond: &Respond,
    record: &mut Record,
) -> After {
    let html = !respond.html.is_empty() && wants_html(&down.request());
    let (content_type, body) = if html {
        ("text/html; charset=utf-8", &respond.html)
    } else {
        (respond.content_type.as_str(), &respond.body)
    };
    let edits = Some(&route.response_headers);
    let reply = Reply {
        status: respond.status,
        content_type,
        body,
        fault: None,
        grpc: None,
        rate: None,
        location: None,
        edits,
    };
    send(scene, down, &reply, record).await
}

/// Says whether the process is well.
pub(crate) async fn health<D: Downstream>(
    scene: &Scene<'_>,
    down: &mut D,
    well: bool,
    record: &mut Record,
) -> After {
    let (status, body): (u16, &[u8]) = if well {
        (200, b"ok\n")
    } else {
        (503, b"ending\n")
    };
    let reply = Reply {
        status,
        content_type: "text/plain; charset=utf-8",
        body,
        fault: None,
        grpc: None,
        rate: None,
        location: None,
        edits: None,
    };
    send(scene, down, &reply, record).await
}

/// Sends the client elsewhere.
pub(crate) async fn redirect<D: Downstream>(
    scene: &Scene<'_>,
    down: &mut D,
    route: &Route,
    redirect: &Redirect,
    record: &mut Record,
) -> After {
    let Some(location) = target::location(redirect, &down.request()) else {
        return fault(scene, down, Some(route), Fault::RequestMalformed, record).await;
    };
    let body = format!("{}\n", reason_phrase(redirect.status));
    let reply = Reply {
        status: redirect.status,
        content_type: "text/plain; charset=utf-8",
        body: body.as_bytes(),
        fault: None,
        grpc: None,
        rate: None,
        location: Some(&location),
        edits: Some(&route.response_headers),
    };
    send(scene, down, &reply, record).await
}

/// Sends the client to the same by `https`.
pub(crate) async fn to_https<D: Downstream>(
    scene: &Scene<'_>,
    down: &mut D,
    port: u16,
    record: &mut Record,
) -> After {
    let Some(location) = target::https(&down.request(), port) else {
        return fault(scene, down, None, Fault::RequestMalformed, record).await;
    };
    let reply = Reply {
        // Unlike 301 it leaves the method as it is.
        status: 308,
        content_type: "text/plain; charset=utf-8",
        body: b"Permanent Redirect\n",
        fault: None,
        grpc: None,
        rate: None,
        location: Some(&location),
        edits: None,
    };
    send(scene, down, &reply, record).await
}

/// Tells the client of a fault, by the route's error page when it has one for the status. A call of gRPC ends with the status that
/// the fault is to it, in a response that is a head alone.
pub(crate) async fn fault<D: Downstream>(
    scene: &Scene<'_>,
    down: &mut D,
    route: Option<&Route>,
    fault: Fault,
    record: &mut Record,
) -> After {
    record.fail(fault);
    if fault.status() == 499 {
        return After::Cut;
    }
    let limited = record.rate.take();
    let told = Reply {
        status: fault.status(),
        content_type: "",
        body: &[],
        fault: Some(fault),
        grpc: None,
        rate: limited
            .as_deref()
            .zip(route.map(|route| route.name.as_str())),
        location: None,
        edits: route.map(|route| &route.response_headers),
    };
    if grpc::is_call(&down.request()) {
        let status = GrpcStatus::of_fault(fault);
        record.grpc = Some(status);
        let reply = Reply {
            status: 200,
            content_type: grpc::CONTENT_TYPE,
            grpc: Some(status),
            ..told
        };
        return send(scene, down, &reply, record).await;
    }
    let mut pages = route.iter().flat_map(|route| &route.error_pages);
    let page = pages.find(|page| page.status == fault.status());
    let text = format!(
        "{} {}\n\n{} ({fault})\n",
        fault.status(),
        reason_phrase(fault.status()),
        fault.about()
    );
    let (content_type, body) = page
        .map_or(("text/plain; charset=utf-8", text.as_bytes()), |page| {
            (page.content_type.as_str(), &page.body)
        });
    let reply = Reply {
        content_type,
        body,
        ..told
    };
    send(scene, down, &reply, record).await
}

async fn send<D: Downstream>(
    scene: &Scene<'_>,
    down: &mut D,
    reply: &Reply<'_>,
    record: &mut Record,
) -> After {
    record.status = reply.status;
    // A client that waits for leave to send its body must not take the next request's answer for it.
    let waits = down.facts().expect == Expect::Continue && !down.request_done();
    // And what follows a CONNECT was meant for the tunnel that it did not get.
    let connect = down.request().method() == Method::Connect;
    let persist = !waits
        && !connect
        && discard_received(down.body())
        && down.facts().persistent
        && !scene.is_last()
        && !reply.fault.is_some_and(ends_connection);
    let head = down.request().method() == Method::Head;
    let bodyless = matches!(reply.status, 204 | 304);
    let length = reply.body.len() as u64;
    let body_length = if head || bodyless {
        Length::Empty
    } else {
        Length::Known(length)
    };
    let line = (reply.status, reason_phrase(reply.status).as_bytes());
    let proxy_status = scene.listener.proxy_status;
    let explained = explained::of(scene, || down.request(), record);
    down.begin_response(line, (body_length, false), !persist, |sink| {
        write_fields(reply, proxy_status, sink);
        if let Some(explained) = &explained {
            sink.field(explained::NAME, explained.as_bytes());
        }
        if head && !bodyless {
            sink.field(b"Content-Length", length.to_string().as_bytes());
        }
    });
    record.first_byte = Some(scene.began.elapsed());
    let body = if matches!(body_length, Length::Known(n) if n > 0) {
        reply.body
    } else {
        &[]
    };
    let written = write_all(scene, down, body).await;
    record.ended = Instant::now();
    match written {
        Ok(()) => {
            record.bytes_out = body.len() as u64;
            if persist {
                After::Persist
            } else {
                After::Close
            }
        }
        Err(fault) => {
            record.fault = record.fault.or(Some(fault));
            After::Cut
        }
    }
}

/// Whether the client's connection goes with the answer: to make room, or because every other request on it would be refused as
/// well, for as long as the client keeps it.
const fn ends_connection(fault: Fault) -> bool {
    matches!(
        fault,
        Fault::Overloaded | Fault::ConnectionOutdated | Fault::ClientCertificateExpired
    )
}

async fn write_all<D: Downstream>(
    scene: &Scene<'_>,
    down: &mut D,
    mut body: &[u8],
) -> Result<(), Fault> {
    scene
        .deadline
        .set(Instant::now().checked_add(scene.listener.write_timeout));
    poll_fn(|cx| {
        let expired = |cx| {
            scene
                .deadline
                .poll_expired(cx)
                .map(|()| Err(Fault::ClientStalled))
        };
        while !body.is_empty() {
            match down.body().poll_data(cx, body, true)? {
                Poll::Ready(n) => {
                    body = &body[n..];
                    scene
                        .deadline
                        .set(Instant::now().checked_add(scene.listener.write_timeout));
                }
                Poll::Pending => return expired(cx),
            }
        }
        match down.body().poll_end(cx, &|_| {}) {
            Poll::Pending => expired(cx),
            ready @ Poll::Ready(_) => ready,
        }
    })
    .await
}

fn write_fields(reply: &Reply<'_>, proxy_status: bool, sink: &mut dyn FieldSink) {
    let mut set = |name: &str, value: &str| {
        let edited = reply
            .edits
            .is_some_and(|edits| edits.names(name.as_bytes()));
        if !value.is_empty() && !edited {
            sink.field(name.as_bytes(), value.as_bytes());
        }
    };
    set("Date", &httpdate::fmt_http_date(SystemTime::now()));
    set("Content-Type", reply.content_type);
    set("Location", reply.location.unwrap_or_default());
    if let Some(fault) = reply.fault {
        if let Some(status) = reply.grpc {
            set("grpc-status", status.digits());
            let message = encode_message(&format!("{fault}: {}", fault.about()));
            set("grpc-message", &message);
        }
        if proxy_status {
            let value = format!(
                "{NAME}; error={}; details=\"{fault}\"",
                fault.proxy_status()
            );
            set("Proxy-Status", &value);
        }
        if let Some((limited, route)) = reply.rate {
            set_limit(limited, route, &mut set);
        } else if matches!(fault.status(), 429 | 503) {
            set("Retry-After", RETRY_AFTER);
        }
        if fault == Fault::MethodRefused {
            // RFC 9110 §15.5.6 wants the methods that are allowed.
            set("Allow", "GET, HEAD, POST, PUT, DELETE, OPTIONS, PATCH");
        }
    }
    if let Some(edits) = reply.edits {
        edits.write(sink);
    }
}

/// What the client may know of the limit that refused it.
fn set_limit(limited: &Limited, route: &str, set: &mut impl FnMut(&str, &str)) {
    let Limited {
        limiter,
        position,
        decision,
    } = limited;
    let policy = PolicyField {
        route,
        position: *position,
        rules: limiter.rules(),
    };
    let limit = LimitField {
        route,
        position: *position,
        decision,
    };
    set("Retry-After", &retry_after(decision).to_string());
    set("RateLimit-Policy", &policy.to_string());
    set("RateLimit", &limit.to_string());
}

fn wants_html(request: &RequestView<'_>) -> bool {
    let html = b"text/html";
    request
        .fields()
        .filter(|field| field.name.eq_ignore_ascii_case(b"accept"))
        .any(|field| {
            field
                .value
                .windows(html.len())
                .any(|window| window.eq_ignore_ascii_case(html))
        })
}

#[cfg(test)]
mod tests;
