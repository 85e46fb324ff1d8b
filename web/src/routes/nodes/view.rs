//! What the page of the nodes says.

use crate::figures::numbers::{count, moment, per_second, span};
use serde::Serialize;
use std::time::Duration;
use tidings_campaign::time::Timestamp;
use tidings_store::nodes::{Node, NodeState};
use tidings_store::people::Role;

#[derive(Debug, Serialize)]
pub(super) struct NodesPage {
    problem: Option<String>,
    /// What nobody does.
    missing: Vec<&'static str>,
    may_change: bool,
    nodes: Vec<NodeView>,
}

#[derive(Debug, Serialize)]
struct NodeView {
    owner: String,
    name: String,
    level: &'static str,
    state: &'static str,
    roles: String,
    /// Where its pages are.
    listen: Option<String>,
    /// The campaigns that it sends.
    campaigns: Vec<i64>,
    sessions: String,
    rate: String,
    since: String,
    seen: String,
    version: String,
    can_drain: bool,
    can_resume: bool,
}

/// Two beats may be late before anybody need see it.
const FRESH: Duration = Duration::from_secs(5);

pub(super) fn view(nodes: Vec<Node>, role: Role, now: Timestamp, problem: Option<String>) -> NodesPage {
    NodesPage {
        problem,
        missing: missing(&nodes),
        may_change: role >= Role::Administrator,
        nodes: nodes.into_iter().map(|node| node_view(node, now)).collect(),
    }
}

/// What is not done because no node does it.
fn missing(nodes: &[Node]) -> Vec<&'static str> {
    let nobody = |role: &str| {
        let mut at_work = nodes.iter().filter(|node| node.state == NodeState::Running);
        !at_work.any(|node| node.roles.split(',').any(|one| one == role))
    };
    let consequences = [
        (
            "send",
            "No node sends: campaigns and letters wait until one does.",
        ),
        (
            "schedule",
            "No node keeps the calendar: campaigns do not start when their time comes.",
        ),
    ];
    let missing = consequences.into_iter().filter(|(role, _)| nobody(role));
    missing.map(|(_, words)| words).collect()
}

fn node_view(node: Node, now: Timestamp) -> NodeView {
    let silent = now.since(node.seen_at);
    let is_alive = node.state.is_alive();
    NodeView {
        level: match node.state {
            NodeState::Running => "good",
            NodeState::Draining => "warn",
            NodeState::Drained => "info",
            NodeState::Stopped => "quiet",
            NodeState::Lost => "bad",
        },
        state: node.state.as_str(),
        roles: node.roles.replace(',', ", "),
        campaigns: match is_alive {
            true => node.doing.campaigns.iter().map(|id| id.0).collect(),
            false => Vec::new(),
        },
        sessions: count(node.doing.sessions),
        rate: per_second(node.doing.rate_per_second),
        since: moment(node.started_at),
        seen: match silent < FRESH {
            true => "just now".to_owned(),
            false => format!("{} ago", span(silent)),
        },
        can_drain: is_alive && !node.drain,
        can_resume: is_alive && node.drain,
        listen: node.listen.filter(|_| is_alive),
        version: node.version,
        owner: node.owner,
        name: node.name,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tidings_campaign::ids::CampaignId;
    use tidings_store::nodes::Doing;

    const NOW: Timestamp = Timestamp::from_seconds(1_000_000);

    fn node(state: NodeState, roles: &str) -> Node {
        Node {
            owner: "main-1-00".to_owned(),
            name: "main".to_owned(),
            roles: roles.to_owned(),
            version: "1.0.0".to_owned(),
            started_at: NOW.minus(Duration::from_secs(60)),
            seen_at: NOW.minus(Duration::from_secs(1)),
            state,
            drain: false,
            listen: None,
            doing: Doing {
                campaigns: vec![CampaignId(7)],
                sessions: 3,
                rate_per_second: 12.0,
            },
        }
    }

    #[test]
    fn what_nobody_does_is_said() {
        assert!(missing(&[node(NodeState::Running, "web,schedule,send")]).is_empty());
        let drained = [
            node(NodeState::Drained, "send"),
            node(NodeState::Running, "schedule"),
        ];
        assert_eq!(missing(&drained).len(), 1);
        assert_eq!(missing(&[]).len(), 2);
    }

    #[test]
    fn who_is_gone_does_nothing_and_cannot_be_asked() {
        let view = node_view(node(NodeState::Lost, "send"), NOW);
        assert_eq!((view.level, view.campaigns.len()), ("bad", 0));
        assert!(!view.can_drain && !view.can_resume);
        let view = node_view(node(NodeState::Running, "send"), NOW);
        assert_eq!((view.campaigns, view.seen.as_str()), (vec![7], "just now"));
        assert!(view.can_drain);
    }
}
