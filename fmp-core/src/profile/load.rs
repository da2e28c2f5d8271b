//! Reading profiles: texts by name, inheritance, and what a profile must not say.

use std::{collections::BTreeMap, ops::RangeInclusive};

use toml::{Table, Value};

use super::{Directories, Machines, Profile};
use crate::Digest;

/// The one schema of profiles that this version reads.
const SCHEMA: i64 = 1;

/// Minor versions of Kubernetes that FMP can write configuration for; a profile may allow fewer.
const RENDERED: RangeInclusive<u16> = 25..=29;

/// A profile inherits from a profile that inherits from a profile; more than this many is a circle, or a mistake.
const GENERATIONS: usize = 8;

/// Folders of the system: what lies right in them is shared with others.
const SYSTEM: [&str; 17] = [
    "bin", "boot", "dev", "etc", "home", "lib", "media", "mnt", "opt", "proc", "root", "run", "sbin", "srv", "sys",
    "usr", "var",
];

/// The texts of profiles, by the name that `cluster.toml` calls them by.
#[derive(Debug, Clone)]
pub struct Profiles(BTreeMap<String, String>);

/// Why a profile can't be read.
#[derive(Debug, thiserror::Error)]
pub enum ProfileError {
    /// No text of this name.
    #[error("there is no profile `{name}`; known: {known}")]
    Missing {
        /// The name asked for.
        name: String,
        /// The names that there are, joined.
        known: String,
    },
    /// Not TOML, or not the content of a profile.
    #[error("profile `{name}` can't be read: {message}")]
    Content {
        /// The profile's name.
        name: String,
        /// What is wrong, on one line.
        message: String,
    },
    /// Written for another version of FMP.
    #[error("profile `{name}` does not say `schema = {SCHEMA}`, which this version of fmp reads")]
    Schema {
        /// The profile's name.
        name: String,
    },
    /// Inheritance that does not end.
    #[error("profile `{name}` inherits from itself")]
    Circle {
        /// The profile's name.
        name: String,
    },
}

impl Profiles {
    /// The profiles that are part of FMP.
    pub fn shipped() -> Self {
        let shipped = [
            ("fmp-23.12", include_str!("data/fmp-23.12.toml")),
            ("fmp-23.12-early", include_str!("data/fmp-23.12-early.toml")),
            ("local", include_str!("data/local.toml")),
            ("local-vm", include_str!("data/local-vm.toml")),
        ];
        Self(shipped.into_iter().map(|(name, text)| (name.to_owned(), text.to_owned())).collect())
    }

    /// Adds a person's own profile: `text` is what the caller read from the path `name`.
    #[must_use]
    pub fn with(mut self, name: &str, text: &str) -> Self {
        self.0.insert(name.to_owned(), text.to_owned());
        self
    }

    /// The names, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// Reads the profile `name`, what it inherits, and what it names for virtual machines.
    ///
    /// # Errors
    /// No such profile, not TOML, unknown keys, another schema, or values that contradict each other.
    pub fn load(&self, name: &str) -> Result<Profile, ProfileError> {
        let (profile, vm) = self.read(name)?;
        let mut profile = finished(profile)?;
        if let Some(vm) = vm {
            // What a virtual machine's own profile says of virtual machines means nothing.
            let (mut vm, _) = self.read(&vm)?;
            // Where data lies is one answer for all nodes of a cluster.
            vm.settings.directories = profile.settings.directories.clone();
            profile.vm = Some(Box::new(finished(vm)?));
        }
        Ok(profile)
    }

    /// The profile `name` without its digest, and the name of the one for virtual machines.
    fn read(&self, name: &str) -> Result<(Profile, Option<String>), ProfileError> {
        let mut table = self.table(name, GENERATIONS)?;
        let vm = match table.remove("vm") {
            None => None,
            Some(Value::String(vm)) => Some(vm),
            Some(_) => return Err(content(name, "`vm` is the name of a profile".to_owned())),
        };
        let mut profile: Profile =
            table.try_into().map_err(|error: toml::de::Error| content(name, one_line(&error)))?;
        name.clone_into(&mut profile.name);
        Ok((profile, vm))
    }

