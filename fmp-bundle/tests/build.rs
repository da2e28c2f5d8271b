//! Building a bundle with programs that stand for go, curl, apt-get and dpkg-deb (`fixtures/bundle`), without a network.

#![expect(clippy::unwrap_used, reason = "a test ends where something unexpected happens")]

use std::{
    cell::RefCell,
    error::Error,
    fs, io,
    path::{Path, PathBuf},
};

use fmp_bundle::{
    BuildError, Manifest, SourceError, Stage, Store, Tools,
    lock::{Entry, Kind, Lock, PackageOf, SourceKind},
};
use fmp_core::Digest;
use tempfile::TempDir;

const GO: &str = r#"
    [release.kubernetes]
    version = "1.29.15"
    artifacts = ["kubectl", "kubelet"]
    go.module = "example.com/kubernetes"
    go.packages = { kubectl = "example.com/cmd/kubectl", kubelet = "example.com/cmd/kubelet" }
"#;

const PAUSE: &str = r#"
    [release.pause]
    version = "3.9"
    file = { pause = "pause" }

    [release.pause-image]
    version = "3.9"
    image = "registry.k8s.io/pause:{version}"
    compose = { from = "pause", path = "/pause", entrypoint = ["/pause"] }
"#;

fn fixture(name: &str) -> PathBuf {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../fixtures/bundle")).join(name)
}

fn tools(go: &str) -> Tools {
    let [curl, apt_get, apt_cache, dpkg_deb] = ["curl", "apt-get", "apt-cache", "dpkg-deb"].map(fixture);
    Tools { go: fixture(go), curl, apt_get, apt_cache, dpkg_deb, ..Tools::default() }
}

/// A store, and a folder for the description's files.
struct Site {
    folder: TempDir,
    store: Store,
}

impl Site {
    fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let store = Store::open(folder.path().join("store")).unwrap();
        Self { folder, store }
    }

    /// Builds `toml` with the toolchain `go`, and tells for which releases something was done.
    fn build(&self, go: &str, toml: &str, locked: Option<&Lock>) -> (Result<Lock, BuildError>, Vec<String>) {
        let file = self.folder.path().join("bundle.toml");
        fs::write(&file, toml).unwrap();
        let done = RefCell::new(Vec::new());
        let built = fmp_bundle::build(&self.store, &tools(go), &Manifest::read(&file).unwrap(), locked, &|progress| {
            if matches!(progress.stage, Stage::Done(_)) {
                done.borrow_mut().push(progress.release.to_string());
            }
        });
        (built, done.into_inner())
    }

    fn text(&self, lock: &Lock, name: &str) -> String {
        io::read_to_string(self.store.content(lock.entry(name).unwrap().digest).unwrap()).unwrap()
    }
}

