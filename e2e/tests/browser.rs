//! A browser that is driven by its DevTools protocol, over a pipe: no port, no library. It does what a test says and tells what
//! a person would see.

use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant};

use evenkeel_testkit::patience::PATIENCE;
use evenkeel_testkit::{Folder, eventually};
use serde_json::{Value, json};

use crate::strangers::browser;

/// Three times as long as anything else: a browser starts many processes on a machine that may be busy.
const STARTS: u32 = 3;

/// The pause between two looks at the page.
const PAUSE: Duration = Duration::from_millis(20);

/// The pipe is the third and the fourth descriptor, which only a shell can say.
const PIPE: &str = "exec 3<&0 4>&1 0</dev/null 1>&2; exec \"$@\"";

/// A browser with one page.
pub(crate) struct Browser {
    child: Child,
    commands: ChildStdin,
    messages: Receiver<Value>,
    number: u64,
    page: Option<String>,
    /// What it told of by itself.
    told: Vec<Value>,
    _folder: Folder,
}

/// How the page is looked at.
#[derive(Clone, Copy)]
pub(crate) struct Screen {
    pub(crate) width: u32,
    pub(crate) height: u32,
    pub(crate) scheme: &'static str,
}

impl Browser {
    /// Opens a page; none where no browser is installed.
    pub(crate) fn open(url: &str, screen: Screen) -> Option<Self> {
        Self::open_with(url, screen, &[])
    }

    /// The same, of a browser that is started with these options more.
    pub(crate) fn open_with(url: &str, screen: Screen, options: &[&str]) -> Option<Self> {
        let name = browser()?;
        let folder = Folder::new();
        let profile = format!("--user-data-dir={}", folder.path().display());
        let errors = File::create(folder.path().join("stderr")).unwrap();
        let mut child = Command::new("sh")
            .args([
                "-c",
                PIPE,
                "sh",
                name,
                "--headless",
                "--no-sandbox",
                "--disable-gpu",
            ])
            .args(options)
            .args([
                "--hide-scrollbars",
                "--remote-debugging-pipe",
                &profile,
                "about:blank",
            ])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(errors)
            .spawn()
            .unwrap();
        let (sender, messages) = mpsc::channel();
        let mut pipe = BufReader::new(child.stdout.take().unwrap());
        thread::spawn(move || {
            let mut message = Vec::new();
            while pipe.read_until(0, &mut message).is_ok_and(|n| n > 0) {
                message.pop();
                let Ok(value) = serde_json::from_slice(&message) else {
                    return;
                };
                if sender.send(value).is_err() {
                    return;
                }
                message.clear();
            }
        });
        let mut browser = Self {
            commands: child.stdin.take().unwrap(),
            child,
            messages,
            number: 0,
            page: None,
            told: Vec::new(),
            _folder: folder,
        };
        browser.attach();
        browser.look(screen);
        browser.call("Page.navigate", &json!({ "url": url }));
        browser.wait(
            url,
            &format!("location.href === {url:?} && document.readyState === 'complete'"),
        );
        Some(browser)
    }

    fn attach(&mut self) {
        let target = self.call("Target.createTarget", &json!({ "url": "about:blank" }));
        let target = json!({ "targetId": target["targetId"], "flatten": true });
        let page = self.call("Target.attachToTarget", &target);
        self.page = page["sessionId"].as_str().map(str::to_owned);
        for domain in ["Page", "Runtime", "Log", "Network"] {
            self.call(&format!("{domain}.enable"), &json!({}));
        }
    }

