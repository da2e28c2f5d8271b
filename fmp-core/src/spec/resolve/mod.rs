//! From what is written to what is meant: defaults, the profile, and everything that must agree.

mod consents;
mod entrance;
mod machines;
mod manifests;
mod network;
mod nodes;
mod platform;
mod storage;

use toml::Spanned;

use super::{
    Beside, Environment, MachineKind, Node, Spec, SshTarget, canonical, images,
    problem::{Code, Problem, Sink},
    raw::{Raw, RawNode},
};
use crate::{
    Digest, KubeVersion,
    profile::{KubeMinor, Machines, Profile, ProfileError, Profiles},
};

/// The profile of machines that a person has, where the file names none.
const REAL: &str = "fmp-23.12";

/// The profile of machines that share this computer, where the file names none.
const LOCAL: &str = "local";

/// The specification, or `None` after every problem was noted.
pub(super) fn resolve(sink: &Sink, raw: Raw, profiles: &Profiles, beside: &Beside) -> Option<Spec> {
    let environment = raw.environment.as_ref().map(|kind| *kind.get_ref());
    let profile = profile(sink, &raw, environment, profiles);
    let machines = raw.machines.as_ref().map(|kind| *kind.get_ref()).or_else(|| environment.map(usual_machines));
    if let (Some(profile), Some(version)) = (&profile, &raw.kubernetes) {
        kubernetes(sink, profile, version);
    }
    nodes::check(sink, &raw.nodes, &raw.retired);
    machines::check(sink, &raw, environment);
    nodes::check_retired(sink, &raw.nodes, &raw.retired);
    if raw.countable {
        nodes::count(sink, &raw, profile.as_ref(), machines);
    }
    entrance::check(sink, &raw);
    images::check(sink, &raw);
    consents::check(sink, &raw.consents, &raw.nodes, &raw.retired);
    let storage = storage::resolve(sink, &raw, profile.as_ref());
    let manifests = manifests::resolve(sink, &raw.components.manifests, &beside.manifests);
    let platform = platform::resolve(sink, &raw, beside);
    if let (Some(platform), Some(manifests)) = (&platform, &manifests) {
        platform::apart(sink, &raw, platform.as_ref(), manifests);
    }
    let network = network::resolve(sink, &raw.network, &raw.nodes);
    let nodes: Option<_> = raw.nodes.into_iter().map(|(name, raw)| Some((name, node(raw)?))).collect();
    let retired: Option<_> = raw.retired.into_iter().map(|(name, raw)| Some((name, node(raw)?))).collect();

    let mut spec = Spec {
        name: raw.name?.into_inner(),
        kubernetes: raw.kubernetes?.into_inner(),
        profile: profile?,
        environment: environment?,
        machines: machines?,
        network: network?,
        api_entrance: raw.entrances.api?.into_inner(),
        apps_entrance: raw.entrances.apps?.meant(),
        components: raw.components.resolved(manifests?)?,
        storage: storage?,
        platform: platform?,
        images: raw.images?.into_inner(),
        packages: raw.packages?.into_inner(),
        nodes: nodes?,
        retired: retired?,
        consents: raw.consents.into_iter().map(Spanned::into_inner).collect(),
        digest: Digest::from_bytes([0; 32]),
    };
    spec.digest = canonical::digest(&spec);
    Some(spec)
}

const fn usual_machines(environment: Environment) -> Machines {
    match environment {
        Environment::Ssh => Machines::BareMetal,
        Environment::Local | Environment::Sim => Machines::Virtual,
    }
}

fn profile(sink: &Sink, raw: &Raw, environment: Option<Environment>, profiles: &Profiles) -> Option<Profile> {
    let usual = match environment? {
        Environment::Ssh => REAL,
        Environment::Local | Environment::Sim => LOCAL,
    };
    let (name, place) = raw.profile.as_ref().map_or((usual, 0..0), |name| (name.get_ref().as_str(), name.span()));
    let problem = |error: ProfileError| {
        let problem = Problem::new(Code::BadProfile, error.to_string(), place, "this profile");
        match error {
            ProfileError::Missing { .. } => problem.help("name one of those, or the path of a file"),
            ProfileError::Content { .. } | ProfileError::Schema { .. } | ProfileError::Circle { .. } => {
                problem.help("begin with `schema = 1` and `inherits = \"fmp-23.12\"`, and add what differs")
            }
        }
    };
    sink.ok(profiles.load(name).map_err(problem))
}

fn kubernetes(sink: &Sink, profile: &Profile, version: &Spanned<KubeVersion>) {
    if profile.allows(version.get_ref().minor) {
        return;
    }
    let allowed = profile.kubernetes.iter().map(KubeMinor::to_string).collect::<Vec<_>>().join(", ");
    let message = format!("profile {} does not allow Kubernetes {}", profile.name, version.get_ref());
    let problem = Problem::new(Code::UnsupportedKubernetes, message, version.span(), "not allowed");
    sink.note(problem.help(format!("allowed: {allowed}")));
}

fn node(raw: RawNode) -> Option<Node> {
    let address = raw.address?.into_inner();
    let ssh = SshTarget {
        host: raw.host.map_or_else(|| address.to_string(), Spanned::into_inner),
        port: raw.port?.into_inner(),
        user: raw.user?.into_inner(),
        host_key: raw.host_key.map(Spanned::into_inner),
        identity: raw.identity.map(Spanned::into_inner),
    };
    Some(Node {
        role: raw.role?.into_inner(),
        address,
        ssh,
        labels: raw.labels,
        machine: raw.machine.map_or(MachineKind::Container, Spanned::into_inner),
        disks: raw.disks.into_iter().map(Spanned::into_inner).collect(),
    })
}
