//! What becomes of attempts that wait for a connection. What clients see of hedging stands in the end-to-end tests.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::yield_now;

use crate::connection::bench::{client, one_at_a_time, run, worker};

#[test]
fn those_that_wait_for_one_connection_which_is_not_for_all_look_for_another_way() {
    run(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (worker, door) = worker(&format!(
            "version = 1\n[listener.a]\nbind = \"127.0.0.1:0\"\n\
             [[route]]\ncluster = \"app\"\nretry = {{ attempts = 0, hedge = {{ percentile = 90 }} }}\n\
             [cluster.app]\nendpoints = [\"h2c://{address}\"]\n"
        ));
        let mut clients = [client(&worker, &door), client(&worker, &door)];
        for client in &mut clients {
            let request = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";
            client.write_all(request).await.unwrap();
        }
        // Who is counted waits: nobody has accepted yet.
        while worker.counters().exchanges.read() < 2 {
            yield_now().await;
        }
        let ask = async {
            for client in &mut clients {
                let mut response = [0; 1024];
                let n = client.read(&mut response).await.unwrap();
                let response = str::from_utf8(&response[..n]).unwrap();
                assert!(response.starts_with("HTTP/1.1 200 OK\r\n"), "{response}");
            }
        };
        tokio::join!(ask, one_at_a_time(&listener, 2));
    });
}
