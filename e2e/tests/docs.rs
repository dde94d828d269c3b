//! Every command on a page of the docs is run, or says in a comment before it why not; what is shown is what comes.
//!
//! A page's addresses and paths are those of people; [`House`] says what they are here. Comments before a block say more:
//! `not run: REASON`; `before: COMMAND`; `by the file` (nothing runs, the configuration above is `evenkeel.toml`); `beside: demo`;
//! `numbers differ` (words with digits are not compared); `exits 1`. Configurations are checked by evenkeel-config's tests.

mod alerts;
mod page;
mod shown;

use std::fs;

use evenkeel_testkit::{Evenkeel, Folder, Origin, eventually, shell};

use page::{Block, Command};
use shown::is_as_shown;

/// Words behind fences; others would be commands that nobody sees.
const KINDS: [&str; 12] = [
    "",
    "console",
    "json",
    "nginx",
    "python",
    "sh",
    "text",
    "toml",
    "toml fragment",
    "toml scenario",
    "toml wrong",
    "yaml",
];

/// The pages with commands that are run: each has a test.
const PLAYED: [&str; 6] = [
    "README.md",
    "docs/admin.md",
    "docs/api.md",
    "docs/explain.md",
    "docs/logs.md",
    "docs/operating.md",
];

/// Before every command: answers that are no success are failures, and what the pages call `ek`.
const PRELUDE: &str = "curl() { command curl --silent --show-error --fail-with-body --max-time 9 \"$@\"; }\n\
    ek() { curl --unix-socket evenkeel.sock \"$@\"; }\n";

/// What the pages' words are here, and who serves meanwhile.
struct House {
    folder: Folder,
    proxy: Option<Evenkeel>,
    /// They answer while it stands.
    _origins: Vec<Origin>,
    words: Vec<(String, String)>,
    is_usual: bool,
}

impl House {
    /// Nothing runs; the file is there.
    fn empty(config: &str) -> Self {
        let folder = Folder::new();
        folder.write("evenkeel.toml", config);
        Self {
            folder,
            proxy: None,
            _origins: Vec::new(),
            words: Vec::new(),
            is_usual: false,
        }
    }

    fn demo() -> Self {
        let proxy = Evenkeel::start_args(&["demo", "--port", "0"]).with_own_endpoints();
        let words = vec![("127.0.0.1:5000".to_owned(), proxy.address().to_string())];
        Self {
            folder: Folder::new(),
            proxy: Some(proxy),
            _origins: Vec::new(),
            words,
            is_usual: false,
        }
    }

    /// Serves two clusters, and is operated by a socket and an address.
    fn usual() -> Self {
        let origins: Vec<Origin> = (0..5).map(|_| Origin::saying("ok")).collect();
        let at = |n: usize| origins[n].address();
        let config = format!(
            "version = 1\n[admin]\nbind = \"127.0.0.1:0\"\n[listener.web]\nbind = \"127.0.0.1:0\"\n\
             [access_log]\nto = {{ file = \"access.log\" }}\n\
             [[route]]\nname = \"api\"\npath = \"/api\"\ncluster = \"api\"\n\
             [[route]]\nname = \"app\"\npath = \"/\"\ncluster = \"app\"\n\
             [cluster.api]\nendpoints = [{:?}, {:?}, {:?}]\nprobe.http.path = \"/healthz\"\n\
             [cluster.app]\nendpoints = [{:?}]\n",
            at(0),
            at(1),
            at(2),
            at(3),
        );
        let proxy = Evenkeel::start_text(&config);
        let mut words: Vec<(String, String)> = [
            ("10.0.0.7:8080", at(0)),
            ("10.0.0.8:8080", at(1)),
            ("10.0.0.9:8080", at(2)),
            ("127.0.0.1:9001", at(3)),
            ("10.0.0.10:8080", at(4)),
            ("127.0.0.1:9900", proxy.admin().to_string()),
        ]
        .map(|(word, here)| (word.to_owned(), here))
        .into();
        // Nobody waits for half a minute in a test.
        for (word, here) in [
            ("/run/evenkeel.sock", "evenkeel.sock"),
            ("--trial 30s", "--trial 1s"),
            ("\"trial\": \"30s\"", "\"trial\": \"1s\""),
        ] {
            words.push((word.to_owned(), here.to_owned()));
        }
        let file = proxy.folder().join("evenkeel.toml").display().to_string();
        words.push(("/etc/evenkeel/evenkeel.toml".to_owned(), file));
        let site = format!("http://shop.example:{}/", proxy.address().port());
        words.push(("http://shop.example/".to_owned(), site));
        eventually("the probes to be good", || {
            let page = proxy.control().get("/metrics").status(200).text();
            let up = page
                .lines()
                .filter(|line| line.ends_with("health=\"up\"} 1"));
            (up.count() == 3).then_some(())
        });
        Self {
            folder: Folder::new(),
            proxy: Some(proxy),
            _origins: origins,
            words,
            is_usual: true,
        }
    }