/// An error and what caused it, as the binary prints it.
fn chain(error: &dyn Error) -> String {
    let causes = std::iter::successors(error.source(), |&cause| cause.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}

#[test]
fn a_second_build_with_the_same_inputs_builds_nothing() {
    let site = Site::new();
    let (first, done) = site.build("go", GO, None);
    assert_eq!(done, ["kubernetes"]);
    let first = first.unwrap();
    assert_eq!(site.text(&first, "kubelet"), "built from example.com/cmd/kubelet\n");
    assert_eq!(site.store.verify(&first), []);

    let (second, done) = site.build("go-broken", GO, Some(&first));
    assert_eq!(done, <[String; 0]>::default());
    assert_eq!(second.unwrap(), first);
}

#[test]
fn what_was_corrupted_is_built_again() {
    let site = Site::new();
    let lock = site.build("go", GO, None).0.unwrap();
    let path = site.store.path(lock.entry("kubectl").unwrap().digest);
    fs::remove_file(&path).unwrap();
    fs::write(&path, "rot").unwrap();

    let (again, done) = site.build("go", GO, Some(&lock));
    assert_eq!((again.unwrap(), done), (lock.clone(), vec!["kubernetes".to_owned()]));
    assert_eq!(site.store.verify(&lock), []);
}

#[test]
fn a_failed_build_names_the_artifacts_and_what_the_tool_said() {
    let error = chain(&Site::new().build("go-broken", GO, None).0.unwrap_err());
    let wanted = format!(
        "release `kubernetes` (kubectl, kubelet) could not be made by source `go`: \
         `{} build` ended with exit status: 2; its last lines:\nmain.go:1:1: undefined: pods",
        fixture("go-broken").display()
    );
    assert_eq!(error, wanted);
}

#[test]
fn refuses_content_that_differs_from_the_lock() {
    let site = Site::new();
    let lock = site.build("go", GO, None).0.unwrap();
    let error = site.build("go-newer", GO, Some(&lock)).0.unwrap_err();
    let BuildError::Changed { changes } = &error else { panic!("{error}") };
    let names: Vec<_> = changes.iter().map(|change| change.built.name.as_str()).collect();
    assert_eq!(names, ["kubectl", "kubelet"]);
    assert_eq!(Some(&changes[0].locked), lock.entry("kubectl"));

    let (updated, done) = site.build("go-newer", GO, None);
    assert_eq!(done, <[String; 0]>::default(), "the refused build is kept in the cache");
    assert_ne!(updated.unwrap(), lock);
}

#[test]
fn takes_members_of_a_downloaded_archive() {
    let site = Site::new();
    let toml = r#"
        [release.etcd]
        version = "3.5.21"
        artifacts = ["etcd", "etcdctl"]
        url = { from = "https://example.com/etcd-v{version}.tar.gz", member = "{name}" }
    "#;
    let lock = site.build("go", toml, None).0.unwrap();
    assert_eq!((site.text(&lock, "etcd"), site.text(&lock, "etcdctl")), ("etcd\n".into(), "etcdctl\n".into()));

    let missing = toml.replace("\"{name}\"", "\"bin/{name}\"");
    let error = chain(&site.build("go", &missing, None).0.unwrap_err());
    assert!(error.ends_with("https://example.com/etcd-v3.5.21.tar.gz has no member `bin/etcd`"), "{error}");
}

#[test]
fn a_failed_download_names_its_address() {
    let toml = "release.etcd = { version = \"1\", url.from = \"https://fmp.invalid/{name}\" }";
    let error = chain(&Site::new().build("go", toml, None).0.unwrap_err());
    assert!(error.contains("downloading https://fmp.invalid/etcd: "), "{error}");
    assert!(error.ends_with("curl: (6) Could not resolve host"), "{error}");
}

#[test]
fn refuses_a_download_with_another_digest() {
    let toml = format!(
        r#"
        [release.flanneld]
        version = "0.25.7"
        url = {{ from = "https://example.com/flanneld-amd64", sha256 = {{ flanneld-amd64 = "{}" }} }}
        "#,
        "0".repeat(64)
    );
    let error = Site::new().build("go", &toml, None).0.unwrap_err();
    assert!(matches!(error, BuildError::Release { source: SourceError::Download { .. }, .. }), "{error}");
}

#[test]
fn an_image_is_composed_from_a_binary_and_follows_it() {
    let site = Site::new();
    let pause = site.folder.path().join("pause");
    fs::write(&pause, "one").unwrap();
    let (first, done) = site.build("go", PAUSE, None);
    assert_eq!(done, ["pause", "pause-image"]);
    assert_eq!(site.build("go", PAUSE, None).1, <[String; 0]>::default());

    fs::write(&pause, "two").unwrap();
    let (second, done) = site.build("go", PAUSE, None);
    assert_eq!(done, ["pause", "pause-image"]);
    let image = |lock: &Lock| (lock.entry("pause-image").unwrap().digest, lock.entry("pause-image").unwrap().manifest);
    let (first, second) = (image(&first.unwrap()), image(&second.unwrap()));
    assert!(first.1.is_some() && first.0 != second.0 && first.1 != second.1, "{first:?} {second:?}");
}

#[test]
fn takes_a_file_out_of_a_package_of_debian() {
    let site = Site::new();
    let toml = r#"
        [release.busybox]
        version = "1.35.0"
        deb = { package = "busybox-static", file = "bin/busybox" }
    "#;
    let (lock, done) = site.build("go", toml, None);
    let lock = lock.unwrap();
    assert_eq!(done, ["busybox"]);
    assert_eq!(site.text(&lock, "busybox"), "busybox of busybox-static:amd64\n");
    assert_eq!(lock.entry("busybox").map(|entry| entry.source), Some(SourceKind::Deb));
    assert_eq!(site.build("go", toml, Some(&lock)).1, <[String; 0]>::default());

    let newer = toml.replace("1.35.0", "1.36.1");
    let error = chain(&site.build("go", &newer, None).0.unwrap_err());
    assert!(error.ends_with("Debian's package `busybox-static` has version 1:1.35.0-4, 1.36.1 is wanted"), "{error}");
    let elsewhere = toml.replace("bin/busybox", "usr/bin/busybox");
    let error = chain(&site.build("go", &elsewhere, None).0.unwrap_err());
    assert!(error.contains("usr/bin/busybox: No such file"), "{error}");
}

const INSTALLED: &str = r#"
    [release.tools-image]
    version = "1.35"
    image = "fmp.local/tools:{version}"

    [release.tools-image.packages]
    install = ["tools"]
    without = ["libc6"]
    leave-out = ["bin/busybox"]
    account = { name = "tools", id = 999 }
    entrypoint = ["/bin/tools"]
"#;

#[test]
fn an_image_of_packages_holds_what_they_need_but_for_what_is_left_out() {
    let site = Site::new();
    let names = |lock: &Lock| {
        let image = site.store.content(lock.entry("tools-image").unwrap().digest).unwrap();
        let mut image = tar::Archive::new(image);
        let content = |mut entry: tar::Entry<'_, fs::File>| {
            let mut content = Vec::new();
            io::copy(&mut entry, &mut content).unwrap();
            content
        };
        // Every other file of an OCI layout is JSON.
        let mut files = image.entries().unwrap().map(|entry| content(entry.unwrap()));
        let layer = files.find(|content| content.first().is_some_and(|first| *first != b'{')).unwrap();
        let mut layer = tar::Archive::new(&layer[..]);
        let paths = layer.entries().unwrap().map(|entry| entry.unwrap().path().unwrap().display().to_string());
        paths.filter(|path| path.starts_with("usr/") && !path.ends_with('/')).collect::<Vec<_>>()
    };
    let (lock, done) = site.build("go", INSTALLED, None);
    let lock = lock.unwrap();
    assert_eq!(done, ["tools-image"]);
    assert_eq!(names(&lock), ["usr/bin", "usr/lib", "usr/lib/tools"]);
    assert_eq!(lock.entry("tools-image").map(|entry| entry.source), Some(SourceKind::Packages));
    assert_eq!(site.build("go", INSTALLED, Some(&lock)).1, <[String; 0]>::default());

    let all = INSTALLED.replace("    without = [\"libc6\"]\n    leave-out = [\"bin/busybox\"]\n", "");
    let all = site.build("go", &all, None).0.unwrap();
    assert_eq!(names(&all), ["usr/bin", "usr/bin/busybox", "usr/lib", "usr/lib/libc6", "usr/lib/tools"]);
}

