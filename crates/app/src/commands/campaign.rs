//! `tidings campaign`: from the draft to the ledger.

pub mod check;
pub mod deliveries;
mod files;
pub mod links;
mod thresholds;

use crate::commands::again::{self, AgainArgs};
use crate::commands::attempts::{self, AttemptsArgs};
use crate::commands::send;
use crate::commands::shown::Shown;
use crate::context::Context;
use crate::output;
use anyhow::{Context as _, anyhow, ensure};
use clap::{Args, Subcommand, ValueEnum};
use std::time::Duration;
use tidings_campaign::ids::CampaignId;
use tidings_campaign::lifecycle::{Action, DeliveryState, UnknownPolicy};
use tidings_campaign::message::{Mailbox, check_files};
use tidings_campaign::schedule::{self, Schedule};
use tidings_sender::pace::Rate;
use tidings_sender::planner;
use tidings_store::Store;
use tidings_store::audit::By;
use tidings_store::campaigns::{LANGUAGE_ATTRIBUTE, NewCampaign};
use tidings_store::scheduling::Start;

/// `tidings campaign …`
#[derive(Debug, Subcommand)]
pub enum CampaignCommand {
    /// Make a campaign, as a draft, and print its id.
    Create(Box<CreateArgs>),
    /// Give it a time; `serve` (or `campaign send`) starts it then.
    Schedule(ScheduleArgs),
    /// Stop it for now, within two seconds.
    Pause(IdArg),
    /// Let it go on.
    Resume(IdArg),
    /// Stop it for good: what has not gone out never will.
    Cancel(IdArg),
    /// Everything that is to be looked at before it goes out: every recipient's message, links, images, DNS. Exit code 1 if
    /// something is red.
    Check(check::CheckArgs),
    /// All campaigns, the newest first.
    List,
    /// Its state, what became of its deliveries, its rate and what limits it.
    Show(IdArg),
    /// Send it in the foreground, without a server, until it is finished or paused.
    Send(IdArg),
    /// The ledger, row by row.
    Deliveries(deliveries::DeliveriesArgs),
    /// Every attempt to hand its deliveries to a relay, the oldest of each delivery first.
    Attempts(AttemptsArgs),
    /// Make a draft like it, to those whom it did not reach, and print the new id.
    Again(AgainArgs),
    /// Decide about deliveries whose answer was lost.
    Settle(SettleArgs),
    /// Keep it out of the public archives of its lists, or let it in.
    Archive(ArchiveArgs),
}

/// The campaign's id.
#[derive(Args, Clone, Copy, Debug)]
pub struct IdArg {
    /// The campaign's id.
    id: CampaignId,
}

/// `campaign create`
#[derive(Args, Debug)]
pub struct CreateArgs {
    /// A name for people.
    #[arg(long)]
    name: String,
    /// To whom; may be given several times.
    #[arg(long = "list", required = true, num_args = 1..)]
    lists: Vec<String>,
    /// The template's name.
    #[arg(long)]
    template: String,
    /// The subject, a Handlebars text; the template's own if not given.
    #[arg(long)]
    subject: Option<String>,
    /// The sender: "Ann Example <ann@example.org>".
    #[arg(long)]
    from: String,
    /// Where answers go, if not to the sender.
    #[arg(long)]
    reply_to: Option<String>,
    /// The greatest rate: 50/s, 1000/min, 20000/h, 100000/day.
    #[arg(long)]
    rate: Option<Rate>,
    /// The pool of relays that it goes through; that of its sender's domain if not given.
    #[arg(long)]
    pool: Option<String>,
    /// Sessions with relays at once at most.
    #[arg(long, value_parser = clap::value_parser!(i64).range(1..))]
    max_sessions: Option<i64>,
    /// What happens to a delivery whose answer was lost.
    #[arg(long, value_enum, default_value_t = UnknownArg::Hold)]
    unknown: UnknownArg,
    #[command(flatten)]
    thresholds: thresholds::ThresholdArgs,
    #[command(flatten)]
    files: files::FileArgs,
    /// The attribute that names a recipient's language, for templates that have translations.
    #[arg(long, value_name = "ATTRIBUTE", default_value = LANGUAGE_ATTRIBUTE)]
    language_attribute: String,
    #[command(flatten)]
    links: links::LinkArgs,
    /// Keep it out of the public archives of its lists.
    #[arg(long)]
    no_archive: bool,
    /// How late it may start after an outage; later, it is held for a person.
    #[arg(long, value_name = "SPAN", default_value = "1h")]
    lateness: humantime::Duration,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum UnknownArg {
    /// It waits for a person.
    Hold,
    /// It goes out again: the recipient may get it twice.
    Resend,
    /// It stays unknown.
    Skip,
}

impl From<UnknownArg> for UnknownPolicy {
    fn from(arg: UnknownArg) -> Self {
        match arg {
            UnknownArg::Hold => UnknownPolicy::Hold,
            UnknownArg::Resend => UnknownPolicy::Resend,
            UnknownArg::Skip => UnknownPolicy::Skip,
        }
    }
}

/// `campaign schedule`
#[derive(Args, Debug)]
pub struct ScheduleArgs {
    /// The campaign's id.
    id: CampaignId,
    /// At once.
    #[arg(long, conflicts_with_all = ["at", "timezone"], required_unless_present = "at")]
    now: bool,
    /// A local time: "2026-12-01 09:00".
    #[arg(long, requires = "timezone")]
    at: Option<String>,
    /// Where that is the time: Europe/Berlin.
    #[arg(long)]
    timezone: Option<String>,
    /// Spread its messages evenly over so long a time from its start on: 4h, 90min.
    #[arg(long, value_name = "SPAN", value_parser = spread)]
    spread: Option<Duration>,
}

/// The longest time over which a campaign may be spread.
const LONGEST_SPREAD: Duration = Duration::from_secs(31 * 24 * 3600);

fn spread(text: &str) -> Result<Duration, String> {
    let span = humantime::parse_duration(text).map_err(|error| error.to_string())?;
    if span < Duration::from_secs(60) || span > LONGEST_SPREAD {
        return Err("from a minute to 31 days".to_owned());
    }
    Ok(Duration::from_secs(span.as_secs()))
}

/// `campaign settle`
#[derive(Args, Debug)]
pub struct SettleArgs {
    /// The campaign's id.
    id: CampaignId,
    /// Send the unknown deliveries again: their recipients may get it twice.
    #[arg(
        long,
        conflicts_with = "skip_unknown",
        required_unless_present = "skip_unknown"
    )]
    resend_unknown: bool,
    /// Leave them as they are: their recipients may not have got it.
    #[arg(long)]
    skip_unknown: bool,
}

