//! The command line: a contract that scripts rely on.

use crate::commands::{campaign, check, import, rehearse, relay, serve, stats, template};
use crate::config::Config;
use crate::demo;
use anyhow::Context as _;
use clap::{Parser, Subcommand};
use std::path::{Path, PathBuf};
use tidings_campaign::time::Clock;
use tidings_sender::run::Identity;
use tidings_store::{Store, StoreError, place_of};

/// Bulk e-mail campaigns: nothing is lost, nobody gets it twice, and you can see why.
#[derive(Debug, Parser)]
#[command(name = "tidings", version, propagate_version = true)]
pub struct Cli {
    /// The folder with the database, the configuration and everything else that is kept.
    #[arg(
        long,
        global = true,
        value_name = "DIR",
        default_value = "./tidings-data",
        env = "TIDINGS_DATA"
    )]
    data: PathBuf,
    /// The configuration; DIR/tidings.toml if it is there.
    #[arg(long, global = true, value_name = "FILE", env = "TIDINGS_CONFIG")]
    config: Option<PathBuf>,
    /// sqlite://FILE or postgres://USER@HOST/NAME; sqlite://DIR/tidings.db if not given.
    #[arg(
        long,
        global = true,
        value_name = "URL",
        env = "TIDINGS_DATABASE",
        hide_env_values = true
    )]
    database: Option<String>,
    /// One JSON document on standard output, and nothing else there.
    #[arg(long, global = true, env = "TIDINGS_JSON")]
    json: bool,
    /// Log more: -v what happens, -vv in detail (with addresses).
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub verbose: u8,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// See it work: a sample list, a newsletter, and a relay that misbehaves a little, all in this process.
    Demo(demo::DemoArgs),
    /// Run the server: dashboard, unsubscribe pages, scheduler and sender.
    Serve,
    Import(import::ImportArgs),
    /// Add, list and try templates.
    #[command(subcommand)]
    Template(template::TemplateCommand),
    /// Create, steer and look at campaigns.
    #[command(subcommand)]
    Campaign(campaign::CampaignCommand),
    Rehearse(rehearse::RehearseArgs),
    /// Figures over campaigns.
    #[command(subcommand)]
    Stats(stats::StatsCommand),
    /// Look at relays.
    #[command(subcommand)]
    Relay(relay::RelayCommand),
    /// Check the configuration, the database and the relays, and name every fault at once.
    Check,
}

/// What every command may need.
#[derive(Debug)]
pub struct Context {
    /// The folder with everything that is kept.
    pub data: PathBuf,
    /// The checked configuration.
    pub config: Config,
    /// Where the database is.
    pub database: String,
    /// Print one JSON document.
    pub json: bool,
    /// The time.
    pub clock: Clock,
}

impl Cli {
    /// Does what was asked.
    pub async fn run(self) -> anyhow::Result<()> {
        if let Command::Demo(args) = self.command {
            return demo::run(args).await;
        }
        let config = Config::load(self.config.as_deref(), &self.data.join("tidings.toml"))?;
        let database = self.database.unwrap_or_else(|| sqlite_in(&self.data));
        let context = Context {
            data: self.data,
            config,
            database,
            json: self.json,
            clock: Clock::System,
        };
        let outcome = context.run(self.command).await;
        outcome.map_err(|error| context.name_database(error))
    }
}

impl Context {
    async fn run(&self, command: Command) -> anyhow::Result<()> {
        match command {
            Command::Demo(_) => unreachable!("the demo was started above, without a configuration"),
            Command::Serve => serve::run(self).await,
            Command::Import(args) => {
                let store = self.store().await?;
                import::run(args, &store, &self.data, &self.clock, self.json).await
            }
            Command::Template(command) => {
                let store = self.store().await?;
                template::run(command, &store, &self.clock, self.json).await
            }
            Command::Campaign(command) => campaign::run(command, self).await,
            Command::Rehearse(args) => rehearse::run(args, self).await,
            Command::Stats(command) => stats::run(command, self).await,
            Command::Relay(command) => relay::run(command, self).await,
            Command::Check => check::run(self).await,
        }
    }

    /// Failures of a statement do not know which database they were for.
    fn name_database(&self, error: anyhow::Error) -> anyhow::Error {
        let nameless = |cause: &(dyn std::error::Error + 'static)| {
            matches!(
                cause.downcast_ref(),
                Some(
                    StoreError::DiskFull
                        | StoreError::Sql(_)
                        | StoreError::Newer { .. }
                        | StoreError::Migrate(_)
                )
            )
        };
        if error.chain().any(nameless) {
            return error.context(place_of(&self.database));
        }
        error
    }

    /// Opens the database.
    pub async fn store(&self) -> anyhow::Result<Store> {
        Ok(Store::open(&self.database, &self.config.sending.node).await?)
    }

    /// What messages say about this instance; the public URL must be configured.
    pub async fn identity(&self, store: &Store) -> anyhow::Result<Identity> {
        let public_url = self.config.public_url.clone().context(
            "public_url is not configured, and messages need it for their unsubscribe link: write \
             public_url = \"https://news.example.com\" into tidings.toml",
        )?;
        Ok(Identity {
            public_url,
            return_path_domain: self.config.mail.return_path_domain.clone(),
            sender_id: self.config.mail.sender_id.clone(),
            keys: store.key_ring(self.clock.now()).await?,
        })
    }
}

fn sqlite_in(data: &Path) -> String {
    format!("sqlite://{}", data.join("tidings.db").display())
}
