//! Certificates of clients: who has to show one, who is believed, and what endpoints hear of it.

use std::fs;

use evenkeel_testkit::pki::Files;
use evenkeel_testkit::{
    Authority, Broken, Client, Evenkeel, Folder, Leaf, Origin, Setup, TlsClient, eventually,
};

/// What a test of this file needs.
struct Scene {
    folder: Folder,
    /// Certifies the listener.
    ours: Authority,
    /// Certifies clients.
    theirs: Authority,
    web: Files,
}

impl Scene {
    fn new() -> Self {
        let (folder, ours, theirs) = (Folder::new(), Authority::new(), Authority::new());
        theirs.write(&folder, "clients");
        let web = ours.certify(&["a.example"]).write(&folder, "web");
        Self {
            folder,
            ours,
            theirs,
            web,
        }
    }

    /// Lines for the listener, with more for `client`.
    fn lines(&self, more: &str) -> String {
        let ca = self.folder.path().join("clients.pem");
        format!(
            "[listener.web.tls]\ncertificates = {}\n[listener.web.tls.client]\nca = {:?}\n{more}",
            self.web.toml(),
            ca.display().to_string()
        )
    }

    fn nobody(&self) -> TlsClient {
        TlsClient::trusting(&self.ours).forgetful()
    }

    fn client(&self, leaf: &Leaf) -> TlsClient {
        self.nobody().identity(leaf)
    }
}

/// Whether a client gets an answer: of TLS 1.3 a refusal comes after its own handshake is done.
fn is_let_in(proxy: &Evenkeel, tls: &TlsClient) -> bool {
    let Ok(mut client) = Client::try_tls(proxy.address(), tls) else {
        return false;
    };
    if !client.try_send("GET / HTTP/1.1\r\nHost: a.example\r\n\r\n") {
        return false;
    }
    match client.try_response("GET") {
        // 421 is what a connection gets that was made just before something else has to be proven.
        Ok(response) => response.head.status() == 200,
        Err(cut) => {
            let refused = matches!(cut.why, Broken::Tls(_) | Broken::Closed | Broken::Reset);
            assert!(refused, "{}", cut.why);
            false
        }
    }
}

/// Asks until an answer closes the connection: there is one that does, and it is closed then.
fn last_response(client: &mut Client) {
    let last = eventually("an answer that closes the connection", || {
        let response = client.get("/");
        (response.field("connection").as_deref() == Some("close")).then_some(response)
    });
    // A request that was answered meanwhile began before; the next one would have been refused.
    if last.head.status() != 200 {
        let last = last.status(421);
        assert!(last.text().contains("connection-outdated"), "{last}");
    }
    client.expect_closed();
}

#[test]
fn a_required_certificate_is_one_of_the_authority() {
    let scene = Scene::new();
    let origin = Origin::saying("here");
    let proxy = Evenkeel::start(&Setup::to([&origin]).listener(&scene.lines("")));
    let stranger = Authority::new().certify(&["client.example"]);
    let expired = scene.theirs.order(&["client.example"]).expired().issue();
    let server = scene
        .theirs
        .order(&["client.example"])
        .server_only()
        .issue();
    let good = scene.theirs.certify(&["client.example"]);
    for versions in [TlsClient::only_1_3, TlsClient::only_1_2] {
        assert!(is_let_in(&proxy, &versions(scene.client(&good))));
        assert!(!is_let_in(&proxy, &versions(scene.nobody())));
        for bad in [&stranger, &expired, &server] {
            assert!(!is_let_in(&proxy, &versions(scene.client(bad))));
        }
    }
}

#[test]
fn an_optional_one_that_is_shown_is_checked_all_the_same() {
    let scene = Scene::new();
    let origin = Origin::saying("here");
    let proxy =
        Evenkeel::start(&Setup::to([&origin]).listener(&scene.lines("verify = \"optional\"")));
    assert!(is_let_in(&proxy, &scene.nobody()));
    assert!(is_let_in(
        &proxy,
        &scene.client(&scene.theirs.certify(&["client.example"]))
    ));
    assert!(!is_let_in(
        &proxy,
        &scene.client(&Authority::new().certify(&["client.example"]))
    ));
}

