//! OpenSMTPD: unpacked by xtask. Its paths are compiled in, so private folders are mounted over them.

use super::{PASSWORD, Plan, Site, USER};
use std::io::Write;
use std::process::{Command, Stdio};

/// The users that Debian's OpenSMTPD insists on.
const DAEMON: (&str, u32) = ("opensmtpd", 62_526);
const QUEUE: (&str, u32) = ("opensmtpq", 62_527);
/// Whom mail is delivered as.
const OWNER: (&str, u32) = ("mailboxes", 62_528);

pub(super) fn plan(site: &Site<'_>) -> Plan {
    site.folder("mail", Some(OWNER.1));
    site.folder("lib/opensmtpd/empty", None);
    let spool = site.folder("spool/smtpd", None);
    crate::permit(spool.as_ref(), 0o711);
    let mailbox = |address: &&str| format!("{address} {}\n", OWNER.0);
    let mailboxes: String = site.mailboxes.iter().map(mailbox).collect();
    site.write("mailboxes", &mailboxes);
    site.write("logins", &format!("{USER} {}\n", encrypted_password()));
    let configuration = site.write("smtpd.conf", &configuration(site));
    let program = crate::from_xtask("TIDINGS_TEST_OPENSMTPD");
    let script = format!(
        "{users}mount -t tmpfs tmpfs /usr/libexec
mkdir /usr/libexec/opensmtpd
mount --bind {program}/usr/libexec/opensmtpd /usr/libexec/opensmtpd
mount --bind {folder}/lib /var/lib
mount --bind {folder}/spool /var/spool
mount -t tmpfs tmpfs /run
exec {program}/usr/sbin/smtpd -d -f {configuration}
",
        users = site.users(&[DAEMON, QUEUE, OWNER]),
        folder = site.folder.display(),
        configuration = configuration.display(),
    );
    Plan {
        script,
        queue: format!("{spool}/queue").into(),
    }
}

fn configuration(site: &Site<'_>) -> String {
    format!(
        r#"pki localhost cert "{certificate}"
pki localhost key "{key}"
table logins file:{folder}/logins
table mailboxes file:{folder}/mailboxes
listen on 127.0.0.1 port {starttls} tls-require pki localhost hostname localhost auth <logins>
listen on 127.0.0.1 port {tls} smtps pki localhost hostname localhost auth <logins>
action "deliver" maildir "{folder}/mail/%{{rcpt}}" virtual <mailboxes>
match auth from any for domain {{ "example.org", "example.net" }} action "deliver"
"#,
        folder = site.folder.display(),
        certificate = site.certificate.display(),
        key = site.key.display(),
        starttls = site.starttls_port,
        tls = site.tls_port,
    )
}

/// The password as `crypt(3)` keeps it.
fn encrypted_password() -> String {
    let mut openssl = Command::new("openssl")
        .args(["passwd", "-6", "-stdin"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("openssl, which `cargo xtask test` installs");
    let mut stdin = openssl.stdin.take().expect("it was asked to be piped");
    stdin
        .write_all(PASSWORD.as_bytes())
        .expect("it reads the password");
    drop(stdin);
    let output = openssl.wait_with_output().expect("a child of ours");
    assert!(output.status.success(), "openssl passwd failed");
    String::from_utf8(output.stdout)
        .expect("crypt writes ASCII")
        .trim()
        .to_owned()
}
