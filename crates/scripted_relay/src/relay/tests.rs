use super::*;
use crate::rule::{Cut, Reply, Rule, Who};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};

async fn start(script: Script) -> ScriptedRelay {
    ScriptedRelay::start(script, ([127, 0, 0, 1], 0).into())
        .await
        .unwrap()
}

struct Client(BufReader<TcpStream>);

impl Client {
    async fn connect(relay: &ScriptedRelay) -> Self {
        Client(BufReader::new(TcpStream::connect(relay.addr()).await.unwrap()))
    }

    /// The code of the next reply; 0 if the connection has ended.
    async fn code(&mut self) -> u16 {
        loop {
            let mut line = String::new();
            if self.0.read_line(&mut line).await.unwrap_or(0) == 0 {
                return 0;
            }
            if line.as_bytes()[3] == b' ' {
                return line[..3].parse().unwrap();
            }
        }
    }

    async fn say(&mut self, text: &str, replies: usize) -> Vec<u16> {
        self.0.get_mut().write_all(text.as_bytes()).await.unwrap();
        let mut codes = Vec::new();
        for _ in 0..replies {
            codes.push(self.code().await);
        }
        codes
    }

    async fn greeted(relay: &ScriptedRelay) -> Self {
        let mut client = Client::connect(relay).await;
        assert_eq!(client.code().await, 220);
        assert_eq!(client.say("EHLO c.example.com\r\n", 1).await, [250]);
        client
    }

    async fn send(&mut self, to: &str) -> Vec<u16> {
        let group = format!("MAIL FROM:<b@example.com>\r\nRCPT TO:<{to}>\r\nDATA\r\n");
        let mut codes = self.say(&group, 3).await;
        codes.extend(self.say("Subject: x\r\n\r\n..dot\r\n.\r\n", 1).await);
        codes
    }
}

#[tokio::test]
async fn a_message_is_taken_with_its_whole_content() {
    let relay = start(Script::accepting().banner("one\ntwo").keep_content(1000)).await;
    let mut client = Client::greeted(&relay).await;
    assert_eq!(client.send("ann@example.org").await, [250, 250, 354, 250]);
    assert_eq!(client.say("QUIT\r\n", 2).await, [221, 0]);
    let taken = relay.accepted();
    assert_eq!(
        taken[0].content.as_deref(),
        Some(&b"Subject: x\r\n\r\n.dot\r\n"[..])
    );
    assert!(taken[0].answered);
    relay.stop().await;
}

#[tokio::test]
async fn a_cut_after_the_dot_ends_the_connection_without_a_reply() {
    let script = Script::accepting().rule(Rule::cut(Cut::AfterDotAccepted).to(Who::domain("example.org")));
    let relay = start(script).await;
    let mut client = Client::greeted(&relay).await;
    assert_eq!(client.send("ann@example.org").await, [250, 250, 354, 0]);
    assert!(!relay.accepted()[0].answered);
    assert_eq!((relay.counts().cut, relay.counts().accepted), (1, 1));
}

#[tokio::test]
async fn a_relay_goes_down_and_comes_up_on_the_same_port() {
    let relay = start(Script::accepting()).await;
    let mut client = Client::greeted(&relay).await;
    relay.go_down(Outage::RefuseConnections).await;
    assert_eq!(client.code().await, 421);
    assert!(TcpStream::connect(relay.addr()).await.is_err());
    relay.go_down(Outage::Answer421).await;
    assert_eq!(Client::connect(&relay).await.code().await, 421);
    relay.come_up().await;
    assert_eq!(
        Client::greeted(&relay).await.send("ann@example.org").await,
        [250, 250, 354, 250]
    );
    relay.stop().await;
}

#[tokio::test]
async fn sessions_beyond_the_limit_are_turned_away() {
    let relay = start(Script::accepting().max_sessions(1)).await;
    let mut first = Client::greeted(&relay).await;
    assert_eq!(Client::connect(&relay).await.code().await, 421);
    assert_eq!(first.say("QUIT\r\n", 2).await, [221, 0]);
    while relay.counts().open_sessions > 0 {
        sleep(Duration::from_millis(1)).await;
    }
    Client::greeted(&relay).await;
    assert_eq!(relay.counts().most_sessions, 2);
}

#[tokio::test]
async fn a_refused_greeting_can_be_for_the_first_connections_only() {
    let relay = start(Script::accepting().rule(Rule::greeting(Reply::new(554, "", "no")).first(1))).await;
    assert_eq!(Client::connect(&relay).await.code().await, 554);
    Client::greeted(&relay).await;
}

#[tokio::test]
async fn the_pace_holds_replies_back() {
    let relay = start(Script::accepting().pace(50.0)).await;
    let mut client = Client::greeted(&relay).await;
    let start = Instant::now();
    for _ in 0..6 {
        client.send("ann@example.org").await;
    }
    assert!(start.elapsed() >= Duration::from_millis(100));
}

#[tokio::test]
async fn only_loopback_is_listened_on() {
    assert!(
        ScriptedRelay::start(Script::sink(), ([0, 0, 0, 0], 0).into())
            .await
            .is_err()
    );
}
