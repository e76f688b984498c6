//! The processes of a server: the supervisor's children, told from ones that were started in their place.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// The children, each with when it was started.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Wards(BTreeMap<u32, Ward>);

/// One child.
#[derive(Debug, PartialEq, Eq)]
struct Ward {
    role: String,
    /// In ticks since the machine's start (proc_pid_stat(5), field 22): a number may be given again, and a start is of one process.
    started: u64,
}

impl Wards {
    /// Those of the supervisor with this process id.
    ///
    /// # Errors
    /// When the system does not tell.
    pub(crate) fn of(supervisor: u32) -> anyhow::Result<Self> {
        let mut wards = BTreeMap::new();
        for entry in fs::read_dir("/proc")?.flatten() {
            let Ok(pid) = entry.file_name().to_string_lossy().parse::<u32>() else { continue };
            // What has ended in between is no child any more.
            let Some((parent, started)) = fs::read_to_string(entry.path().join("stat")).ok().and_then(|stat| read(&stat)) else { continue };
            if parent == supervisor {
                wards.insert(pid, Ward { role: role(&entry.path()), started });
            }
        }
        Ok(Self(wards))
    }

    /// Whether the gateway is among them: without it, it could not be said whether it stayed.
    pub(crate) fn have_gateway(&self) -> bool {
        self.0.values().any(|ward| ward.role == "gateway")
    }

    /// Those of them that are not among the others.
    pub(crate) fn missing_from(&self, others: &Self) -> Vec<String> {
        let gone = self.0.iter().filter(|(pid, ward)| others.0.get(pid) != Some(ward));
        gone.map(|(pid, ward)| format!("the {} (process {pid}) ended before the proof did", ward.role)).collect()
    }
}

/// The parent's process id, and when the process started. The name stands in brackets, and may hold any. A process that has ended and is not yet collected is none.
fn read(stat: &str) -> Option<(u32, u64)> {
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
    let state = fields.next()?;
    let parent = fields.next()?.parse().ok()?;
    let started = fields.nth(17)?.parse().ok()?;
    (!matches!(state, "Z" | "X")).then_some((parent, started))
}

/// What a child is for, by the subcommand that it was started with.
fn role(process: &Path) -> String {
    let line = fs::read(process.join("cmdline")).unwrap_or_default();
    let word = line.split(|byte| *byte == 0).nth(1).map(|word| String::from_utf8_lossy(word).into_owned());
    word.map(|word| word.trim_start_matches('_').to_owned()).filter(|word| !word.is_empty()).unwrap_or_else(|| "child".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wards(pid: u32, started: u64) -> Wards {
        Wards(BTreeMap::from([(1, Ward { role: "api".into(), started: 1 }), (pid, Ward { role: "gateway".into(), started })]))
    }

    #[test]
    fn a_process_in_anothers_place_is_told_by_its_number_or_its_start() {
        assert!(wards(7, 70).missing_from(&wards(7, 70)).is_empty());
        for other in [wards(8, 80), wards(7, 71)] {
            assert_eq!(wards(7, 70).missing_from(&other), ["the gateway (process 7) ended before the proof did"]);
        }
    }

    #[test]
    fn a_stat_is_read_behind_whatever_name_the_process_has() {
        let rest = (5..=21).map(|number| number.to_string()).collect::<Vec<_>>().join(" ");
        assert_eq!(read(&format!("12 (a) R 1 (b)) S 34 {rest} 4567 23")), Some((34, 4567)));
        assert_eq!(read(&format!("12 (tightlip) Z 34 {rest} 4567 23")), None);
        assert_eq!(read("12 (tightlip) S"), None);
    }
}
