//! How a host feels, as `health.sh` tells it: room, links, routes, how fast etcd's disk is, whether names resolve.

#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, BTreeSet},
    net::{Ipv4Addr, SocketAddrV4},
    time::Duration,
};

use fmp_core::{
    net::Cidr,
    observed::{Fact, FileSystem, HostHealth, Latencies, Link, NameAnswer, Route},
};
use fmp_exec::provider::{HealthQuestion, NameQuestion};

use super::{
    facts::addresses_by_link,
    sections::{Garbled, Sections},
};

/// The number by which an answer is known as that to our question. Any will do: a socket of its own asks.
const QUERY_ID: [u8; 2] = [0x46, 0x4d];

/// Adds the question's variables to a script.
pub(super) fn ask(ask: Option<&HealthQuestion>, list: &mut impl FnMut(&str, &mut dyn Iterator<Item = String>)) {
    let place = |at: SocketAddrV4| [at.ip().to_string(), at.port().to_string()];
    let name = || ask.and_then(|ask| ask.name.as_ref());
    list("health", &mut ask.map(|_| "1".to_owned()).into_iter());
    list("health_directories", &mut ask.into_iter().flat_map(|ask| &ask.directories).map(|path| format!(".{path}")));
    list("etcd_metrics", &mut ask.and_then(|ask| ask.etcd_metrics).map(place).into_iter().flatten());
    list("name_server", &mut name().map(|name| place(name.server)).into_iter().flatten());
    list("health_entrances", &mut ask.into_iter().flat_map(|ask| ask.entrances.iter().cloned()));
    list("name_question", &mut name().map(|name| escaped(&query(&name.name))).into_iter());
}

/// A question for the address of `name`, as [RFC 1035](https://www.rfc-editor.org/rfc/rfc1035#section-4) lays it down.
fn query(name: &str) -> Vec<u8> {
    let mut bytes = QUERY_ID.to_vec();
    // Recursion desired; one question, nothing else.
    bytes.extend([1, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
    for label in name.split('.') {
        bytes.extend(u8::try_from(label.len()));
        bytes.extend(label.as_bytes());
    }
    // The root; an address, of the internet.
    bytes.extend([0, 0, 1, 0, 1]);
    bytes
}

/// As `printf` takes it.
fn escaped(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("\\{byte:03o}")).collect()
}

/// Reads what was told.
///
/// # Errors
/// A line that `health.sh` does not write.
pub(super) fn read(sections: &Sections<'_>, ask: &HealthQuestion) -> Result<HostHealth, Garbled> {
    let lines: Vec<(&str, &str)> = sections.parsed("health", |line| line.split_once('\t'))?;
    let told = Told(lines);
    Ok(HostHealth {
        file_systems: told.file_systems(),
        links: told.links(&addresses_by_link(sections)),
        routes: told.all("route").filter_map(route).collect(),
        etcd_fsync: if ask.etcd_metrics.is_some() { told.fsync() } else { Fact::Absent },
        name: ask.name.as_ref().map_or(Fact::Absent, |name| told.name(name)),
        entrances: if ask.entrances.is_empty() { Fact::Absent } else { told.entrances() },
    })
}

/// Lines `WORD<tab>VALUE`.
struct Told<'a>(Vec<(&'a str, &'a str)>);

impl<'a> Told<'a> {
    fn all(&self, word: &'static str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(key, _)| *key == word).map(|(_, value)| *value)
    }

    /// `PATH<tab>ID BLOCK BLOCKS AVAILABLE INODES FREE`. What has the root's id is the root.
    fn file_systems(&self) -> BTreeMap<String, FileSystem> {
        let rooms: Vec<(&str, &str, FileSystem)> = self.all("room").filter_map(room).collect();
        let root = rooms.iter().find(|(path, ..)| *path == ".").map(|(_, id, _)| *id);
        let own = rooms.iter().filter(|(_, id, _)| Some(*id) != root);
        own.map(|(path, _, room)| (path.trim_start_matches('.').to_owned(), *room)).collect()
    }

    fn links(&self, addresses: &BTreeMap<&str, BTreeSet<Ipv4Addr>>) -> BTreeMap<String, Link> {
        let link = |line: &str| {
            let (name, mtu) = link(line)?;
            Some((name.to_owned(), Link { mtu, addresses: addresses.get(name).cloned().unwrap_or_default() }))
        };
        self.all("link").filter_map(link).collect()
    }

    fn fsync(&self) -> Fact<Latencies> {
        let lines = || self.all("fsync");
        let Some(total) = lines().find_map(|line| count(line.strip_prefix("count ")?)) else {
            return self.unanswered("etcd did not tell its figures");
        };
        Fact::Known(Latencies { at_most_us: lines().filter_map(bucket).collect(), total })
    }

    fn name(&self, ask: &NameQuestion) -> Fact<NameAnswer> {
        let Some(answer) = self.all("name").next() else { return self.unanswered("it did not ask") };
        let byte = |word: &str| u8::from_str_radix(word, 16).ok().filter(|_| word.len() == 2);
        match answer.split_whitespace().map(byte).collect::<Option<Vec<u8>>>() {
            Some(bytes) => Fact::Known(meaning(&bytes, ask.address)),
            None => Fact::Unknown(answer.trim().chars().take(200).collect()),
        }
    }

    /// `HOST:PORT open`, or `closed`.
    fn entrances(&self) -> Fact<BTreeMap<String, bool>> {
        let each = |line: &str| line.split_once(' ').map(|(at, how)| (at.to_owned(), how == "open"));
        let told: BTreeMap<String, bool> = self.all("entrance").filter_map(each).collect();
        if told.is_empty() { self.unanswered("it did not ask") } else { Fact::Known(told) }
    }

    fn unanswered<T>(&self, why: &str) -> Fact<T> {
        let has_bash = self.all("bash").next().is_none();
        Fact::Unknown(if has_bash { why } else { "the host has no bash, which would ask" }.to_owned())
    }
}

fn room(line: &str) -> Option<(&str, &str, FileSystem)> {
    let (path, figures) = line.split_once('\t')?;
    let (id, figures) = figures.split_once(' ')?;
    let figures: Option<Vec<u64>> = figures.split(' ').map(|word| word.parse().ok()).collect();
    let [block, blocks, free, inodes, free_inodes] = figures?[..] else { return None };
    Some((
        path,
        id,
        FileSystem { bytes: block.saturating_mul(blocks), free_bytes: block.saturating_mul(free), inodes, free_inodes },
    ))
}

/// `2: eth0@if5: <BROADCAST,UP> mtu 1500 qdisc …`: the name, and the MTU.
fn link(line: &str) -> Option<(&str, u32)> {
    let mut words = line.split_whitespace().skip(1);
    let name = words.next()?.trim_end_matches(':').split('@').next()?;
    let mtu = words.skip_while(|word| *word != "mtu").nth(1)?;
    Some((name, mtu.parse().ok()?))
}

/// `10.244.3.0/24 via 198.18.0.21 dev eth0 …`, `default via …`, `10.244.0.0/24 dev cni0 …`.
fn route(line: &str) -> Option<Route> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let after = |what: &str| words.iter().position(|word| *word == what).and_then(|at| words.get(at + 1));
    let to = match *words.first()? {
        "default" => Cidr::containing(Ipv4Addr::UNSPECIFIED, 0),
        range if range.contains('/') => range.parse().ok()?,
        address => Cidr::containing(address.parse().ok()?, 32),
    };
    let dev = (*after("dev")?).to_owned();
    Some(Route { to, via: after("via").and_then(|address| address.parse().ok()), link: dev })
}

