//! `tidings demo`: everything in one process, on temporary data, through a relay that misbehaves a little.

mod sample;
mod script;

use crate::commands::shown::Shown;
use crate::commands::{import, serve};
use crate::config::{
    Config, Feedback, LARGEST_UPLOAD, MailSection, Preflight, Roles, Sending, TrackingSection, Ways, Web,
};
use crate::context::Context;
use crate::{lifecycle, output};
use anyhow::Context as _;
use clap::Args;
use std::io::BufWriter;
use std::path::Path;
use std::time::Duration;
use tidings_campaign::ids::CampaignId;
use tidings_campaign::lifecycle::{CampaignState, UnknownPolicy};
use tidings_campaign::schedule::Schedule;
use tidings_campaign::starters::Starter;
use tidings_campaign::time::Clock;
use tidings_campaign::tracking::Utm;
use tidings_feedback::thresholds::OwnThresholds;
use tidings_scripted_relay::ScriptedRelay;
use tidings_sender::dispatch::Routing;
use tidings_sender::relay::RelaySettings;
use tidings_sender::retry::Retry;
use tidings_store::Store;
use tidings_store::audit::By;
use tidings_store::campaigns::{LANGUAGE_ATTRIBUTE, NewCampaign};
use tidings_store::people::Role;
use tidings_store::scheduling::Start;
use tidings_web::{Brand, SignUpSettings};
use tokio_util::sync::CancellationToken;

/// `tidings demo`
#[derive(Args, Clone, Copy, Debug)]
pub struct DemoArgs {
    /// How many recipients the sample list has.
    #[arg(long, default_value_t = 5000, value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    recipients: u64,
    /// The dashboard's port on 127.0.0.1; 0 takes a free one.
    #[arg(long, default_value_t = 8025)]
    port: u16,
    /// End when the campaign is finished, instead of leaving the dashboard up.
    #[arg(long)]
    exit_when_finished: bool,
}

const LIST: &str = "readers";
const NAME: &str = "Autumn letter";

/// Runs the demo until it is interrupted, or until the campaign is finished. With `json`, standard output gets one
/// document at the end, and what is said meanwhile goes to standard error.
pub async fn run(args: DemoArgs, json: bool) -> anyhow::Result<()> {
    let stop = lifecycle::stop_on_signals()?;
    let folder = tempfile::tempdir().context("no temporary folder")?;
    let relay = ScriptedRelay::start(script::script(args.recipients), ([127, 0, 0, 1], 0).into()).await?;
    let address = relay.url();
    say(
        json,
        format!("relay:     {address} (built in; refuses, defers and bounces some)"),
    )?;
    // The page's address is part of every message, so its port is taken before the first is made.
    let port = free_port(args.port)?;
    let context = context(folder.path(), &relay, port, json);
    let store = context.store().await?;
    let id = set_up(args, folder.path(), &store, &context).await?;
    let announce = |_: &str, pages: Option<std::net::SocketAddr>| {
        if let Some(addr) = pages {
            say(json, format!("dashboard: http://{addr}/"))?;
        }
        say(json, "sending; press Ctrl-C to end")
    };
    // It lives on this machine for as long as the demo does, so that nobody need sign in.
    let watch = watch(args, id, store.clone(), &context, stop.clone());
    let (served, watched) = tokio::join!(
        serve::serve(
            &context,
            store,
            stop.clone(),
            (&context.config.roles, Some(Role::Administrator)),
            announce
        ),
        watch
    );
    relay.stop().await;
    served.and(watched)
}

/// What a person watches; standard output belongs to the one document, if that was asked for.
fn say(json: bool, text: impl std::fmt::Display) -> anyhow::Result<()> {
    if json {
        eprintln!("{text}");
        return Ok(());
    }
    output::line(text)
}

/// The wanted port, or one that is free if that is taken.
fn free_port(wanted: u16) -> anyhow::Result<u16> {
    let bind = |port| std::net::TcpListener::bind((std::net::Ipv4Addr::LOCALHOST, port));
    let listener = match bind(wanted) {
        Ok(listener) => listener,
        Err(_) => bind(0).context("no free port on 127.0.0.1")?,
    };
    Ok(listener.local_addr()?.port())
}

