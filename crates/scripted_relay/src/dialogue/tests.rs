use super::*;
use crate::rule::{Cut, Reply, Rule, Who};
use crate::script::Extensions;
use data_encoding::BASE64;

struct Client(Dialogue, Arc<Shared>);

fn peer() -> crate::record::Client {
    crate::record::Client {
        address: [127, 0, 0, 1].into(),
        hello: String::new(),
        encrypted: false,
        user: None,
    }
}

impl Client {
    fn new(script: Script) -> Self {
        let started = Instant::now();
        let judge = Judge::new(&script, started);
        let shared = Arc::new(Shared {
            judge,
            script,
            record: Record::default(),
            started,
        });
        Client(Dialogue::new(shared.clone(), 1, peer()), shared)
    }

    /// Sends `text` in one piece; the codes of the replies, and what the relay does next.
    fn say(&mut self, text: &str) -> (Vec<u16>, Step) {
        let mut out = Vec::new();
        let step = self.0.feed(text.as_bytes(), Instant::now(), &mut out);
        let out = String::from_utf8(out).unwrap();
        let last_lines = out.lines().filter(|line| line.as_bytes()[3] == b' ');
        (last_lines.map(|line| line[..3].parse().unwrap()).collect(), step)
    }

    fn greeted(script: Script) -> Self {
        let mut client = Client::new(script);
        assert_eq!(client.say("EHLO client.example.com\r\n"), (vec![250], Step::Go));
        client
    }
}

const MAIL: &str = "MAIL FROM:<b@example.com>\r\n";
const RCPT: &str = "RCPT TO:<ann@example.org>\r\n";
const DATA: &str = "DATA\r\n";
const CONTENT: &str = "Message-ID: <1@example.com>\r\n\r\nHello\r\n.\r\n";

#[test]
fn content_and_the_next_group_come_in_one_write() {
    let mut client = Client::greeted(Script::accepting());
    assert_eq!(
        client.say(&[MAIL, RCPT, DATA].concat()),
        (vec![250, 250, 354], Step::Go)
    );
    let next = [CONTENT, MAIL, "RCPT TO:<bea@example.org>\r\n", DATA].concat();
    assert_eq!(client.say(&next), (vec![250, 250, 250, 354], Step::Go));
    assert_eq!(
        client.say(&[CONTENT, "QUIT\r\n"].concat()),
        (vec![250, 221], Step::Close)
    );
    let taken = client.1.record.acceptances();
    assert_eq!(
        taken.iter().map(|a| a.recipient.as_str()).collect::<Vec<_>>(),
        ["ann@example.org", "bea@example.org"]
    );
    assert_eq!(taken[0].message_id.as_deref(), Some("<1@example.com>"));
    assert_eq!(taken[0].size, CONTENT.len() - 3);
}

#[test]
fn commands_out_of_order_are_refused() {
    let mut client = Client::new(Script::accepting());
    assert_eq!(client.say(MAIL).0, [503]);
    client.say("EHLO c.example.com\r\n");
    assert_eq!(client.say(RCPT).0, [503]);
    assert_eq!(client.say(DATA).0, [503]);
    assert_eq!(client.say(&[MAIL, MAIL].concat()).0, [250, 503]);
    assert_eq!(client.say(DATA).0, [554]);
    assert_eq!(client.say("FOO\r\n").0, [500]);
    assert_eq!(client.say("MAIL TO\r\n").0, [501]);
    assert_eq!(client.1.record.counts().bad_commands, 6);
}

#[test]
fn without_pipelining_a_client_that_does_not_wait_is_refused() {
    let mut client = Client::greeted(Script::accepting().without_pipelining());
    assert_eq!(client.say(MAIL).0, [250]);
    assert_eq!(client.say(&[RCPT, DATA].concat()), (vec![250, 503], Step::Close));
}

#[test]
fn nothing_may_follow_data_before_the_reply() {
    let mut client = Client::greeted(Script::accepting());
    let eager = [MAIL, RCPT, DATA, CONTENT].concat();
    assert_eq!(client.say(&eager), (vec![250, 250, 354, 503], Step::Close));
    assert_eq!(client.1.record.counts().accepted, 0);
}

#[test]
fn a_refused_recipient_leaves_the_session_usable() {
    let gone = Rule::rcpt(Reply::new(550, "5.1.1", "no such user")).to(Who::local_starts_with("ann"));
    let mut client = Client::greeted(Script::accepting().rule(gone.clone()));
    assert_eq!(client.say(&[MAIL, RCPT, DATA].concat()).0, [250, 550, 554]);
    assert_eq!(client.say("RSET\r\n").0, [250]);
    assert_eq!(client.1.record.counts().refused, 1);

    let mut client = Client::greeted(Script::accepting().rule(gone).data_without_recipients());
    assert_eq!(client.say(&[MAIL, RCPT, DATA].concat()).0, [250, 550, 354]);
    assert_eq!(client.say(&[".\r\n", MAIL].concat()).0, [554, 250]);
    assert_eq!(client.1.record.counts().accepted, 0);
}

