//! The least that a sender can do, for benchmarks: `writer ADDRESS MESSAGES OCTETS SESSIONS` writes the same message again and
//! again, one round trip and one write for each, as our sessions do. Nothing is rendered, decided or kept.

use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

type Failure = Box<dyn Error + Send + Sync>;

const ENVELOPE: &str = "MAIL FROM:<news@example.com>\r\nRCPT TO:<reader@example.org>\r\nDATA\r\n";

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Failure> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [address, messages, octets, sessions] = words.as_slice() else {
        return Err("writer ADDRESS MESSAGES OCTETS SESSIONS".into());
    };
    let messages: usize = messages.parse()?;
    let content: Arc<str> = content(octets.parse()?).into();
    let begun = Arc::new(AtomicUsize::new(0));
    let mut all = JoinSet::new();
    for _ in 0..sessions.parse()? {
        let stream = TcpStream::connect(address).await?;
        all.spawn(session(
            stream,
            Arc::clone(&content),
            Arc::clone(&begun),
            messages,
        ));
    }
    while let Some(ended) = all.join_next().await {
        ended??;
    }
    Ok(())
}

/// A message of so many octets with its dot.
fn content(octets: usize) -> String {
    let mut content = String::from("Subject: news\r\n\r\n");
    while content.len() + 78 <= octets {
        content += &"x".repeat(76);
        content += "\r\n";
    }
    content + ".\r\n"
}

async fn session(
    mut stream: TcpStream,
    content: Arc<str>,
    begun: Arc<AtomicUsize>,
    messages: usize,
) -> Result<(), Failure> {
    let is_next = || begun.fetch_add(1, Ordering::Relaxed) < messages;
    stream.set_nodelay(true)?;
    replies(&mut stream, 1).await?;
    stream.write_all(b"EHLO news.example.com\r\n").await?;
    replies(&mut stream, 1).await?;
    let mut more = is_next();
    if more {
        stream.write_all(ENVELOPE.as_bytes()).await?;
        replies(&mut stream, 3).await?;
    }
    let (with_next, last) = (format!("{content}{ENVELOPE}"), format!("{content}QUIT\r\n"));
    while more {
        more = is_next();
        let (text, n) = if more { (&with_next, 4) } else { (&last, 2) };
        stream.write_all(text.as_bytes()).await?;
        replies(&mut stream, n).await?;
    }
    Ok(())
}

/// Reads so many replies, none of which may be a refusal.
async fn replies(stream: &mut TcpStream, n: usize) -> Result<(), Failure> {
    let (mut text, mut found) = ([0; 4096], 0);
    let mut line = Vec::new();
    while found < n {
        let read = stream.read(&mut text).await?;
        if read == 0 {
            return Err("the relay closed the connection".into());
        }
        for octet in &text[..read] {
            if *octet != b'\n' {
                line.push(*octet);
                continue;
            }
            if !matches!(line.first(), Some(b'2' | b'3')) {
                return Err(String::from_utf8_lossy(&line).into());
            }
            found += usize::from(line.get(3) == Some(&b' '));
            line.clear();
        }
    }
    Ok(())
}
