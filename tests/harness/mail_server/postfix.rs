//! Postfix: a configuration and a queue of its own, logins from a sasldb, delivery by `virtual` or to another server.

use super::{PASSWORD, Plan, Site, USER};
use std::io::Write;
use std::process::{Command, Stdio};

/// Whom mail is delivered as: nobody.
const OWNER: u32 = 65534;

pub(super) fn plan(site: &Site<'_>) -> Plan {
    let configuration = site.folder("postfix", None);
    let queue = site.folder("queue", None);
    site.folder("data", None);
    site.folder("mail", Some(OWNER));
    let mailbox = |address: &&str| format!("{address} {address}/\n");
    let mailboxes: String = site.mailboxes.iter().map(mailbox).collect();
    site.write("postfix/mailboxes", &mailboxes);
    let transport = |(domain, way): &(&str, &str)| format!("{domain} {way}\n");
    let transports: String = site.transports.iter().map(transport).collect();
    site.write("postfix/transports", &transports);
    site.write("postfix/main.cf", &main_cf(site));
    site.write("postfix/master.cf", &master_cf(site));
    // Debian's Postfix looks for its SASL configuration here.
    site.folder("postfix/sasl", None);
    let users = site.path("postfix/sasl/users");
    site.write(
        "postfix/sasl/smtpd.conf",
        &format!(
            "pwcheck_method: auxprop\nauxprop_plugin: sasldb\nsasldb_path: {users}\nmech_list: PLAIN LOGIN\n"
        ),
    );
    add_user(&users);
    // Starting makes the folders of the queue; the data folder must be Postfix's own.
    let script = format!(
        "chown postfix {data} {users}\nexec {postfix} -c {configuration} start-fg\n",
        data = site.path("data"),
        postfix = "/usr/sbin/postfix",
    );
    Plan {
        script,
        queue: format!("{queue}/active").into(),
    }
}

fn add_user(users: &str) {
    let mut saslpasswd = Command::new("/usr/sbin/saslpasswd2")
        .args(["-p", "-c", "-u", "localhost", "-f", users, USER])
        .stdin(Stdio::piped())
        .spawn()
        .expect("saslpasswd2, which `cargo xtask test` installs");
    let mut stdin = saslpasswd.stdin.take().expect("it was asked to be piped");
    stdin
        .write_all(PASSWORD.as_bytes())
        .expect("it reads the password");
    drop(stdin);
    assert!(saslpasswd.wait().expect("a child of ours").success());
}

fn main_cf(site: &Site<'_>) -> String {
    format!(
        "compatibility_level = 3.6
queue_directory = {folder}/queue
data_directory = {folder}/data
maillog_file = /dev/stdout
inet_interfaces = loopback-only
inet_protocols = ipv4
myhostname = localhost
mydestination =
mynetworks =
alias_maps =
alias_database =
virtual_mailbox_domains = example.org, example.net
virtual_mailbox_base = {folder}/mail
virtual_mailbox_maps = texthash:{folder}/postfix/mailboxes
transport_maps = texthash:{folder}/postfix/transports
virtual_uid_maps = static:{OWNER}
virtual_gid_maps = static:{OWNER}
smtpd_tls_cert_file = {certificate}
smtpd_tls_key_file = {key}
smtpd_tls_security_level = encrypt
smtpd_tls_auth_only = yes
smtpd_sasl_auth_enable = yes
smtpd_sasl_local_domain = localhost
smtpd_relay_restrictions = permit_sasl_authenticated, reject
smtpd_recipient_restrictions = permit_sasl_authenticated, reject
",
        folder = site.folder.display(),
        certificate = site.certificate.display(),
        key = site.key.display(),
    )
}

fn master_cf(site: &Site<'_>) -> String {
    format!(
        "127.0.0.1:{starttls} inet n - n - - smtpd
127.0.0.1:{tls} inet n - n - - smtpd -o smtpd_tls_wrappermode=yes
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
error unix - - n - - error
smtp unix - - n - - smtp
lmtp unix - - n - - lmtp
virtual unix - n n - - virtual
proxymap unix - - n - - proxymap
anvil unix - - n - 1 anvil
tlsmgr unix - - n 1000? 1 tlsmgr
postlog unix-dgram n - n - 1 postlogd
",
        starttls = site.starttls_port,
        tls = site.tls_port,
    )
}
