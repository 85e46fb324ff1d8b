//! A real browser: Chromium, driven by ChromeDriver as a person would, who reads, types and clicks.

use crate::jail::Jail;
use crate::ports::free_port;
use fantoccini::elements::Element;
use fantoccini::error::CmdError;
use fantoccini::{Client, ClientBuilder, Locator};
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::{Value, json};
use std::future::Future;
use std::net::TcpStream;
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tokio::runtime::Runtime;

/// Deque's rules for accessible pages (`vendor/axe-core`).
const AXE: &str = include_str!("vendor/axe-core/axe.min.js");
/// How long something may take to appear: the machine may be busy with other tests.
const PATIENCE: Duration = Duration::from_secs(90);

/// Which colours the person prefers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Theme {
    /// Light.
    #[default]
    Light,
    /// Dark.
    Dark,
}

/// A browser with one window. Dropping it ends it with every process of its own.
pub struct Browser {
    client: Client,
    runtime: Runtime,
    // Declared before the folder: the browser ends before its profile goes.
    _jail: Jail,
    _folder: TempDir,
}

impl Browser {
    /// A window as wide as a laptop's.
    #[track_caller]
    pub fn open() -> Browser {
        Browser::open_with(1440, Theme::Light)
    }

    /// A window of this width, in pixels.
    #[track_caller]
    pub fn open_with(width: u32, theme: Theme) -> Browser {
        let folder = tempfile::Builder::new()
            .prefix("tidings-browser-")
            .tempdir()
            .expect("a temporary folder");
        let port = free_port();
        let script = folder.path().join("start.sh");
        std::fs::write(&script, format!("exec chromedriver --port={port}\n")).expect("a file of ours");
        let log = folder.path().join("driver.log");
        let jail = Jail::start(&script, &log);
        crate::wait_until("ChromeDriver takes connections", 30, || {
            TcpStream::connect(("127.0.0.1", port)).is_ok()
        });
        let runtime = Runtime::new().expect("a runtime");
        let capabilities = capabilities(width, theme, &folder.path().join("profile"));
        let client = runtime
            .block_on(
                ClientBuilder::new(HttpConnector::new())
                    .capabilities(capabilities)
                    .connect(&format!("http://127.0.0.1:{port}")),
            )
            .unwrap_or_else(|error| {
                panic!(
                    "Chromium does not start: {error}\n{}",
                    std::fs::read_to_string(&log).unwrap_or_default()
                )
            });
        Browser {
            client,
            runtime,
            _jail: jail,
            _folder: folder,
        }
    }

    /// Opens an address and waits until the page is there.
    #[track_caller]
    pub fn goto(&self, url: &str) {
        self.done(self.client.goto(url));
    }

    /// Where the browser is.
    #[track_caller]
    pub fn address(&self) -> String {
        self.done(self.client.current_url()).to_string()
    }

    /// The text of the page as a person sees it: without what is hidden.
    #[track_caller]
    pub fn text(&self) -> String {
        self.done(async { self.client.find(Locator::Css("body")).await?.text().await })
    }

