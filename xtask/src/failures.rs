//! What the tests said that failed, so that it stands at the end of a long run too.

use std::io::{BufRead, Write};

/// Of each test, lines that are said again.
const LINES: usize = 40;
/// Characters of a line that are.
const CHARACTERS: usize = 400;

/// Reads what the test binaries print, between the lines.
#[derive(Debug, Default)]
pub struct Failures {
    said: Vec<String>,
    of_one: usize,
    is_within: bool,
    is_backtrace: bool,
}

impl Failures {
    /// Hands everything on, line by line, and keeps what is said of failures.
    pub fn read(mut from: impl BufRead, mut to: impl Write) -> std::io::Result<Failures> {
        let mut failures = Failures::default();
        let mut line = Vec::new();
        while from.read_until(b'\n', &mut line)? > 0 {
            to.write_all(&line)?;
            to.flush()?;
            failures.line(String::from_utf8_lossy(&line).trim_end());
            line.clear();
        }
        Ok(failures)
    }

    /// libtest prints `failures:`, what each of them had printed below a line of its own, `failures:` once more with their names,
    /// and the result.
    fn line(&mut self, line: &str) {
        if line == "failures:" || line.starts_with("test result:") {
            self.is_within = line == "failures:" && !self.is_within;
            return;
        }
        if !self.is_within {
            return;
        }
        if line.starts_with("---- ") {
            self.of_one = 0;
        }
        // How the tests' own code came there says nothing that the panic's place does not say.
        self.is_backtrace = line == "stack backtrace:" || self.is_backtrace && line.starts_with(' ');
        if self.is_backtrace {
            return;
        }
        self.of_one += 1;
        if self.of_one <= LINES {
            self.said.push(line.chars().take(CHARACTERS).collect());
        }
    }

    /// All that was kept; empty if nothing failed.
    pub fn said(&self) -> String {
        self.said.join("\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(printed: &str) -> (String, String) {
        let mut handed_on = Vec::new();
        let failures = Failures::read(printed.as_bytes(), &mut handed_on).unwrap();
        (failures.said(), String::from_utf8(handed_on).unwrap())
    }

    #[test]
    fn what_failing_tests_said_is_kept_and_everything_is_handed_on() {
        let printed = "running 2 tests\ntest a ... ok\ntest b ... FAILED\n\nfailures:\n\n---- b stdout ----\n\
            thread 'b' panicked at b.rs:1:1:\nit is too late\nstack backtrace:\n   0: core::panicking\n             at /core.rs\nnote: more\n\n\nfailures:\n    b\n\ntest result: FAILED. 1 passed; 1 failed\n\n\
            running 1 test\ntest c ... ok\n\ntest result: ok. 1 passed; 0 failed\n";
        let (said, handed_on) = of(printed);
        assert_eq!(handed_on, printed);
        assert_eq!(
            said.trim(),
            "---- b stdout ----\nthread 'b' panicked at b.rs:1:1:\nit is too late\nnote: more"
        );
    }

    #[test]
    fn of_a_long_story_the_beginning_is_kept() {
        let page = format!("{}\n{}", "x".repeat(1_000), "more\n".repeat(100));
        let (said, _) = of(&format!(
            "failures:\n\n---- a stdout ----\n{page}\n---- b stdout ----\nshort\n\nfailures:\n    a\n    b\n\ntest result: FAILED.\n"
        ));
        assert_eq!(said.lines().filter(|line| *line == "more").count(), LINES - 2);
        assert!(said.lines().all(|line| line.len() <= CHARACTERS), "{said}");
        assert!(said.trim_end().ends_with("short"), "{said}");
    }
}
