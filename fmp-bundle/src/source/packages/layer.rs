//! The layer of an image of packages: which files it has, and as whose.
//!
//! Owns what is left out everywhere and what no package brings. Knows nothing of packages. Read [`content`] first.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io,
    os::unix::fs::PermissionsExt as _,
    path::{Component, Path, PathBuf},
};

use tar::{EntryType, Header};

use super::super::{SourceError, oci::Part};
use crate::{
    hash::Hashed,
    manifest::{Account, Packages},
};

/// What people read and programs don't, with all that is below.
const FOR_PEOPLE: &[&str] = &[
    "usr/share/bug",
    "usr/share/doc",
    "usr/share/doc-base",
    "usr/share/info",
    "usr/share/lintian",
    "usr/share/locale",
    "usr/share/man",
];

/// Licences go with what they are about: these files of `usr/share/doc` stay.
const LICENCE: &str = "copyright";

/// Folders of the root that are links since [Debian 12](https://wiki.debian.org/UsrMerge), which packages still name.
const MERGED: [&str; 4] = ["bin", "lib", "lib64", "sbin"];

/// What stands at one path of the image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Content {
    Folder,
    /// A folder in which anybody may write.
    Shared,
    /// A file here.
    File(PathBuf),
    Text(String),
    Link(PathBuf),
}

/// What the image holds, by path: the files below `root`, without those that are left out, and what no package brings.
pub(super) fn content(root: &Path, packages: &Packages) -> Result<BTreeMap<PathBuf, Content>, SourceError> {
    let mut content = BTreeMap::new();
    look(root, root, packages, &mut content).map_err(SourceError::file(root))?;
    if let Some(unmet) = packages.leave_out.iter().find(|path| root.join(path).symlink_metadata().is_err()) {
        return Err(SourceError::Unbrought { what: unmet.display().to_string() });
    }
    for name in MERGED {
        let target = Path::new("usr").join(name);
        if content.contains_key(&target) {
            content.insert(PathBuf::from(name), Content::Link(target));
        }
    }
    content.insert(PathBuf::from("tmp"), Content::Shared);
    content.insert(PathBuf::from("etc"), Content::Folder);
    for (name, text) in ground(&packages.account) {
        content.insert(Path::new("etc").join(name), Content::Text(text));
    }
    Ok(content)
}

/// Who there is, and that names of the host's own file come before those of a server.
fn ground(Account { name, id }: &Account) -> [(&'static str, String); 3] {
    [
        ("group", format!("root:x:0:\n{name}:x:{id}:\n")),
        ("passwd", format!("root:x:0:0:root:/:/usr/sbin/nologin\n{name}:x:{id}:{id}:{name}:/tmp:/usr/sbin/nologin\n")),
        ("nsswitch.conf", "passwd: files\ngroup: files\nhosts: files dns\n".to_owned()),
    ]
}

/// Goes through a folder below `root`.
fn look(root: &Path, folder: &Path, packages: &Packages, content: &mut BTreeMap<PathBuf, Content>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let (path, kind) = entry.and_then(|entry| Ok((entry.path(), entry.file_type()?)))?;
        let inside = path.strip_prefix(root).expect("it was found below the root");
        if packages.leave_out.iter().any(|left_out| inside.starts_with(left_out)) {
            continue;
        }
        let here = merged(inside);
        if kind.is_dir() {
            if !is_for_people(&here) {
                content.insert(here, Content::Folder);
            }
            look(root, &path, packages, content)?;
        } else if !is_for_people(&here) || here.ends_with(LICENCE) {
            let folders = here.ancestors().skip(1).filter(|folder| !folder.as_os_str().is_empty());
            folders.for_each(|folder| drop(content.insert(folder.to_owned(), Content::Folder)));
            // A link of the root stands for what is made of it above.
            if kind.is_symlink() && !MERGED.iter().any(|name| inside == Path::new(name)) {
                content.insert(here, Content::Link(fs::read_link(&path)?));
            } else if kind.is_file() {
                content.insert(here, Content::File(path));
            }
        }
    }
    Ok(())
}

/// Where a file lies once the root's folders are links.
fn merged(path: &Path) -> PathBuf {
    let first = path.components().next();
    let is_merged = |part| MERGED.iter().any(|name| part == Component::Normal(name.as_ref()));
    if first.is_some_and(is_merged) { Path::new("usr").join(path) } else { path.to_owned() }
}

fn is_for_people(path: &Path) -> bool {
    FOR_PEOPLE.iter().any(|folder| path.starts_with(folder))
}

