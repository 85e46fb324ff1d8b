use super::*;
use std::sync::Arc;

fn counting(folder: &Path, prints: &str) -> Tokens {
    let count = folder.join("count").display().to_string();
    Tokens::new(TokenSource::Command(format!(
        "echo x >> {count}; sleep 0.1; n=$(wc -l < {count} | tr -d ' '); {prints}"
    )))
}

fn runs(folder: &Path) -> usize {
    let text = std::fs::read_to_string(folder.join("count")).unwrap_or_default();
    text.lines().count()
}

fn shown(token: &Token) -> &str {
    token.secret.expose_secret()
}

#[test]
fn a_token_is_read_from_its_line_or_from_json() {
    let read = |text| parse(text).map(|(token, life)| (token.expose_secret().to_owned(), life));
    assert_eq!(read("ya29.a-b\n"), Ok(("ya29.a-b".to_owned(), None)));
    let hour = Some(Duration::from_secs(3599));
    assert_eq!(
        read("{\"access_token\": \"t\", \"expires_in\": 3599, \"scope\": \"x\"}"),
        Ok(("t".to_owned(), hour))
    );
    for wrong in [
        "",
        "two words",
        "{\"token\": 1}",
        "{\"access_token\": \"\"}",
        "secret\0",
    ] {
        let error = read(wrong).unwrap_err();
        assert!(error.starts_with("gives") && !error.contains("secret"), "{error}");
    }
}

#[tokio::test]
async fn many_who_ask_at_once_run_the_command_once() {
    let folder = tempfile::tempdir().unwrap();
    let tokens = Arc::new(counting(folder.path(), "echo token-$n"));
    let asking: Vec<_> = (0..20)
        .map(|_| {
            let tokens = Arc::clone(&tokens);
            tokio::spawn(async move { tokens.token(None).await.unwrap() })
        })
        .collect();
    for answer in asking {
        assert_eq!(shown(&answer.await.unwrap()), "token-1");
    }
    assert_eq!(runs(folder.path()), 1);
}

#[tokio::test]
async fn a_refused_token_is_renewed_once_for_all() {
    let folder = tempfile::tempdir().unwrap();
    let tokens = counting(folder.path(), "echo token-$n");
    let first = tokens.token(None).await.unwrap();
    assert_eq!(shown(&tokens.token(Some(&first)).await.unwrap()), "token-2");
    assert_eq!(shown(&tokens.token(Some(&first)).await.unwrap()), "token-2");
    assert_eq!(runs(folder.path()), 2);
}

#[tokio::test]
async fn a_token_is_renewed_before_it_expires() {
    let folder = tempfile::tempdir().unwrap();
    let tokens = counting(
        folder.path(),
        "echo \"{\\\"access_token\\\": \\\"t$n\\\", \\\"expires_in\\\": 1}\"",
    );
    assert_eq!(shown(&tokens.token(None).await.unwrap()), "t1");
    assert_eq!(shown(&tokens.token(None).await.unwrap()), "t1");
    sleep(Duration::from_millis(600)).await;
    assert_eq!(shown(&tokens.token(None).await.unwrap()), "t2");
}

#[tokio::test]
async fn a_file_is_read_again_when_it_has_changed() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    let tokens = Tokens::new(TokenSource::File(file.clone()));
    assert!(
        tokens
            .token(None)
            .await
            .unwrap_err()
            .contains("cannot read token_file")
    );
    sleep(REST).await;
    std::fs::write(&file, "one\n").unwrap();
    assert_eq!(shown(&tokens.token(None).await.unwrap()), "one");
    std::fs::write(&file, "two\n").unwrap();
    let later = std::fs::metadata(&file).unwrap().modified().unwrap() + Duration::from_secs(5);
    std::fs::File::options()
        .append(true)
        .open(&file)
        .unwrap()
        .set_modified(later)
        .unwrap();
    assert_eq!(shown(&tokens.token(None).await.unwrap()), "two");
}

#[tokio::test]
async fn a_command_that_fails_or_hangs_is_told_in_words() {
    let failed = printed_by("echo no refresh token >&2; exit 3", PATIENCE)
        .await
        .unwrap_err();
    assert!(
        failed.contains("exit status: 3") && failed.ends_with("no refresh token"),
        "{failed}"
    );
    let hung = printed_by("sleep 60", Duration::from_millis(100))
        .await
        .unwrap_err();
    assert!(hung.contains("did not end within"), "{hung}");
    let endless = printed_by("yes", Duration::from_secs(5)).await;
    assert!(endless.is_err(), "an endless output ends the command");
}

#[tokio::test]
async fn a_command_that_failed_is_given_a_rest() {
    let folder = tempfile::tempdir().unwrap();
    let tokens = counting(folder.path(), "exit 1");
    assert!(tokens.token(None).await.is_err());
    assert!(tokens.token(None).await.is_err());
    assert_eq!(runs(folder.path()), 1);
}
