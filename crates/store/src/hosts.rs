//! The servers that a PostgreSQL URL names: `postgres://user@one:5432,two:5433/name`, as libpq takes it.

use sqlx::postgres::PgConnectOptions;
use std::fmt;
use std::str::FromStr;

/// Servers, of which one is the primary.
#[derive(Clone, Debug)]
pub(crate) struct Hosts(Vec<PgConnectOptions>);

impl Hosts {
    /// Of each the URL is made that names it alone, which is then read as any other.
    pub(crate) fn parse(url: &str) -> Result<Hosts, sqlx::Error> {
        let each = urls(url);
        let options = each.iter().map(|url| {
            let options = PgConnectOptions::from_str(url)?;
            Ok(options.application_name("tidings").statement_cache_capacity(256))
        });
        options.collect::<Result<_, _>>().map(Hosts)
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// How the server at this place of the URL is connected to.
    pub(crate) fn options(&self, at: usize) -> &PgConnectOptions {
        &self.0[at]
    }

    /// Its address, for people.
    pub(crate) fn name(&self, at: usize) -> String {
        let options = &self.0[at];
        match options.get_socket() {
            Some(socket) => format!("{}:{}", socket.display(), options.get_port()),
            None => format!("{}:{}", options.get_host(), options.get_port()),
        }
    }
}

/// All of them, without user and password.
impl fmt::Display for Hosts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = (0..self.len()).map(|at| self.name(at)).collect();
        write!(f, "PostgreSQL at {}", names.join(", "))
    }
}

/// A URL for each server.
fn urls(url: &str) -> Vec<String> {
    let (scheme, rest) = url.split_once("://").unwrap_or(("", url));
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    let (user, hosts) = match authority.rsplit_once('@') {
        Some((user, hosts)) => (format!("{user}@"), hosts),
        None => (String::new(), authority),
    };
    let of = |host: &str| format!("{scheme}://{user}{host}{path}");
    hosts.split(',').map(of).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_may_name_several_servers() {
        for (url, names) in [
            ("postgres://one/news", "one:5432"),
            ("postgres://ada:a%2Cb@one:5433/news?sslmode=disable", "one:5433"),
            ("postgresql://ada:pa@one,two:5433/news", "one:5432, two:5433"),
            (
                "postgres://one:1,two:2,three:3?dbname=news",
                "one:1, two:2, three:3",
            ),
            ("postgres://ada@[::1]:5433,[::2]/news", "[::1]:5433, [::2]:5432"),
        ] {
            let hosts = Hosts::parse(url).unwrap();
            assert_eq!(hosts.to_string(), format!("PostgreSQL at {names}"), "{url}");
            let same = |options: &PgConnectOptions| options.get_database() == Some("news");
            assert!(hosts.0.iter().all(same), "{url}");
        }
        assert!(Hosts::parse("postgres://one:no,two/news").is_err());
        let hosts = Hosts::parse("postgres://ada:secret@one,two:5433/news").unwrap();
        assert!(hosts.0.iter().all(|options| options.get_username() == "ada"));
    }
}