    fn here(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for (word, here) in &self.words {
            text = text.replace(word, here);
        }
        text
    }

    /// Lets the file say something new: what is served already is no matter for a trial.
    fn change(&self) {
        if let Some(proxy) = &self.proxy {
            let path = proxy.folder().join("evenkeel.toml");
            let text = fs::read_to_string(path).unwrap();
            let route = format!("[[route]]\npath = \"/{}\"\ncluster = \"app\"\n", text.len());
            proxy.write_config(&(text + &route));
        }
    }

    #[track_caller]
    fn play(&self, block: &Block, command: &Command) {
        let line = self.here(&command.line);
        if line.contains("trial") {
            self.change();
        }
        let folder = match &self.proxy {
            Some(proxy) => proxy.folder(),
            None => self.folder.path(),
        };
        let ended = shell(folder, &format!("{PRELUDE}{line}\n"));
        let written = format!("{}{}", ended.stdout, ended.stderr);
        let status = i32::from(block.mark("exits 1").is_some());
        assert_eq!(ended.status, status, "{}: {line}\n{written}", block.place);
        let numbers = block.mark("numbers differ").is_none();
        let shown = self.here(&command.shown);
        let is_right = shown.is_empty() || is_as_shown(&shown, &written, numbers);
        assert!(
            is_right,
            "{}: {line}\nshown:\n{shown}\nwritten:\n{written}",
            block.place
        );
    }

    /// Ends what runs, if the block has not done so.
    #[track_caller]
    fn end(self, block: &Block) {
        if !ends(block) {
            self.stop();
        } else if let Some(proxy) = self.proxy {
            assert_eq!(proxy.wait(), 0, "{}", block.place);
        }
    }

    #[track_caller]
    fn stop(self) {
        if let Some(proxy) = self.proxy {
            proxy.stop();
        }
    }
}

/// Whether a block ends what serves.
fn ends(block: &Block) -> bool {
    let ends = ["/drain", "/stop", "evenkeel drain", "evenkeel stop"];
    let commands = block.commands();
    let mut lines = commands.iter().map(|command| command.line.as_str());
    lines.any(|line| ends.iter().any(|end| line.ends_with(end)))
}

/// Runs every command of a page that is to be run.
#[track_caller]
fn play(path: &str) {
    let mut config = String::new();
    let (mut played, mut usual) = (0, None::<House>);
    for block in page::blocks(path) {
        if block.kind == "toml" {
            config.clone_from(&block.text);
        }
        if !block.is_commands() || block.not_run().is_some() {
            continue;
        }
        let own = if block.mark("by the file").is_some() {
            Some(House::empty(&config))
        } else if block.mark("beside: demo").is_some() {
            Some(House::demo())
        } else {
            None
        };
        let house = own.unwrap_or_else(|| usual.take().unwrap_or_else(House::usual));
        if let Some(line) = block.mark("before:") {
            let (line, shown) = (line.to_owned(), String::new());
            house.play(&block, &Command { line, shown });
        }
        for command in block.commands() {
            house.play(&block, &command);
            played += 1;
        }
        // The next block finds the usual one as this one leaves it.
        if house.is_usual && !ends(&block) {
            usual = Some(house);
        } else {
            house.end(&block);
        }
    }
    if let Some(house) = usual {
        house.stop();
    }
    assert!(played > 0, "{path} has no command that is run");
}

#[test]
fn commands_of_the_readme() {
    play("README.md");
}

#[test]
fn commands_of_the_page_on_the_admin_address() {
    play("docs/admin.md");
}

#[test]
fn commands_of_the_page_on_the_api() {
    play("docs/api.md");
}

#[test]
fn commands_of_the_page_on_explain() {
    play("docs/explain.md");
}

#[test]
fn commands_of_the_page_on_logs() {
    play("docs/logs.md");
}

#[test]
fn commands_of_the_page_on_operating() {
    play("docs/operating.md");
}

#[test]
fn every_command_is_run_or_says_why_not() {
    let mut blocks = 0;
    for path in page::pages() {
        for block in page::blocks(&path) {
            let place = &block.place;
            assert!(
                KINDS.contains(&block.kind.as_str()),
                "{place}: what is a {}?",
                block.kind
            );
            assert!(
                block.is_commands() || !block.text.starts_with("$ "),
                "{place}: commands are `console`"
            );
            if !block.is_commands() {
                continue;
            }
            blocks += 1;
            let of_the_simulation = path == "docs/balancing.md" && block.mark("run ").is_some();
            let reason = block.not_run().unwrap_or_default();
            let is_played = PLAYED.contains(&path.as_str()) && block.not_run().is_none();
            assert!(
                of_the_simulation || is_played || reason.len() > 10,
                "{place}: a test in e2e/tests/docs.rs plays its page, or `<!-- not run: REASON -->` stands before it"
            );
        }
    }
    assert!(blocks > 30, "only {blocks} blocks were found");
}
