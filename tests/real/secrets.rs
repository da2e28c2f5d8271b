//! P10: while certificates are issued and keys are copied, no secret lies anywhere but in its own files: not in arguments and
//! environments of programs, nor in journals, temporary files, plans, events, observations, or what FMP keeps of a run.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use fmp::providers::transport::Input;

use crate::lab::{Lab, cluster, everyone, operator_key};

/// Every secret of a host, a line each: private keys, the key that encrypts, keys and tokens of kubeconfigs.
const SECRETS: &str = "set +e
    cd /etc/kubernetes
    cat pki/*.key pki/etcd/*.key 2>/dev/null
    sed -n 's/.*secret: //p' encryption.yaml 2>/dev/null
    sed -n 's/.*client-key-data: //p; s/.*token: //p' *.conf 2>/dev/null
    sed -n '/PRIVATE KEY/,/PRIVATE KEY/p' /var/lib/kubelet/pki/*.pem 2>/dev/null
    true";

/// Notes what programs are told, ten times a second, until it is called back: what ends sooner may be missed.
const LOOK: &str = "systemctl stop canary-look 2>/dev/null || true
    rm -f /run/looked; touch /run/looking
    cat >/run/look <<'end'
while [ -e /run/looking ]; do
    cat /proc/[0-9]*/cmdline /proc/[0-9]*/environ 2>/dev/null
    sleep 0.1
done | tr '\\0' '\\n' | awk '!seen[$0]++' >/run/looked
end
    systemd-run --quiet --collect --unit=canary-look sh /run/look";

const CALL_BACK: &str = "rm -f /run/looking; while systemctl is-active --quiet canary-look; do sleep 0.1; done";

/// Where secrets lie that come over standard input; the lines of each place that hold one are counted.
const COUNT: &str = "set +e
    cat >/run/words
    count() { printf '%s: %s\\n' \"$1\" \"$(grep -cF -f /run/words)\"; }
    count 'arguments and environments' </run/looked
    journalctl --no-pager --output=cat | count 'the journal'
    cat /var/log/kubernetes/* 2>/dev/null | count 'the audit log'
    find /tmp /var/tmp /run/fmp /var/lib/fmp -type f -exec cat {} + 2>/dev/null | count 'files of FMP'
    rm /run/words";

/// A word that a program is told.
const CANARY: &str = "canary-among-arguments-77ad";

pub(crate) fn run(lab: &Lab) {
    let before = secrets(lab);
    for node in everyone() {
        lab.sh(node, LOOK);
    }
    let mut told = provoke(lab);
    for node in everyone() {
        // Whoever looks sees what programs are told.
        lab.sh(node, &format!("sh -c ': {CANARY}; sleep 1'"));
        lab.sh(node, CALL_BACK);
        lab.sh(node, &format!("grep -qF {CANARY} /run/looked"));
    }
    let secrets: BTreeSet<String> = before.union(&self::secrets(lab)).cloned().collect();
    assert!(secrets.len() > 40 && secrets != before, "{} lines of secrets", secrets.len());
    for node in everyone() {
        let words = secrets.iter().map(|line| format!("{line}\n")).collect::<String>();
        let counted = lab.ask(node, COUNT, Input::from(words.into_bytes())).expect("the node answers");
        let places = counted.text().into_owned();
        assert_eq!(places.lines().count(), 4, "{node}: {counted:?}");
        assert!(places.lines().all(|place| place.ends_with(": 0")), "{node}:\n{places}");
    }
    told.extend(kept(&lab.place("state")));
    for (whence, text) in told {
        let found = secrets.iter().any(|secret| text.contains(secret.as_str()));
        assert!(!found, "{} holds a secret", whence.display());
    }
}

/// Of all hosts, and of the key that opens them.
fn secrets(lab: &Lab) -> BTreeSet<String> {
    let operator = fs::read_to_string(operator_key(cluster())).expect("the key that opens the machines");
    everyone().flat_map(|node| of_host(lab, node)).chain(lines(&operator)).collect()
}

/// The secrets of a host.
pub(crate) fn of_host(lab: &Lab, node: &str) -> BTreeSet<String> {
    lines(&lab.sh(node, SECRETS))
}

/// Every line that is long enough to be told from chance.
fn lines(text: &str) -> BTreeSet<String> {
    let is_secret = |line: &&str| line.len() >= 20 && !line.contains("---");
    text.lines().map(str::trim).filter(is_secret).map(str::to_owned).collect()
}

/// Has certificates issued and keys copied; what was printed meanwhile, and whence.
fn provoke(lab: &Lab) -> Vec<(PathBuf, String)> {
    lab.sh("main-2", "rm /etc/kubernetes/pki/apiserver.key");
    lab.sh("main-3", "rm /etc/kubernetes/pki/sa.key");
    let plan = lab.fmp(&["plan", "--format", "json"]).exits(2);
    let ids: Vec<String> = plan.plan().steps.iter().map(|step| step.id.to_string()).collect();
    for wanted in ["main-2/certificates", "main-3/trust"] {
        assert!(ids.iter().any(|id| id == wanted), "{ids:?}");
    }
    let text = lab.fmp(&["plan"]).exits(2);
    let applied = lab.fmp(&["apply", "--yes", "--json"]).exits(0);
    let others = ["observe", "status"].map(|command| lab.fmp(&[command]).exits(0));
    // Those who look are a load by themselves: what the doctor finds beneath it is none of this check's business.
    let doctor = lab.fmp(&["doctor"]);
    assert!(!doctor.out.is_empty(), "{}", doctor.err);
    let all = [plan, text, applied, doctor].into_iter().chain(others);
    all.map(|ran| (PathBuf::from(ran.typed), ran.out + &ran.err)).collect()
}

/// Everything that lies in a folder.
fn kept(folder: &Path) -> Vec<(PathBuf, String)> {
    let mut texts = Vec::new();
    for entry in fs::read_dir(folder).expect("it can be read") {
        let path = entry.expect("it can be read").path();
        if path.is_dir() {
            texts.extend(kept(&path));
        } else {
            let text = fs::read(&path).map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
            texts.push((path, text.expect("it can be read")));
        }
    }
    texts
}
