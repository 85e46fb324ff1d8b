//! The configuration as the dashboard shows and changes it: `tidings.toml` is edited in place, and what would not be taken is not
//! written. What the pages need is in `tidings_web::operator`.

mod edit;
mod faults;
mod files;
mod plan;
mod written;

use crate::commands::check::domains;
use crate::commands::relay;
use crate::config::{Config, ConfigSource, Faults, merged};
use crate::context::Context;
use crate::in_force::InForce;
use data_encoding::HEXLOWER;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use plan::Plan;
use sha2::{Digest, Sha256};
use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tidings_campaign::time::Clock;
use tidings_dns::Role;
use tidings_store::Store;
use tidings_store::audit::By;
use tidings_web::operator::{
    Change, DomainFinding, Fault, Looked, Operator, Part, Refusal, RelayFinding, Shown, Wish,
};
use tokio::runtime::Handle;
use toml::Table;
use written::Written;

/// The dashboard waits so long for a relay at most.
const RELAY_PATIENCE: Duration = Duration::from_secs(45);
/// And so long for the DNS.
const DNS_PATIENCE: Duration = Duration::from_secs(60);

/// The program's own operator.
pub struct OfFile {
    source: ConfigSource,
    data: PathBuf,
    store: Store,
    clock: Clock,
    in_force: Arc<InForce>,
    /// As it was at the start: what holds of the DNS and of return paths.
    config: Config,
    runtime: Handle,
    /// One change at a time.
    changing: tokio::sync::Mutex<()>,
    testing: Mutex<HashSet<String>>,
    looked: Mutex<Looked>,
}

impl OfFile {
    /// None if the configuration is not from a file. Must be called in the program's runtime.
    pub fn of(context: &Context, store: &Store, in_force: &Arc<InForce>) -> Option<Arc<OfFile>> {
        Some(Arc::new(OfFile {
            source: context.source.clone()?,
            data: context.data.clone(),
            store: store.clone(),
            clock: context.clock.clone(),
            in_force: Arc::clone(in_force),
            config: context.config.clone(),
            runtime: Handle::current(),
            changing: tokio::sync::Mutex::default(),
            testing: Mutex::default(),
            looked: Mutex::default(),
        }))
    }

    fn look(&self) -> Shown {
        let read = self.source.text();
        let text = read.as_ref().ok().and_then(Option::as_deref);
        let checked = match &read {
            Ok(text) => self.source.check(text.as_deref().unwrap_or_default()).map(drop),
            Err(error) => Err(anyhow::anyhow!("{error:#}")),
        };
        let taken = self.in_force.taken();
        let trouble = checked.err().map(|error| format!("{error:#}"));
        // A file that cannot be taken says nothing: what holds is shown.
        let (file, now) = match (&trouble, text) {
            (None, Some(text)) => (
                toml::from_str(text).unwrap_or_default(),
                merged(text).unwrap_or_default(),
            ),
            (None, None) => (Table::new(), merged("").unwrap_or_default()),
            (Some(_), _) => (taken.clone(), taken.clone()),
        };
        let written = Written {
            file: &file,
            now: &now,
            taken: &taken,
            started: self.in_force.started(),
        };
        Shown {
            place: self.source.path().display().to_string(),
            is_there: text.is_some(),
            version: version(text),
            trouble,
            is_waiting: written::is_waiting(&now, &taken),
            parts: written.parts(),
            pools: written::pools(&now),
            domains: self.looked.lock().unwrap_or_else(PoisonError::into_inner).clone(),
        }
    }

