//! What was found last outlives what asked for it: while nobody answers it holds over reloads, rollbacks and upgrades, and a list
//! that cannot be read over renewed certificates.

use std::fs;

use evenkeel_testkit::{
    Authority, Evenkeel, Folder, Line, Mood, NameServer, Origin, Setup, eventually,
};

/// One cluster with this endpoint, whose name this server knows.
fn setup(server: &NameServer, endpoint: &str) -> String {
    let setup = Setup::to_addresses(&[endpoint.to_owned()]);
    setup.sections(&server.section()).text()
}

#[test]
fn an_upgrade_while_no_name_server_answers_goes_on_with_the_last_addresses() {
    for mood in [Mood::Failing, Mood::Silent] {
        let (server, origin) = (NameServer::new(), Origin::saying("here"));
        server.set("app.test", 60, &["127.0.0.1"]);
        let endpoint = format!("app.test:{}", origin.port());
        let mut line = Line::start(&setup(&server, &endpoint));
        line.client().get("/").body("here");
        server.mood(mood);
        // Twice: what was inherited is inherited again.
        for _ in 0..2 {
            line.upgrade();
            line.client().get("/").status(200).body("here");
        }
        line.end();
    }
}

#[test]
fn a_name_that_comes_back_while_no_name_server_answers_is_where_it_was() {
    let (server, origin) = (NameServer::new(), Origin::saying("here"));
    let second = Origin::saying("another port");
    server.set("app.test", 60, &["127.0.0.1"]);
    let named = setup(&server, &format!("app.test:{}", origin.port()));
    let mut proxy = Evenkeel::start_text(&named);
    proxy.client().get("/").body("here");
    let fixed = setup(&server, &origin.address());
    proxy.reload(&fixed);
    server.mood(Mood::Failing);
    proxy.order(&["rollback"]);
    proxy.client().get("/").status(200).body("here");
    proxy.reload(&fixed);
    proxy.reload(&named);
    proxy.client().get("/").status(200).body("here");
    let moved = setup(&server, &format!("app.test:{}", second.port()));
    proxy.reload(&moved);
    proxy.client().get("/").status(200).body("another port");
}

#[test]
fn a_list_that_cannot_be_read_stays_over_renewed_certificates_and_a_rollback() {
    let (folder, authority) = (Folder::new(), Authority::new());
    let files = authority.certify(&["a.example"]).write(&folder, "web");
    let [old, new] = ["decommissioned", "here"].map(Origin::saying);
    let list = folder.join("list.toml");
    let listing = |origin: &Origin| format!("endpoints = [\"{}\"]\n", origin.address());
    fs::write(&list, listing(&old)).unwrap();
    let config = |more: &str| {
        let tls = format!(
            "[listener.tls]\nbind = \"127.0.0.1:0\"\ntls.certificates = [{}]\n",
            files.toml()
        );
        let setup = Setup::to_addresses([""; 0]).sections(&tls);
        let listed = format!("endpoints_file = {list:?}\nslow_start = \"off\"\n{more}");
        setup.cluster(&listed).text()
    };
    let proxy = Evenkeel::start_text(&config(""));
    let mut client = proxy.client();
    client.get("/").body("decommissioned");
    // Another configuration, to go back from, with the list as it was then.
    proxy.write_config(&config("idle_timeout = \"51s\""));
    proxy.order(&["reload"]);
    fs::write(&list, listing(&new)).unwrap();
    eventually("the new list", || {
        (client.get("/").text() == "here").then_some(())
    });
    fs::write(&list, "endpoints = [").unwrap();
    proxy.log().wait_for("the mistake", |line| {
        line.contains("the list of endpoints stays as it was")
    });
    proxy.order(&["rollback"]);
    client.get("/").body("here");
    let renewed = authority.certify(&["a.example"]);
    renewed.write(&folder, "web");
    proxy.log().wait_for("the new certificate", |line| {
        line.contains("certificates were read anew")
    });
    client.get("/").body("here");
}
