//! Files of TLS that do not fit, or not now: what they keep back, and what an operator sees of them. Renewals that go well are in
//! `tls.rs`, `tls_endpoints.rs` and `mtls.rs`.

use std::fs;

use evenkeel_testkit::{
    Authority, Evenkeel, Folder, Setup, Speech, TlsClient, TlsOrigin, eventually,
};

use crate::tls::{s_client, saying};

#[test]
fn an_unfit_file_of_one_cluster_keeps_back_no_other() {
    let (folder, old, new) = (Folder::new(), Authority::new(), Authority::new());
    let leaf = new.certify(&["127.0.0.1"]);
    let origin = Speech::h1().over(&TlsOrigin::with(&leaf)).saying("ok");
    let files = ["a", "b"].map(|name| old.write(&folder, name));
    let tls = files
        .each_ref()
        .map(|ca| format!("tls = {{ ca = {ca:?} }}\noutlier = \"off\"\n"));
    let cluster = format!(
        "[cluster.b]\nendpoints = [{:?}]\n{}",
        origin.address(),
        tls[1]
    );
    let setup = Setup::to([&origin])
        .cluster(&tls[0])
        .add_route("path = \"/b\"\ncluster = \"b\"")
        .sections(&cluster);
    let proxy = Evenkeel::start(&setup);
    for path in ["/", "/b"] {
        let refused = proxy.client().get(path).status(502);
        refused.fault("tls-certificate-refused");
    }
    fs::write(&files[0], "nothing").unwrap();
    fs::write(&files[1], new.pem()).unwrap();
    eventually("the authorities of the other cluster", || {
        let response = proxy.client().get("/b");
        (response.head.status() == 200).then_some(())
    });
    proxy.client().get("/").status(502);
    let why = eventually("what is wrong", || {
        let status = proxy.status();
        let why = status["config"]["certificates_error"]["text"].as_str();
        why.map(str::to_owned)
    });
    assert!(why.contains("a.pem has no certificate in it"), "{why}");
    let told = "certificates stay as they were";
    let line = proxy.log().wait_for(told, |line| line.contains(told));
    assert!(line.contains("a.pem"), "{line}");
}

#[test]
fn an_expired_certificate_takes_no_site_down_and_is_told_until_it_is_renewed() {
    let (folder, authority) = (Folder::new(), Authority::new());
    let good = authority.certify(&["a.example"]).write(&folder, "good");
    let old = authority.order(&["b.example"]).expired().issue();
    let files = old.write(&folder, "old");
    let text = |body: &str| {
        let cluster = format!(
            "[[route]]\npath = \"/api\"\ncluster = \"api\"\n[cluster.api]\nendpoints = [\"https://127.0.0.1:1\"]\ntls = {{ verify = false, {} }}\n",
            files.toml_keys()
        );
        saying(&[&good, &files], "").replace("here", body) + &cluster
    };
    let mut proxy = Evenkeel::start_text(&text("one"));
    let checked = proxy.ask(&["check"]);
    assert_eq!(checked.status, 1, "it is a mistake all the same");
    let said = proxy.log().stderr();
    for said in [&checked.stderr, &said] {
        assert!(said.contains("old.pem expired on 20"), "{said}");
    }
    let tls = TlsClient::trusting(&authority);
    proxy.tls(&tls).get("/").status(200).body("one");
    let port = proxy.address().port();
    let shown = s_client(port, &["-servername", "b.example"]);
    let line = old.pem().lines().nth(2).unwrap().trim();
    assert!(shown.contains(line), "{shown}");
    proxy.reload(&text("two"));
    proxy.tls(&tls).get("/").status(200).body("two");
    let status = proxy.order(&["status"]);
    for of in ["of listener web", "of cluster api"] {
        let is_told = |line: &str| line.contains("CERTIFICATE EXPIRED") && line.ends_with(of);
        assert!(status.lines().any(is_told), "{of}: {status}");
    }
    let log = proxy.log();
    log.wait_for("the expired one", |line| {
        line.contains("this certificate has expired") && line.contains("old.pem")
    });
    authority.certify(&["b.example"]).write(&folder, "old");
    eventually("all to be well", || {
        let status = proxy.status();
        let all = status["certificates_out_of_time"].as_array()?;
        all.is_empty().then_some(())
    });
}

#[test]
fn a_certificate_that_is_not_valid_yet_is_shown_when_its_time_comes() {
    let (folder, authority) = (Folder::new(), Authority::new());
    let old = authority.certify(&["a.example"]);
    let files = old.write(&folder, "web");
    let mut proxy = Evenkeel::start_text(&saying(&[&files], ""));
    let tls = TlsClient::trusting(&authority).forgetful();
    let shown = |proxy: &Evenkeel| proxy.tls(&tls).handshake().certificate;
    let new = authority.order(&["a.example"]).begins_in(7).issue();
    new.write(&folder, "web");
    // Nor by a reload, as long as there is a better one.
    proxy.reload(&saying(&[&files], "").replace("here", "there"));
    let early = "web.pem is not valid before 20";
    proxy.log().wait_for(early, |line| line.contains(early));
    assert_eq!(shown(&proxy).as_deref(), Some(old.der()));
    // Nobody touches the file any more.
    eventually("the new certificate", || {
        (shown(&proxy).as_deref() == Some(new.der())).then_some(())
    });
    proxy.tls(&tls).get("/").status(200).body("there");
    assert!(proxy.status()["config"]["certificates_error"].is_null());
}