#[test]
fn what_one_listener_proves_nobody_can_say_at_another() {
    let scene = Scene::new();
    let origin = Origin::saying("here");
    let proving = "verify = \"required\"\nheaders = { subject = \"X-Client-Subject\" }";
    let setup = Setup::to([&origin]).listener(&scene.lines(proving));
    let open = "\n[listener.open]\nbind = \"127.0.0.1:0\"\n";
    let proxy = Evenkeel::start_text(&(setup.text() + open));
    let forged = "X-Client-Subject: CN=admin\r\nX_Client_Subject: CN=admin\r\nX-Other: passes\r\n";
    let mut client = proxy.client_of("open");
    client.get_with("/", forged).status(200).body("here");
    let head = origin.wait_requests(1).remove(0).head.to_string();
    assert!(head.contains("passes") && !head.contains("admin"), "{head}");
}

#[test]
fn endpoints_hear_of_the_certificate_and_nobody_can_say_it_in_its_place() {
    let scene = Scene::new();
    let origin = Origin::saying("here");
    let headers = "verify = \"optional\"\nheaders = { subject = \"X-Client-Subject\", san = \"X-Client-San\", fingerprint = \"X-Client-Fingerprint\" }";
    let proxy = Evenkeel::start(&Setup::to([&origin]).listener(&scene.lines(headers)));
    let forged = "X-Client-Subject: CN=admin\r\nx_client_subject: CN=admin\r\nX-Client-San: DNS:admin\r\n\
                  X_Client-San: DNS:admin\r\nX-CLIENT-FINGERPRINT: 00\r\nX-Client-Other: passes\r\n";
    let leaf = scene
        .theirs
        .order(&["client.example", "10.1.2.3"])
        .subject("A, B")
        .issue();
    let request = format!("GET / HTTP/1.1\r\nHost: a.example\r\n{forged}\r\n");
    for (at, (tls, told)) in [(scene.client(&leaf), true), (scene.nobody(), false)]
        .into_iter()
        .enumerate()
    {
        let mut client = proxy.tls(&tls);
        client.send(&request);
        client.response("GET").status(200);
        let request = origin.wait_requests(at + 1).remove(at);
        let head = request.head.to_string().to_ascii_lowercase();
        assert_eq!(head.matches("subject").count(), usize::from(told), "{head}");
        assert_eq!(head.matches("-san:").count(), usize::from(told), "{head}");
        assert_eq!(
            head.matches("fingerprint").count(),
            usize::from(told),
            "{head}"
        );
        assert!(!head.contains("admin"), "{head}");
        let field = |name| request.field(name).unwrap_or_default();
        assert_eq!(field("x-client-other"), "passes");
        if told {
            assert_eq!(field("x-client-subject"), "CN=A\\, B");
            assert_eq!(field("x-client-san"), "DNS:client.example,IP:10.1.2.3");
            assert_eq!(field("x-client-fingerprint").len(), 64);
        }
    }
}

#[test]
fn a_list_of_the_revoked_is_read_anew_and_counts_for_open_connections_too() {
    let scene = Scene::new();
    let origin = Origin::saying("here");
    let (good, bad) = (
        scene.theirs.certify(&["good.example"]),
        scene.theirs.certify(&["bad.example"]),
    );
    let list = scene.theirs.revoke(&scene.folder, "list", &[]);
    let crl = format!("crl = [{:?}]", list.display().to_string());
    let proxy = Evenkeel::start(&Setup::to([&origin]).listener(&scene.lines(&crl)));
    let remembered = TlsClient::trusting(&scene.ours).identity(&bad);
    let mut open = proxy.tls(&remembered);
    open.get("/").status(200);
    assert!(is_let_in(&proxy, &scene.client(&good)));
    scene.theirs.revoke(&scene.folder, "list", &[&bad]);
    // What was proven then is not what has to be proven now.
    last_response(&mut open);
    eventually("the revoked client to be refused", || {
        (!is_let_in(&proxy, &scene.client(&bad))).then_some(())
    });
    assert!(is_let_in(&proxy, &scene.client(&good)));
    assert!(
        !is_let_in(&proxy, &remembered),
        "its ticket opens nothing any more"
    );
    let broken = fs::write(&list, "no list");
    broken.unwrap();
    eventually("the broken list to be told of", || {
        proxy.status()["config"]["certificates_error"]["text"]
            .as_str()
            .is_some_and(|text| text.contains("list.crl"))
            .then_some(())
    });
    assert!(
        !is_let_in(&proxy, &scene.client(&bad)),
        "the list before still counts"
    );
}

