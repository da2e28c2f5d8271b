//! Packages, with programs of the test in place of package managers. A package is there as a file in `/db` says.

use fmp_core::{os::Manager, resource::PackageFile};
use fmp_plan::action::{PackageInstall, PackagesFrom};

use super::*;

const QUERY: &str = r#"for word; do case $word in -*) ;; *) cat "$FMP_ROOT/db/$word" 2>/dev/null || found=1 ;; esac; done
exit ${found:-0}"#;

/// Installs what it is given, under a lock but for what only tries: files are called as their packages, and `cut` leaves the first one half done.
const INSTALL: &str = r#"case $* in *--simulate*) exit 0 ;; esac
[ -z "$(cat "$FMP_ROOT/lock" 2>/dev/null)" ] || {
    rm "$FMP_ROOT/lock"
    echo 'dpkg: error: dpkg frontend lock was locked by another process with pid 7' >&2
    exit 2
}
for word; do
    case $word in
        -* | *=* | install | update) continue ;;
    esac
    name=${word##*/}
    name=${name%.*}
    if [ -f "$FMP_ROOT/cut" ]; then
        rm "$FMP_ROOT/cut"
        echo unpacked >"$FMP_ROOT/db/$name"
        echo 'somebody pulled the plug' >&2
        exit 1
    fi
    echo installed >"$FMP_ROOT/db/$name"
done"#;

/// A host with a package manager, and nothing installed but what is said.
fn lab(installed: &[&str]) -> Lab {
    let lab = Lab::new();
    lab.put("/db/none", "");
    installed.iter().for_each(|name| lab.put(&format!("/db/{name}"), "installed\n"));
    for query in ["dpkg-query", "rpm"] {
        lab.program(query, QUERY);
    }
    for installer in ["dpkg", "apt-get", "dnf"] {
        lab.program(installer, INSTALL);
    }
    lab.program("systemctl", "case \"$*\" in *is-active*) exit 3 ;; esac");
    lab.program("systemd-run", "while [ \"$1\" != -- ]; do shift; done\nshift\nexec \"$@\"");
    lab
}

fn wanted(names: &[&str]) -> Vec<PackageInstall> {
    let quiet = |name: &str| if name == "haproxy" { vec!["haproxy.service".into()] } else { Vec::new() };
    names.iter().map(|name| PackageInstall { name: (*name).into(), quiet: quiet(name) }).collect()
}

fn from_repository(manager: Manager, names: &[&str]) -> Action {
    Action::InstallPackages { manager, packages: wanted(names), from: PackagesFrom::Repository }
}

/// The same from files of the bundle.
fn from_bundle(lab: &Lab, names: &[&str], files: &[&str]) -> Action {
    let file = |name: &&str| {
        let stored = lab.provider.store.put(format!("content of {name}").as_bytes()).unwrap();
        PackageFile { package: (*name).into(), version: "1".into(), digest: stored.digest, bytes: stored.size }
    };
    let files = PackagesFrom::Bundle(files.iter().map(file).collect());
    Action::InstallPackages { manager: Manager::Dpkg, packages: wanted(names), from: files }
}

/// How programs were called, without their folder.
fn calls(lab: &Lab) -> Vec<String> {
    let name = |line: &str| line.split_once("/programs/").map_or_else(String::new, |(_, call)| call.to_owned());
    lab.read("calls").lines().map(name).collect()
}

/// The calls that begin so.
fn called(lab: &Lab, words: &str) -> Vec<String> {
    calls(lab).into_iter().filter(|call| call.starts_with(words)).collect()
}

#[tokio::test]
async fn packages_come_from_the_repository_and_what_they_would_start_stays_off() {
    let lab = lab(&["kmod"]);
    let action = || from_repository(Manager::Dpkg, &["haproxy", "kmod", "procps"]);
    assert_eq!(lab.apply(action()).await.unwrap(), Applied::Done);
    let install = called(&lab, "apt-get --quiet --yes").pop().unwrap();
    assert!(install.ends_with("install haproxy procps") && install.contains("--no-install-recommends"), "{install}");
    assert!(install.contains("--force-confold") && !install.contains("fix-broken"), "{install}");
    let units = ["--runtime mask", "--runtime unmask", "disable", "stop"];
    let told = called(&lab, "systemctl").into_iter().filter(|call| call.ends_with(" haproxy.service"));
    assert_eq!(told.collect::<Vec<_>>(), units.map(|words| format!("systemctl --quiet {words} haproxy.service")));
    let entry = lab.read("/var/lib/fmp/ledger/packages");
    assert!(entry.starts_with("kind packages\ncluster -\nprevious absent\n"), "{entry}");
    assert!(entry.ends_with("begun haproxy\nbegun procps\ninstalled haproxy\ninstalled procps\n"), "{entry}");
    assert_eq!(lab.apply(action()).await.unwrap(), Applied::AlreadyDone);
    assert_eq!(called(&lab, "apt-get --quiet --yes").len(), 1);
}

#[tokio::test]
async fn files_of_the_bundle_are_installed_and_no_repository_is_asked() {
    let lab = lab(&["libboth"]);
    let action = from_bundle(&lab, &["haproxy"], &["haproxy", "libboth", "liblua"]);
    assert_eq!(lab.apply(action).await.unwrap(), Applied::Done);
    let simulated = called(&lab, "apt-get");
    assert!(simulated.len() == 1 && simulated[0].contains("sourcelist=/dev/null"), "{simulated:?}");
    let install = called(&lab, "dpkg --force").pop().unwrap();
    let names: Vec<&str> = install.split(' ').filter_map(|word| word.rsplit_once('/')).map(|(_, name)| name).collect();
    assert_eq!(names, ["haproxy.deb", "liblua.deb"], "what is there stays as it is");
    assert!(install.starts_with("dpkg --force-confold --force-confdef --install "), "{install}");
    assert_eq!(lab.left("/var/lib/fmp").into_iter().filter(|name| name.starts_with(".fmp-tmp-")).count(), 0);
}

#[tokio::test]
async fn what_was_cut_off_is_ended_by_the_same_step() {
    for bundle in [false, true] {
        let lab = lab(&[]);
        let action = || {
            if bundle {
                from_bundle(&lab, &["haproxy"], &["haproxy", "liblua"])
            } else {
                from_repository(Manager::Dpkg, &["haproxy"])
            }
        };
        lab.put("/cut", "");
        let failure = lab.apply(action()).await.unwrap_err();
        assert_eq!(failure.effect, Effect::MayHaveHappened);
        let FailureKind::Program { stderr, .. } = &failure.kind else { panic!("{failure}") };
        assert!(stderr.contains("somebody pulled the plug"), "{stderr}");
        assert_eq!(lab.read("/db/haproxy"), "unpacked\n");
        assert_eq!(lab.apply(action()).await.unwrap(), Applied::Done);
        assert_eq!(lab.read("/db/haproxy"), "installed\n");
        if !bundle {
            assert_eq!(called(&lab, "dpkg --force-confold --force-confdef --configure --pending").len(), 1);
            assert!(called(&lab, "apt-get --quiet --yes").pop().unwrap().contains("--fix-broken"));
        }
        assert_eq!(lab.apply(action()).await.unwrap(), Applied::AlreadyDone);
    }
}

#[tokio::test]
async fn whole_packages_of_a_run_that_was_cut_off_have_their_units_switched_off() {
    let lab = lab(&["haproxy"]);
    lab.put("/var/lib/fmp/ledger/packages", "kind packages\ncluster -\nprevious absent\nepoch 6\nbegun haproxy\n");
    assert_eq!(lab.apply(from_repository(Manager::Dpkg, &["haproxy"])).await.unwrap(), Applied::Done);
    assert_eq!(called(&lab, "systemctl --quiet disable haproxy.service").len(), 1);
    assert_eq!(lab.apply(from_repository(Manager::Dpkg, &["haproxy"])).await.unwrap(), Applied::AlreadyDone);
}

#[tokio::test]
async fn a_lock_of_somebody_else_is_waited_for() {
    let lab = lab(&[]);
    lab.put("/lock", "held");
    assert_eq!(lab.apply(from_bundle(&lab, &["liblua"], &["liblua"])).await.unwrap(), Applied::Done);
    assert!(called(&lab, "dpkg --force").len() + called(&lab, "apt-get").len() >= 2);
}

#[tokio::test]
async fn a_file_that_did_not_come_whole_is_not_installed() {
    let lab = lab(&[]);
    let mut action = from_bundle(&lab, &["haproxy"], &["haproxy", "liblua"]);
    let Action::InstallPackages { from: PackagesFrom::Bundle(files), .. } = &mut action else { panic!() };
    files[0].bytes -= 1;
    let failure = lab.apply(action).await.unwrap_err();
    assert!(matches!(failure.kind, FailureKind::Torn(_)), "{failure}");
    assert!(called(&lab, "dpkg --force").is_empty());
}

#[tokio::test]
async fn on_rocky_dnf_installs_and_rpm_tells() {
    let lab = lab(&["iproute"]);
    let action = || from_repository(Manager::Rpm, &["conntrack-tools", "iproute"]);
    assert_eq!(lab.apply(action()).await.unwrap(), Applied::Done);
    let install = "dnf --quiet --assumeyes --setopt=install_weak_deps=False install conntrack-tools";
    assert_eq!(called(&lab, "dnf"), [install]);
    assert_eq!(lab.apply(action()).await.unwrap(), Applied::AlreadyDone);
    let Action::InstallPackages { packages, from, .. } = from_bundle(&lab, &["runc"], &["runc", "libx"]) else {
        panic!()
    };
    let action = Action::InstallPackages { manager: Manager::Rpm, packages, from };
    assert_eq!(lab.apply(action).await.unwrap(), Applied::Done);
    let install = called(&lab, "dnf").pop().unwrap();
    assert!(install.contains("--disablerepo=* install ") && install.ends_with("/runc.rpm"), "{install}");
}