    /// The profile's table with all that it inherits.
    fn table(&self, name: &str, generations: usize) -> Result<Table, ProfileError> {
        let missing = || {
            let known = self.names().collect::<Vec<_>>().join(", ");
            ProfileError::Missing { name: name.to_owned(), known }
        };
        let text = self.0.get(name).ok_or_else(missing)?;
        let mut table: Table = text.parse().map_err(|error: toml::de::Error| ProfileError::Content {
            name: name.to_owned(),
            message: format!("{} at line {}", error.message(), line(text, &error)),
        })?;
        if table.remove("schema") != Some(Value::Integer(SCHEMA)) {
            return Err(ProfileError::Schema { name: name.to_owned() });
        }
        match (table.remove("inherits"), generations) {
            (None, _) => Ok(table),
            (Some(_), 0) => Err(ProfileError::Circle { name: name.to_owned() }),
            (Some(parent), _) => {
                let parent = parent.as_str().unwrap_or_default();
                Ok(merged(self.table(parent, generations - 1)?, table))
            }
        }
    }
}

impl Default for Profiles {
    fn default() -> Self {
        Self::shipped()
    }
}

fn content(name: &str, message: String) -> ProfileError {
    ProfileError::Content { name: name.to_owned(), message }
}

/// The profile with the digest of its meaning, unless it contradicts itself.
fn finished(mut profile: Profile) -> Result<Profile, ProfileError> {
    if let Some(message) = contradiction(&profile) {
        return Err(content(&profile.name, message));
    }
    let meaning = toml::to_string(&profile).map_err(|error| content(&profile.name, error.to_string()))?;
    profile.digest = Digest::of(meaning);
    Ok(profile)
}

/// `parent` with what `child` says: tables are merged key by key, what is relaxed is added, all else is replaced.
fn merged(mut parent: Table, child: Table) -> Table {
    for (key, value) in child {
        let value = match (parent.remove(&key), value) {
            (Some(Value::Table(old)), Value::Table(new)) => Value::Table(merged(old, new)),
            // Nothing that was relaxed becomes strict by being inherited.
            (Some(Value::Array(old)), Value::Array(new)) if key == "relaxes" => [old, new].concat().into(),
            (_, value) => value,
        };
        parent.insert(key, value);
    }
    parent
}

/// What a profile that can be read must still not say.
fn contradiction(profile: &Profile) -> Option<String> {
    let unknown = profile.kubernetes.iter().find(|minor| !RENDERED.contains(&minor.0));
    let kind = [Machines::Virtual, Machines::BareMetal].into_iter().find(|kind| !profile.machines.contains_key(kind));
    let settings = &profile.settings;
    if let Some(minor) = unknown {
        Some(format!("Kubernetes {minor} is not one that FMP knows: 1.{} to 1.{}", RENDERED.start(), RENDERED.end()))
    } else if profile.kubernetes.is_empty() {
        Some("it allows no version of Kubernetes".to_owned())
    } else if !profile.kubernetes.is_sorted_by(|a, b| a < b) {
        Some("the versions of Kubernetes are not in ascending order".to_owned())
    } else if let Some(kind) = kind {
        Some(format!("[machines.{kind}] is missing"))
    } else if settings.shutdown_grace_critical_s > settings.shutdown_grace_s {
        Some("shutdown-grace-critical-s is a part of shutdown-grace-s and can't be longer".to_owned())
    } else if profile.systems.is_empty() {
        Some("it allows no operating system".to_owned())
    } else {
        shared_directory(&settings.directories)
    }
}

