//! The cluster's file with the archive, and where its images come from.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Instant,
};

use fmp::bundle::lock;

use super::formed;
use crate::{
    images::STORED,
    lab::{Lab, MAINS, Ran, WORKS, lock_path},
    runner::say,
};

/// Where nodes get images from.
pub(super) enum From {
    /// This computer.
    Bundle,
    /// A machine more of the same cluster.
    Storage,
    /// A registry that is no part of the cluster, with its authority's certificate.
    Registry { authority: String },
}

impl From {
    /// What the cluster's file says of it.
    fn section(&self) -> String {
        match self {
            Self::Bundle => String::new(),
            Self::Storage => STORED.to_owned(),
            Self::Registry { authority } => format!(
                "\n[images]\nsource = \"registry\"\nregistry = \"198.18.0.31:5000\"\nca = \"\"\"\n{authority}\"\"\"\n"
            ),
        }
    }

    const fn name(&self) -> &'static str {
        match self {
            Self::Bundle => "the bundle",
            Self::Storage => "the image storage",
            Self::Registry { .. } => "a registry",
        }
    }
}

/// The cluster's file with everything that the archive brings, and a lock that has the archive's images besides.
pub(super) struct Site<'a> {
    pub(super) lab: &'a Lab,
    archive: PathBuf,
    lock: PathBuf,
    file: PathBuf,
    from: From,
}

impl<'a> Site<'a> {
    pub(super) fn prepare(lab: &'a Lab) -> Self {
        let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().expect("it is a folder of the target directory");
        let archive = target.join("platform");
        assert!(archive.join("SHA256SUMS").exists(), "there is no {}: bash scripts/lib/platform.sh", archive.display());
        fs::write(lab.place("fmp.prm"), "a licence of nobody\n").expect("the target directory can be written");
        let lock = lab.place("platform.lock");
        let (file, from) = (lab.place("cluster.toml"), From::Bundle);
        let site = Self { lab, archive, lock, file, from }.with(From::Bundle);
        let read = |path: &Path| lock::read(path).expect("it can be read").expect("it is there");
        let mut whole = read(&lock_path());
        let (manifest, images) = (lab.place("platform-bundle.toml"), lab.place("platform-images.lock"));
        let described = format!("platform = \"{}\"\nrelease = {{}}\n", site.archive.display());
        fs::write(&manifest, described).expect("the target directory can be written");
        let manifest = manifest.display().to_string();
        let build = ["bundle", "build", "--manifest", &manifest, "--update"];
        lab.run(lab.command_with(&site.file, &images, &build), None).exits(0);
        whole.merge(read(&images));
        lock::write(&site.lock, &whole).expect("the target directory can be written");
        site
    }

    /// The same with images from elsewhere.
    pub(super) fn with(self, from: From) -> Self {
        let text = format!(
            "\n[components.volumes]\nkind = \"local-path\"\n\n[platform]\narchive = \"{}\"\ninstallation = \"of-a-check\"\n\
             licence = \"fmp.prm\"\ndomain = \"fmp.example.org\"\n{}",
            self.archive.display(),
            from.section()
        );
        let file = self.lab.variant("platform.toml", |own| format!("{own}{text}"));
        Self { file, from, ..self }
    }

    pub(super) fn fmp(&self, args: &[&str]) -> Ran {
        self.lab.run(self.lab.command_with(&self.file, &self.lock, args), None)
    }

    /// One `fmp apply` from no machines to a platform that is ready.
    pub(super) fn bring_up(&self) {
        let began = Instant::now();
        self.fmp(&["apply", "--yes"]).exits(0).says(&["in sync after"]);
        let applied = began.elapsed().as_secs_f64();
        formed(self.lab);
        let all = began.elapsed().as_secs_f64();
        let from = self.from.name();
        say(&format!("  images from {from}: {applied:.1} s to the cluster, {all:.1} s to a platform that is ready"));
    }

    pub(super) fn destroy(&self) {
        self.lab.destroy_for(&self.file);
    }

    /// Deletes every node; the machine that stores images goes on, and is a registry of somebody else from now on.
    pub(super) fn leave_the_storage(self) -> Self {
        let authority = self.lab.sh(MAINS[0], "cat /etc/kubernetes/pki/ca.crt");
        MAINS.iter().chain(&WORKS).for_each(|node| self.lab.delete(node));
        self.with(From::Registry { authority })
    }
}
