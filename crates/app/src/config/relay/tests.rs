use super::*;
use std::time::Duration;
use tidings_sender::connection::Mechanism;
use tidings_sender::relay::Proof;

fn check(more: &str) -> Result<RelaySettings, String> {
    let text = format!("name = \"a\"\n{more}");
    let section: RelaySection = toml::from_str(&text).map_err(|error| error.to_string())?;
    section.check().map_err(|error| format!("{error:#}"))
}

fn at(url: &str) -> Result<RelaySettings, String> {
    check(&format!("url = \"{url}\""))
}

#[test]
fn the_url_tells_port_and_protection() {
    for (url, port, tls) in [
        ("smtps://mail.example.com", 465, TlsMode::Implicit),
        ("smtps://mail.example.com:8465", 8465, TlsMode::Implicit),
        ("smtp://mail.example.com:587", 587, TlsMode::StartTlsRequired),
        ("smtp://mail.example.com", 25, TlsMode::StartTlsIfOffered),
        (
            "smtp://mail.example.com:25?tls=required",
            25,
            TlsMode::StartTlsRequired,
        ),
        (
            "smtp://mail.example.com:587?tls=opportunistic",
            587,
            TlsMode::StartTlsIfOffered,
        ),
        ("smtp://mail.example.com?tls=never", 25, TlsMode::Never),
        ("smtp://127.0.0.1:2525", 2525, TlsMode::Never),
        ("smtp://[::1]:2525", 2525, TlsMode::Never),
    ] {
        let settings = at(url).unwrap();
        assert_eq!((settings.port, settings.tls), (port, tls), "{url}");
    }
    assert_eq!(at("smtp://[2001:db8::1]:25").unwrap().host, "2001:db8::1");
}

#[test]
fn what_is_not_said_has_a_sensible_value() {
    let settings = at("smtp://mail.example.com").unwrap();
    assert_eq!(settings.messages_per_session, None);
    assert_eq!(settings.idle_timeout, Duration::from_secs(5));
    assert_eq!((settings.weight, settings.priority), (1, 10));
    assert_eq!(settings.timeouts.final_dot, Duration::from_secs(600));
    assert!(settings.trust.is_checked() && settings.login.is_none());
}

#[test]
fn every_key_is_taken() {
    let settings = check(
        "url = \"smtp://ann@mail.example.com:587\"\npassword_env = \"PATH\"\nauth = \"login\"\n\
         auth_over_clear_text = true\ncertificate_check = \"none\"\nwithout = [\"dsn\", \"PIPELINING\"]\n\
         max_sessions = 3\nmessages_per_session = 100\nidle_timeout = \"30s\"\nrate = \"5/s\"\nweight = 7\npriority = 20\n\
         source_address = \"127.0.0.2\"\nhello = \"192.0.2.1\"\n[timeouts]\nconnect = \"1s\"\nfinal_dot = \"15m\"\n",
    )
    .unwrap();
    assert_eq!(settings.messages_per_session, Some(100));
    assert_eq!(settings.without, [Extension::Dsn, Extension::Pipelining]);
    assert_eq!(settings.hello, "[192.0.2.1]");
    assert_eq!(settings.source_address, Some([127, 0, 0, 2].into()));
    assert_eq!(settings.timeouts.final_dot, Duration::from_secs(900));
    assert_eq!(settings.timeouts.connect, Duration::from_secs(1));
    assert_eq!(settings.login.unwrap().mechanism, Some(Mechanism::Login));
    assert!(!settings.trust.is_checked());
}

#[test]
fn a_token_comes_from_a_command_or_a_file() {
    let settings = check("url = \"smtps://ann@mail.example.com\"\ntoken_command = \"get-token\"\n").unwrap();
    assert!(matches!(settings.login.unwrap().proof, Proof::Token(_)));
    let file =
        check("url = \"smtps://ann@mail.example.com\"\nauth = \"xoauth2\"\ntoken_file = \"/run/token\"\n");
    assert!(file.is_ok());
}

#[test]
fn a_user_and_a_password_in_the_url_are_decoded() {
    let settings = at("smtps://ann%40example.com:a%2Fb+c&d=e@mail.example.com").unwrap();
    let login = settings.login.unwrap();
    assert_eq!(login.user, "ann@example.com");
    let Proof::Password(password) = login.proof else {
        panic!("a password was given")
    };
    assert_eq!(secrecy::ExposeSecret::expose_secret(&password), "a/b+c&d=e");
}

#[test]
fn what_makes_no_sense_is_refused_with_what_to_write() {
    let user = "url = \"smtps://ann@mail.example.com\"\n";
    let plain = "url = \"smtp://mail.example.com\"\n";
    for (text, part) in [
        (
            "url = \"smtp://mail.example.com:465\"".to_owned(),
            "write smtps://",
        ),
        (
            "url = \"smtp://mail.example.com/inbox\"".to_owned(),
            "behind the port",
        ),
        (
            "url = \"smtp://mail.example.com?ssl=1\"".to_owned(),
            "only tls is known",
        ),
        (
            "url = \"smtps://mail.example.com?tls=never\"".to_owned(),
            "always encrypted",
        ),
        (
            "url = \"smtp://ann:secret@mail.example.com?tls=never\"".to_owned(),
            "auth_over_clear_text = true",
        ),
        (
            format!("{user}auth = \"xoauth2\"\npassword_env = \"PATH\""),
            "token_command",
        ),
        (format!("{user}auth = \"plain\"\ntoken_file = \"/x\""), "xoauth2"),
        (
            format!("{user}auth = \"cram\"\npassword_env = \"PATH\""),
            "plain, login or xoauth2",
        ),
        (
            format!("{user}token_file = \"/x\"\ntoken_command = \"x\""),
            "keep one",
        ),
        (
            format!("{user}token_file = \"/x\"\npassword_env = \"PATH\""),
            "keep one",
        ),
        (
            format!("{user}password_env = \"TIDINGS_TEST_UNSET\""),
            "TIDINGS_TEST_UNSET",
        ),
        (
            format!("{plain}ca_file = \"/does/not/exist.pem\""),
            "cannot read ca_file",
        ),
        (format!("{plain}ca_file = \"/dev/null\""), "BEGIN CERTIFICATE"),
        (
            format!("{plain}ca_file = \"/x\"\ncertificate_check = \"none\""),
            "exclude each other",
        ),
        (format!("{plain}certificate_check = \"half\""), "full"),
        (format!("{plain}client_key = \"/x\""), "client_certificate"),
        (
            "url = \"smtp://127.0.0.1\"\ncertificate_check = \"none\"".to_owned(),
            "?tls=required",
        ),
        (format!("{plain}without = [\"chunking\"]"), "pipelining"),
        (format!("{plain}max_sessions = 0"), "1 to 5000"),
        (format!("{plain}weight = 0"), "1 to 1000"),
        (format!("{plain}idle_timeout = \"soon\""), "30s"),
        (format!("{plain}source_address = \"eth0\""), "192.0.2.7"),
        (format!("{plain}hello = \"my host\""), "mail.example.com"),
        (
            format!("{plain}[timeouts]\nfinal_dot = \"0s\""),
            "timeouts.final_dot",
        ),
        (format!("{plain}[timeouts]\nbanner = \"1s\""), "banner"),
    ] {
        let error = check(&text).unwrap_err();
        assert!(error.contains(part), "`{part}` is missing in: {error}");
        assert!(!error.contains("secret"), "{error}");
    }
}
