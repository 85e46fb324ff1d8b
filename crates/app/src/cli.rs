//! The command line: a contract that scripts rely on.

use crate::commands::{
    backup, bounce, campaign, check, export, import, key, list, migrate, node, recipient, rehearse, relay,
    restore, retention, serve, stats, suppression, template, token, user, vacuum,
};
use crate::config::ConfigSource;
use crate::context::Context;
use crate::demo;
use clap::builder::FalseyValueParser;
use clap::{Parser, Subcommand};
use std::path::{Path, PathBuf};
use tidings_campaign::time::Clock;

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
    /// sqlite://FILE or postgres://USER@HOST[,HOST…]/NAME; sqlite://DIR/tidings.db if not given.
    #[arg(
        long,
        global = true,
        value_name = "URL",
        env = "TIDINGS_DATABASE",
        hide_env_values = true
    )]
    database: Option<String>,
    /// One JSON document on standard output, and nothing else there.
    #[arg(long, global = true, env = "TIDINGS_JSON", value_parser = FalseyValueParser::new())]
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
    Serve(serve::ServeArgs),
    Import(import::ImportArgs),
    Export(export::ExportArgs),
    /// Lists of recipients: look at them, and say what holds for them.
    #[command(subcommand)]
    List(list::ListCommand),
    /// One address: look at it, export what is stored of it, erase it.
    #[command(subcommand)]
    Recipient(recipient::RecipientCommand),
    /// Addresses that must not be mailed: add, lift, show, import, export.
    #[command(subcommand)]
    Suppression(suppression::SuppressionCommand),
    /// Add, list and try templates.
    #[command(subcommand)]
    Template(template::TemplateCommand),
    /// Create, steer and look at campaigns.
    #[command(subcommand)]
    Campaign(campaign::CampaignCommand),
    Rehearse(rehearse::RehearseArgs),
    /// What came back: bounces, complaints, answers by machines.
    #[command(subcommand)]
    Bounce(bounce::BounceCommand),
    /// Figures over campaigns.
    #[command(subcommand)]
    Stats(stats::StatsCommand),
    /// The keys that sign links, return paths and Message-IDs.
    #[command(subcommand)]
    Key(key::KeyCommand),
    /// People who may use the dashboard.
    #[command(subcommand)]
    User(user::UserCommand),
    /// Tokens of programs that use the dashboard's addresses.
    #[command(subcommand)]
    Token(token::TokenCommand),
    /// How long deliveries are kept.
    #[command(subcommand)]
    Retention(retention::RetentionCommand),
    /// The processes that work on the database: what they do, and letting one take nothing more.
    #[command(subcommand)]
    Node(node::NodeCommand),
    /// Look at relays.
    #[command(subcommand)]
    Relay(relay::RelayCommand),
    /// Write the SQLite file anew, without what was deleted or written over: after erasing people.
    Vacuum,
    Backup(backup::BackupArgs),
    Restore(restore::RestoreArgs),
    Migrate(migrate::MigrateArgs),
    /// Check the configuration, the database and the relays, and name every fault at once.
    Check,
}

impl Cli {
    /// Does what was asked.
    pub async fn run(self) -> anyhow::Result<()> {
        if let Command::Demo(args) = self.command {
            return demo::run(args, self.json).await;
        }
        let source = ConfigSource {
            file: self.config,
            default_file: self.data.join("tidings.toml"),
        };
        let config = source.load()?;
        let database = self.database.unwrap_or_else(|| sqlite_in(&self.data));
        let context = Context {
            data: self.data,
            config,
            source: Some(source),
            database,
            json: self.json,
            clock: Clock::led(),
        };
        let outcome = self.command.run(&context).await;
        outcome.map_err(|error| context.name_database(error))
    }
}

impl Command {
    async fn run(self, context: &Context) -> anyhow::Result<()> {
        match self {
            Command::Demo(_) => unreachable!("the demo was started above, without a configuration"),
            Command::Serve(args) => serve::run(args, context).await,
            Command::Import(args) => import::run(args, context).await,
            Command::Export(args) => export::run(args, context).await,
            Command::Recipient(command) => recipient::run(command, context).await,
            Command::Suppression(command) => suppression::run(command, context).await,
            Command::Template(command) => template::run(command, context).await,
            Command::Campaign(command) => campaign::run(command, context).await,
            Command::Rehearse(args) => rehearse::run(args, context).await,
            Command::Bounce(command) => bounce::run(command, context).await,
            Command::Stats(command) => stats::run(command, context).await,
            Command::List(command) => list::run(command, context).await,
            Command::Key(command) => key::run(command, context).await,
            Command::User(command) => user::run(command, context).await,
            Command::Token(command) => token::run(command, context).await,
            Command::Node(command) => node::run(command, context).await,
            Command::Relay(command) => relay::run(command, context).await,
            Command::Retention(command) => retention::run(command, context).await,
            Command::Vacuum => vacuum::run(context).await,
            Command::Backup(args) => backup::run(args, context).await,
            Command::Restore(args) => restore::run(args, context).await,
            Command::Migrate(args) => migrate::run(args, context).await,
            Command::Check => check::run(context).await,
        }
    }
}

fn sqlite_in(data: &Path) -> String {
    format!("sqlite://{}", data.join("tidings.db").display())
}
