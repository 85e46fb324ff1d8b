//! `tidings campaign again`: once more, to those whom a campaign did not reach.

use crate::commands::campaign;
use crate::context::Context;
use clap::Args;
use tidings_campaign::ids::CampaignId;
use tidings_campaign::lifecycle::DeliveryState;
use tidings_store::Store;
use tidings_store::audit::By;
use tidings_store::children::again_name;

/// `campaign again`
#[derive(Args, Debug)]
pub struct AgainArgs {
    /// The campaign's id; it must be finished or cancelled.
    id: CampaignId,
    /// To those whose deliveries are in this state now; may be given several times.
    #[arg(long = "state", required = true, num_args = 1.., value_parser = campaign::state)]
    states: Vec<DeliveryState>,
    /// A name for people; the campaign's own with "again" if not given.
    #[arg(long)]
    name: Option<String>,
}

/// Makes the draft. It goes out as any other: `campaign send` or `campaign schedule`.
pub async fn run(args: AgainArgs, context: &Context, store: &Store) -> anyhow::Result<()> {
    let name = match args.name.as_deref().map(str::trim) {
        Some(name) => {
            anyhow::ensure!(!name.is_empty(), "--name: a campaign needs a name");
            name.to_owned()
        }
        None => again_name(&store.get_campaign(args.id).await?.name),
    };
    let mut states = Vec::new();
    for state in args.states {
        if !states.contains(&state) {
            states.push(state);
        }
    }
    let child = store
        .create_child(args.id, &states, &name, &By::command_line(), context.clock.now())
        .await?;
    campaign::made(child, context)
}
