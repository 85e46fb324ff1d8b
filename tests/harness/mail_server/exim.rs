//! Exim: unpacked by xtask, run without a look at the machine's own configuration.

use super::{PASSWORD, Plan, Site, USER};

/// The user that Debian's Exim insists on.
const EXIM: (&str, u32) = ("Debian-exim", 62_525);

pub(super) fn plan(site: &Site<'_>) -> Plan {
    let spool = site.folder("spool", Some(EXIM.1));
    site.folder("mail", Some(EXIM.1));
    site.folder("logs", Some(EXIM.1));
    // Exim makes paths only of what it has looked up, never of what a client said.
    let mailbox = |address: &&str| format!("{address}: {address}\n");
    let mailboxes: String = site.mailboxes.iter().map(mailbox).collect();
    site.write("mailboxes", &mailboxes);
    let configuration = site.write("exim.conf", &configuration(site));
    let exim = format!("{}/usr/sbin/exim4", crate::from_xtask("TIDINGS_TEST_EXIM"));
    let script = format!(
        "{users}chown {name}:{name} {key}\nexec {exim} -bdf -C {configuration}\n",
        users = site.users(&[EXIM]),
        name = EXIM.0,
        key = site.key.display(),
        configuration = configuration.display(),
    );
    Plan {
        script,
        queue: format!("{spool}/input").into(),
    }
}

fn configuration(site: &Site<'_>) -> String {
    format!(
        r#"primary_hostname = localhost
spool_directory = {folder}/spool
log_file_path = {folder}/logs/%slog
pid_file_path = {folder}/spool/exim.pid
local_interfaces = 127.0.0.1
daemon_smtp_ports = {starttls} : {tls}
tls_on_connect_ports = {tls}
tls_advertise_hosts = *
tls_certificate = {certificate}
tls_privatekey = {key}
auth_advertise_hosts = ${{if eq{{$tls_in_cipher}}{{}}{{}}{{*}}}}
domainlist mailbox_domains = example.org : example.net
acl_smtp_rcpt = to_mailboxes_after_login
acl_smtp_data = accept
deliver_drop_privilege = true
never_users =
host_lookup =
rfc1413_query_timeout = 0s
dsn_advertise_hosts = *
smtputf8_advertise_hosts = *
smtp_accept_max = 100
smtp_accept_queue_per_connection = 0
keep_environment =

begin acl
to_mailboxes_after_login:
  deny !authenticated = *
       message = log in first
  deny !domains = +mailbox_domains
       message = relay not permitted
  require verify = recipient
  accept

begin routers
mailboxes:
  driver = accept
  domains = +mailbox_domains
  condition = ${{lookup{{$local_part@$domain}}lsearch{{{folder}/mailboxes}}}}
  transport = maildir
  cannot_route_message = no mailbox of this name here

begin transports
maildir:
  driver = appendfile
  directory = {folder}/mail/${{lookup{{$local_part@$domain}}lsearch{{{folder}/mailboxes}}}}
  maildir_format
  create_directory
  user = {user}
  group = {user}
  return_path_add

begin authenticators
plain:
  driver = plaintext
  public_name = PLAIN
  server_prompts = :
  server_condition = ${{if and{{{{eq{{$auth2}}{{{USER}}}}}{{eq{{$auth3}}{{{PASSWORD}}}}}}}}}
  server_set_id = $auth2
login:
  driver = plaintext
  public_name = LOGIN
  server_prompts = <| Username: | Password:
  server_condition = ${{if and{{{{eq{{$auth1}}{{{USER}}}}}{{eq{{$auth2}}{{{PASSWORD}}}}}}}}}
  server_set_id = $auth1
"#,
        folder = site.folder.display(),
        starttls = site.starttls_port,
        tls = site.tls_port,
        certificate = site.certificate.display(),
        key = site.key.display(),
        user = EXIM.0,
    )
}
