//! Which clusters a seed brings, as the files that people write.

use std::fmt::Write as _;

use fmp_core::profile::Profiles;

use crate::random::Stream;

/// What is played.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// A cluster on bare machines.
    Install,
    /// A setting that restarts units, in a cluster that stands.
    Change,
    /// One more work node, or one more main.
    Scale,
    /// A machine of a cluster that stands is replaced by a bare one.
    Replacement,
    /// The next minor version.
    Upgrade,
    /// A work node leaves, or two of five mains.
    Retirement,
    /// Certificates that are to be renewed, in a cluster that stands.
    Renewal,
    /// Nothing works any more: machines are off, or what makes a main one is stopped on all of them.
    ColdStart,
}

/// Where seeds are drawn from. A seed of a deck is always the same run: what is new gets a deck of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deck {
    /// Everything; faults begin while an installation would take place, and none hits a node that leaves.
    First,
    /// Upgrades and departures; faults begin at any time of them, and hit any node.
    DayTwo,
    /// Renewals and cold starts; faults begin at any time of them.
    Upkeep,
}

/// A scenario before faults.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Drawn {
    /// What is played.
    pub kind: Kind,
    /// The cluster's shape at first.
    pub shape: Shape,
    /// And what is wanted then; the same where nothing else is wanted.
    pub then: Shape,
    /// Which node is replaced.
    pub replaced: Option<String>,
}

/// A cluster's shape.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Shape {
    /// Main nodes.
    pub mains: u8,
    /// Work nodes.
    pub works: u8,
    /// Main nodes that leave, besides.
    pub leaving_mains: u8,
    /// Work nodes that leave, besides.
    pub leaving_works: u8,
    /// Whether the machine of the last node that leaves is gone for good, and a person says so.
    pub destroyed: bool,
    /// Whether each work node has a disk of its own for its data.
    pub disks: bool,
    /// The kind of environment.
    pub environment: &'static str,
    /// The profile's name.
    pub profile: &'static str,
    /// The version of Kubernetes.
    pub kubernetes: &'static str,
    /// The network's mode.
    pub network: &'static str,
}

/// Profiles that change one setting each: of the apiserver, of etcd, of the kubelet.
const CHANGED: [(&str, &str); 3] =
    [("audit", "audit-max-age-days = 7"), ("quota", "etcd-quota-bytes = 4294967296"), ("pods", "max-pods = 200")];

/// The shipped profiles, and those that change one setting.
pub(super) fn profiles() -> Profiles {
    let add = |profiles: Profiles, (name, setting): (&str, &str)| {
        let text = format!(
            "schema = 1\ninherits = \"local\"\ntitle = \"{name}\"\nrelaxes = [\"one setting\"]\n\n[settings]\n{setting}\n"
        );
        profiles.with(name, &text)
    };
    CHANGED.into_iter().fold(Profiles::shipped(), add)
}

/// The versions that are drawn: the newest patch of each minor.
const VERSIONS: [&str; 3] = ["1.27.16", "1.28.15", "1.29.15"];

impl Shape {
    /// Three mains and four work nodes.
    pub const fn usual() -> Self {
        let (leaving_mains, leaving_works, destroyed, disks, environment) = (0, 0, false, false, "ssh");
        let (profile, kubernetes, network) = ("local", "1.29.15", "flannel");
        Self {
            mains: 3,
            works: 4,
            leaving_mains,
            leaving_works,
            destroyed,
            disks,
            environment,
            profile,
            kubernetes,
            network,
        }
    }

    /// The file that a person writes.
    pub fn file(&self) -> String {
        let Self { mains, works, leaving_mains, leaving_works, environment, profile, kubernetes, network, .. } = self;
        let mut file = format!(
            "[cluster]\nname = 'drawn'\nprofile = '{profile}'\nkubernetes = '{kubernetes}'\n\
             [environment]\nkind = '{environment}'\n\
             [network]\nmode = '{network}'\npods = '10.0.0.0/8'\nnode-prefix = 24\nservices = '172.20.0.0/16'\n"
        );
        if self.disks {
            file.insert_str(0, "storage.kind = 'disk'\n");
        }
        let outage = (*mains == 1).then(|| "'outage main-1'".to_owned());
        let destroyed = self.last_leaving().filter(|_| self.destroyed).map(|name| format!("'destroyed {name}'"));
        let consents: Vec<String> = outage.into_iter().chain(destroyed).collect();
        if !consents.is_empty() {
            file.insert_str(0, &format!("consent = [{}]\n", consents.join(", ")));
        }
        let within = |at: u8, staying: u8| if at > staying { "retired" } else { "nodes" };
        for at in 1..=mains + leaving_mains {
            _ = writeln!(file, "[{}.main-{at}]\nrole = 'main'\naddress = '198.18.0.{at}'", within(at, *mains));
        }
        for at in 1..=works + leaving_works {
            _ = writeln!(file, "[{}.work-{at:02}]\nrole = 'work'\naddress = '198.18.1.{at}'", within(at, *works));
            if self.disks {
                _ = writeln!(file, "storage.disk = '/dev/disk/by-id/wwn-0x{at:x}'");
            }
        }
        file
    }

    /// The last of the nodes that leave.
    pub(super) fn last_leaving(&self) -> Option<String> {
        let main = (self.leaving_mains > 0).then(|| format!("main-{}", self.mains + self.leaving_mains));
        main.or_else(|| (self.leaving_works > 0).then(|| format!("work-{:02}", self.works + self.leaving_works)))
    }
}

