use super::*;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener};
use tidings_campaign::preflight::Answer;

/// A server that answers HEAD of some pages only. Returns where it is.
fn server() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
            let first = lines.next().unwrap_or(Ok(String::new())).unwrap_or_default();
            for line in lines.map_while(Result::ok) {
                if line.is_empty() {
                    break;
                }
            }
            let answer = match first.trim_end_matches(" HTTP/1.1") {
                "HEAD /here" | "GET /only-get" | "GET /cut" => "200 OK\r\nContent-Length: 7",
                // Hangs up without a word.
                "HEAD /cut" => continue,
                "HEAD /moved" => "302 Found\r\nLocation: /here\r\nContent-Length: 0",
                "HEAD /round" => "302 Found\r\nLocation: /round\r\nContent-Length: 0",
                "HEAD /inside" => "302 Found\r\nLocation: file:///etc/passwd\r\nContent-Length: 0",
                "HEAD /only-get" => "405 Method Not Allowed\r\nContent-Length: 0",
                _ => "404 Not Found\r\nContent-Length: 0",
            };
            let body = if first.starts_with("GET") && answer.contains("200") {
                "welcome"
            } else {
                ""
            };
            let _ = write!(stream, "HTTP/1.1 {answer}\r\nConnection: close\r\n\r\n{body}");
        }
    });
    addr
}

async fn outcomes(paths: &[&str], allow_private_addresses: bool) -> Vec<Outcome> {
    let addr = server();
    let addresses = paths
        .iter()
        .map(|path| (format!("http://{addr}{path}"), false))
        .collect();
    let settings = LinkSettings {
        check: true,
        allow_private_addresses,
    };
    let addresses = Addresses {
        shared: addresses,
        own: Vec::new(),
    };
    match ask(addresses, "https://news.example.com", settings).await {
        Asked::Found(answers) => answers.into_iter().map(|answer| answer.outcome).collect(),
        other => panic!("{other:?}"),
    }
}

fn answered(status: u16, redirects: u32, size: u64) -> Outcome {
    Outcome::Answered(Answer {
        status,
        redirects,
        size: Some(size),
    })
}

#[tokio::test]
async fn pages_are_asked_once_by_head_and_by_get_where_that_is_refused() {
    let asked = ["/here", "/here#part", "/moved", "/only-get", "/gone"];
    let outcomes = outcomes(&asked, true).await;
    assert_eq!(
        outcomes,
        [
            answered(200, 0, 7),
            answered(200, 1, 7),
            answered(200, 0, 7),
            answered(404, 0, 0)
        ]
    );
}

#[tokio::test]
async fn who_does_not_answer_head_is_not_asked_again() {
    let outcomes = outcomes(&["/cut"], true).await;
    assert!(matches!(outcomes[..], [Outcome::Failed(_)]), "{outcomes:?}");
}

#[tokio::test]
async fn what_is_one_recipients_own_is_not_asked() {
    let addr = server();
    let here = |rest: &str| (format!("http://{addr}/here{rest}"), false);
    let addresses = Addresses {
        shared: vec![here("")],
        own: vec![
            here("?ann"),
            here("#ann"),
            ("mailto:ann@example.org".to_owned(), false),
        ],
    };
    let settings = LinkSettings {
        check: true,
        allow_private_addresses: true,
    };
    let Asked::Found(answers) = ask(addresses, "https://news.example.com", settings).await else {
        panic!("they are asked");
    };
    let outcomes: Vec<_> = answers.into_iter().map(|answer| answer.outcome).collect();
    assert_eq!(outcomes, [answered(200, 0, 7), Outcome::OnesOwn]);
}

#[tokio::test]
async fn a_way_without_an_end_or_out_of_the_web_is_not_followed() {
    let outcomes = outcomes(&["/round", "/inside"], true).await;
    for (outcome, part) in outcomes.iter().zip(["on and on", "no web page"]) {
        assert!(
            matches!(outcome, Outcome::Failed(why) if why.contains(part)),
            "{outcome:?}"
        );
    }
}

#[tokio::test]
async fn a_private_network_is_not_asked_unless_that_is_allowed() {
    let outcomes = outcomes(&["/here"], false).await;
    assert!(matches!(outcomes[..], [Outcome::NotAsked(_)]), "{outcomes:?}");
    // A name that leads there is found out when it is resolved.
    let port = server().port();
    let url = Url::parse(&format!("http://localhost:{port}/here")).unwrap();
    let outcome = spawn_blocking(move || Client::new(false).ask(url)).await.unwrap();
    assert!(
        matches!(&outcome, Outcome::Failed(why) if why.contains("private network")),
        "{outcome:?}"
    );
}

#[test]
fn links_of_our_own_are_left_alone() {
    let links = [
        "https://news.example.com/u/abc",
        "https://a.test/",
        "https://news.example.com.evil.net/",
        "mailto:a@a.test",
        "/there",
    ];
    let links = links.map(|link| (link.to_owned(), false)).to_vec();
    let kept = distinct(links, "https://news.example.com");
    let expected = ["https://a.test/", "https://news.example.com.evil.net/"];
    assert_eq!(kept, expected.map(|url| (Url::parse(url).unwrap(), false)));
}