    async fn change_file(&self, change: Change, by: By) -> Result<(), Refusal> {
        let _one = self.changing.lock().await;
        let text = self.source.text().map_err(failed)?;
        if version(text.as_deref()) != change.version {
            return Err(Refusal::ChangedOutside);
        }
        let former = text.as_deref().unwrap_or_default();
        let shown = self.look();
        if shown.version != change.version {
            return Err(Refusal::ChangedOutside);
        }
        // The parts that are shown are not the file's then, so an edit could meet another one.
        if let Some(trouble) = shown.trouble {
            return Err(Refusal::Faults(vec![Fault {
                key: None,
                text: format!("The file is changed by hand until its fault is mended: {trouble}"),
            }]));
        }
        let plan = Plan::of(former, &change, &shown.parts, &self.data)?;
        let found = self.faults(&plan, &change.part);
        if !found.is_empty() {
            plan.undo();
            return Err(Refusal::Faults(found));
        }
        if plan.text == former {
            return Ok(());
        }
        let what = match change.wish {
            Wish::Add(_) => "added to the settings",
            Wish::Set(_) => "changed the settings",
            Wish::Remove => "removed from the settings",
        };
        // First, so that nothing is changed that is not kept.
        let about = change.part.to_string();
        if let Err(refusal) = self.audit(&by, what, (&about, &plan.differences)).await {
            plan.undo();
            return Err(refusal);
        }
        let (file, before, after) = (self.source.path().to_owned(), text.clone(), plan.text.clone());
        let writing = tokio::task::spawn_blocking(move || files::write(&file, before.as_deref(), &after));
        let wrote = writing.await.map_err(|error| failed(error.into()))?;
        if let Err(error) = wrote {
            let why = format!("{error:#}");
            self.audit(&by, "could not write the settings", (&about, &why))
                .await?;
            // The lines name the file of a new password, so it stays. Of what goes there are no lines to put in.
            let lines = match change.wish {
                Wish::Add(_) | Wish::Set(_) => Some(edit::changed_lines(former, &plan.text)),
                Wish::Remove => None,
            };
            return Err(Refusal::NotWritten { why, lines });
        }
        let read = self.in_force.read_again();
        read.map_err(|error| {
            Refusal::Failed(format!(
                "the file was written, and is not taken over yet: {error:#}"
            ))
        })?;
        plan.forget_former_secret();
        Ok(())
    }

    /// Everything that is wrong with a change: of the form, and of what it would make of the file.
    fn faults(&self, plan: &Plan, part: &Part) -> Vec<Fault> {
        let mut found = plan.faults.clone();
        let taken = self
            .source
            .check(&plan.text)
            .and_then(|config| self.in_force.takeable(config));
        if let Err(error) = taken
            // A text that does not even read may be so because of what the form has wrong.
            && (found.is_empty() || error.downcast_ref::<Faults>().is_some())
        {
            let others = faults::of(&error, part).into_iter();
            let others =
                others.filter(|it| it.key.is_none() || found.iter().all(|known| known.key != it.key));
            let others: Vec<Fault> = others.collect();
            found.extend(others);
        }
        found
    }

    async fn audit(&self, by: &By, what: &str, about: (&str, &str)) -> Result<(), Refusal> {
        let kept = self.store.audit(by, what, about, self.clock.now()).await;
        kept.map_err(|error| Refusal::Failed(format!("the audit log cannot be written: {error}")))
    }

    async fn test(&self, name: String) -> Result<RelayFinding, Refusal> {
        let relays = self.in_force.routing().borrow().relays.clone();
        let Some(relay) = relays.into_iter().find(|relay| relay.name == name) else {
            return Err(Refusal::Failed(format!("no relay called `{name}` is in use")));
        };
        let Some(_turn) = Turn::take(&self.testing, &name) else {
            return Err(Refusal::Failed(format!(
                "relay {name} is being tested already: wait for the answer"
            )));
        };
        let tested = tokio::time::timeout(RELAY_PATIENCE, relay::test(&relay, &self.clock)).await;
        let mut found = match tested {
            Ok(finding) => finding,
            Err(_) => {
                let mut finding = relay::Finding::of(&relay);
                let seconds = RELAY_PATIENCE.as_secs();
                finding.fault = Some(format!(
                    "it was not done within {seconds} s: the relay is very slow"
                ));
                finding
            }
        };
        Ok(RelayFinding {
            certificate: found.certificate_in_words(),
            relay: name,
            at: self.clock.now(),
            address: std::mem::take(&mut found.address),
            fault: found.fault,
            greeting: found.greeting,
            tls: found.tls,
            auth: found.auth,
            announces: found.announces,
            hints: found.hints,
            transcript: found.transcript,
        })
    }

    async fn ask_the_dns(&self) -> (Vec<DomainFinding>, Option<String>) {
        let pools = self.in_force.routing().borrow().pools.clone();
        let return_path = self.config.mail.return_path_domain.as_deref();
        let domains = domains::domains(Some(&self.store), &pools, return_path).await;
        let Some(settings) = &self.config.dns else {
            return (Vec::new(), Some(domains::NOT_ASKED.to_owned()));
        };
        match tokio::time::timeout(DNS_PATIENCE, domains::ask(domains, settings)).await {
            Ok(Ok(found)) => (found.into_iter().map(domain_finding).collect(), None),
            Ok(Err(no_answer)) => (Vec::new(), Some(no_answer.to_string())),
            Err(_) => (
                Vec::new(),
                Some(format!(
                    "the DNS gave no answer within {} s",
                    DNS_PATIENCE.as_secs()
                )),
            ),
        }
    }

