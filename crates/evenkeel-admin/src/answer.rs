//! Answers: whole ones, or such that go on; and the fields that each has, so that no browser makes more of it than it is.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use http_body_util::Full;
use hyper::body::{Body, Bytes, Frame, SizeHint};
use hyper::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderName, HeaderValue, REFERRER_POLICY,
    WWW_AUTHENTICATE, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use hyper::{HeaderMap, Response, StatusCode};
use serde::Serialize;

use crate::feed::Feed;
use crate::gate::Refusal;
use crate::view;

/// An answer.
pub(crate) type Answer = Response<Content>;

/// What an answer says.
#[derive(Debug)]
pub(crate) enum Content {
    /// All of it.
    Whole(Full<Bytes>),
    /// What comes as it comes.
    Feed(Feed),
}

impl Body for Content {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        match self.get_mut() {
            Self::Whole(whole) => Pin::new(whole).poll_frame(cx),
            Self::Feed(feed) => Pin::new(feed).poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Whole(whole) => whole.is_end_stream(),
            Self::Feed(_) => false,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(whole) => whole.size_hint(),
            Self::Feed(_) => SizeHint::default(),
        }
    }
}

/// What a page of ours may load: what we serve, and nothing from elsewhere; no script and no style stands in the page itself.
pub(crate) const PAGE_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
     connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// What everything else may do: nothing.
const NO_POLICY: &str = "default-src 'none'; frame-ancestors 'none'";

/// Fields that every answer has, unless its page has set another value.
const FIELDS: [(HeaderName, &str); 7] = [
    (CACHE_CONTROL, "no-store"),
    (CONTENT_SECURITY_POLICY, NO_POLICY),
    (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (X_FRAME_OPTIONS, "DENY"),
    (REFERRER_POLICY, "no-referrer"),
    (
        HeaderName::from_static("cross-origin-resource-policy"),
        "same-origin",
    ),
    (
        HeaderName::from_static("cross-origin-opener-policy"),
        "same-origin",
    ),
];

/// Puts in what every answer has.
pub(crate) fn secure(fields: &mut HeaderMap) {
    for (name, value) in FIELDS {
        fields
            .entry(name)
            .or_insert(HeaderValue::from_static(value));
    }
}

/// An answer that is all there.
pub(crate) fn whole(kind: &'static str, content: impl Into<Bytes>) -> Answer {
    with_kind(kind, Content::Whole(Full::new(content.into())))
}

/// A page of ours for browsers, or what belongs to one.
pub(crate) fn page(kind: &'static str, content: &'static [u8]) -> Answer {
    let mut answer = whole(kind, content);
    let policy = HeaderValue::from_static(PAGE_POLICY);
    answer.headers_mut().insert(CONTENT_SECURITY_POLICY, policy);
    answer
}

/// An answer that goes on.
pub(crate) fn stream(kind: &'static str, feed: Feed) -> Answer {
    with_kind(kind, Content::Feed(feed))
}

fn with_kind(kind: &'static str, content: Content) -> Answer {
    let mut answer = Response::new(content);
    let kind = HeaderValue::from_static(kind);
    answer.headers_mut().insert(CONTENT_TYPE, kind);
    answer
}

/// That something is wrong, in words for people.
pub(crate) fn wrong(status: StatusCode, error: &str) -> Answer {
    let error = error.to_owned();
    let refusal = None;
    json(status, &view::Wrong { error, refusal })
}

/// That the question is wrong.
pub(crate) fn bad(why: &str) -> Answer {
    wrong(StatusCode::BAD_REQUEST, why)
}

/// That a protection of the admin address refused it.
pub(crate) fn refused(why: Refusal) -> Answer {
    let wrong = view::Wrong {
        error: why.text().to_owned(),
        refusal: Some(why.name().to_owned()),
    };
    let mut answer = json(why.status(), &wrong);
    if why.status() == StatusCode::UNAUTHORIZED {
        let bearer = HeaderValue::from_static("Bearer realm=\"evenkeel\"");
        answer.headers_mut().insert(WWW_AUTHENTICATE, bearer);
    }
    answer
}

/// A view, or that there is no such thing.
pub(crate) fn of<T: Serialize>(found: Result<T, impl ToString>) -> Answer {
    match found {
        Ok(view) => json(StatusCode::OK, &view),
        Err(why) => wrong(StatusCode::NOT_FOUND, &why.to_string()),
    }
}

/// A view.
pub(crate) fn json(status: StatusCode, value: &impl Serialize) -> Answer {
    // Views have text for keys, so that writing them cannot fail.
    let mut text = serde_json::to_vec_pretty(value).unwrap_or_default();
    text.push(b'\n');
    let mut answer = whole("application/json", text);
    *answer.status_mut() = status;
    answer
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;

    use super::*;

    /// An answer as it goes out: status, the fields that only some have, body.
    fn written(answer: Answer) -> String {
        let (head, body) = answer.into_parts();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        let body = runtime.block_on(body.collect()).unwrap().to_bytes();
        let asks = head.headers.get(WWW_AUTHENTICATE);
        let asks = asks.map(|value| format!(" ({})", value.to_str().unwrap()));
        format!(
            "{}{} {}",
            head.status.as_u16(),
            asks.unwrap_or_default(),
            String::from_utf8_lossy(&body)
        )
    }

    #[test]
    fn every_refusal_says_what_it_is_and_what_to_do() {
        let all: String = Refusal::ALL.map(|why| written(refused(why))).concat();
        let expected = include_str!("answer/refusals.txt");
        assert!(all == expected, "{all}");
    }

    #[test]
    fn the_page_about_the_address_has_every_refusal() {
        let page = include_str!("../../../docs/admin.md");
        for why in Refusal::ALL {
            let name = format!("`{}`", why.name());
            let mut rows = page.lines().filter(|line| line.starts_with("| `"));
            let row = rows.find(|row| row.contains(&name)).unwrap();
            assert!(row.contains(why.status().as_str()), "{row}");
        }
    }

    #[test]
    fn every_answer_has_the_fields_that_keep_browsers_from_making_more_of_it() {
        let mut answer = whole("text/plain", "x");
        secure(answer.headers_mut());
        for (name, value) in FIELDS {
            assert_eq!(answer.headers()[&name], value);
        }
        let mut page = page("text/html", b"<p>");
        secure(page.headers_mut());
        assert_eq!(page.headers()[CONTENT_SECURITY_POLICY], PAGE_POLICY);
        assert_eq!(page.headers()[X_FRAME_OPTIONS], "DENY");
    }
}