/// A data directory that is not ours alone: `fmp destroy` removes it whole.
fn shared_directory(Directories { containerd, etcd, kubelet }: &Directories) -> Option<String> {
    let all = [containerd, etcd, kubelet];
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "._-/".contains(c);
    let is_own = |path: &str| {
        let parts: Vec<&str> = path.split('/').skip(1).collect();
        let of_the_system = parts.first().is_some_and(|first| SYSTEM.contains(first));
        path.starts_with('/')
            && path.chars().all(is_plain)
            && parts.iter().all(|part| !["", ".", ".."].contains(part))
            && parts.len() >= if of_the_system { 3 } else { 2 }
    };
    let holds = |one: &String, other: &String| other.strip_prefix(&**one).is_some_and(|rest| rest.starts_with('/'));
    if let Some(path) = all.into_iter().find(|path| !is_own(path)) {
        return Some(format!("[settings.directories] needs folders of their own, such as /var/lib/etcd: not `{path}`"));
    }
    let pairs = all.iter().flat_map(|one| all.iter().map(move |other| (*one, *other)));
    let nested = pairs.clone().find(|(one, other)| holds(one, other));
    let same = etcd == kubelet || etcd == containerd || kubelet == containerd;
    let shared = nested.map(|(one, other)| format!("`{other}` lies in `{one}`"));
    let shared = shared.or_else(|| same.then(|| "two of them are the same".to_owned()));
    shared.map(|how| format!("[settings.directories] needs folders of their own: {how}"))
}

/// Counted from 1.
fn line(text: &str, error: &toml::de::Error) -> usize {
    let start = error.span().map_or(text.len(), |span| span.start);
    1 + text[..start.min(text.len())].matches('\n').count()
}