#[test]
fn an_image_of_packages_is_refused_where_these_are_others_than_described() {
    for (from, to, why) in [
        ("\"1.35\"", "\"1.3\"", "Debian's package `tools` has version 1:1.35.0-4, 1.3 is wanted"),
        ("\"libc6\"", "\"libc7\"", "no package that is installed brings `libc7`"),
        ("\"bin/busybox\"", "\"bin/toybox\"", "no package that is installed brings `bin/toybox`"),
    ] {
        let error = chain(&Site::new().build("go", &INSTALLED.replacen(from, to, 1), None).0.unwrap_err());
        assert!(error.ends_with(why), "{error}");
    }
}

#[test]
fn packages_come_with_what_they_need_beyond_what_each_machine_has() {
    let site = Site::new();
    fs::write(site.folder.path().join("noble.list"), "deb https://example.com noble main\n").unwrap();
    let toml = r#"
        [release.packages.debs]
        systems = ["ubuntu-24.04"]
        needs = ["bash", "haproxy", "iptables"]
        sources = { "ubuntu-24.04" = "noble.list" }
    "#;
    let (lock, done) = site.build("go", toml, None);
    let lock = lock.unwrap();
    assert_eq!(done, ["packages"]);
    let told = |entry: &Entry| {
        let Kind::Package(PackageOf { system, package, needs }) = &entry.kind else { panic!("{entry:?}") };
        let needs: Vec<&str> = needs.iter().map(|need| need.as_str()).collect();
        assert_eq!((entry.version.as_str(), system.as_str()), ("1:2.0-1+deb12u1", "ubuntu-24.04"));
        format!("{}: {package} for {}", entry.name, needs.join(" "))
    };
    let entries: Vec<String> = lock.entries().map(told).collect();
    assert_eq!(
        entries,
        [
            "ubuntu-24-04-bash: bash for bash",
            "ubuntu-24-04-haproxy: haproxy for haproxy",
            "ubuntu-24-04-iptables: iptables for iptables",
            "ubuntu-24-04-libboth: libboth for haproxy iptables",
            "ubuntu-24-04-liblua: liblua for haproxy",
        ]
    );
    assert_eq!(site.text(&lock, "ubuntu-24-04-libboth"), "libboth\n");
    assert_eq!(site.build("go", toml, Some(&lock)).1, <[String; 0]>::default());
    // What is left out stays in the lock.
    let manifest = Manifest::parse(toml).unwrap().without(&["packages".to_owned()]).unwrap();
    assert_eq!(fmp_bundle::build(&site.store, &tools("go"), &manifest, Some(&lock), &|_| ()).unwrap(), lock);
    let anew = format!("{toml}as-of = \"later\"");
    assert_eq!(site.build("go", &anew, Some(&lock)).1, ["packages"]);

    let elsewhere = toml.replace("sources", "#sources");
    let error = chain(&site.build("go", &elsewhere, None).0.unwrap_err());
    assert!(error.ends_with("this computer is not `ubuntu-24.04`, and nothing says where its packages are"), "{error}");
    let nowhere = toml.replace("noble.list", "none.list");
    let error = chain(&site.build("go", &nowhere, None).0.unwrap_err());
    assert!(error.contains("none.list: No such file"), "{error}");
    let (nothing, _) = site.build("go", &toml.replace("[\"ubuntu-24.04\"]", "[]"), None);
    assert_eq!(nothing.unwrap(), Lock::default());
}