#[test]
fn a_rollback_lets_nobody_in_who_was_revoked_since() {
    let scene = Scene::new();
    let origin = Origin::saying("here");
    let bad = scene.theirs.certify(&["bad.example"]);
    let list = scene.theirs.revoke(&scene.folder, "list", &[]);
    let crl = format!("crl = [{:?}]", list.display().to_string());
    let setup = Setup::to([&origin]).listener(&scene.lines(&crl));
    let mut proxy = Evenkeel::start(&setup);
    assert!(is_let_in(&proxy, &scene.client(&bad)));
    proxy.reload(&setup.cluster("idle_timeout = \"1m\"").text());
    scene.theirs.revoke(&scene.folder, "list", &[&bad]);
    eventually("the revoked client to be refused", || {
        (!is_let_in(&proxy, &scene.client(&bad))).then_some(())
    });
    // The configuration of before was read with a list that had nobody on it.
    proxy.order(&["rollback"]);
    assert!(!is_let_in(&proxy, &scene.client(&bad)));
}

#[test]
fn a_new_list_closes_the_connections_from_before_it_and_refuses_none_for_ever() {
    let scene = Scene::new();
    let origin = Origin::saying("here");
    let list = scene.theirs.revoke(&scene.folder, "list", &[]);
    let crl = format!("crl = [{:?}]", list.display().to_string());
    let proxy = Evenkeel::start(&Setup::to([&origin]).listener(&scene.lines(&crl)));
    let tls = scene.client(&scene.theirs.certify(&["client.example"]));
    let [mut busy, mut idle] = [(); 2].map(|()| proxy.tls(&tls));
    let mut streams = proxy.h2_tls(&tls);
    busy.get("/").status(200);
    idle.get("/").status(200);
    streams.get("/").status(200);
    // Nobody is revoked by the new one, as on most days.
    scene.theirs.revoke(&scene.folder, "list", &[]);
    last_response(&mut busy);
    assert!(is_let_in(&proxy, &tls));
    // Who idles is not left with a connection on which everything is refused.
    idle.expect_closed();
    assert_eq!(streams.wait_goaway(), 0);
    streams.wait_closed();
}

#[test]
fn a_certificate_that_is_over_is_believed_by_no_ticket_and_on_no_connection() {
    let scene = Scene::new();
    let origin = Origin::saying("here");
    let proxy = Evenkeel::start(&Setup::to([&origin]).listener(&scene.lines("")));
    let leaf = scene.theirs.order(&["client.example"]).seconds(6).issue();
    let remembered =
        [TlsClient::only_1_3, TlsClient::only_1_2].map(|versions| versions(scene.client(&leaf)));
    let mut open = proxy.tls(&remembered[0]);
    open.get("/").status(200);
    let mut streams = proxy.h2_tls(&remembered[0]);
    streams.get("/").status(200);
    for tls in &remembered {
        assert!(is_let_in(&proxy, tls));
        let mut again = proxy.tls(tls);
        again.get("/").status(200);
        assert!(again.handshake().resumed);
    }
    for tls in &remembered {
        // Each time with the ticket that it had the last time.
        eventually("the session to end", || {
            (!is_let_in(&proxy, tls)).then_some(())
        });
    }
    let refused = open.get("/").status(421).header("connection", "close");
    assert!(
        refused.text().contains("client-certificate-expired"),
        "{refused}"
    );
    open.expect_closed();
    streams.get("/").status(421);
    assert_eq!(streams.wait_goaway(), 0);
    assert!(!is_let_in(&proxy, &scene.client(&leaf)));
}
