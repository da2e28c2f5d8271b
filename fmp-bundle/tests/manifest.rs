//! What a `bundle.toml` may say.

use std::error::Error;

use fmp_bundle::Manifest;

/// Why `toml` is refused: the error and its causes, without the decoder's picture.
fn refusal(toml: &str) -> String {
    let error = Manifest::parse(toml).expect_err(toml);
    match error.source().filter(|_| !error.to_string().starts_with("line ")) {
        Some(cause) => format!("{error}: {cause}"),
        None => error.to_string(),
    }
}

/// A release called `etcd` with these lines.
fn release(lines: &str) -> String {
    refusal(&format!("[release.etcd]\nversion = \"3.5.21\"\n{lines}"))
}

#[test]
fn the_shipped_description_is_good() {
    Manifest::parse(include_str!("../../bundle.toml")).unwrap();
}

#[test]
fn an_unknown_key_is_refused_with_its_line() {
    assert_eq!(release("verison = \"1\""), "line 3 of the bundle's description can't be read");
    assert_eq!(release("url = { from = \"a\", form = \"b\" }"), "line 3 of the bundle's description can't be read");
    assert_eq!(refusal("[release.etcd]\nversion = 3"), "line 2 of the bundle's description can't be read");
}

#[test]
fn a_release_without_a_source_is_refused() {
    assert_eq!(
        release(""),
        "release `etcd` of the bundle's description: no source: add `url`, `go`, `c`, `deb`, `debs`, `file`, \
         `compose` or `packages`"
    );
}

#[test]
fn a_release_that_makes_no_sense_is_refused() {
    for (lines, why) in [
        ("url = { from = \"https://a/{nmae}\" }", "`https://a/{nmae}` has a placeholder other than"),
        ("artifacts = [\"etcd\", \"etcdctl\"]\nfile = { etcd = \"a\" }", "`etcdctl` is missing in `file`"),
        ("file = { etcd = \"a\", etcdctl = \"b\" }", "`etcdctl` in `file` is none of the release's artifacts"),
        ("go = { module = \"a\", packages = {} }", "`etcd` is missing in `go.packages`"),
        ("url = { from = \"https://a/b\", sha256 = { b = \"0\" } }", "url.sha256"),
        ("artifacts = [\"a\", \"b\"]\nc = { module = \"a\", version = \"1\", file = \"c\" }", "`c` gives one artifact"),
        ("artifacts = [\"a\", \"b\"]\ndeb = { package = \"a\", file = \"c\" }", "`deb` gives one artifact"),
        ("deb = { package = \"--help\", file = \"bin/a\" }", "`--help` is not the name of a package"),
        ("deb = { package = \"etcd\", file = \"/bin/a\" }", "`/bin/a` is not the path of a file below the root"),
        ("deb = { package = \"etcd\", file = \"../a\" }", "`../a` is not the path of a file below the root"),
        ("debs = { systems = [], needs = [] }", "`debs` stands alone"),
        ("compose = { from = \"etcd\", path = \"/a\", entrypoint = [] }", "`compose` goes with `image`"),
        ("image = \"a\"\ncompose = { from = \"b\", path = \"/../a\", entrypoint = [] }", "`/../a` is not an absolute"),
        (
            "image = \"a\"\ncompose = { from = \"b\", path = \"/a\", links = [\"b\"], entrypoint = [] }",
            "`b` is not an absolute",
        ),
        (
            "image = \"a\"\ncompose = { from = \"b\", path = \"/a\", links = [\"/a\"], entrypoint = [] }",
            "`/a` is named twice",
        ),
        ("image = \"a\"\ncompose = { from = \"b\", path = \"/a\", entrypoint = [] }", "`compose` takes `b`, which no"),
        (
            "packages = { install = [\"a\"], account = { name = \"a\", id = 1 }, entrypoint = [] }",
            "`packages` goes with `im",
        ),
        (
            "image = \"a\"\npackages = { install = [], account = { name = \"a\", id = 1 }, entrypoint = [] }",
            "`packages.install` names no package",
        ),
        (
            "image = \"a\"\npackages = { install = [\"-a\"], account = { name = \"a\", id = 1 }, entrypoint = [] }",
            "`-a` is not the name of a package",
        ),
        (
            "image = \"a\"\npackages = { install = [\"a\"], account = { name = \"a\", id = 0 }, entrypoint = [] }",
            "`a` with the number 0 is no account",
        ),
        (
            "image = \"a\"\npackages = { install = [\"a\"], account = { name = \"a:\", id = 1 }, entrypoint = [] }",
            "`a:` with the number 1 is no account",
        ),
        (
            "image = \"a\"\npackages = { install = [\"a\"], leave-out = [\"/\"], account = { name = \"a\", id = 1 }, \
             entrypoint = [] }",
            "`/` is not the path of a file below the root",
        ),
    ] {
        let text = release(lines);
        assert!(text.contains(&format!("release `etcd` of the bundle's description: {why}")), "{text}");
    }
}

#[test]
fn packages_are_those_of_systems_that_somebody_can_resolve() {
    let packages = |lines: &str| refusal(&format!("[release.packages.debs]\n{lines}"));
    for (lines, why) in [
        ("systems = [\"rocky-8.6\"]\nneeds = []", "`rocky-8.6` is no system with packages of dpkg"),
        ("systems = [\"debian-3\"]\nneeds = []", "`debian-3` is no system with packages of dpkg"),
        ("systems = []\nneeds = []\nsources = { \"arch\" = \"a\" }", "`arch` is no system"),
        ("systems = []\nneeds = [\"emacs\"]", "line 3 of the bundle's description can't be read"),
    ] {
        let text = packages(lines);
        assert!(text.contains(why), "{text}");
    }
    let text = refusal("[release.etcd]\nfile = { etcd = \"a\" }");
    assert!(text.ends_with("no version: add `version`"), "{text}");
}

#[test]
fn an_artifact_belongs_to_one_release() {
    let one = "version = \"1\"\nartifacts = [\"etcd\"]\nfile = { etcd = \"a\" }\n";
    assert_eq!(
        refusal(&format!("[release.a]\n{one}[release.b]\n{one}")),
        "`etcd` is an artifact of two releases, `a` and `b`"
    );
}
