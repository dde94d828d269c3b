//! What the pipeline is told of an endpoint whose side is played by the codec's own server.

use std::future::poll_fn;
use std::sync::Arc;

use evenkeel_base::FieldSink;
use evenkeel_base::rules::{LimitRules, MultiplexRules};
use evenkeel_state::EndpointState;
use evenkeel_state::limits::ClusterLimits;
use h2::server;
use http::StatusCode;

use super::*;
use crate::rig;

/// The fields of a request that has but one.
struct Host;

impl Fields for Host {
    fn write(&self, sink: &mut impl FieldSink) {
        sink.field(b"Host", b"a");
    }
}

#[test]
fn a_response_has_the_usual_phrase_of_its_status() {
    rig::run(async {
        let blocks = Rc::new(Blocks::default());
        let endpoint = Arc::new(EndpointState::new(1, 1));
        let limits = Arc::new(ClusterLimits::new(&LimitRules::DEFAULT));
        let (near, far) = rig::pair();
        let open = limits.connect(&endpoint).unwrap();
        let rules = (MultiplexRules::DEFAULT, Duration::from_mins(1));
        let begun = Trunk::begin(near, open, &endpoint, rules, &blocks).await;
        let (trunk, mut driver) = begun.unwrap();
        let (ready, far) =
            tokio::join!(poll_fn(|cx| driver.poll_ready(cx)), server::handshake(far));
        assert_eq!(ready, Ok(()));
        let mut far: server::Connection<_, Bytes> = far.unwrap();
        let ask = async {
            for (status, phrase) in [(200, &b"OK"[..]), (404, b"Not Found"), (599, b"")] {
                let mut up = H2Upstream::new(Place::on(&trunk), false, &blocks);
                let path = format!("/{status}");
                let line = (&b"GET"[..], path.as_bytes(), None);
                let ask = Ask {
                    head: false,
                    upgrade: None,
                    trailers: false,
                };
                up.begin_request(line, Length::Empty, ask, Host);
                let answer = poll_fn(|cx| up.poll_response(cx)).await;
                assert_eq!(answer, Ok(Answer::Final(Length::Known(0))));
                assert_eq!(up.status_line(), (status, phrase));
            }
        };
        let answer = async {
            while let Some(asked) = far.accept().await {
                let (request, mut respond) = asked.unwrap();
                let status: StatusCode = request.uri().path()[1..].parse().unwrap();
                let head = Response::builder().status(status).body(()).unwrap();
                respond.send_response(head, true).unwrap();
            }
        };
        tokio::select! {
            () = ask => {}
            () = answer => panic!("it closed"),
            () = driver.run() => panic!("it ended"),
        }
    });
}
