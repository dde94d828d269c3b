//! A response, by whatever protocol, and what it is to the request that it answers.

use crate::echo;
use crate::exchange::{Life, Outcome};

/// How a request was lost, and who had begun to answer it.
pub(super) type Lost = (Outcome, Option<Life>);

/// A response, whole.
pub(super) struct Response {
    pub(super) status: u16,
    pub(super) keep_alive: bool,
    /// As lines.
    pub(super) head: Vec<u8>,
    pub(super) body: Vec<u8>,
}

impl Response {
    /// What it is to the request with this id, whose answer is to have this body.
    pub(super) fn judge(&self, id: u64, expected: &[u8]) -> (Outcome, Option<Life>) {
        let Some(echoed) = echo::field(&self.head, echo::ID) else {
            let fault = echo::field(&self.head, "Proxy-Status").and_then(fault);
            let fault = fault.unwrap_or_default().to_owned();
            return (Outcome::Reply(self.status, fault), None);
        };
        let is_right = echoed.parse() == Ok(id) && self.body == expected;
        let outcome = if is_right {
            Outcome::Answer(self.status)
        } else {
            Outcome::MixedUp
        };
        (outcome, by(&self.head))
    }
}

/// Who gave an answer with this head.
pub(super) fn by(head: &[u8]) -> Option<Life> {
    echo::field(head, echo::BY).and_then(|by| by.parse().ok())
}

/// evenkeel's name of the fault: `…; details="NAME"`.
fn fault(proxy_status: &str) -> Option<&str> {
    let (_, details) = proxy_status.split_once("details=\"")?;
    details.split('"').next()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn response(head: &str, body: &[u8]) -> Response {
        Response {
            status: 200,
            keep_alive: true,
            head: format!("HTTP/1.1 200 OK\r\n{head}\r\n").into_bytes(),
            body: body.to_vec(),
        }
    }

    #[test]
    fn an_answer_is_the_right_one_or_mixed_up() {
        let expected = echo::answer(7, b"");
        let head = "X-Bad-Day-Id: 7\r\nX-Bad-Day-By: 1.2\r\n";
        let life = Some(Life {
            endpoint: 1,
            number: 2,
        });
        let cases = [
            (head, expected.clone(), (Outcome::Answer(200), life)),
            (head, echo::answer(8, b""), (Outcome::MixedUp, life)),
            ("X-Bad-Day-Id: 8\r\n", expected, (Outcome::MixedUp, None)),
            (
                "Proxy-Status: evenkeel; error=x; details=\"no-endpoint\"\r\n",
                b"no endpoint".to_vec(),
                (Outcome::Reply(200, "no-endpoint".to_owned()), None),
            ),
        ];
        for (head, body, judged) in cases {
            assert_eq!(response(head, &body).judge(7, &expected_of_7()), judged);
        }
    }

    fn expected_of_7() -> Vec<u8> {
        echo::answer(7, b"")
    }
}
