//! What somebody changed by hand on one main: the plan names that, the restart, and nothing else; apply mends it.

use std::collections::BTreeSet;

use fmp::planner::Action;

use crate::{
    lab::{Lab, MAINS},
    runner::say,
};

/// The unit that is changed, and where.
pub(crate) const MAIN: &str = "main-2";
pub(crate) const FILE: &str = "/etc/systemd/system/kube-apiserver.service";
const UNIT: &str = "main-2/unit/kube-apiserver.service";
const UNIT_FILE: &str = "main-2/file/etc/systemd/system/kube-apiserver.service";

/// One line of the unit, edited.
pub(crate) const EDIT: &str =
    "sed -i 's/--audit-log-maxage=30/--audit-log-maxage=31/' /etc/systemd/system/kube-apiserver.service";

/// What somebody did, and what a plan must say of it.
struct Drift {
    name: &'static str,
    script: String,
    changes: &'static [&'static str],
    steps: &'static [&'static str],
    restart: Restart,
    words: &'static [&'static str],
}

/// Whether the unit is to be restarted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Restart {
    Due,
    NotDue,
}

pub(crate) fn run(lab: &Lab) {
    for drift in drifts() {
        named_and_mended(lab, &drift);
    }
}

fn drifts() -> [Drift; 5] {
    let restarted = "systemctl daemon-reload; systemctl restart kube-apiserver.service";
    let override_conf =
        "mkdir -p FILE.d; printf '[Service]\\nNice=1\\n' > FILE.d/override.conf; systemctl daemon-reload";
    let replaced = "p=$(ls /opt/fmp/store/*/kube-apiserver); cp -p $p $p.other; printf x >> $p.other; mv $p.other $p";
    [
        Drift {
            name: "edited",
            script: EDIT.to_owned(),
            changes: &[UNIT_FILE, UNIT],
            steps: &["main-2/files", UNIT],
            restart: Restart::Due,
            words: &["--audit-log-maxage=31", "kube-apiserver.service: restart"],
        },
        Drift {
            name: "edited and restarted by hand",
            script: format!("{EDIT}; {restarted}"),
            changes: &[UNIT_FILE, UNIT],
            steps: &["main-2/files", UNIT],
            restart: Restart::Due,
            words: &["--audit-log-maxage=31", "kube-apiserver.service: restart"],
        },
        Drift {
            name: "a drop-in, as `systemctl edit` makes it",
            script: override_conf.replace("FILE", FILE),
            changes: &[UNIT],
            steps: &["main-2/files", UNIT],
            restart: Restart::Due,
            words: &["kube-apiserver.service.d/override.conf is a drop-in that nobody ordered"],
        },
        Drift {
            name: "disabled",
            script: "systemctl disable kube-apiserver.service".to_owned(),
            changes: &[UNIT],
            steps: &[UNIT],
            restart: Restart::NotDue,
            words: &["it is disabled", "enable, leave it running"],
        },
        Drift {
            name: "the program replaced under the running process",
            script: replaced.to_owned(),
            changes: &["main-2/artifact/kube-apiserver", UNIT],
            steps: &["main-2/artifact/kube-apiserver", UNIT],
            restart: Restart::Due,
            words: &["upload", "kube-apiserver.service: restart"],
        },
    ]
}

fn named_and_mended(lab: &Lab, drift: &Drift) {
    let others = || MAINS.map(|main| (main != MAIN).then(|| invocation(lab, main)));
    let (before, untouched) = (invocation(lab, MAIN), others());
    lab.sh(MAIN, &drift.script);
    let (code, plan) = lab.plan();
    let changes: BTreeSet<_> = plan.changes.iter().map(|change| change.id.as_str()).collect();
    let steps: BTreeSet<_> = plan.steps.iter().map(|step| step.id.as_str()).collect();
    assert_eq!(changes, drift.changes.iter().copied().collect(), "{}", drift.name);
    assert_eq!(steps, drift.steps.iter().copied().collect(), "{}", drift.name);
    assert_eq!((code, plan.waiting.as_slice()), (Some(2), &[][..]), "{}", drift.name);
    let restarts = plan.steps.iter().any(|step| matches!(step.action, Action::RestartUnit { .. }));
    let due = drift.restart == Restart::Due;
    assert_eq!(restarts, due, "{}", drift.name);
    lab.fmp(&["plan"]).exits(2).says(drift.words);
    lab.fmp(&["apply", "--yes"]).exits(0).says(&["in sync after"]);
    lab.fmp(&["plan"]).exits(0);
    assert_eq!(invocation(lab, MAIN) != before, due, "{}: it was restarted, or was not", drift.name);
    assert_eq!(others(), untouched, "{}: another main's apiserver was restarted", drift.name);
    say(&format!("  {}: named and mended", drift.name));
}

/// Which life of the apiserver this is.
pub(crate) fn invocation(lab: &Lab, main: &str) -> String {
    lab.sh(main, "systemctl show --property=InvocationID --value kube-apiserver.service")
}