    /// Looks at the page by another screen.
    pub(crate) fn look(&mut self, screen: Screen) {
        let Screen {
            width,
            height,
            scheme,
        } = screen;
        let metrics = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500 });
        self.call("Emulation.setDeviceMetricsOverride", &metrics);
        let media = json!({ "features": [{ "name": "prefers-color-scheme", "value": scheme }] });
        self.call("Emulation.setEmulatedMedia", &media);
    }

    /// Has a command done, and gives what came of it.
    pub(crate) fn call(&mut self, method: &str, params: &Value) -> Value {
        self.number += 1;
        let mut command = json!({ "id": self.number, "method": method, "params": params });
        if let Some(page) = &self.page {
            command["sessionId"] = page.clone().into();
        }
        let mut text = command.to_string().into_bytes();
        text.push(0);
        self.commands.write_all(&text).unwrap();
        loop {
            let message = self.messages.recv_timeout(PATIENCE * STARTS);
            assert!(message.is_ok(), "the browser does not answer {method}");
            let message = message.unwrap();
            if message["id"] != self.number {
                self.told.push(message);
                continue;
            }
            assert!(message["error"].is_null(), "{method}: {}", message["error"]);
            return message["result"].clone();
        }
    }

    /// What an expression is in the page.
    pub(crate) fn eval(&mut self, expression: &str) -> Value {
        let asked =
            json!({ "expression": expression, "returnByValue": true, "awaitPromise": true });
        let found = self.call("Runtime.evaluate", &asked);
        assert!(found["exceptionDetails"].is_null(), "{expression}: {found}");
        found["result"]["value"].clone()
    }

    /// Waits until an expression is true in the page.
    #[track_caller]
    pub(crate) fn wait(&mut self, what: &str, expression: &str) {
        let late = Instant::now() + PATIENCE * STARTS;
        while self.eval(expression) != true {
            assert!(Instant::now() < late, "waited in vain for {what}");
            thread::park_timeout(PAUSE);
        }
    }

    /// Presses the button that a screen reader calls by that name, as a mouse does.
    #[track_caller]
    pub(crate) fn click(&mut self, name: &str) {
        let find = format!(
            "(() => {{ const all = [...document.querySelectorAll('button')];
                const node = all.find((one) => (one.getAttribute('aria-label') ?? one.textContent) === {name:?} && one.getAttribute('aria-disabled') !== 'true' && one.offsetParent);
                if (!node) return null;
                node.scrollIntoView({{ block: 'center' }});
                const box = node.getBoundingClientRect();
                return [box.x + box.width / 2, box.y + box.height / 2]; }})()"
        );
        let place = eventually(name, || {
            Some(self.eval(&find)).filter(|place| !place.is_null())
        });
        for kind in ["mousePressed", "mouseReleased"] {
            let event = json!({ "type": kind, "x": place[0], "y": place[1], "button": "left", "clickCount": 1 });
            self.call("Input.dispatchMouseEvent", &event);
        }
    }

    /// Presses a key.
    pub(crate) fn key(&mut self, key: &str, code: u32) {
        for kind in ["keyDown", "keyUp"] {
            let event =
                json!({ "type": kind, "key": key, "code": key, "windowsVirtualKeyCode": code });
            self.call("Input.dispatchKeyEvent", &event);
        }
    }

    /// Types.
    pub(crate) fn write(&mut self, text: &str) {
        self.call("Input.insertText", &json!({ "text": text }));
    }

    /// Goes to a field and types that in place of what stood there.
    #[track_caller]
    pub(crate) fn fill(&mut self, id: &str, text: &str) {
        self.eval(&format!(
            "(() => {{ const node = document.getElementById({id:?}); node.focus(); node.select(); }})()"
        ));
        self.write(text);
        self.wait(
            id,
            &format!("document.getElementById({id:?}).value === {text:?}"),
        );
    }

    /// Asserts that the page complained of nothing, broke none of its policies, and asked nobody else.
    #[track_caller]
    pub(crate) fn assert_content(&mut self, origin: &str) {
        // What was told before the answer is in the list by then.
        self.eval("1");
        for message in &self.told {
            let params = &message["params"];
            let is_fine = match message["method"].as_str().unwrap_or_default() {
                "Runtime.exceptionThrown" | "Runtime.consoleAPICalled" => false,
                "Log.entryAdded" => {
                    !matches!(params["entry"]["level"].as_str(), Some("error" | "warning"))
                }
                "Network.requestWillBeSent" => {
                    let url = params["request"]["url"].as_str().unwrap_or_default();
                    url.starts_with(origin)
                }
                _ => true,
            };
            assert!(is_fine, "{message}");
        }
    }

    /// What the accessibility tree has of things that can be operated: role and name.
    pub(crate) fn controls(&mut self) -> Vec<(String, String)> {
        const ROLES: [&str; 6] = [
            "button",
            "link",
            "textbox",
            "combobox",
            "checkbox",
            "DisclosureTriangle",
        ];
        let tree = self.call("Accessibility.getFullAXTree", &json!({}));
        let nodes = tree["nodes"].as_array().unwrap();
        let text = |node: &Value, field: &str| {
            node[field]["value"].as_str().unwrap_or_default().to_owned()
        };
        nodes
            .iter()
            .filter(|node| node["ignored"] != true)
            .map(|node| (text(node, "role"), text(node, "name")))
            .filter(|(role, _)| ROLES.contains(&role.as_str()))
            .collect()
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // Its many processes end with it; without an answer it is killed, and they notice that it is gone.
        self.page = None;
        let close = json!({ "id": 0, "method": "Browser.close" }).to_string();
        let _ = self.commands.write_all(close.as_bytes());
        let _ = self.commands.write_all(&[0]);
        let late = Instant::now() + PATIENCE;
        let left = || late.saturating_duration_since(Instant::now());
        while self.messages.recv_timeout(left()).is_ok() {}
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
