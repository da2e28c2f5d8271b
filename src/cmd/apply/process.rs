//! Processes of this computer: which life of which process, and whether it is over.
//!
//! A process number alone says nothing: numbers are used again, a container has numbers of its own, and two computers may
//! have one name. Boot, number space and moment of start together are never used twice.

use std::{fs, path::Path};

/// This process, as one word.
pub(crate) fn instance() -> String {
    let own = space().and_then(|space| Some(word(&space, started(std::process::id())?)));
    own.unwrap_or_else(|| "unknown".to_owned())
}

/// Whether the process `pid`, known as `instance`, is certainly over. What can't be seen from here may well go on.
pub(crate) fn is_dead(pid: u32, instance: &str) -> bool {
    // Where processes of others are hidden, the first one is too.
    let sees_all = Path::new("/proc/1/stat").exists();
    let Some(space) = space().filter(|space| sees_all && instance.starts_with(&format!("{space}."))) else {
        return false;
    };
    match started(pid) {
        Some(started) => word(&space, started) != instance,
        None => !Path::new("/proc").join(pid.to_string()).exists(),
    }
}

fn word(space: &str, started: u64) -> String {
    format!("{space}.{started}")
}

/// This boot of this computer, and the space that process numbers are from.
fn space() -> Option<String> {
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    let numbers = fs::read_link("/proc/self/ns/pid").ok()?;
    Some(format!("{}.{}", boot.trim(), numbers.display()))
}

/// When a process started: ticks since boot, field 22 of proc(5)'s `stat`. The name before it may hold anything.
fn started(pid: u32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, after_name) = stat.rsplit_once(')')?;
    after_name.split_whitespace().nth(19)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn whoever_runs_is_not_dead() {
        assert!(!is_dead(std::process::id(), &instance()));
        assert_eq!(instance().split_whitespace().count(), 1, "it is one word: {}", instance());
    }

    #[test]
    fn whoever_has_ended_is_dead() {
        let mut child = Command::new("sleep").arg("60").spawn().unwrap();
        let known = word(&space().unwrap(), started(child.id()).unwrap());
        assert!(!is_dead(child.id(), &known));
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(is_dead(child.id(), &known));
    }

    #[test]
    fn another_process_of_the_same_number_is_another_one() {
        let earlier = word(&space().unwrap(), started(std::process::id()).unwrap() - 1);
        assert!(is_dead(std::process::id(), &earlier));
    }

    #[test]
    fn what_runs_elsewhere_is_not_known_to_be_dead() {
        assert!(!is_dead(4_194_303, "another-boot.pid:[1].77"));
        assert!(!is_dead(4_194_303, "unknown"));
    }
}
