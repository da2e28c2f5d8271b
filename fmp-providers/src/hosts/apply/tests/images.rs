//! Images for the storage, and from it.

use super::*;

const REFERENCE: &str = "fmp.local/shop/front:1.0";
const REPOSITORY: &str = "/var/lib/fmp-registry/docker/registry/v2/repositories/fmp.local/shop/front";
const LINK: &str =
    "/var/lib/fmp-registry/docker/registry/v2/repositories/fmp.local/shop/front/_manifests/tags/1.0/current/link";

fn data(content: &str) -> String {
    let hex = Digest::of(content).hex();
    format!("/var/lib/fmp-registry/docker/registry/v2/blobs/sha256/{}/{hex}/data", &hex[..2])
}

/// The archive of an image with these contents, in the lab's store.
fn archive(lab: &Lab, contents: &[&str]) -> (Digest, u64) {
    let folder = lab.path("b", "archive");
    let blobs = folder.join("blobs/sha256");
    fs::create_dir_all(&blobs).unwrap();
    for content in contents {
        fs::write(blobs.join(Digest::of(content).hex()), content).unwrap();
    }
    fs::write(folder.join("oci-layout"), "{}").unwrap();
    let tar = Command::new("tar").arg("-C").arg(&folder).args(["-cf", "-", "oci-layout", "blobs"]).output().unwrap();
    fs::remove_dir_all(folder).unwrap();
    let stored = lab.provider.store.put(&tar.stdout[..]).unwrap();
    (stored.digest, stored.size)
}

fn store((archive, bytes): (Digest, u64), manifest: &str, before: Before) -> Action {
    let manifest = Digest::of(manifest);
    Action::StoreImage { reference: REFERENCE.into(), archive, bytes, manifest, path: LINK.into(), before }
}

#[tokio::test]
async fn an_image_lies_where_its_registry_looks_and_its_tag_is_its_manifest() {
    for packing in [Packing::Plain, Packing::Gzip] {
        let mut lab = Lab::new();
        lab.provider = lab.provider.packed(packing);
        let action = store(archive(&lab, &["manifest", "config", "layer"]), "manifest", Before::Absent);
        assert_eq!(lab.apply(action.clone()).await.unwrap(), Applied::Done);
        for content in ["manifest", "config", "layer"] {
            assert_eq!(lab.read(&data(content)), content);
        }
        let digest = |content: &str| Digest::of(content).to_string();
        assert_eq!(lab.read(LINK), digest("manifest"), "without a line break");
        let hex = |content: &str| Digest::of(content).hex();
        for (link, content) in [
            (format!("_layers/sha256/{}/link", hex("config")), "config"),
            (format!("_layers/sha256/{}/link", hex("layer")), "layer"),
            (format!("_manifests/revisions/sha256/{}/link", hex("manifest")), "manifest"),
            (format!("_manifests/tags/1.0/index/sha256/{}/link", hex("manifest")), "manifest"),
        ] {
            assert_eq!(lab.read(&format!("{REPOSITORY}/{link}")), digest(content), "{link}");
        }
        assert_eq!(lab.left("/var/lib/fmp-registry"), ["docker"], "nothing temporary stays");
        let entry = lab.read("/var/lib/fmp/ledger/stored-image%2Ffmp.local%2Fshop%2Ffront%3A1.0");
        assert!(entry.starts_with("kind stored-image\n") && entry.ends_with(&format!("file {LINK}\n")), "{entry}");
        assert_eq!(lab.apply(action).await.unwrap(), Applied::AlreadyDone);
    }
}

#[tokio::test]
async fn what_a_killed_run_left_is_used_where_it_is_whole_and_made_again_where_it_is_not() {
    let lab = Lab::new();
    lab.put(&data("config"), "conf");
    lab.put(&data("layer"), "layer");
    lab.put("/var/lib/fmp-registry/.fmp-tmp-image-part-0", "half");
    let whole = fs::metadata(lab.path("a", &data("layer"))).unwrap().modified().unwrap();
    let action = store(archive(&lab, &["manifest", "config", "layer"]), "manifest", Before::Absent);
    assert_eq!(lab.apply(action).await.unwrap(), Applied::Done);
    assert_eq!(lab.read(&data("config")), "config");
    assert_eq!(fs::metadata(lab.path("a", &data("layer"))).unwrap().modified().unwrap(), whole);
    assert_eq!(lab.left("/var/lib/fmp-registry"), ["docker"]);
}

