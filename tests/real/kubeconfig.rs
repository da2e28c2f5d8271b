//! How people reach the API: a kubeconfig without a key in it, and the one exception, each used by a real kubectl of this
//! computer.

use std::{
    env, fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    time::{SystemTime, UNIX_EPOCH},
};

use fmp::core::bundle::Lock;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use crate::{
    lab::{Lab, Ran, everyone, lock_path},
    runner::say,
};

/// A working day, which `fmp credential` signs for.
const HOURS: u64 = 8;

pub(crate) fn run(lab: &Lab) {
    kubectl_asks_fmp_for_a_certificate_of_some_hours(lab);
    say("  without a key: kubectl asks `fmp credential`");
    an_embedded_key_is_its_owners_alone_and_lives_for_a_day(lab);
    say("  --embed: 0600, and over within a day");
}

/// kubectl as the bundle has it, with this kubeconfig.
fn kubectl(lab: &Lab, config: &Path, args: &[&str]) -> Ran {
    let lock = Lock::parse(&fs::read_to_string(lock_path()).expect("there is a lock")).expect("it can be read");
    let digest = lock.entry("kubectl").expect("the bundle has kubectl").digest;
    let cache = env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
    let cache = cache.or_else(|| Some(env::home_dir()?.join(".cache"))).expect("there is a home");
    let program = cache.join("fmp/store/blobs").join(digest.hex());
    let (config, cache) = (config.to_string_lossy(), lab.place("kubectl-cache"));
    let (config, cache) = (format!("--kubeconfig={config}"), format!("--cache-dir={}", cache.display()));
    lab.nearby(&program.to_string_lossy(), &[&[&*config, &*cache, "--request-timeout=20s"], args].concat())
}

/// Whoever has the kubeconfig sees all nodes, as an administrator.
fn reaches_the_api(lab: &Lab, config: &Path) {
    let nodes = kubectl(lab, config, &["get", "nodes", "-o", "name"]).exits(0).out;
    let mut nodes: Vec<&str> = nodes.lines().filter_map(|line| line.strip_prefix("node/")).collect();
    nodes.sort_unstable();
    assert!(nodes.iter().copied().eq(everyone()), "{nodes:?}");
    kubectl(lab, config, &["auth", "whoami"]).exits(0).says(&["kubeadm:cluster-admins"]);
    kubectl(lab, config, &["auth", "can-i", "*", "*"]).exits(0).says(&["yes"]);
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).expect("it was written").permissions().mode() & 0o7777
}

fn kubectl_asks_fmp_for_a_certificate_of_some_hours(lab: &Lab) {
    let config = lab.place("people.conf");
    lab.fmp(&["kubeconfig", "--out", &config.to_string_lossy()]).exits(0);
    let text = fs::read_to_string(&config).expect("it was written");
    assert!(text.contains("credential") && !text.contains("client-key-data"), "{text}");
    reaches_the_api(lab, &config);
    let said = lab.fmp(&["credential"]).exits(0).out;
    let (_, ends) = said.split_once("\"expirationTimestamp\":\"").expect("it says when it ends");
    let ends = ends.split('"').next().unwrap_or_default();
    assert!(in_hours(0).as_str() < ends && ends <= in_hours(HOURS).as_str(), "{ends}");
}

/// The time in so many hours, as Kubernetes writes times: such texts compare as times do.
fn in_hours(hours: u64) -> String {
    let then = SystemTime::now().duration_since(UNIX_EPOCH).expect("it is after 1970").as_secs() + hours * 3600;
    let then = OffsetDateTime::from_unix_timestamp(i64::try_from(then).expect("the clock is right"));
    then.expect("the clock is right").format(&Rfc3339).expect("every time of this century can be written")
}

fn an_embedded_key_is_its_owners_alone_and_lives_for_a_day(lab: &Lab) {
    let config = lab.place("embedded.conf");
    // Also where a file that anybody may read was there before.
    fs::write(&config, "").expect("the target directory can be written");
    fs::set_permissions(&config, fs::Permissions::from_mode(0o644)).expect("it is ours");
    lab.fmp(&["kubeconfig", "--embed", "--out", &config.to_string_lossy()]).exits(0);
    assert_eq!(mode(&config), 0o600);
    let text = fs::read_to_string(&config).expect("it was written");
    assert!(text.contains("client-key-data") && !text.contains("exec:"), "it asks somebody");
    reaches_the_api(lab, &config);
    // Valid in an hour, and not any more a day and a minute from now.
    let ends = |seconds: u32| {
        let certificate = format!(
            "sed -n 's/^ *client-certificate-data: //p' '{}' | base64 -d | openssl x509 -noout -checkend {seconds}",
            config.display()
        );
        lab.nearby("sh", &["-c", &certificate]).code
    };
    assert_eq!((ends(3600), ends(86_400 + 60)), (Some(0), Some(1)));
    fs::remove_file(&config).expect("it is ours");
}