fn context(folder: &Path, relay: &ScriptedRelay, port: u16, json: bool) -> Context {
    let relay = RelaySettings::on_loopback("demo", relay.addr(), 10);
    let config = Config {
        public_url: Some(format!("http://127.0.0.1:{port}")),
        routing: Routing {
            relays: vec![relay],
            ..Routing::default()
        },
        mail: MailSection::default(),
        feedback: Feedback::default(),
        tracking: TrackingSection::default(),
        intake: Ways::default(),
        preflight: Preflight::default(),
        // Its recipients do not exist.
        dns: None,
        sign_up: SignUpSettings::default(),
        preferences: Default::default(),
        retention: Default::default(),
        brand: Brand::default(),
        web: Web {
            listen: ([127, 0, 0, 1], port).into(),
            public_listen: None,
            trusted_proxies: Vec::new(),
            largest_upload: LARGEST_UPLOAD,
        },
        // Nobody watches a demo for five minutes.
        retry: Retry {
            first: Duration::from_secs(8),
            ..Retry::default()
        },
        sending: Sending {
            lease: Duration::from_secs(30),
            deadline: Duration::from_secs(5),
            node: "demo".to_owned(),
        },
        roles: Roles::all(),
    };
    Context {
        data: folder.to_owned(),
        config,
        source: None,
        database: format!("sqlite://{}", folder.join("demo.db").display()),
        json,
        clock: Clock::System,
    }
}

async fn set_up(
    args: DemoArgs,
    folder: &Path,
    store: &Store,
    context: &Context,
) -> anyhow::Result<CampaignId> {
    let file = folder.join("sample.csv");
    sample::write_sample(args.recipients, BufWriter::new(std::fs::File::create(&file)?))?;
    let rejects = folder.join("rejects.csv");
    let import = import::ImportArgs::of_file(file, LIST, rejects);
    import::import(import, store, context, &CancellationToken::new(), !context.json).await?;
    let now = context.clock.now();
    let starter = Starter::Digest.source("starter".to_owned());
    store
        .put_template(&starter, None, &By::command_line(), now)
        .await?;
    let list = store
        .find_list(LIST)
        .await?
        .context("the import has made the list")?;
    let new = NewCampaign {
        preheader: None,
        own: Vec::new(),
        name: NAME.to_owned(),
        lists: vec![list],
        template: starter.name,
        subject: "{{default name \"Friend\"}}, four things worth your Sunday".to_owned(),
        sender: "The Harbour Review <letters@harbour.example.org>".to_owned(),
        reply_to: None,
        rate: None,
        unknown_policy: UnknownPolicy::Hold,
        greatest_lateness: Duration::from_secs(3600),
        pool: None,
        max_sessions: None,
        parent: None,
        files: Vec::new(),
        attach_from: None,
        language_attribute: LANGUAGE_ATTRIBUTE.to_owned(),
        thresholds: OwnThresholds::default(),
        tracking: None,
        utm: Utm::default(),
        archive_hidden: false,
    };
    let id = store.create_campaign_by(&new, &By::command_line(), now).await?;
    store
        .schedule_campaign(
            id,
            &Start {
                schedule: Schedule {
                    at: now,
                    local: String::new(),
                    zone: "UTC".to_owned(),
                },
                spread: None,
                greatest_lateness: None,
                cleared: None,
            },
            &By::command_line(),
            now,
        )
        .await?;
    Ok(id)
}

/// Tells how it goes, and ends the demo if that was asked for.
async fn watch(
    args: DemoArgs,
    id: CampaignId,
    store: Store,
    context: &Context,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    let json = context.json;
    let shown = loop {
        let stopped = tokio::select! {
            () = stop.cancelled() => true,
            () = tokio::time::sleep(Duration::from_secs(2)) => false,
        };
        if stopped && !json {
            return Ok(());
        }
        let shown = Shown::read(&store, id, context).await?;
        if stopped {
            break shown;
        }
        if shown.planned > 0 {
            say(json, shown.progress())?;
        }
        let stands_still = args.exit_when_finished && shown.state == CampaignState::Paused;
        if is_over(&shown) || stands_still {
            let why = shown
                .reason
                .as_deref()
                .map(|why| format!(": {why}"))
                .unwrap_or_default();
            say(
                json,
                format!("campaign \"{}\" is {}{why}", shown.name, shown.state),
            )?;
            break shown;
        }
    };
    if json {
        output::json(&shown)?;
    }
    if stop.is_cancelled() && !is_over(&shown) {
        return Ok(());
    }
    if !args.exit_when_finished {
        say(json, "the dashboard stays up; press Ctrl-C to end")?;
        stop.cancelled().await;
        return Ok(());
    }
    stop.cancel();
    anyhow::ensure!(
        shown.state == CampaignState::Finished,
        "the demo's campaign did not finish"
    );
    Ok(())
}

fn is_over(shown: &Shown) -> bool {
    matches!(
        shown.state,
        CampaignState::Finished | CampaignState::Held | CampaignState::Cancelled
    )
}
