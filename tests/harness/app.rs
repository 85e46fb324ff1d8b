//! Tidings as its users meet it: the binary, a data folder, a configuration file, a relay.

use crate::{Database, Engine, Output, Relay, Running, Server, Settings, Show, SmallDisk};
use std::cell::{Cell, RefCell};
use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;
use tempfile::TempDir;

/// A fresh installation. Everything of it is gone when it is dropped.
pub struct App {
    /// What its ledger is kept in.
    pub engine: Engine,
    /// Where its mail goes.
    pub relay: Relay,
    /// Its database, for what no command can bring about.
    pub database: Database,
    settings: RefCell<Settings>,
    prefix: RefCell<Vec<String>>,
    runs: Cell<u32>,
    folder: TempDir,
}

/// The HTML of [`App::campaign`]: small, with a merged name and attribute.
const HTML: &str = "<html><body><p>Dear {{name}} of {{city}},</p>\
    <p>the spring issue is <a href=\"https://news.example.com/spring\">here</a>.</p>\
    <p><a href=\"{{unsubscribe_url}}\">Unsubscribe</a></p></body></html>";

impl App {
    /// Long enough for every command of a test on a busy machine.
    pub const PATIENCE: Duration = Duration::from_secs(120);

    /// An installation with an empty database and a relay that accepts everything.
    pub fn start(engine: Engine) -> Self {
        let folder = Self::new_folder();
        let database_folder = folder.path().join("database");
        std::fs::create_dir(&database_folder).expect("a folder in the test's folder");
        let database = Database::create(engine, &database_folder);
        Self::with(engine, database, folder)
    }

    /// The same on a PostgreSQL database that is there and empty.
    pub fn start_at(url: String) -> Self {
        Self::with(
            Engine::Postgres,
            Database::at(Engine::Postgres, url),
            Self::new_folder(),
        )
    }

    fn new_folder() -> TempDir {
        tempfile::Builder::new()
            .prefix("tidings-")
            .tempdir()
            .expect("a temporary folder")
    }

    fn with(engine: Engine, database: Database, folder: TempDir) -> Self {
        let app = Self {
            engine,
            relay: Relay::start(),
            database,
            settings: RefCell::default(),
            prefix: RefCell::default(),
            runs: Cell::new(0),
            folder,
        };
        app.configure(|_| {});
        app
    }

    /// Changes `tidings.toml`.
    pub fn configure(&self, change: impl FnOnce(&mut Settings)) {
        change(&mut self.settings.borrow_mut());
        let text = self.settings.borrow().to_toml(self.relay.address());
        self.write("tidings.toml", &text);
    }

    /// Sends to another relay than its own.
    pub fn send_to(&self, relay: std::net::SocketAddr) {
        self.write("tidings.toml", &self.settings.borrow().to_toml(relay));
    }

    /// Puts the SQLite database, which must not exist yet, on a disk that can be filled.
    pub fn on_small_disk(&self) -> SmallDisk {
        let disk = SmallDisk::at(self.folder().join("database"));
        self.prefix.replace(disk.prefix());
        disk
    }