/// `campaign archive`
#[derive(Args, Debug)]
pub struct ArchiveArgs {
    /// The campaign's id.
    id: CampaignId,
    /// Keep it out.
    #[arg(long, conflicts_with = "show", required_unless_present = "show")]
    hide: bool,
    /// Let it in, where its lists have an archive.
    #[arg(long)]
    show: bool,
}

/// A delivery's state as it is typed.
pub fn state(word: &str) -> Result<DeliveryState, String> {
    let words = DeliveryState::ALL.map(DeliveryState::as_str).join(", ");
    DeliveryState::parse(word).ok_or_else(|| format!("a delivery is one of {words}"))
}

/// Does what was asked.
pub async fn run(command: CampaignCommand, context: &Context) -> anyhow::Result<()> {
    let store = context.existing_store().await?;
    match command {
        CampaignCommand::Create(args) => create(*args, context, &store).await,
        CampaignCommand::Schedule(args) => schedule(args, context, &store).await,
        CampaignCommand::Pause(arg) => steer(arg.id, Action::Pause, context, &store).await,
        CampaignCommand::Resume(arg) => steer(arg.id, Action::Resume, context, &store).await,
        CampaignCommand::Cancel(arg) => steer(arg.id, Action::Cancel, context, &store).await,
        CampaignCommand::Check(args) => check::run(args, context, &store).await,
        CampaignCommand::List => list(context, &store).await,
        CampaignCommand::Show(arg) => {
            let shown = Shown::read(&store, arg.id, context).await?;
            if context.json {
                output::json(&shown)
            } else {
                shown.print()
            }
        }
        CampaignCommand::Send(arg) => send::run(arg.id, context, store).await,
        CampaignCommand::Deliveries(args) => deliveries::run(args, context, &store).await,
        CampaignCommand::Attempts(args) => attempts::run(args, &store).await,
        CampaignCommand::Again(args) => again::run(args, context, &store).await,
        CampaignCommand::Settle(args) => settle(args, context, &store).await,
        CampaignCommand::Archive(args) => archive(args, context, &store).await,
    }
}

async fn create(args: CreateArgs, context: &Context, store: &Store) -> anyhow::Result<()> {
    ensure!(!args.name.trim().is_empty(), "--name: a campaign needs a name");
    ensure!(
        !args.name.contains(char::is_control),
        "--name: a name is one line, without line breaks and other control characters"
    );
    for (option, text) in [
        ("--from", Some(&args.from)),
        ("--reply-to", args.reply_to.as_ref()),
    ] {
        if let Some(text) = text {
            Mailbox::parse(text).map_err(|error| anyhow!("{option} \"{text}\": the address {error}"))?;
        }
    }
    let template = store.find_template(&args.template).await?;
    let template = template.with_context(|| {
        format!(
            "there is no template `{0}`: add it with `tidings template add {0} --html FILE`",
            args.template
        )
    })?;
    let subject = args
        .subject
        .or(template.subject)
        .context("the template has no subject: give one with --subject")?;
    ensure!(
        !subject.trim().is_empty(),
        "--subject: it is empty, and mail without a subject is taken for spam: write one"
    );
    tidings_campaign::template::check_subject(&subject).context("--subject")?;
    ensure!(
        !args.language_attribute.trim().is_empty(),
        "--language-attribute: it is empty, name an attribute"
    );
    // What can be sent to nobody is refused before anybody relies on it.
    let newsletter = store.load_newsletter(&args.template, &subject).await?;
    newsletter.check()?;
    let files = args.files.read()?;
    check_files(&newsletter, &files)?;
    let mut lists = Vec::new();
    for name in &args.lists {
        let id = store.find_list(name).await?;
        let id = id.with_context(|| {
            format!("there is no list `{name}`: import one with `tidings import … --list {name}`")
        })?;
        if !lists.contains(&id) {
            lists.push(id);
        }
    }
    let new = NewCampaign {
        name: args.name.trim().to_owned(),
        lists,
        template: args.template,
        subject,
        preheader: None,
        own: Vec::new(),
        sender: args.from,
        reply_to: args.reply_to,
        rate: args.rate.map(|rate| rate.to_string()),
        unknown_policy: args.unknown.into(),
        greatest_lateness: args.lateness.into(),
        pool: args.pool,
        max_sessions: args.max_sessions,
        parent: None,
        files,
        attach_from: args.files.attach_from,
        language_attribute: args.language_attribute,
        thresholds: args.thresholds.own(),
        tracking: args.links.tracking,
        utm: args.links.utm.utm(),
        archive_hidden: args.no_archive,
    };
    let id = store
        .create_campaign_by(&new, &By::command_line(), context.clock.now())
        .await?;
    made(id, context)
}