impl Drawn {
    /// The scenario of a seed of a deck.
    pub fn of_deck(deck: Deck, seed: u64) -> Self {
        match deck {
            Deck::First => Self::of(seed),
            Deck::DayTwo => Self::later(&mut Stream::new(seed, "day two")).finished(seed),
            Deck::Upkeep => Self::upkeep(&mut Stream::new(seed, "upkeep")).finished(seed),
        }
    }

    /// The scenario of a seed of the first deck. Nearly half of all are installations of three mains and four work nodes.
    pub fn of(seed: u64) -> Self {
        Self::somewhere(seed).finished(seed)
    }

    /// With an environment, disks, and whether what leaves is gone.
    fn finished(mut self, seed: u64) -> Self {
        let drawn = &mut self;
        // Where no main exists yet nobody holds a lease: that is nothing for runs that are started at any time.
        if drawn.kind != Kind::Install && Stream::new(seed, "environment").chance(300) {
            (drawn.shape.environment, drawn.then.environment) = ("sim", "sim");
        }
        let disks = Stream::new(seed, "disks").chance(150);
        (drawn.shape.disks, drawn.then.disks) = (disks, disks);
        let may_be_gone = drawn.kind == Kind::Retirement;
        drawn.then.destroyed = may_be_gone && Stream::new(seed, "destroyed").chance(400);
        self
    }

    /// On machines that exist.
    fn somewhere(seed: u64) -> Self {
        // A stream of its own, so that what a seed was before there were these is still what it is.
        let mut later = Stream::new(seed, "after the first day");
        if later.chance(150) {
            return Self::later(&mut later);
        }
        let mut stream = Stream::new(seed, "topology");
        if stream.chance(500) {
            return Self { kind: Kind::Install, shape: Shape::usual(), then: Shape::usual(), replaced: None };
        }
        let kinds = [Kind::Install, Kind::Change, Kind::Scale, Kind::Replacement];
        let kind = stream.pick(&kinds).copied().unwrap_or(Kind::Install);
        let shape = if kind == Kind::Install { any(&mut stream) } else { settled(&mut stream) };
        let mut then = shape.clone();
        let mut replaced = None;
        match kind {
            Kind::Change => then.profile = stream.pick(&CHANGED).map_or("audit", |(name, _)| name),
            Kind::Scale if stream.chance(500) => then.works += 1,
            Kind::Scale => then.mains += 2,
            Kind::Replacement if shape.mains > 1 && stream.chance(600) => {
                replaced = Some(format!("main-{}", stream.between(1, u64::from(shape.mains))));
            }
            Kind::Replacement => replaced = Some(format!("work-{:02}", stream.between(1, u64::from(shape.works)))),
            Kind::Install | Kind::Upgrade | Kind::Retirement | Kind::Renewal | Kind::ColdStart => {}
        }
        Self { kind, shape, then, replaced }
    }

    /// An upgrade or a departure.
    fn later(stream: &mut Stream) -> Self {
        let works = stream.pick(&[1, 4]).copied().unwrap_or(1);
        let shape = Shape { works, ..Shape::usual() };
        let kind = if stream.chance(500) { Kind::Upgrade } else { Kind::Retirement };
        let (shape, then) = match kind {
            Kind::Upgrade => {
                let at = usize::try_from(stream.below(VERSIONS.len() as u64 - 1)).unwrap_or_default();
                let at_version = |kubernetes| Shape { kubernetes, ..shape.clone() };
                (at_version(VERSIONS[at]), at_version(VERSIONS[at + 1]))
            }
            Kind::Retirement if stream.chance(500) => {
                (Shape { mains: 5, ..shape.clone() }, Shape { leaving_mains: 2, ..shape })
            }
            Kind::Retirement
            | Kind::Install
            | Kind::Change
            | Kind::Scale
            | Kind::Replacement
            | Kind::Renewal
            | Kind::ColdStart => (Shape { works: works + 1, ..shape.clone() }, Shape { leaving_works: 1, ..shape }),
        };
        Self { kind, shape, then, replaced: None }
    }

    /// A renewal or a cold start: nothing else is wanted than before.
    fn upkeep(stream: &mut Stream) -> Self {
        let kind = if stream.chance(500) { Kind::Renewal } else { Kind::ColdStart };
        let shape = settled(stream);
        Self { kind, then: shape.clone(), shape, replaced: None }
    }
}

/// Any cluster: small ones often, one of 57 now and then.
fn any(stream: &mut Stream) -> Shape {
    let works = match stream.below(100) {
        0 => stream.between(20, 50),
        1..10 => stream.between(5, 12),
        _ => stream.below(4),
    };
    Shape {
        mains: stream.pick(&[1, 3, 3, 5, 7]).copied().unwrap_or(3),
        works: u8::try_from(works).unwrap_or_default(),
        kubernetes: stream.pick(&VERSIONS).copied().unwrap_or("1.29.15"),
        network: stream.pick(&["flannel", "routed"]).copied().unwrap_or("flannel"),
        ..Shape::usual()
    }
}

/// A cluster that stands already: of few shapes, so that each is built once.
fn settled(stream: &mut Stream) -> Shape {
    Shape {
        mains: stream.pick(&[1, 3, 3, 5]).copied().unwrap_or(3),
        works: stream.pick(&[1, 4]).copied().unwrap_or(1),
        ..Shape::usual()
    }
}