fn one_line(error: &toml::de::Error) -> String {
    error.to_string().lines().map(str::trim).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::Role;

    fn own(text: &str) -> Result<Profile, ProfileError> {
        Profiles::shipped().with("own.toml", text).load("own.toml")
    }

    #[test]
    fn every_shipped_profile_can_be_read() {
        let profiles = Profiles::shipped();
        for name in profiles.names() {
            profiles.load(name).unwrap();
        }
    }

    #[test]
    fn only_local_profiles_relax_requirements() {
        let profiles = Profiles::shipped();
        let relaxed: Vec<&str> =
            profiles.names().filter(|name| !profiles.load(name).unwrap().relaxes.is_empty()).collect();
        assert_eq!(relaxed, ["local", "local-vm"]);
    }

    #[test]
    fn encodes_the_vendors_figures() {
        let profiles = Profiles::shipped();
        for (name, machines, mains, works, memory_gb) in [
            ("fmp-23.12", Machines::Virtual, 3, 4, 16),
            ("fmp-23.12", Machines::BareMetal, 3, 4, 16),
            ("fmp-23.12-early", Machines::Virtual, 1, 4, 8),
            ("fmp-23.12-early", Machines::BareMetal, 3, 4, 8),
        ] {
            let profile = profiles.load(name).unwrap();
            let (main, work) = (profile.size(machines, Role::Main), profile.size(machines, Role::Work));
            assert_eq!((main.count, work.count, main.memory_gb), (mains, works, memory_gb), "{name} {machines}");
        }
        let now = profiles.load("fmp-23.12").unwrap();
        assert!((24..=30).filter(|&minor| now.allows(minor)).eq(25..=29));
    }

    #[test]
    fn a_persons_own_profile_changes_what_it_names_and_inherits_the_rest() {
        let own = own("schema = 1\ninherits = 'fmp-23.12'\n[machines.virtual.work]\ncpus = 8\n").unwrap();
        let parent = Profiles::shipped().load("fmp-23.12").unwrap();
        assert_eq!(own.size(Machines::Virtual, Role::Work).cpus, 8);
        assert_eq!(own.size(Machines::Virtual, Role::Work).memory_gb, 16);
        assert_eq!(own.host, parent.host);
        assert_ne!(own.digest, parent.digest);
    }

    #[test]
    fn data_may_lie_elsewhere() {
        let own = own("schema = 1\ninherits = 'local'\n[settings.directories]\netcd = '/data/etcd'\n").unwrap();
        assert_eq!(
            (own.settings.directories.etcd.as_str(), own.settings.directories.kubelet.as_str()),
            ("/data/etcd", "/var/lib/kubelet")
        );
    }

    #[test]
    fn virtual_machines_are_asked_for_what_the_product_is() {
        let profiles = Profiles::shipped();
        let vm = profiles.load("local").unwrap().vm.unwrap();
        let real = profiles.load("fmp-23.12").unwrap();
        assert_eq!(
            (&vm.settings, vm.host.swap, vm.host.kernel_is),
            (&real.settings, real.host.swap, real.host.kernel_is)
        );
        assert_eq!((vm.name.as_str(), vm.vm.is_none(), real.vm.is_none()), ("local-vm", true, true));
    }

    #[test]
    fn a_cluster_has_one_place_for_its_data() {
        let own = own("schema = 1\ninherits = 'local'\n[settings.directories]\nkubelet = '/data/kubelet'\n").unwrap();
        let [vm, usual] = [own.vm.unwrap(), Profiles::shipped().load("local-vm").unwrap().into()];
        assert_eq!(vm.settings.directories.kubelet, "/data/kubelet");
        assert_ne!(vm.digest, usual.digest);
    }

    #[test]
    fn what_is_asked_of_virtual_machines_changes_nothing_for_others() {
        let with = |text: &str| own(&format!("schema = 1\ninherits = 'local'\n{text}")).unwrap();
        let (one, other) = (with("vm = 'fmp-23.12'"), with(""));
        assert_eq!(one.digest, other.digest);
        assert_ne!(one.vm.unwrap().digest, other.vm.unwrap().digest);
    }

    #[test]
    fn what_is_relaxed_is_inherited() {
        let relaxes = |text: &str| own(&format!("schema = 1\ninherits = 'local'\n{text}")).unwrap().relaxes;
        assert_eq!(relaxes("relaxes = ['more']").len(), relaxes("").len() + 1);
    }

    #[test]
    fn the_digest_is_of_the_meaning() {
        let (one, two) = ("[settings]\nmax-pods = 50\n", "# fewer\n[settings]\nmax-pods = 0x32\n");
        let digest = |text| own(&format!("schema = 1\ninherits = 'local'\n{text}")).unwrap().digest;
        assert_eq!(digest(one), digest(two));
    }

    #[test]
    fn refuses_a_profile_with_a_reason() {
        for (text, reason) in [
            ("", "does not say `schema = 1`"),
            ("schema = 2", "does not say `schema = 1`"),
            ("schema = 1\n[machines", "at line 2"),
            ("schema = 1\ninherits = 'local'\n[settings]\nmax-pot = 1", "max-pot"),
            ("schema = 1\ninherits = 'local'\n[host]\nkernel = 'new'", "`new` is not a kernel's version"),
            ("schema = 1\ninherits = 'local'\nkubernetes = ['1.30']", "Kubernetes 1.30 is not one that FMP knows"),
            ("schema = 1\ninherits = 'local'\nkubernetes = []", "no version of Kubernetes"),
            ("schema = 1\ninherits = 'local'\n[settings.directories]\netcd = '/'", "folders of their own"),
            ("schema = 1\ninherits = 'local'\n[settings.directories]\netcd = ''", "folders of their own"),
            ("schema = 1\ninherits = 'local'\n[settings.directories]\netcd = '/data'", "not `/data`"),
            ("schema = 1\ninherits = 'local'\n[settings.directories]\nkubelet = '/var/lib'", "not `/var/lib`"),
            (
                "schema = 1\ninherits = 'local'\n[settings.directories]\nkubelet = '/data/x/../..'",
                "folders of their own",
            ),
            ("schema = 1\ninherits = 'local'\n[settings.directories]\nkubelet = '/data/a b'", "folders of their own"),
            ("schema = 1\ninherits = 'local'\n[settings.directories]\netcd = '/var/lib/kubelet/etcd'", "lies in"),
            ("schema = 1\ninherits = 'local'\n[settings.directories]\netcd = '/var/lib/kubelet'", "are the same"),
            ("schema = 1\ninherits = 'nobody'", "there is no profile `nobody`; known: "),
            ("schema = 1\ninherits = 'own.toml'", "inherits from itself"),
            ("schema = 1\ninherits = 'local'\nvm = 1", "`vm` is the name of a profile"),
            ("schema = 1\ninherits = 'local'\nvm = 'nobody'", "there is no profile `nobody`; known: "),
            ("schema = 1\ntitle = 'half'", "missing field"),
        ] {
            let error = own(text).expect_err(text).to_string();
            assert!(error.contains(reason), "{text}: {error}");
            assert!(!error.contains('\n'), "{error}");
        }
    }
}
