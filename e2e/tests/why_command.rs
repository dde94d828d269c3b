//! `evenkeel why`: the name in a reply leads to what it means.

use evenkeel_testkit::{Evenkeel, Folder, Setup, run};

#[test]
fn the_fault_of_a_reply_is_explained_by_its_name() {
    let proxy = Evenkeel::start(&Setup::to_addresses(["127.0.0.1:1"]));
    let reply = proxy.client().get("/").status(502);
    let told = reply.field("Proxy-Status").unwrap_or_default();
    let name = told.split("details=").nth(1).unwrap_or_default();
    assert_eq!(name, "\"connect-refused\"");
    // As it was copied, with its quotes.
    let ended = run(Folder::new().path(), &["why", name]);
    assert_eq!((ended.status, &*ended.stderr), (0, ""));
    for part in ["status 502", "Usually because", "Look at", "ss -ltn"] {
        assert!(ended.stdout.contains(part), "{part}: {}", ended.stdout);
    }
}

#[test]
fn without_a_name_all_are_listed_and_a_typo_is_told_the_nearest() {
    let folder = Folder::new();
    let all = run(folder.path(), &["why"]);
    assert_eq!(all.status, 0);
    assert!(all.stdout.lines().count() > 40, "{}", all.stdout);
    let typo = run(folder.path(), &["why", "conect-refused"]);
    assert_ne!(typo.status, 0);
    assert!(
        typo.stderr.contains("did you mean connect-refused?"),
        "{}",
        typo.stderr
    );
    let nonsense = run(folder.path(), &["why", "xyz"]);
    assert!(
        nonsense.stderr.contains("lists them all"),
        "{}",
        nonsense.stderr
    );
}
