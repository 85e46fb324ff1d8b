//! What comes in.

use tidings_feedback::event::Event;
use tidings_store::feedback::Way;

/// Something that came in by one of the ways.
#[derive(Debug)]
pub enum Arrival {
    /// A message.
    Mail(Mail),
    /// What a provider posted.
    Post(Post),
}

/// A message, as it came in.
#[derive(Debug)]
pub struct Mail {
    /// By which way.
    pub way: Way,
    /// The recipients of its envelope; none if the way knows no envelope (then they are looked for in the header).
    pub recipients: Vec<String>,
    /// The message. Of a long one only the beginning need be here (see [`LOOKED_AT`](tidings_feedback::message::LOOKED_AT)).
    pub octets: Vec<u8>,
}

/// What a provider posted, authenticated and understood.
#[derive(Debug)]
pub struct Post {
    /// Which provider's.
    pub way: Way,
    /// What recognises the same post if it comes again, if the provider says something of that kind; else its body does.
    pub id: Option<String>,
    /// As it came in.
    pub body: Vec<u8>,
    /// What it says.
    pub events: Vec<Event>,
}
