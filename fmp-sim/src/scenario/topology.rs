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
        Self { mains: 3, works: 4, profile: "local", kubernetes: "1.29.15", network: "flannel" }
    }

    /// The file that a person writes.
    pub fn file(&self) -> String {
        let Self { mains, works, profile, kubernetes, network } = self;
        let mut file = format!(
            "[cluster]\nname = 'drawn'\nprofile = '{profile}'\nkubernetes = '{kubernetes}'\n\
             [environment]\nkind = 'ssh'\n\
             [network]\nmode = '{network}'\npods = '10.0.0.0/8'\nnode-prefix = 24\nservices = '172.20.0.0/16'\n"
        );
        if *mains == 1 {
            file.insert_str(0, "consent = ['outage main-1']\n");
        }
        for at in 1..=*mains {
            _ = writeln!(file, "[nodes.main-{at}]\nrole = 'main'\naddress = '198.18.0.{at}'");
        }
        for at in 1..=*works {
            _ = writeln!(file, "[nodes.work-{at:02}]\nrole = 'work'\naddress = '198.18.1.{at}'");
        }
        file
    }
}

impl Drawn {
    /// The scenario of a seed. Half of all are installations of three mains and four work nodes.
    pub fn of(seed: u64) -> Self {
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
            Kind::Install => {}
            Kind::Change => then.profile = stream.pick(&CHANGED).map_or("audit", |(name, _)| name),
            Kind::Scale if stream.chance(500) => then.works += 1,
            Kind::Scale => then.mains += 2,
            Kind::Replacement if shape.mains > 1 && stream.chance(600) => {
                replaced = Some(format!("main-{}", stream.between(1, u64::from(shape.mains))));
            }
            Kind::Replacement => replaced = Some(format!("work-{:02}", stream.between(1, u64::from(shape.works)))),
        }
        Self { kind, shape, then, replaced }
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
        profile: "local",
        kubernetes: stream.pick(&VERSIONS).copied().unwrap_or("1.29.15"),
        network: stream.pick(&["flannel", "routed"]).copied().unwrap_or("flannel"),
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
