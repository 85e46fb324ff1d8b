//! Mail servers whose Debian packages exclude one another: unpacked into folders below cargo's target folder.

use crate::components::{self, apt_get, find, is_root};
use crate::workspace;
use anyhow::{Context, bail};
use std::path::{Path, PathBuf};
use std::process::Command;

/// A mail server that stands beside Postfix, which is installed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unpacked {
    /// Exim, the light daemon.
    Exim,
    /// OpenSMTPD.
    OpenSmtpd,
}

impl Unpacked {
    const fn package(self) -> &'static str {
        match self {
            Unpacked::Exim => "exim4-daemon-light",
            Unpacked::OpenSmtpd => "opensmtpd",
        }
    }

    const fn program(self) -> &'static str {
        match self {
            Unpacked::Exim => "usr/sbin/exim4",
            Unpacked::OpenSmtpd => "usr/sbin/smtpd",
        }
    }

    /// Whether the machine's release has it in a state that works. OpenSMTPD 6.8, of Debian 12, cannot do TLS with
    /// that release's OpenSSL 3 (OpenSMTPD issue 1171); the one in its backports can.
    fn is_from_backports(self, release: &str) -> bool {
        self == Unpacked::OpenSmtpd && release == "bookworm"
    }

    /// The folder that it is unpacked in, which is made where it is missing; fails with the line to run where this
    /// user may not install the libraries that it needs.
    pub fn require(self) -> anyhow::Result<PathBuf> {
        let folder = workspace::target_directory()?
            .join("components")
            .join(self.package());
        if !folder.join(self.program()).is_file() {
            self.unpack_into(&folder).with_context(|| {
                format!("{} cannot be unpacked into {}", self.package(), folder.display())
            })?;
        }
        self.require_libraries(&folder)?;
        Ok(folder)
    }

    fn unpack_into(self, folder: &Path) -> anyhow::Result<()> {
        if find("apt-get").is_none() {
            bail!("it is fetched by apt-get, of Debian and Ubuntu, which was not found");
        }
        eprintln!("xtask: unpacking {}", self.package());
        let above = folder.parent().expect("a folder of the target folder");
        std::fs::create_dir_all(above).with_context(|| above.display().to_string())?;
        // Beside its place, so that what is in its place is whole.
        let work = tempfile::tempdir_in(above).context("a folder to unpack in")?;
        let release = release();
        let mut options = vec!["-o".to_owned(), "APT::Sandbox::User=root".to_owned()];
        if self.is_from_backports(&release) {
            options.extend(only_backports(&release, work.path())?);
        }
        let options: Vec<&str> = options.iter().map(String::as_str).collect();
        if is_root() || self.is_from_backports(&release) {
            apt_get(&[&options[..], &["update"]].concat(), work.path())?;
        }
        apt_get(
            &[&options[..], &["download", self.package()]].concat(),
            work.path(),
        )?;
        let archive = std::fs::read_dir(work.path())?
            .flatten()
            .map(|entry| entry.path())
            .find(|path| path.extension().is_some_and(|extension| extension == "deb"))
            .context("apt-get download left no package")?;
        let content = work.path().join("content");
        let words = ["--extract".as_ref(), archive.as_os_str(), content.as_os_str()];
        run(Command::new("dpkg-deb").args(words))?;
        let depends = run(Command::new("dpkg-deb")
            .arg("--field")
            .arg(&archive)
            .arg("Depends"))?;
        std::fs::write(content.join(LIBRARIES), libraries(&depends).join("\n"))?;
        std::fs::rename(&content, folder).with_context(|| folder.display().to_string())
    }

    fn require_libraries(self, folder: &Path) -> anyhow::Result<()> {
        let program = folder.join(self.program());
        if has_its_libraries(&program)? {
            return Ok(());
        }
        let text = std::fs::read_to_string(folder.join(LIBRARIES)).context(LIBRARIES)?;
        let packages: Vec<&str> = text.lines().collect();
        let by_hand = format!(
            "apt-get install -y --no-install-recommends {}",
            packages.join(" ")
        );
        if !is_root() {
            bail!(
                "{} lacks libraries; on Debian or Ubuntu run\n    sudo {by_hand}",
                self.package()
            );
        }
        eprintln!("xtask: installing the libraries of {}", self.package());
        components::install(&packages)
            .with_context(|| format!("the installation failed; run `{by_hand}` by hand"))?;
        if !has_its_libraries(&program)? {
            bail!(
                "{} still lacks libraries after `{by_hand}`; see `ldd {}`",
                self.package(),
                program.display()
            );
        }
        Ok(())
    }
}

/// The names of the packages with libraries that an unpacked program needs, one a line.
const LIBRARIES: &str = "libraries";

/// Of the field `Depends`, the packages with libraries. They exclude nothing, so they can be installed.
fn libraries(depends: &str) -> Vec<&str> {
    depends
        .split(',')
        .filter_map(|one| one.split_whitespace().next())
        .filter(|package| package.starts_with("lib"))
        .collect()
}

fn has_its_libraries(program: &Path) -> anyhow::Result<bool> {
    Ok(!run(Command::new("ldd").arg(program))?.contains("not found"))
}

/// The release's code name, such as `bookworm`; empty where there is none.
fn release() -> String {
    let text = std::fs::read_to_string("/etc/os-release").unwrap_or_default();
    let name = text
        .lines()
        .find_map(|line| line.strip_prefix("VERSION_CODENAME="));
    name.unwrap_or_default().to_owned()
}

/// Options by which apt-get knows the release's backports and nothing else, without a trace on the machine.
fn only_backports(release: &str, work: &Path) -> anyhow::Result<Vec<String>> {
    let sources = work.join("sources.list");
    std::fs::write(
        &sources,
        format!("deb http://deb.debian.org/debian {release}-backports main\n"),
    )?;
    let folder = |name: &str| {
        let path = work.join(name);
        std::fs::create_dir_all(path.join("partial")).map(|()| path)
    };
    let (lists, archives) = (folder("lists")?, folder("archives")?);
    let settings = [
        format!("Dir::Etc::SourceList={}", sources.display()),
        "Dir::Etc::SourceParts=/dev/null".to_owned(),
        format!("Dir::State::Lists={}", lists.display()),
        format!("Dir::Cache::Archives={}", archives.display()),
        "Dir::Cache::PkgCache=".to_owned(),
        "Dir::Cache::SrcPkgCache=".to_owned(),
    ];
    Ok(settings
        .into_iter()
        .flat_map(|setting| ["-o".to_owned(), setting])
        .collect())
}

fn run(command: &mut Command) -> anyhow::Result<String> {
    let name = command.get_program().display().to_string();
    let output = command.output().with_context(|| name.clone())?;
    if !output.status.success() {
        bail!(
            "{name} failed: {}",
            String::from_utf8_lossy(&output.stderr).trim()
        );
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_what_a_package_depends_on_only_libraries_are_installed() {
        let depends =
            "exim4-base (>= 4.96), debconf (>= 0.5) | debconf-2.0, libc6 (>= 2.34), libidn12 (>= 1.13)";
        assert_eq!(libraries(depends), ["libc6", "libidn12"]);
    }
}