#[tokio::test]
async fn a_tag_goes_over_to_another_manifest_and_one_that_nobody_expected_stays() {
    let lab = Lab::new();
    lab.put(LINK, "sha256:of somebody");
    let image = archive(&lab, &["manifest", "config"]);
    let stale = lab.apply(store(image, "manifest", Before::Absent)).await.unwrap();
    assert!(matches!(stale, Applied::Stale(_)), "{stale:?}");
    assert_eq!(lab.read(LINK), "sha256:of somebody");
    let expected = Before::Digest(Digest::of("sha256:of somebody"));
    assert_eq!(lab.apply(store(image, "manifest", expected)).await.unwrap(), Applied::Done);
    assert_eq!(lab.read(LINK), Digest::of("manifest").to_string());
}

#[tokio::test]
async fn an_archive_without_its_manifest_or_with_content_under_another_name_becomes_no_image() {
    let lab = Lab::new();
    let lacking = lab.apply(store(archive(&lab, &["config"]), "manifest", Before::Absent)).await.unwrap_err();
    assert!(lacking.to_string().contains("lacks its manifest"), "{lacking}");

    let folder = lab.path("b", "lie");
    fs::create_dir_all(folder.join("blobs/sha256")).unwrap();
    fs::write(folder.join("blobs/sha256").join(Digest::of("manifest").hex()), "something else").unwrap();
    let tar = Command::new("tar").arg("-C").arg(&folder).args(["-cf", "-", "blobs"]).output().unwrap();
    let stored = lab.provider.store.put(&tar.stdout[..]).unwrap();
    let lie = lab.apply(store((stored.digest, stored.size), "manifest", Before::Absent)).await.unwrap_err();
    assert!(matches!(lie.kind, FailureKind::Torn(_)), "{lie}");
    assert!(!lab.path("a", LINK).exists() && !lab.path("a", &data("manifest")).exists());
}

/// A host with a runtime whose client holds `REFERENCE` as this manifest once it was fetched.
fn with_runtime(manifest: &str) -> Lab {
    let lab = Lab::new();
    lab.put("/var/lib/fmp/ledger/artifact%2Fctr", "kind artifact\nprogram /programs/ctr\n");
    let digest = Digest::of(manifest);
    lab.program(
        "ctr",
        &format!(
            r#"case "$*" in
                *"images ls -q"*) cat "$FMP_ROOT/held" 2>/dev/null ;;
                *"images tag --force"*) echo {REFERENCE} >"$FMP_ROOT/held" ;;
                *"images rm {REFERENCE}"*) rm "$FMP_ROOT/held" ;;
                *"images ls name"*) echo "{REFERENCE} application/vnd.oci.image.manifest.v1+json {digest} 1 MiB" ;;
                *"content fetch"*) [ ! -e "$FMP_ROOT/silent" ] || {{ echo "ctr: connection refused" >&2; exit 1; }} ;;
            esac
            exit 0"#
        ),
    );
    lab.program("systemd-run", "while [ \"$1\" != -- ]; do shift; done\nshift\nexec \"$@\"");
    lab
}

fn pull() -> Action {
    Action::PullImage { reference: REFERENCE.into(), manifest: Digest::of("manifest") }
}

#[tokio::test]
async fn an_image_is_pulled_by_its_digest_known_by_its_name_and_pinned() {
    let lab = with_runtime("manifest");
    assert_eq!(lab.apply(pull()).await.unwrap(), Applied::Done);
    let calls = lab.read("calls");
    let pinned = format!("fmp.local/shop/front@{}", Digest::of("manifest"));
    let fetch = calls.lines().find(|line| line.contains("ctr -n k8s.io content fetch")).unwrap();
    assert!(fetch.ends_with(&pinned) && fetch.contains("--hosts-dir") && fetch.contains("/etc/containerd/certs.d"));
    for call in [format!("images tag --force {pinned} {REFERENCE}"), format!("images rm {pinned}")] {
        assert!(calls.contains(&call), "{calls}");
    }
    assert!(calls.contains(&format!("images label {REFERENCE} io.cri-containerd.image=managed")), "{calls}");
    assert_eq!(lab.apply(pull()).await.unwrap(), Applied::AlreadyDone);
}

#[tokio::test]
async fn a_storage_that_gives_nothing_is_named_and_tried_again() {
    let lab = with_runtime("manifest");
    lab.put("silent", "");
    let failure = lab.apply(pull()).await.unwrap_err();
    assert_eq!((failure.effect, failure.retry), (Effect::None, Retry::Later));
    let told = failure.to_string();
    assert!(told.contains("neither the image storage nor the image's own registry gives it to a"), "{told}");
    assert!(told.contains("connection refused"), "{told}");
    assert!(!lab.path("a", "held").exists());
}

#[tokio::test]
async fn what_is_another_manifest_is_not_kept() {
    let lab = with_runtime("another");
    let failure = lab.apply(pull()).await.unwrap_err();
    assert!(failure.to_string().contains("is another manifest"), "{failure}");
    assert!(!lab.path("a", "held").exists());
}
