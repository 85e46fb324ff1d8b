//! How large a message the relays take that a campaign may go through (RFC 1870), and in which form (RFC 6152): they say it when
//! one connects.

use std::time::Duration;
use tidings_campaign::message::BodyEncoding;
use tidings_campaign::preflight::Asked;
use tidings_sender::connection::Connection;
use tidings_sender::dispatch::Routing;
use tidings_sender::relay::RelaySettings;
use tokio::task::JoinSet;

/// A person does not wait for the minutes that a campaign can.
const PATIENCE: Duration = Duration::from_secs(15);

/// The largest message of each, and the form that all of them take: a message is larger in ASCII, and each must be able to take it.
pub(crate) async fn ask(
    routing: &Routing,
    pool: Option<&str>,
    from_domain: &str,
) -> (Vec<(String, Asked<Option<u64>>)>, BodyEncoding) {
    let mut asking = JoinSet::new();
    for relay in routing.relays_of(pool, from_domain) {
        asking.spawn(one(relay.clone()));
    }
    let (mut asked, forms): (Vec<_>, Vec<_>) = asking.join_all().await.into_iter().unzip();
    asked.sort_by(|(a, _), (b, _)| a.cmp(b));
    let encoding = match forms.contains(&BodyEncoding::SevenBit) {
        true => BodyEncoding::SevenBit,
        false => BodyEncoding::EightBit,
    };
    (asked, encoding)
}

/// Of one that does not answer, nothing speaks against eight bits.
async fn one(relay: RelaySettings) -> ((String, Asked<Option<u64>>), BodyEncoding) {
    let patient = RelaySettings {
        timeouts: relay.timeouts.at_most(PATIENCE),
        ..relay
    };
    let (asked, encoding) = match Connection::open(&patient).await {
        Ok(connection) => {
            let announced = connection.announced();
            let (size, eight_bit) = (announced.size, announced.eight_bit_mime);
            connection.quit().await;
            let encoding = match eight_bit {
                true => BodyEncoding::EightBit,
                false => BodyEncoding::SevenBit,
            };
            (Asked::Found(size.map(|size| size as u64)), encoding)
        }
        Err(failed) => (Asked::NoAnswer(failed.fault.to_string()), BodyEncoding::EightBit),
    };
    ((patient.name, asked), encoding)
}
