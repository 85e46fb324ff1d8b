//! `tidings migrate`: an installation that has outgrown one machine, from SQLite to PostgreSQL.

use crate::commands::progress::Progress;
use crate::context::Context;
use crate::output;
use anyhow::{anyhow, ensure};
use serde_json::json;
use tidings_sender::lock::{LockError, SenderLock};
use tidings_store::place_of;
use tidings_store::transfer::{GivingUp, Move, Moved, Stage};

/// Move an installation from SQLite to PostgreSQL.
///
/// Stop the server first: it is refused while a node is at work. What is cut off goes on with the same command. In the end both databases are compared; then the new one
/// is the installation, and the old one is not used any more: it stays as it is, and nothing opens it.
#[derive(clap::Args, Clone, Debug)]
pub struct MigrateArgs {
    /// The database to leave: sqlite://FILE.
    #[arg(long, value_name = "URL")]
    from: String,
    /// A new database to move into: postgres://USER@HOST/NAME.
    #[arg(
        long,
        value_name = "URL",
        required_unless_present = "release",
        env = "TIDINGS_MIGRATE_TO",
        hide_env_values = true
    )]
    to: Option<String>,
    /// Replace texts that PostgreSQL does not take, with NUL in them or not UTF-8, rather than refuse them.
    #[arg(long)]
    replace_unfit: bool,
    /// Use the old database again, because the move is given up. If the move had been completed, campaigns that would send
    /// are held there.
    #[arg(long, conflicts_with_all = ["to", "replace_unfit"])]
    release: bool,
}

/// Moves it, or gives the move up.
pub async fn run(args: MigrateArgs, context: &Context) -> anyhow::Result<()> {
    ensure!(
        args.from.starts_with("sqlite://"),
        "--from is a sqlite:// database: from PostgreSQL, take a backup and restore it (tidings backup, tidings restore)"
    );
    let node = &context.config.sending.node;
    let Some(to) = args.to.filter(|_| !args.release) else {
        return give_up(&args.from, context).await;
    };
    ensure!(
        to.starts_with("postgres://") || to.starts_with("postgresql://"),
        "--to is a postgres:// database: a SQLite file moves by a backup and a restore (tidings backup, tidings restore)"
    );
    let moving = Move::open(&args.from, &to, node)
        .await
        .map_err(|error| anyhow!("{error}"))?;
    // Whoever sends holds it, and so nobody does until this process ends.
    let _lock = SenderLock::take(moving.source())?;
    let mut progress = Progress::new();
    let mut tell = |stage| {
        progress.tell(|| match stage {
            Stage::Writing { table, rows } => format!("{table}: {rows} rows are there"),
            Stage::Comparing { table } => format!("{table}: comparing"),
        });
    };
    let outcome = moving
        .run(context.clock.now(), args.replace_unfit, &mut tell)
        .await;
    drop(progress);
    let (rows, misfits) = outcome.map_err(|error| anyhow!("{error}"))?;
    for misfit in &misfits.named {
        tracing::warn!("replaced: {misfit}");
    }
    if context.json {
        return output::json(&json!({ "moved": true, "rows": rows, "replaced": misfits.replaced }));
    }
    output::line(format!(
        "{rows} rows are in {} and the same as in {}, which is not used any more: start the server with --database and the new URL",
        place_of(&to),
        place_of(&args.from)
    ))
}

/// Lets the database be used again that was left, unless a move is under way.
async fn give_up(from: &str, context: &Context) -> anyhow::Result<()> {
    // Not a database of --database: what fails must not be told as if it were there.
    let giving_up = GivingUp::open(from, &context.config.sending.node)
        .await
        .map_err(|error| anyhow!("{error}"))?;
    let _lock = SenderLock::take(giving_up.source()).map_err(|error| match error {
        LockError::AlreadySending(held) => anyhow!(
            "another tidings process moves this database or sends from it (it holds {}): end it first",
            held.display()
        ),
        other => other.into(),
    })?;
    let moved = giving_up.run().await.map_err(|error| anyhow!("{error}"))?;
    released(&moved, context)
}

fn released(moved: &Moved, context: &Context) -> anyhow::Result<()> {
    if context.json {
        return output::json(&json!({ "released": true, "had_moved": moved.arrived, "held": moved.held }));
    }
    let held = match moved.arrived {
        true => format!(
            "; {} campaigns are held, since they may have been sent there",
            moved.held
        ),
        false => String::new(),
    };
    output::line(format!("the move to {} is given up{held}", moved.to))
}