/// Writes the layer: in order of paths, everything root's, and of modes only whether a file is a program.
pub(super) fn write(path: &Path, content: &BTreeMap<PathBuf, Content>) -> io::Result<Part> {
    let mut tar = tar::Builder::new(Hashed::new(File::create(path)?));
    for (path, content) in content {
        match content {
            Content::Folder => tar.append_data(&mut header(EntryType::Directory, 0o755, 0), path, io::empty())?,
            Content::Shared => tar.append_data(&mut header(EntryType::Directory, 0o1777, 0), path, io::empty())?,
            Content::File(source) => {
                let file = File::open(source)?;
                let metadata = file.metadata()?;
                let mode = if metadata.permissions().mode() & 0o111 == 0 { 0o644 } else { 0o755 };
                tar.append_data(&mut header(EntryType::Regular, mode, metadata.len()), path, file)?;
            }
            Content::Text(text) => {
                tar.append_data(&mut header(EntryType::Regular, 0o644, text.len() as u64), path, text.as_bytes())?;
            }
            Content::Link(target) => tar.append_link(&mut header(EntryType::Symlink, 0o777, 0), path, target)?,
        }
    }
    let (_, digest, size) = tar.into_inner()?.finish();
    Ok(Part { digest, size, path: path.to_owned(), offset: 0 })
}

fn header(kind: EntryType, mode: u32, size: u64) -> Header {
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    header.set_size(size);
    header
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use tempfile::TempDir;

    use super::*;

    fn packages(leave_out: &[&str]) -> Packages {
        Packages {
            install: vec!["postgresql-15".to_owned()],
            without: Vec::new(),
            leave_out: leave_out.iter().map(PathBuf::from).collect(),
            account: Account { name: "postgres".to_owned(), id: 999 },
            entrypoint: vec!["/bin/sh".to_owned()],
        }
    }

    /// What packages bring, made in this order.
    fn unpacked(names: &[&str]) -> TempDir {
        let root = TempDir::new().unwrap();
        for name in names {
            let path = root.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            match name.strip_suffix('@') {
                Some(link) => symlink("there", root.path().join(link)).unwrap(),
                None => fs::write(&path, name).unwrap(),
            }
        }
        root
    }

    fn told(content: &BTreeMap<PathBuf, Content>) -> Vec<String> {
        let tell = |(path, content): (&PathBuf, &Content)| match content {
            Content::Folder => format!("{}/", path.display()),
            Content::Shared => format!("{}/ for all", path.display()),
            Content::File(_) | Content::Text(_) => path.display().to_string(),
            Content::Link(target) => format!("{} -> {}", path.display(), target.display()),
        };
        content.iter().map(tell).filter(|line| !line.starts_with("etc/")).collect()
    }

    #[test]
    fn folders_of_the_root_are_links_and_what_people_read_stays_away_but_for_licences() {
        let names =
            ["bin/dash", "bin/sh@", "lib64/ld.so@", "usr/share/doc/dash/copyright", "usr/share/doc/dash/README"];
        let root = unpacked(&names);
        fs::create_dir_all(root.path().join("var/lib/empty")).unwrap();
        fs::create_dir_all(root.path().join("usr/share/man/man1")).unwrap();
        let content = content(root.path(), &packages(&[])).unwrap();
        let wanted = [
            "bin -> usr/bin",
            "lib64 -> usr/lib64",
            "tmp/ for all",
            "usr/",
            "usr/bin/",
            "usr/bin/dash",
            "usr/bin/sh -> there",
            "usr/lib64/",
            "usr/lib64/ld.so -> there",
            "usr/share/",
            "usr/share/doc/",
            "usr/share/doc/dash/",
            "usr/share/doc/dash/copyright",
            "var/",
            "var/lib/",
            "var/lib/empty/",
        ];
        assert_eq!(told(&content), wanted);
        let Content::Text(accounts) = &content[Path::new("etc/passwd")] else { panic!("it is a text") };
        assert!(accounts.contains("\npostgres:x:999:999:"), "{accounts}");
    }

    #[test]
    fn what_is_left_out_goes_with_all_below_it_and_must_be_there() {
        let root = unpacked(&["usr/lib/pg/bitcode/a.bc", "usr/lib/pg/postgres"]);
        let left = content(root.path(), &packages(&["usr/lib/pg/bitcode"])).unwrap();
        assert_eq!(
            told(&left),
            ["lib -> usr/lib", "tmp/ for all", "usr/", "usr/lib/", "usr/lib/pg/", "usr/lib/pg/postgres"]
        );
        let error = content(root.path(), &packages(&["usr/lib/pq"])).unwrap_err();
        assert!(matches!(error, SourceError::Unbrought { what } if what == "usr/lib/pq"));
    }

    #[test]
    fn the_same_files_give_the_same_layer_whoever_unpacked_them_and_when() {
        let (names, place) = (["usr/bin/a", "usr/bin/b", "usr/lib/x@"], TempDir::new().unwrap());
        let layer = |names: &[&str], mode: u32| {
            let root = unpacked(names);
            fs::set_permissions(root.path().join("usr/bin/a"), fs::Permissions::from_mode(mode)).unwrap();
            write(&place.path().join("layer"), &content(root.path(), &packages(&[])).unwrap()).unwrap().digest
        };
        let reversed: Vec<&str> = names.iter().rev().copied().collect();
        assert_eq!(layer(&names, 0o755), layer(&reversed, 0o4511), "no program changes who runs it");
        assert_ne!(layer(&names, 0o755), layer(&names, 0o644));
        assert_ne!(
            layer(&names, 0o755),
            layer(&names[1..].iter().chain(&["usr/bin/a", "usr/c"]).copied().collect::<Vec<_>>(), 0o755)
        );
    }
}