    /// Waits until the page says these words.
    #[track_caller]
    pub fn sees(&self, words: &str) {
        let mut text = String::new();
        let until = Instant::now() + PATIENCE;
        while Instant::now() < until {
            // The page may be exchanged while it is read.
            if let Ok(now) = self
                .runtime
                .block_on(async { self.client.find(Locator::Css("body")).await?.text().await })
            {
                text = now;
            }
            if text.contains(words) {
                return;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        panic!(
            "the page at {} does not say `{words}`, but\n{text}",
            self.address()
        );
    }

    /// Clicks the link or button with exactly this text.
    #[track_caller]
    pub fn click(&self, words: &str) {
        let path = format!(
            "//*[self::a or self::button or self::summary or self::label][normalize-space()={0}] | //input[@type='submit'][@value={0}]",
            quoted(words)
        );
        self.done(unless_stale(async || {
            self.found(Locator::XPath(&path)).await?.click().await
        }));
    }

    /// Clicks the first element of this CSS selector.
    #[track_caller]
    pub fn click_at(&self, css: &str) {
        self.done(unless_stale(async || {
            self.found(Locator::Css(css)).await?.click().await
        }));
    }

    /// Types into the field with this label, over what stands there.
    #[track_caller]
    pub fn fill(&self, label: &str, text: &str) {
        self.done(unless_stale(async || {
            let field = self.field(label).await?;
            field.clear().await?;
            field.send_keys(text).await
        }));
    }

    /// Chooses a file for the field with this label.
    #[track_caller]
    pub fn choose_file(&self, label: &str, file: &std::path::Path) {
        let file = file.to_string_lossy().into_owned();
        self.done(unless_stale(async || {
            self.field(label).await?.send_keys(&file).await
        }));
    }

    /// Chooses what the list with this label shows as `words`.
    #[track_caller]
    pub fn choose(&self, label: &str, words: &str) {
        self.done(unless_stale(async || {
            self.field(label).await?.select_by_label(words).await
        }));
    }

    /// Presses keys, wherever the focus is. [`fantoccini::key::Key`] has those without a letter.
    #[track_caller]
    pub fn press(&self, keys: &str) {
        self.done(unless_stale(async || {
            self.client.active_element().await?.send_keys(keys).await
        }));
    }

    /// Runs a function's body in the page and returns its value.
    #[track_caller]
    pub fn script(&self, body: &str) -> Value {
        self.done(self.client.execute(body, Vec::new()))
    }

    /// A picture of the window: PNG.
    #[track_caller]
    pub fn screenshot(&self) -> Vec<u8> {
        self.done(self.client.screenshot())
    }

    /// What is seriously wrong with the page for people who cannot see it well, or do not use a mouse: a line for each
    /// rule and element. Also whether the page is wider than the window. What stands in a frame is not looked at: a newsletter
    /// is its author's, and a sandbox lets no script in.
    #[track_caller]
    pub fn obstacles(&self) -> Vec<String> {
        // The page's policy forbids foreign scripts; the driver's own run beside it.
        self.done(self.client.execute(AXE, Vec::new()));
        const RUN: &str = "const done = arguments[arguments.length - 1]; \
            axe.run(document, {resultTypes: ['violations'], iframes: false}).then(r => done(r), e => done({failed: String(e)}));";
        let result = self.done(self.client.execute_async(RUN, Vec::new()));
        let violations = result["violations"]
            .as_array()
            .unwrap_or_else(|| panic!("axe did not run: {result}"));
        let serious = |v: &&Value| matches!(v["impact"].as_str(), Some("serious" | "critical"));
        let mut lines: Vec<String> = violations
            .iter()
            .filter(serious)
            .flat_map(|v| {
                let nodes = v["nodes"].as_array().map(Vec::as_slice).unwrap_or_default();
                nodes
                    .iter()
                    .map(|node| format!("{}: {} {}", v["id"], v["help"], node["html"]))
            })
            .collect();
        let wide = self.script("return document.documentElement.scrollWidth - window.innerWidth;");
        if wide.as_i64().is_some_and(|pixels| pixels > 0) {
            lines.push(format!("the page is {wide} pixels wider than the window"));
        }
        lines
    }

    /// What the browser complained of since it was last asked: blocked by the page's policy, failed to load, thrown by a
    /// script. Not that the page itself tells of an error.
    #[track_caller]
    pub fn complaints(&self) -> Vec<String> {
        let entries = self.done(self.client.issue_cmd(BrowserLog));
        let entries = entries.as_array().cloned().unwrap_or_default();
        let itself = format!("{} - Failed to load resource", self.address());
        entries
            .iter()
            .map(|entry| entry["message"].as_str().unwrap_or_default().to_owned())
            .filter(|message| !message.starts_with(&itself))
            .collect()
    }

    async fn found(&self, locator: Locator<'_>) -> Result<Element, CmdError> {
        self.client.wait().at_most(PATIENCE).for_element(locator).await
    }

    async fn field(&self, label: &str) -> Result<Element, CmdError> {
        let path = format!(
            "//*[@id=//label[starts-with(normalize-space(), {0})]/@for] | \
             //label[starts-with(normalize-space(), {0})]//*[self::input or self::textarea or self::select]",
            quoted(label)
        );
        self.found(Locator::XPath(&path)).await
    }

    #[track_caller]
    fn done<T>(&self, work: impl Future<Output = Result<T, CmdError>>) -> T {
        self.runtime
            .block_on(work)
            .unwrap_or_else(|error| panic!("the browser cannot: {error}"))
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // The jail ends what this leaves.
        let _ = self.runtime.block_on(self.client.clone().close());
    }
}

/// Does it again if the page was exchanged between finding an element and doing something with it, as open pages do by themselves.
async fn unless_stale<T>(act: impl AsyncFn() -> Result<T, CmdError>) -> Result<T, CmdError> {
    let begun = Instant::now();
    loop {
        match act().await {
            Err(error) if error.is_stale_element_reference() && begun.elapsed() < PATIENCE => {}
            outcome => return outcome,
        }
    }
}

/// A text as XPath writes it. It has no escapes, so that texts with both kinds of quotes have none.
fn quoted(text: &str) -> String {
    if text.contains('\'') {
        format!("\"{text}\"")
    } else {
        format!("'{text}'")
    }
}

fn capabilities(width: u32, theme: Theme, profile: &std::path::Path) -> fantoccini::wd::Capabilities {
    let mut arguments = vec![
        "--headless=new".to_owned(),
        // Everything is on loopback and ends with the test; the superuser has no sandbox.
        "--no-sandbox".to_owned(),
        "--disable-gpu".to_owned(),
        "--disable-dev-shm-usage".to_owned(),
        "--no-first-run".to_owned(),
        "--disable-background-networking".to_owned(),
        "--disable-component-update".to_owned(),
        "--disable-sync".to_owned(),
        "--hide-scrollbars".to_owned(),
        "--lang=en".to_owned(),
        format!("--window-size={width},1000"),
        format!("--user-data-dir={}", profile.display()),
    ];
    if theme == Theme::Dark {
        arguments.push("--blink-settings=preferredColorScheme=0".to_owned());
    }
    let mobile =
        json!({ "deviceMetrics": { "width": width, "height": 1000, "pixelRatio": 1.0, "touch": false } });
    let mut options = json!({ "args": arguments });
    // A window cannot be made as narrow as a phone; a page can.
    if width < 500 {
        options["mobileEmulation"] = mobile;
    }
    let all = json!({ "goog:chromeOptions": options, "goog:loggingPrefs": { "browser": "ALL" } });
    all.as_object().expect("an object").clone()
}

/// ChromeDriver's own command for what stands in the console.
#[derive(Debug)]
struct BrowserLog;

impl fantoccini::wd::WebDriverCompatibleCommand for BrowserLog {
    fn endpoint(&self, base: &url::Url, session: Option<&str>) -> Result<url::Url, url::ParseError> {
        base.join(&format!("session/{}/se/log", session.unwrap_or_default()))
    }

    fn method_and_body(&self, _: &url::Url) -> (http::Method, Option<String>) {
        (http::Method::POST, Some(json!({ "type": "browser" }).to_string()))
    }
}