/// `bucket{le="0.002"} 40`: microseconds, and how many. The last one, without a bound, is the total.
fn bucket(line: &str) -> Option<(u64, u64)> {
    let (bound, times) = line.strip_prefix("bucket{le=\"")?.split_once("\"} ")?;
    let bound = Duration::try_from_secs_f64(bound.parse().ok()?).ok()?;
    Some((u64::try_from(bound.as_micros()).ok()?, count(times)?))
}

/// A count, which comes as `1.234567e+06` where it is large: whole, like seconds of a time.
fn count(word: &str) -> Option<u64> {
    Some(Duration::try_from_secs_f64(word.parse().ok()?).ok()?.as_secs())
}

/// What a server's answer says of the name that has this address.
fn meaning(answer: &[u8], address: Ipv4Addr) -> NameAnswer {
    let unread = || NameAnswer::Wrong("an answer that can't be read".to_owned());
    if answer.is_empty() {
        return NameAnswer::Silence;
    }
    if !answer.starts_with(&QUERY_ID) {
        return unread();
    }
    match answer.get(3).map(|flags| flags & 0xf) {
        Some(0) => {}
        Some(2) => return NameAnswer::Wrong("SERVFAIL".to_owned()),
        Some(3) => return NameAnswer::Wrong("NXDOMAIN".to_owned()),
        Some(5) => return NameAnswer::Wrong("REFUSED".to_owned()),
        Some(code) => return NameAnswer::Wrong(format!("error {code}")),
        None => return unread(),
    }
    match addresses(answer) {
        Some(all) if all.contains(&address) => NameAnswer::Right,
        Some(all) => NameAnswer::Wrong(all.first().map_or_else(|| "no address".to_owned(), Ipv4Addr::to_string)),
        None => unread(),
    }
}

/// The addresses in an answer's records.
fn addresses(answer: &[u8]) -> Option<BTreeSet<Ipv4Addr>> {
    let number = |at: usize| Some(u16::from_be_bytes([*answer.get(at)?, *answer.get(at + 1)?]));
    let mut found = BTreeSet::new();
    // The question stands between: its name, type and class.
    let mut at = after_name(answer, 12)? + 4;
    for _ in 0..number(6)? {
        at = after_name(answer, at)?;
        let (kind, length) = (number(at)?, usize::from(number(at + 8)?));
        let data = answer.get(at + 10..at + 10 + length)?;
        if let (1, &[a, b, c, d]) = (kind, data) {
            found.insert(Ipv4Addr::new(a, b, c, d));
        }
        at += 10 + length;
    }
    Some(found)
}

/// Where a name ends that begins at `at`: labels to the root, or to a pointer of two bytes.
fn after_name(bytes: &[u8], mut at: usize) -> Option<usize> {
    loop {
        match *bytes.get(at)? {
            0 => return Some(at + 1),
            pointer if pointer >= 0xc0 => return Some(at + 2),
            length => at += 1 + usize::from(length),
        }
    }
}