    fn set_looked(&self, looked: Looked) {
        *self.looked.lock().unwrap_or_else(PoisonError::into_inner) = looked;
    }
}

impl Operator for OfFile {
    fn shown(self: Arc<Self>) -> BoxFuture<'static, Shown> {
        async move { self.look() }.boxed()
    }

    fn change(self: Arc<Self>, change: Change, by: By) -> BoxFuture<'static, Result<(), Refusal>> {
        async move { self.change_file(change, by).await }.boxed()
    }

    fn read_again(self: Arc<Self>, by: By) -> BoxFuture<'static, Result<(), Refusal>> {
        async move {
            // First, so that nothing is taken over that is not kept.
            self.audit(&by, "had the settings read again", ("settings", ""))
                .await?;
            let Err(error) = self.in_force.read_again() else {
                return Ok(());
            };
            let text = format!("{error:#}");
            self.audit(&by, "could not take over the settings", ("settings", &text))
                .await?;
            Err(Refusal::Faults(vec![Fault { key: None, text }]))
        }
        .boxed()
    }

    fn test_relay(self: Arc<Self>, name: String) -> BoxFuture<'static, Result<RelayFinding, Refusal>> {
        async move { self.test(name).await }.boxed()
    }

    fn look_at_domains(self: Arc<Self>) {
        {
            let mut looked = self.looked.lock().unwrap_or_else(PoisonError::into_inner);
            if matches!(*looked, Looked::Asking) {
                return;
            }
            *looked = Looked::Asking;
        }
        let operator = Arc::clone(&self);
        self.runtime.spawn(async move {
            let (domains, note) = operator.ask_the_dns().await;
            operator.set_looked(Looked::Answered {
                at: operator.clock.now(),
                domains,
                note,
            });
        });
    }
}

/// The turn of testing a relay; it ends with its holder.
struct Turn<'t> {
    taken: &'t Mutex<HashSet<String>>,
    name: String,
}

impl<'t> Turn<'t> {
    fn take(taken: &'t Mutex<HashSet<String>>, name: &str) -> Option<Turn<'t>> {
        let is_free = taken
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(name.to_owned());
        is_free.then(|| Turn {
            taken,
            name: name.to_owned(),
        })
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        taken.remove(&self.name);
    }
}

fn domain_finding(found: domains::OfDomain) -> DomainFinding {
    let role = match found.role {
        Role {
            is_from: true,
            is_return_path: true,
        } => "From and return path",
        Role { is_from: true, .. } => "From",
        Role { .. } => "return path",
    };
    let (faults, note) = match found.looked {
        Ok(faults) => (faults, None),
        Err(no_answer) => (Vec::new(), Some(no_answer.to_string())),
    };
    DomainFinding {
        domain: found.domain,
        role: role.to_owned(),
        faults,
        note,
    }
}

fn failed(error: anyhow::Error) -> Refusal {
    Refusal::Failed(format!("{error:#}"))
}

/// Another one for each text, and for no file.
fn version(text: Option<&str>) -> String {
    text.map_or_else(
        || "none".to_owned(),
        |text| HEXLOWER.encode(&Sha256::digest(text.as_bytes())),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use tidings_web::operator::entries;

    /// What is shown as the default is what holds without the setting.
    #[test]
    fn the_defaults_that_are_shown_hold() {
        let source = ConfigSource {
            file: None,
            default_file: "/nowhere/tidings.toml".into(),
        };
        let relay = "[[relay]]\nname = \"a\"\nurl = \"smtps://mail.example.com\"\n";
        for (part, heading) in [
            (Part::Relay("a".to_owned()), relay),
            (Part::Feedback, "[feedback]\n"),
            (Part::Tracking, "[tracking]\n"),
        ] {
            let holds = |text: &str| {
                let Config {
                    routing,
                    feedback,
                    tracking,
                    ..
                } = source.check(text).unwrap();
                let hits = tracking.hits().unwrap();
                format!(
                    "{routing:?} {feedback:?} {:?} {} {:?}",
                    tracking.mode, hits.per_minute, hits.keep
                )
            };
            let plain = holds(heading);
            for entry in entries(&part) {
                let Ok(Some(value)) = edit::value(entry.kind, entry.default) else {
                    continue;
                };
                // Some defaults are described in words.
                if entry.default.contains(' ') || entry.key == "auth" {
                    continue;
                }
                let with = holds(&format!("{heading}{} = {value}\n", entry.key));
                assert_eq!(with, plain, "{}", entry.key);
            }
        }
    }
}
