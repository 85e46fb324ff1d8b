//! Programs that the tests and benchmarks need beside Rust: found, or installed where that is possible.

use anyhow::{Context, bail};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A program that is not ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Component {
    /// The PostgreSQL server (initdb, postgres, pg_isready).
    Postgres,
    /// Postfix with its test programs, smtp-sink and smtp-source.
    SmtpSink,
    /// Python 3, whose `email` package checks our messages.
    Python,
    /// The sqlite3 shell.
    Sqlite,
    /// OpenSSL's program, which encrypts the passwords of test users.
    OpenSsl,
    /// Cyrus SASL's saslpasswd2, for the logins of Postfix.
    Saslpasswd,
    /// The plug-in by which Cyrus SASL knows PLAIN; LOGIN comes with it.
    SaslPlain,
    /// Dovecot's server for IMAP, which keeps the mailboxes of tests.
    Dovecot,
    /// Chromium, in which pages are looked at.
    Chromium,
    /// ChromeDriver, which drives it.
    ChromeDriver,
    /// wrk, which asks a web server as fast as it can; for benchmarks.
    Wrk,
}

impl Component {
    /// Everything that `cargo xtask test` needs.
    pub const ALL: [Component; 10] = [
        Component::Postgres,
        Component::SmtpSink,
        Component::Python,
        Component::Sqlite,
        Component::OpenSsl,
        Component::Saslpasswd,
        Component::SaslPlain,
        Component::Dovecot,
        Component::Chromium,
        Component::ChromeDriver,
    ];

    const fn program(self) -> &'static str {
        match self {
            Component::Postgres => "initdb",
            Component::SmtpSink => "smtp-sink",
            Component::Python => "python3",
            Component::Sqlite => "sqlite3",
            Component::OpenSsl => "openssl",
            Component::Saslpasswd => "saslpasswd2",
            Component::SaslPlain => "libplain.so",
            Component::Dovecot => "imap",
            Component::Chromium => "chromium",
            Component::ChromeDriver => "chromedriver",
            Component::Wrk => "wrk",
        }
    }

    const fn debian_package(self) -> &'static str {
        match self {
            Component::Postgres => "postgresql",
            Component::SmtpSink => "postfix",
            Component::Python => "python3",
            Component::Sqlite => "sqlite3",
            Component::OpenSsl => "openssl",
            Component::Saslpasswd => "sasl2-bin",
            Component::SaslPlain => "libsasl2-modules",
            Component::Dovecot => "dovecot-imapd",
            Component::Chromium => "chromium",
            Component::ChromeDriver => "chromium-driver",
            Component::Wrk => "wrk",
        }
    }
}

/// The path of a program: on PATH, in the folders of system programs, among Debian's PostgreSQL versions (newest first),
/// among the plug-ins of Cyrus SASL, or among the programs of Dovecot.
pub fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
    folders.extend(["/usr/sbin", "/usr/local/sbin", "/sbin"].map(PathBuf::from));
    folders.extend(postgres_folders());
    folders.push(format!("/usr/lib/{}-linux-gnu/sasl2", std::env::consts::ARCH).into());
    folders.push("/usr/lib/dovecot".into());
    folders
        .into_iter()
        .map(|folder| folder.join(program))
        .find(|file| file.is_file())
}

fn postgres_folders() -> Vec<PathBuf> {
    let Ok(versions) = std::fs::read_dir("/usr/lib/postgresql") else {
        return Vec::new();
    };
    let mut found: Vec<(u32, PathBuf)> = versions
        .flatten()
        .filter_map(|entry| {
            Some((
                entry.file_name().to_str()?.parse().ok()?,
                entry.path().join("bin"),
            ))
        })
        .collect();
    found.sort_by_key(|(version, _)| std::cmp::Reverse(*version));
    found.into_iter().map(|(_, folder)| folder).collect()
}

/// Finds every component; installs the missing ones where this user may, else fails with the line to run.
pub fn require(components: &[Component]) -> anyhow::Result<()> {
    let missing: Vec<Component> = components
        .iter()
        .copied()
        .filter(|c| find(c.program()).is_none())
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    let packages: Vec<&str> = missing.iter().map(|c| c.debian_package()).collect();
    let by_hand = format!(
        "apt-get install -y --no-install-recommends {}",
        packages.join(" ")
    );
    if find("apt-get").is_none() || !is_root() {
        let programs: Vec<&str> = missing.iter().map(|c| c.program()).collect();
        bail!(
            "{} not found; on Debian or Ubuntu run\n    sudo {by_hand}",
            programs.join(", ")
        );
    }
    eprintln!("xtask: installing {}", packages.join(", "));
    install(&packages).with_context(|| format!("the installation failed; run `{by_hand}` by hand"))?;
    match missing.iter().find(|c| find(c.program()).is_none()) {
        Some(absent) => bail!("{} is still not found after `{by_hand}`", absent.program()),
        None => Ok(()),
    }
}

/// Whether this process is the superuser's.
pub fn is_root() -> bool {
    use std::os::unix::fs::MetadataExt;
    std::fs::metadata("/proc/self").is_ok_and(|of_this_process| of_this_process.uid() == 0)
}

/// Installs Debian packages, as the superuser.
pub fn install(packages: &[&str]) -> anyhow::Result<()> {
    // Without this, Debian would start a cluster and a mail service of its own.
    let _quiet = NoServices::declare()?;
    let mut install = vec!["install", "-y", "--no-install-recommends"];
    install.extend(packages);
    let anywhere = Path::new("/");
    apt_get(&["update"], anywhere)?;
    apt_get(&install, anywhere)
}

/// Runs apt-get in a folder, where `download` puts what it fetches.
pub fn apt_get(arguments: &[&str], folder: &Path) -> anyhow::Result<()> {
    let status = Command::new("apt-get")
        .args(["-o", "DPkg::Lock::Timeout=300", "-o", "Dpkg::Use-Pty=0", "-qq"])
        .args(arguments)
        .current_dir(folder)
        .env("DEBIAN_FRONTEND", "noninteractive")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .status()
        .context("apt-get")?;
    if !status.success() {
        bail!("apt-get {} failed", arguments.join(" "));
    }
    Ok(())
}

/// Debian's own way to install a server without starting it, for as long as this lives.
struct NoServices {
    ours: bool,
}

impl NoServices {
    const POLICY: &'static str = "/usr/sbin/policy-rc.d";

    fn declare() -> anyhow::Result<Self> {
        use std::os::unix::fs::PermissionsExt;
        let ours = !Path::new(Self::POLICY).exists();
        if ours {
            std::fs::write(Self::POLICY, "#!/bin/sh\nexit 101\n").context(Self::POLICY)?;
            std::fs::set_permissions(Self::POLICY, std::fs::Permissions::from_mode(0o755))
                .context(Self::POLICY)?;
        }
        Ok(Self { ours })
    }
}

impl Drop for NoServices {
    fn drop(&mut self) {
        if self.ours
            && let Err(error) = std::fs::remove_file(Self::POLICY)
        {
            eprintln!("xtask: {} could not be removed: {error}", Self::POLICY);
        }
    }
}