#[test]
fn the_connection_is_cut_where_the_script_says() {
    let cut = |cut| {
        let mut client = Client::greeted(Script::accepting().rule(Rule::cut(cut)));
        let first = client.say(&[MAIL, RCPT, DATA].concat()).1;
        let step = if first == Step::Go {
            client.say(CONTENT).1
        } else {
            first
        };
        (first, step, client.1.record.acceptances().len())
    };
    assert_eq!(cut(Cut::AtData), (Step::Cut, Step::Cut, 0));
    assert_eq!(cut(Cut::InContent), (Step::Go, Step::Cut, 0));
    assert_eq!(cut(Cut::AfterDotLost), (Step::Go, Step::Cut, 0));
    assert_eq!(cut(Cut::AfterDotAccepted), (Step::Go, Step::Cut, 1));
}

#[test]
fn a_session_ends_after_so_many_messages() {
    let mut client = Client::greeted(Script::accepting().max_messages_per_session(1));
    client.say(&[MAIL, RCPT, DATA].concat());
    assert_eq!(
        client.say(&[CONTENT, MAIL, RCPT, DATA].concat()),
        (vec![250, 421], Step::Close)
    );
}

#[test]
fn parameters_count_only_if_announced() {
    let none = Extensions {
        eight_bit_mime: false,
        size: Some(100),
        smtputf8: false,
        enhanced_status_codes: false,
        ..Extensions::default()
    };
    let mut client = Client::greeted(Script::accepting().extensions(none));
    assert_eq!(client.say("MAIL FROM:<b@example.com> BODY=8BITMIME\r\n").0, [555]);
    assert_eq!(client.say("MAIL FROM:<b@example.com> SMTPUTF8\r\n").0, [555]);
    assert_eq!(client.say("MAIL FROM:<b@example.com> SIZE=101\r\n").0, [552]);
    assert_eq!(
        client
            .say("MAIL FROM:<b@example.com> SIZE=100\r\nRCPT TO:<jörg@example.org>\r\n")
            .0,
        [250, 553]
    );
    let mut client = Client::greeted(Script::accepting());
    assert_eq!(
        client
            .say("MAIL FROM:<b@example.com> BODY=8BITMIME SMTPUTF8 SIZE=101\r\n")
            .0,
        [250]
    );
}

#[test]
fn a_content_beyond_the_announced_size_is_refused_at_the_dot() {
    let small = Extensions {
        size: Some(10),
        ..Extensions::default()
    };
    let mut client = Client::greeted(Script::accepting().extensions(small));
    client.say(&[MAIL, RCPT, DATA].concat());
    assert_eq!(client.say(CONTENT).0, [552]);
}

#[test]
fn login_is_wanted_before_mail_and_takes_both_mechanisms() {
    let script = || Script::accepting().login("ann", "pässword");
    let plain = BASE64.encode("\0ann\0pässword".as_bytes());
    let mut client = Client::greeted(script());
    assert_eq!(client.say(MAIL).0, [530]);
    assert_eq!(client.say("AUTH PLAIN AGFubgB3cm9uZw==\r\n").0, [535]);
    assert_eq!(client.say(&format!("AUTH PLAIN {plain}\r\n")).0, [235]);
    assert_eq!(client.say(MAIL).0, [250]);

    let mut client = Client::greeted(script());
    assert_eq!(client.say("AUTH PLAIN\r\n").0, [334]);
    assert_eq!(client.say("*\r\n").0, [501]);
    assert_eq!(client.say("AUTH LOGIN\r\n").0, [334]);
    assert_eq!(client.say("YW5u\r\n").0, [334]);
    assert_eq!(
        client
            .say(&format!("{}\r\n", BASE64.encode("pässword".as_bytes())))
            .0,
        [235]
    );
}

#[test]
fn replies_do_not_depend_on_where_the_reads_fall() {
    let mut client = Client::greeted(Script::accepting());
    let mut codes = Vec::new();
    for piece in [
        &[MAIL, RCPT, DATA].concat(),
        &[CONTENT, MAIL, RCPT, DATA].concat(),
    ] {
        for byte in piece.chars() {
            codes.extend(client.say(&byte.to_string()).0);
        }
    }
    assert_eq!(codes, [250, 250, 354, 250, 250, 250, 354]);
}
