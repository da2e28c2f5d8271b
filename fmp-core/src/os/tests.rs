//! Each file says what is asked of it, and nothing else.

use super::*;

const WORDS: [&str; 7] =
    ["astra-1.7.5", "astra-1.7.6", "astra-1.8.1", "debian-12", "rocky-8.6", "ubuntu-22.04", "ubuntu-24.04"];

#[test]
fn every_edition_that_is_asked_for_has_a_file_that_names_every_need() {
    let words: Vec<&str> = systems().iter().map(|system| &*system.word).collect();
    assert_eq!(words, WORDS);
    for system in systems() {
        assert_eq!(named(&system.word), Some(system));
        assert_eq!(system.needs.keys().copied().collect::<Vec<_>>(), Need::ALL, "{}", system.word);
        let empty = system.needs.iter().find(|(_, packaged)| packaged.programs.is_empty());
        assert_eq!(empty, None, "{}: nobody could say whether it is there", system.word);
    }
}

/// How a system differs from the others, in one line.
fn told(word: &str) -> String {
    let System { id, versions, and_later, manager, cgroup, selinux, needs, .. } = named(word).unwrap();
    let package = |need: Need| needs[&need].package.to_string();
    let names = [Need::Conntrack, Need::Iproute, Need::Procps, Need::Mount].map(package).join(" ");
    let starts: Vec<&str> = needs.values().flat_map(|packaged| &packaged.starts).map(|unit| &**unit).collect();
    format!("{id} {versions:?} {and_later} {manager} {cgroup:?} {selinux}; {names}; {}", starts.join(" "))
}

#[test]
fn what_differs_is_in_the_data() {
    let dpkg = "conntrack iproute2 procps mount; haproxy.service keepalived.service";
    for (word, differs, names) in [
        ("astra-1.7.5", "astra [\"1.7.5\"] false dpkg V1 false", dpkg),
        ("astra-1.7.6", "astra [\"1.7.6\"] false dpkg V1 false", dpkg),
        ("astra-1.8.1", "astra [\"1.8.1\"] false dpkg V2 false", dpkg),
        ("debian-12", "debian [\"12\"] true dpkg V2 false", dpkg),
        ("rocky-8.6", "rocky [\"8.6\"] false rpm V1 true", "conntrack-tools iproute procps-ng util-linux; "),
        ("ubuntu-22.04", "ubuntu [\"22.04\"] false dpkg V2 false", dpkg),
        ("ubuntu-24.04", "ubuntu [\"24.04\"] true dpkg V2 false", dpkg),
    ] {
        assert_eq!(told(word), format!("{differs}; {names}"));
    }
}

#[test]
fn a_host_has_the_edition_that_it_says() {
    let word = |id: &str, version: &str| find(id, version).map(|(system, fit)| (&*system.word, fit));
    for (id, version, wanted) in [
        ("debian", "12", Some(("debian-12", Fit::Same))),
        ("debian", "13", Some(("debian-12", Fit::Earlier))),
        ("debian", "11", None),
        ("debian", "", None),
        ("ubuntu", "22.04", Some(("ubuntu-22.04", Fit::Same))),
        ("ubuntu", "24.04", Some(("ubuntu-24.04", Fit::Same))),
        ("ubuntu", "26.04", Some(("ubuntu-24.04", Fit::Earlier))),
        ("ubuntu", "23.10", None),
        ("astra", "1.7.5.16", Some(("astra-1.7.5", Fit::Same))),
        ("astra", "1.7.6.11", Some(("astra-1.7.6", Fit::Same))),
        ("astra", "1.8.1.16", Some(("astra-1.8.1", Fit::Same))),
        ("astra", "1.7.50", None),
        // Which update it is, nobody can say.
        ("astra", "1.7_x86-64", None),
        ("rocky", "8.6", Some(("rocky-8.6", Fit::Same))),
        ("rocky", "8.10", None),
        ("arch", "", None),
    ] {
        assert_eq!(word(id, version), wanted, "{id} {version}");
    }
}

#[test]
fn a_system_says_which_edition_it_is() {
    let read = |text: &str, astra| {
        let Release { id, version, .. } = Release::read(&text.lines(), astra);
        format!("{id} {version}")
    };
    assert_eq!(read("NAME=x\nID=debian\nVERSION_ID=\"12\"", Some("1.7.5")), "debian 12");
    assert_eq!(read("ID=astra\nVERSION_ID=1.7_x86-64", Some("1.7.5.16 ")), "astra 1.7.5.16");
    assert_eq!(read("ID=astra\nVERSION_ID=1.7_x86-64", Some("unknown")), "astra 1.7_x86-64");
    assert_eq!(read("", None), " ");
}

#[test]
fn a_program_is_in_the_package_of_that_very_system() {
    let package = |word: &str, program: &str| named(word).unwrap().package_of(program);
    assert_eq!(package("debian-12", "conntrack"), Some("conntrack"));
    assert_eq!(package("rocky-8.6", "conntrack"), Some("conntrack-tools"));
    assert_eq!(package("astra-1.7.5", "mkfs.xfs"), Some("xfsprogs"));
    assert_eq!(package("debian-12", "emacs"), None);
}

#[test]
fn the_names_of_a_need_everywhere_are_few() {
    let names = |need: Need| need.everywhere().into_iter().map(|name| name.to_string()).collect::<Vec<_>>();
    assert_eq!(names(Need::Haproxy), ["haproxy"]);
    assert_eq!(names(Need::Conntrack), ["conntrack", "conntrack-tools"]);
}

#[test]
fn a_file_is_refused_with_a_reason() {
    let own = |rest: &str| load::read("own", &format!("schema = 1\ninherits = \"debian-12\"\n{rest}"));
    assert!(own("").is_ok());
    for (text, reason) in [
        ("", "does not say `schema = 1`"),
        ("schema = 2", "does not say `schema = 1`"),
        ("schema = 1\nid", "own"),
        ("schema = 1\ninherits = \"nobody\"", "inherits from \"nobody\", which there is not"),
        ("schema = 1\ninherits = \"own\"", "which there is not"),
        ("schema = 1\ninherits = \"debian-12\"\nsmell = 3", "unknown field `smell`"),
        ("schema = 1\ninherits = \"debian-12\"\nmanager = \"pacman\"", "unknown variant `pacman`"),
        ("schema = 1\ninherits = \"debian-12\"\nversions = []", "it names no version"),
        ("schema = 1\ninherits = \"debian-12\"\n[needs]\nemacs = { package = \"emacs\", programs = [] }", "emacs"),
        ("schema = 1\ninherits = \"debian-12\"\n[needs]\nrunc = { package = \"runc\" }", "missing field `programs`"),
        (
            "schema = 1\ninherits = \"debian-12\"\n[needs]\nrunc = { package = \"runc\", programs = [], size = 1 }",
            "size",
        ),
    ] {
        let error = load::read("own", text).expect_err(text).to_string();
        assert!(error.contains(reason) && error.starts_with("the data of `own`"), "{text}: {error}");
        assert!(!error.contains('\n'), "{error}");
    }
    let whole = include_str!("../../data/os/debian-12.toml").replace("runc = {", "crun = {");
    let error = load::read("own", &whole).unwrap_err().to_string();
    assert!(error.contains("unknown variant `crun`"), "{error}");
    let whole: String = include_str!("../../data/os/debian-12.toml")
        .lines()
        .filter(|line| !line.starts_with("runc ="))
        .map(|line| format!("{line}\n"))
        .collect();
    let error = load::read("own", &whole).unwrap_err().to_string();
    assert!(error.ends_with("it does not say which package brings runc"), "{error}");
}