async fn archive(args: ArchiveArgs, context: &Context, store: &Store) -> anyhow::Result<()> {
    let ArchiveArgs { id, hide, .. } = args;
    store.hide_from_archive(id, hide).await?;
    if context.json {
        return output::json(&serde_json::json!({ "id": id, "hidden": hide }));
    }
    output::line(match hide {
        true => format!("campaign {id} is kept out of every archive"),
        false => {
            format!("campaign {id} is in the archives of its lists, where they have one, once it is finished")
        }
    })
}

/// Tells the id of a campaign that was made.
pub fn made(id: CampaignId, context: &Context) -> anyhow::Result<()> {
    if context.json {
        output::json(&serde_json::json!({ "id": id }))
    } else {
        output::line(id)
    }
}

async fn schedule(args: ScheduleArgs, context: &Context, store: &Store) -> anyhow::Result<()> {
    let campaign = store.get_campaign(args.id).await?;
    let schedule = match (args.at, args.timezone) {
        (Some(at), Some(zone)) => {
            let schedule = schedule::parse(&at, &zone)?;
            ensure!(
                schedule.at > context.clock.now(),
                "{at} in {zone} is over: choose a later time, or --now"
            );
            schedule
        }
        _ => Schedule {
            at: context.clock.now(),
            local: String::new(),
            zone: "UTC".to_owned(),
        },
    };
    // What cannot be sent is refused now, not when nobody looks.
    planner::check_content(store, &campaign, &context.identity(store).await?).await?;
    let start = Start {
        schedule,
        spread: args.spread,
        greatest_lateness: None,
        cleared: None,
    };
    let now = context.clock.now();
    store
        .schedule_campaign(args.id, &start, &By::command_line(), now)
        .await?;
    let schedule = start.schedule;
    if context.json {
        let shown = Shown::read(store, args.id, context).await?;
        return output::json(&shown);
    }
    let local = if schedule.local.is_empty() {
        String::new()
    } else {
        format!(" ({} {})", schedule.local, schedule.zone)
    };
    output::line(format!("campaign {} starts at {}{local}", args.id, schedule.at))
}

async fn steer(id: CampaignId, action: Action, context: &Context, store: &Store) -> anyhow::Result<()> {
    let state = store
        .steer_campaign(id, action, &By::command_line(), context.clock.now())
        .await
        .with_context(|| format!("campaign {id}"))?;
    if action == Action::Cancel {
        tidings_sender::cancelled::settle(store, id, &context.clock).await?;
    }
    if context.json {
        let shown = Shown::read(store, id, context).await?;
        return output::json(&shown);
    }
    output::line(format!("campaign {id} is {state}"))
}

async fn settle(args: SettleArgs, context: &Context, store: &Store) -> anyhow::Result<()> {
    let (by, now) = (By::command_line(), context.clock.now());
    if args.skip_unknown {
        let n = store.leave_unknown(args.id, &by, now).await?;
        if context.json {
            return output::json(&serde_json::json!({ "id": args.id, "left": n }));
        }
        return output::line(format!("{n} deliveries of campaign {} stay unknown", args.id));
    }
    let n = store.resend_unknown(args.id, &by, now).await?;
    if context.json {
        return output::json(&serde_json::json!({ "id": args.id, "resent": n }));
    }
    output::line(format!("{n} deliveries of campaign {} go out again", args.id))
}

async fn list(context: &Context, store: &Store) -> anyhow::Result<()> {
    let mut shown = Vec::new();
    for campaign in store.list_campaigns(&[]).await? {
        shown.push(Shown::of(store, &campaign, context).await?);
    }
    if context.json {
        return output::json(&shown);
    }
    for campaign in shown {
        output::line(format!(
            "{:>5}  {:<10} {:>9} planned {:>9} accepted  {}",
            campaign.id,
            campaign.state,
            campaign.planned,
            campaign.accepted(),
            campaign.name
        ))?;
    }
    Ok(())
}
