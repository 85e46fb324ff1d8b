//! What a process costs: wall time, processor time and peak memory, as the kernel counts them.

use anyhow::{Context, bail};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// The kernel counts processor time in hundredths of a second on every Linux that we build for.
const TICKS_PER_SECOND: f64 = 100.0;

/// The costs of a finished process.
#[derive(Clone, Debug)]
pub struct Costs {
    /// From start to end.
    pub wall: Duration,
    /// User and system time.
    pub cpu: Duration,
    /// Largest resident memory, in bytes.
    pub peak_memory: u64,
    /// What it wrote to standard output.
    pub stdout: Vec<u8>,
}

/// Runs a command to its end and measures it. Its standard output must fit into a pipe (64 KiB).
pub fn measure(command: &mut Command) -> anyhow::Result<Costs> {
    measure_while(command, |_| Ok(()))
}

/// The same, with a look at the running process every twenty milliseconds.
pub fn measure_while(
    command: &mut Command,
    mut look: impl FnMut(&Child) -> anyhow::Result<()>,
) -> anyhow::Result<Costs> {
    let begun = Instant::now();
    let child = command
        .stdout(Stdio::piped())
        .spawn()
        .with_context(|| format!("{command:?}"))?;
    let mut child = EndedAtDrop(child);
    let id = child.0.id();
    let mut peak_memory = 0;
    while !is_zombie(id)? {
        peak_memory = peak_memory.max(peak_memory_of(id).unwrap_or(0));
        look(&child.0)?;
        std::thread::sleep(Duration::from_millis(20));
    }
    let wall = begun.elapsed();
    let cpu = processor_time_of(id)?;
    let mut stdout = Vec::new();
    if let Some(mut pipe) = child.0.stdout.take() {
        std::io::Read::read_to_end(&mut pipe, &mut stdout)?;
    }
    let status = child.0.wait()?;
    if !status.success() {
        bail!("{command:?}: {status}");
    }
    Ok(Costs {
        wall,
        cpu,
        peak_memory,
        stdout,
    })
}

/// A child that does not outlive the benchmark, whatever fails.
pub struct EndedAtDrop(pub Child);

impl Drop for EndedAtDrop {
    fn drop(&mut self) {
        // Both fail only for a process that is gone already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The fields of /proc/PID/stat that follow the program's name, which may contain spaces.
fn stat_of(id: u32) -> anyhow::Result<Vec<String>> {
    let text =
        std::fs::read_to_string(format!("/proc/{id}/stat")).context("the kernel's figures of a process")?;
    let (_, fields) = text
        .rsplit_once(')')
        .context("the kernel's figures of a process")?;
    Ok(fields.split_whitespace().map(str::to_owned).collect())
}

fn is_zombie(id: u32) -> anyhow::Result<bool> {
    Ok(stat_of(id)?.first().is_some_and(|state| state == "Z"))
}

/// Complete only once the process has ended and before it is waited for.
fn processor_time_of(id: u32) -> anyhow::Result<Duration> {
    let fields = stat_of(id)?;
    let ticks = |index: usize| fields.get(index).and_then(|text| text.parse::<f64>().ok());
    let (user, system) = ticks(11)
        .zip(ticks(12))
        .context("processor time in /proc/PID/stat")?;
    Ok(Duration::from_secs_f64((user + system) / TICKS_PER_SECOND))
}

fn peak_memory_of(id: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{id}/status")).ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    let kib: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kib * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_measured_to_its_end() {
        let costs = measure(Command::new("sh").args([
            "-c",
            "i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done; echo done",
        ]));
        let costs = costs.unwrap();
        assert_eq!(costs.stdout, b"done\n");
        assert!(
            costs.cpu > Duration::ZERO && costs.cpu <= costs.wall * 2,
            "{costs:?}"
        );
        assert!(costs.peak_memory > 100_000, "{costs:?}");
    }

    #[test]
    fn a_failing_process_is_an_error() {
        assert!(measure(&mut Command::new("false")).is_err());
    }
}