#[test]
fn a_preferred_source_is_taken_where_there_is_one() {
    let toml = format!("{GO}\n    url.from = \"https://example.com/{{version}}/{{name}}\"\n");
    let store = Site::new();
    let sources = |manifest: Manifest| {
        let lock = fmp_bundle::build(&store.store, &tools("go"), &manifest, None, &|_| ()).unwrap();
        lock.entries().map(|entry| entry.source).collect::<Vec<_>>()
    };
    let manifest = Manifest::parse(&toml).unwrap();
    assert_eq!(sources(manifest.clone()), [SourceKind::Url; 2]);
    assert_eq!(sources(manifest.clone().preferring(SourceKind::C)), [SourceKind::Url; 2]);
    assert_eq!(sources(manifest.preferring(SourceKind::Go)), [SourceKind::Go; 2]);
}

#[test]
fn what_is_left_out_leaves_out_the_images_made_of_it_and_stays_locked() {
    let site = Site::new();
    fs::write(site.folder.path().join("pause"), "a program").unwrap();
    let whole = site.build("go", &format!("{GO}{PAUSE}"), None).0.unwrap();
    let manifest = Manifest::read(&site.folder.path().join("bundle.toml")).unwrap();
    let names = |lock: &Lock| lock.entries().map(|entry| entry.name.to_string()).collect::<Vec<_>>();
    let (pause, image) = ("pause".to_owned(), "pause-image".to_owned());
    for left_out in [vec![pause.clone()], vec![pause.clone(), image.clone()], vec![image, pause]] {
        let without = manifest.clone().without(&left_out).unwrap();
        let build = |locked| fmp_bundle::build(&site.store, &tools("go"), &without, locked, &|_| ()).unwrap();
        assert_eq!(names(&build(None)), ["kubectl", "kubelet"]);
        assert_eq!(build(Some(&whole)), whole, "whoever builds it again is held to the same content");
    }
    let error = manifest.without(&["puase".to_owned()]).unwrap_err();
    assert_eq!(error.to_string(), "the bundle's description has no release `puase`");
}

#[test]
fn the_images_of_the_platforms_archive_are_taken_as_they_are_and_no_other_ones() {
    let site = Site::new();
    fs::write(site.folder.path().join("pause"), "a program").unwrap();
    let composed = site.build("go", PAUSE, None).0.unwrap();
    let mut image = Vec::new();
    let digest = composed.entry("pause-image").unwrap().digest;
    io::copy(&mut site.store.content(digest).unwrap(), &mut image).unwrap();
    let archive = site.folder.path().join("platform");
    fs::create_dir_all(archive.join("images")).unwrap();
    fs::write(archive.join("images/pause.tar"), &image).unwrap();
    let described = "schema = 1\ntitle = 't'\nversion = '1'\nnamespace = 'fmp'\n\
                     [images]\n'images/pause.tar' = 'registry.k8s.io/pause:3.9'\n";
    fs::write(archive.join("platform.toml"), described).unwrap();
    let listed = [("images/pause.tar", Digest::of(&image)), ("platform.toml", Digest::of(described))];
    let sums: Vec<String> = listed.map(|(name, digest)| format!("{}  {name}\n", digest.hex())).into();
    fs::write(archive.join("SHA256SUMS"), sums.concat()).unwrap();

    let toml = format!("platform = 'platform'\n{PAUSE}");
    let lock = site.build("go", &toml, None).0.unwrap();
    let taken = lock.entry("platform-pause").unwrap();
    assert_eq!((taken.version.clone(), taken.source), (Digest::of(&image).short(), SourceKind::File));

    // What is in the store already is what the archive says, whatever became of the file.
    let site = Site { store: Store::open(site.folder.path().join("other")).unwrap(), ..site };
    fs::write(archive.join("images/pause.tar"), [&image[..], b"\0"].concat()).unwrap();
    let error = chain(&site.build("go", &toml, None).0.unwrap_err());
    assert!(error.contains("images/pause.tar has the digest") && error.contains("the archive says"), "{error}");

    fs::write(archive.join("platform.toml"), format!("{described}\n")).unwrap();
    let error = Manifest::read(&site.folder.path().join("bundle.toml")).unwrap_err();
    assert!(chain(&error).contains("platform.toml has another content than SHA256SUMS says"), "{}", chain(&error));
}
