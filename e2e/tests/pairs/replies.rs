//! What evenkeel answers itself.

use evenkeel_testkit::Evenkeel;

use super::each;

#[test]
fn replies_of_evenkeels_own_reach_the_client() {
    each(|pair| {
        let origin = pair.saying("ok");
        let setup = pair
            .setup([&origin])
            .no_route()
            .add_route("path = \"/app\"\ncluster = \"app\"")
            .add_route("path = \"/page\"\nrespond = { status = 200, body = \"a page\" }")
            .add_route("path = \"/old\"\nredirect = { path = \"/new\", status = 308 }")
            .add_route("path = \"/denied\"\nallow = [\"9.0.0.0/8\"]\ncluster = \"app\"");
        let proxy = Evenkeel::start(&setup);
        let mut caller = pair.caller(&proxy);
        for _ in 0..2 {
            caller.get("/page").status(200).body("a page");
            caller.ask("HEAD", "/page", "", "").status(200).body("");
            let moved = caller.get("/old").status(308);
            let to = moved.field("location").unwrap();
            assert!(to.ends_with("/new"), "{to}");
            caller.get("/nothing").status(404).fault("no-route");
            caller.get("/denied").status(403).fault("request-denied");
            caller
                .get("/app/a/../b")
                .status(400)
                .fault("request-path-refused");
            caller.get("/app").status(200).body("ok");
            // Of a body that nobody wants the connection is not lost.
            caller.post("/page", "unwanted").status(200).body("a page");
            caller.post("/nothing", "unwanted").status(404);
        }
        let ended = caller.ask("TRACE", "/app", "", "");
        ended.status(405).fault("method-refused");
    });
}

#[test]
fn a_fault_s_name_can_be_kept_from_clients() {
    each(|pair| {
        let dead = evenkeel_testkit::faults::DeadAddress::new();
        let setup = pair
            .setup_to([pair.dead(&dead)])
            .listener("proxy_status = false");
        let proxy = Evenkeel::start(&setup);
        let response = pair.caller(&proxy).get("/").status(502);
        response.without("proxy-status");
        assert_eq!(proxy.record()["fault"], "connect-refused");
    });
}