    /// Its data folder.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Writes a file into the data folder, where the commands run too, and says where it is.
    pub fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.folder().join(name);
        std::fs::write(&path, text).expect("a file in the test's folder");
        path
    }

    /// The command line of the binary for this installation, to be started by the test itself.
    pub fn command<A: AsRef<str>>(&self, arguments: impl IntoIterator<Item = A>) -> Command {
        self.command_in(self.folder(), self.database.url(), arguments)
    }

    /// Starts to send a campaign from another machine: with a data folder of its own, and its own way to the database.
    pub fn start_node(&self, name: &str, database: &str, campaign: i64) -> Running {
        let folder = self.folder().join(name);
        std::fs::create_dir_all(&folder).expect("a folder in the test's folder");
        let settings = self.folder().join("tidings.toml");
        let settings = settings.to_string_lossy();
        let campaign = campaign.to_string();
        let arguments = ["--config", &settings, "--json", "campaign", "send", &campaign];
        self.spawn_command(self.command_in(&folder, database, arguments))
    }

    fn command_in<A: AsRef<str>>(
        &self,
        data: &Path,
        database: &str,
        arguments: impl IntoIterator<Item = A>,
    ) -> Command {
        let mut words = self.prefix.borrow().clone();
        words.push(crate::from_xtask("TIDINGS_TEST_BINARY"));
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]).arg("--data").arg(data);
        command.args(["--database", database]);
        command.args(arguments.into_iter().map(|a| a.as_ref().to_owned()));
        for (setting, _) in std::env::vars().filter(|(name, _)| name.starts_with("TIDINGS_")) {
            command.env_remove(setting);
        }
        command.current_dir(self.folder());
        command
    }

    /// Runs a command to its end.
    #[track_caller]
    pub fn run<A: AsRef<str>>(&self, arguments: impl IntoIterator<Item = A>) -> Output {
        self.spawn(arguments).wait(Self::PATIENCE)
    }

    /// Starts a command that runs beside the test.
    pub fn spawn<A: AsRef<str>>(&self, arguments: impl IntoIterator<Item = A>) -> Running {
        self.spawn_command(self.command(arguments))
    }

    /// Starts a command made from [`App::command`].
    pub fn spawn_command(&self, command: Command) -> Running {
        self.runs.set(self.runs.get() + 1);
        Running::start(command, self.folder().join(format!("run-{}", self.runs.get())))
    }

    /// Starts `tidings serve` as a node of this name with these roles; it may not be at work yet.
    pub fn spawn_node(&self, name: &str, roles: &str) -> Running {
        let mut command = self.command(["serve", "--roles", roles]);
        command.env("TIDINGS_SENDER_NODE", name);
        self.spawn_command(command)
    }

    /// Starts `tidings serve` on a free port of loopback; returns when its pages can be asked for.
    #[track_caller]
    pub fn serve(&self) -> Server {
        self.serve_with(&[])
    }

    /// The same with further options of `serve`; the role `web` must be among its roles.
    #[track_caller]
    pub fn serve_with(&self, options: &[&str]) -> Server {
        let token = self.token();
        Server::of(self.spawn(["serve"].iter().chain(options)), token)
    }

    /// The same with another way to the database.
    #[track_caller]
    pub fn serve_by(&self, database: &str) -> Server {
        let token = self.token();
        let command = self.command_in(self.folder(), database, ["serve"]);
        Server::of(self.spawn_command(command), token)
    }

    #[track_caller]
    fn token(&self) -> String {
        let made = self.run(["--json", "token", "create", "the test", "--role", "administrator"]);
        let token = made.succeeded().json()["token"].clone();
        token.as_str().expect("a token is a text").to_owned()
    }

    /// Imports `n` recipients, `reader1@example.org` and so on, with a name and a city.
    #[track_caller]
    pub fn import(&self, list: &str, n: usize) {
        self.import_of(list, &["example.org"], n);
    }

    /// The same at several domains, `n` at each, in turns.
    #[track_caller]
    pub fn import_of(&self, list: &str, domains: &[&str], n: usize) {
        let mut rows = String::from("email,name,city\n");
        for i in 1..=n {
            for domain in domains {
                rows.push_str(&format!("reader{i}@{domain},Reader {i},Springfield\n"));
            }
        }
        self.import_csv(list, &rows);
    }

    /// Imports these rows and returns the counts.
    #[track_caller]
    pub fn import_csv(&self, list: &str, rows: &str) -> serde_json::Value {
        let file = self.write(&format!("{list}.csv"), rows);
        self.run(["--json", "import", &file.to_string_lossy(), "--list", list])
            .succeeded()
            .json()
    }

    /// Creates a campaign to a list with a small template; returns its id.
    #[track_caller]
    pub fn campaign(&self, list: &str) -> i64 {
        self.campaign_with(list, &[])
    }

    /// The same with further options of `campaign create`, for example `["--rate", "50/s"]`.
    #[track_caller]
    pub fn campaign_with(&self, list: &str, options: &[&str]) -> i64 {
        let html = self.write("spring.html", HTML);
        self.run(["template", "add", "spring", "--html", &html.to_string_lossy()])
            .succeeded();
        let mut create = vec![
            "--json",
            "campaign",
            "create",
            "--name",
            "Spring news",
            "--list",
            list,
        ];
        create.extend(["--template", "spring", "--subject", "Spring news for {{name}}"]);
        create.extend(["--from", "Example News <news@example.com>"]);
        create.extend(options);
        let created = self.run(create).succeeded().json();
        created["id"]
            .as_i64()
            .unwrap_or_else(|| panic!("`campaign create` gives no id: {created}"))
    }

    /// Sends a campaign in the foreground until the command ends well.
    #[track_caller]
    pub fn send(&self, campaign: i64) -> Show {
        Show(
            self.run(["--json", "campaign", "send", &campaign.to_string()])
                .succeeded()
                .json(),
        )
    }

    /// Starts to send a campaign beside the test.
    pub fn start_sending(&self, campaign: i64) -> Running {
        self.spawn(["--json", "campaign", "send", &campaign.to_string()])
    }

    /// Where a campaign stands.
    #[track_caller]
    pub fn show(&self, campaign: i64) -> Show {
        Show(
            self.run(["--json", "campaign", "show", &campaign.to_string()])
                .succeeded()
                .json(),
        )
    }

    /// The rows of the ledger in one state.
    #[track_caller]
    pub fn deliveries(&self, campaign: i64, state: &str) -> Vec<serde_json::Value> {
        let id = campaign.to_string();
        self.run([
            "campaign",
            "deliveries",
            &id,
            "--state",
            state,
            "--format",
            "jsonl",
        ])
        .succeeded()
        .json_lines()
    }

    /// The addresses that the ledger holds in one state.
    #[track_caller]
    pub fn addresses(&self, campaign: i64, state: &str) -> HashSet<String> {
        let address = |row: &serde_json::Value| row["address"].as_str().map(str::to_owned);
        let rows = self.deliveries(campaign, state);
        rows.iter()
            .map(|row| address(row).unwrap_or_else(|| panic!("no `address` in {row}")))
            .collect()
    }

    /// Pauses, resumes or cancels a campaign from a second process.
    #[track_caller]
    pub fn steer(&self, campaign: i64, action: &str) -> Output {
        self.run(["campaign", action, &campaign.to_string()]).succeeded()
    }
}
