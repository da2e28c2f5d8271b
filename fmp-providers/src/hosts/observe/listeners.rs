//! Who listens on which port, from `/proc` alone.

use std::collections::BTreeMap;

use fmp_core::observed::Listener;

use super::sections::{Garbled, Sections, foreign};

/// Reads the section `listeners`: lines of `/proc/net/tcp`, who holds which socket, and what these processes are.
pub(super) fn listeners(sections: &Sections<'_>) -> Result<BTreeMap<u16, Listener>, Garbled> {
    let mut sockets = BTreeMap::new();
    let mut holders = BTreeMap::new();
    let mut owners = Owners::default();
    for line in sections.lines("listeners") {
        let known = if line.starts_with("/proc/") {
            owners.read(line)
        } else if let Some((socket, path)) = line.split_once('\t') {
            process(path).map(|process| _ = holders.insert(socket, process))
        } else {
            port_and_socket(line).map(|(port, socket)| _ = sockets.insert(port, socket))
        };
        known.ok_or_else(|| foreign("listeners", line))?;
    }
    let owner = |socket: &String| holders.get(socket.as_str()).and_then(|process| owners.name(process));
    let listener = |socket: &String| Listener { owner: owner(socket).unwrap_or_else(|| "unknown".to_owned()) };
    Ok(sockets.iter().map(|(port, socket)| (*port, listener(socket))).collect())
}

/// What is known of processes, by number.
#[derive(Default)]
struct Owners<'a> {
    units: BTreeMap<&'a str, &'a str>,
    programs: BTreeMap<&'a str, &'a str>,
}

impl<'a> Owners<'a> {
    /// `/proc/7/comm:NAME`, or a line of `/proc/7/cgroup:HIERARCHY:CONTROLLERS:PATH`.
    fn read(&mut self, line: &'a str) -> Option<()> {
        let process = process(line)?;
        let (path, text) = line.split_once(':')?;
        if path.ends_with("/comm") {
            self.programs.insert(process, text);
            return Some(());
        }
        let mut parts = text.splitn(3, ':');
        let (_, controllers, group) = (parts.next()?, parts.next()?, parts.next()?);
        let is_unit = |part: &&str| matches!(part.rsplit_once('.'), Some((_, "service" | "scope")));
        let unit = group.split('/').rfind(is_unit);
        // systemd's own hierarchy is the one without controllers, or the one of that name.
        if let Some(unit) = unit.filter(|_| controllers.is_empty() || controllers == "name=systemd") {
            self.units.insert(process, unit);
        }
        Some(())
    }

    fn name(&self, process: &str) -> Option<String> {
        self.units.get(process).or_else(|| self.programs.get(process)).map(|name| (*name).to_owned())
    }
}

/// The process in `/proc/7/…`.
fn process(path: &str) -> Option<&str> {
    path.strip_prefix("/proc/")?.split('/').next()
}

/// The local port and the socket in a line such as ` 0: 0100007F:1F90 00000000:0000 0A … UID TIMEOUT INODE …`.
fn port_and_socket(line: &str) -> Option<(u16, String)> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let (_, port) = words.get(1)?.rsplit_once(':')?;
    let inode: u64 = words.get(9)?.parse().ok()?;
    Some((u16::from_str_radix(port, 16).ok()?, format!("socket:[{inode}]")))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINES: &str = "== listeners
   0: 00000000:0016 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 371 1 0 100 0 0 10 0
   1: 00000000:192B 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 372 1 0 100 0 0 10 0
socket:[371]\t/proc/66/fd/3
socket:[372]\t/proc/70/fd/7
/proc/66/cgroup:1:name=systemd:/system.slice/ssh.service
/proc/66/comm:sshd
/proc/70/cgroup:0::/
/proc/70/comm:kube-apiserver
== end
";

    #[test]
    fn a_port_belongs_to_its_unit_or_else_to_its_program() {
        let seen = listeners(&Sections::parse(LINES).unwrap()).unwrap();
        assert_eq!((seen[&22].owner.as_str(), seen[&6443].owner.as_str()), ("ssh.service", "kube-apiserver"));
    }
}
