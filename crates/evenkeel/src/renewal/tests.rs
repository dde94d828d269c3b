//! Files of TLS that fit and that do not, in any mixture: what is taken, what waits, what is told.

use std::cell::Cell;
use std::fs;

use evenkeel_testkit::{Authority, Folder, Leaf};
use evenkeel_tls::{Certificate, ClientCheck};

use super::*;
use crate::load::load_to_check;

/// A folder with a configuration and the files that it names.
struct Scene {
    folder: Folder,
    authority: Authority,
    written: Cell<usize>,
}

impl Scene {
    fn new() -> Self {
        Self {
            folder: Folder::new(),
            authority: Authority::new(),
            written: Cell::new(0),
        }
    }

    /// Writes a file in a size that it never had: one that is written twice in a moment looks as it did otherwise.
    fn write(&self, name: &str, content: &str) {
        self.written.set(self.written.get() + 1);
        let more = "\n".repeat(3 * self.written.get());
        self.folder.write(name, format!("{content}{more}"));
    }

    fn pair(&self, name: &str, leaf: &Leaf) {
        self.write(&format!("{name}.pem"), leaf.pem());
        self.write(&format!("{name}.key"), leaf.key_pem());
    }

    /// A new certificate in the files of that name.
    fn certify(&self, name: &str) -> Leaf {
        let leaf = self.authority.certify(&["a.example"]);
        self.pair(name, &leaf);
        leaf
    }

    fn list(&self, revoked: &[&Leaf]) {
        let path = self.authority.revoke(&self.folder, "scratch", revoked);
        let list = fs::read_to_string(path).unwrap();
        self.write("list.crl", &list);
    }

    fn configure(&self, listener: &str, clusters: &str) -> PathBuf {
        let text = format!(
            "version = 1\n[listener.web]\nbind = \":1\"\n{listener}\n[[route]]\nrespond.body = \"a\"\n{clusters}\n"
        );
        self.folder.write("e.toml", text)
    }

    /// A listener with one pair, `web`.
    fn with_web(&self) -> PathBuf {
        let web = "tls.certificates = { certificate = \"web.pem\", key = \"web.key\" }";
        self.configure(web, "")
    }
}

fn begin(path: &Path) -> Fit {
    let (
        Ok(Loaded::Good {
            config, reading, ..
        }),
        _,
    ) = load(path, false)
    else {
        panic!("it can be served");
    };
    (config, reading)
}

/// Whether the pair of these files is that one.
fn shows(config: &Config, name: &str, leaf: &Leaf) -> bool {
    let mut pairs = config.pairs();
    let pair = pairs.find(|pair| pair.certificate.ends_with(format!("{name}.pem")));
    let expected = Certificate::of(leaf.der()).unwrap();
    *pair.unwrap().identity.certificate() == expected
}

#[test]
fn an_unfit_file_of_one_cluster_keeps_back_none_of_others() {
    let scene = Scene::new();
    let cluster = |name: &str| {
        format!(
            "[cluster.{name}]\nendpoints = [\"https://10.0.0.1\"]\ntls = {{ ca = \"ca-{name}.pem\", certificate = \"{name}.pem\", key = \"{name}.key\" }}\n"
        )
    };
    let old: Vec<Leaf> = ["a", "b"].map(|name| scene.certify(name)).to_vec();
    for name in ["a", "b"] {
        scene.write(&format!("ca-{name}.pem"), scene.authority.pem());
    }
    let path = scene.configure("", &(cluster("a") + &cluster("b")));
    let (config, reading) = begin(&path);
    let nothing = renew(&reading, &config);
    assert!(nothing.fit.is_none() && nothing.report.is_none());
    // Of one the authorities are no more, of the other the certificate came and the key has not.
    scene.write("ca-a.pem", "nothing");
    let new = scene.certify("a");
    let other = Authority::new();
    scene.write("ca-b.pem", other.pem());
    scene.write("b.pem", scene.authority.certify(&["a.example"]).pem());
    let renewed = renew(&reading, &config);
    let report = renewed.report.unwrap();
    for unfit in ["ca-a.pem has no certificate", "b.key is not the key"] {
        assert!(report.contains(unfit), "{unfit}: {report}");
    }
    let (now, reading) = renewed.fit.unwrap();
    assert!(shows(&now, "a", &new) && shows(&now, "b", &old[1]));
    let roots = |config: &Config, at: usize| {
        let rules = config.clusters[at].tls.rules();
        rules.unwrap().ca.as_ref().unwrap().1.clone()
    };
    assert_eq!(roots(&now, 0), roots(&config, 0));
    assert_ne!(roots(&now, 1), roots(&config, 1));
    // What was not taken has changed still.
    assert!(renew(&reading, &now).report.is_some());
    scene.write("ca-a.pem", other.pem());
    scene.certify("b");
    let renewed = renew(&reading, &now);
    assert!(renewed.fit.is_some() && renewed.report.is_none());
}

#[test]
fn authorities_are_not_taken_without_their_lists_whoever_else_has_them() {
    let scene = Scene::new();
    let web = scene.certify("web");
    scene.write("ca.pem", scene.authority.pem());
    scene.list(&[]);
    let listener = "[listener.web.tls]\ncertificates = { certificate = \"web.pem\", key = \"web.key\" }\nclient = { ca = \"ca.pem\", crl = [\"list.crl\"] }";
    let cluster = "[cluster.a]\nendpoints = [\"https://10.0.0.1\"]\ntls = { ca = \"ca.pem\" }";
    let (config, reading) = begin(&scene.configure(listener, cluster));
    scene.write("ca.pem", Authority::new().pem());
    scene.write("list.crl", "nothing");
    let renewed = renew(&reading, &config);
    assert!(renewed.fit.is_none() && renewed.report.is_some());
    let new = scene.certify("web");
    let (now, _) = renew(&reading, &config).fit.unwrap();
    assert!(shows(&now, "web", &new) && !shows(&now, "web", &web));
    assert_eq!(now.clusters, config.clusters);
}

#[test]
fn an_expired_certificate_keeps_nobody_from_being_served() {
    let scene = Scene::new();
    let path = scene.with_web();
    let order = || scene.authority.order(&["a.example"]);
    for (leaf, expected) in [
        (order().expired().issue(), "web.pem expired on 20"),
        (order().days(2, 9).issue(), "web.pem is not valid before 20"),
    ] {
        scene.pair("web", &leaf);
        let (Ok(Loaded::Good { config, report, .. }), _) = load(&path, false) else {
            panic!("{expected}: clients look at that themselves");
        };
        assert!(shows(&config, "web", &leaf));
        assert!(report.contains(expected), "{report}");
        let Ok(Loaded::Bad { report }) = load_to_check(&path, false) else {
            panic!("{expected}: who checks wants to know");
        };
        assert!(report.contains(expected), "{report}");
    }
}

#[test]
fn why_a_file_is_refused_stands_before_what_is_only_doubtful() {
    let scene = Scene::new();
    scene.pair(
        "web",
        &scene.authority.order(&["a.example"]).expired().issue(),
    );
    let web = "tls.certificates = { certificate = \"web.pem\", key = \"web.key\" }";
    let path = scene.configure(web, "[[route]]\ncluster = \"none\"");
    let (Ok(Loaded::Bad { report }), _) = load(&path, false) else {
        panic!("there is no such cluster");
    };
    let first = report.lines().next().unwrap();
    assert!(
        first.starts_with("error: ") && first.contains("none"),
        "{report}"
    );
    assert!(report.contains("web.pem expired on 20"), "{report}");
}

#[test]
fn a_certificate_that_is_too_early_waits_for_its_time_where_there_is_a_better_one() {
    let scene = Scene::new();
    let good = scene.certify("web");
    let (config, reading) = begin(&scene.with_web());
    let order = || scene.authority.order(&["a.example"]);
    scene.pair("web", &order().expired().issue());
    let late = renew(&reading, &config);
    assert!(late.fit.is_none() && late.due.is_none());
    assert!(late.report.unwrap().contains("web.pem expired on 20"));
    let early = order().begins_in(1_000).issue();
    scene.pair("web", &early);
    let renewed = renew(&reading, &config);
    assert!(renewed.fit.is_none() && shows(&config, "web", &good));
    let report = renewed.report.unwrap();
    assert!(
        report.contains("web.pem is not valid before 20"),
        "{report}"
    );
    let begins = Certificate::of(early.der()).unwrap().not_before;
    assert_eq!(renewed.due, Some(begins));
    // Where what is served is out of its time as well, nothing is lost.
    let old = order().expired().issue();
    scene.pair("web", &old);
    let (config, reading) = begin(&scene.with_web());
    assert!(shows(&config, "web", &old));
    scene.pair("web", &early);
    let (now, _) = renew(&reading, &config).fit.unwrap();
    assert!(shows(&now, "web", &early));
}

#[test]
fn a_reload_keeps_the_better_pair_and_reads_all_else() {
    let scene = Scene::new();
    let good = scene.certify("web");
    let path = scene.with_web();
    let (config, reading) = begin(&path);
    let early = scene.authority.order(&["a.example"]).begins_in(1_000);
    let early = early.issue();
    scene.pair("web", &early);
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, text.replace("\":1\"", "\":2\"")).unwrap();
    let (
        Ok(Loaded::Good {
            config: now,
            reading: read,
            ..
        }),
        _,
    ) = reload(&path, Some((&reading, &config)))
    else {
        panic!("no certificate keeps it from being served");
    };
    assert!(shows(&now, "web", &good));
    assert_ne!(now.listeners[0].bind, config.listeners[0].bind);
    // Whoever looks at the files sees that there is another.
    assert!(renew(&read, &now).due.is_some());
    let (Ok(Loaded::Good { config: now, .. }), _) = reload(&path, None) else {
        panic!("there is nothing better");
    };
    assert!(shows(&now, "web", &early));
}

#[test]
fn what_is_gone_back_to_has_the_lists_of_now() {
    let scene = Scene::new();
    let bad = scene.certify("web");
    scene.write("ca.pem", scene.authority.pem());
    scene.list(&[]);
    let listener = "[listener.web.tls]\ncertificates = { certificate = \"web.pem\", key = \"web.key\" }\nclient = { ca = \"ca.pem\", crl = [\"list.crl\"] }";
    let (config, before) = begin(&scene.configure(listener, ""));
    let content = |name: &str| fs::read(scene.folder.join(name)).unwrap();
    let check = || ClientCheck::new(&content("ca.pem"), &[content("list.crl")], true).unwrap();
    let of = |config: &Config| {
        let tls = config.listeners[0].tls.as_ref();
        tls.unwrap().client.as_ref().unwrap().check.clone()
    };
    scene.list(&[&bad]);
    let revoked = check();
    let (now, _) = of_now(&before, None).unwrap();
    assert!(of(&config) != revoked && of(&now) == revoked);
    // It was served since, and is not there any more.
    let (_, served) = renew(&before, &config).fit.unwrap();
    scene.write("list.crl", "nothing");
    let (now, reading) = of_now(&before, Some(&served)).unwrap();
    assert!(of(&now) == revoked);
    assert!(renew(&reading, &now).report.is_some(), "it is still told");
}
