//! The disks of a virtual machine: files in its folder.

use std::{
    fmt::Write as _,
    fs,
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, symlink},
    path::{Path, PathBuf},
    time::Duration,
};

use fmp_core::resource::{Serial, VirtualMachine};

use super::{
    super::{
        EnvironmentError,
        error::file,
        machine::Files,
        tool::{self, arg},
    },
    image,
};

/// In a machine's folder: its disks, each called as its serial number.
const FOLDER: &str = "disks";

/// Size of an empty disk in bytes. What is not written takes no room.
const SIZE: u64 = 3 << 30;

/// How long copying the image and writing into it may take: seconds, on a slow disk a minute.
const COPY: Duration = Duration::from_mins(10);

/// The serial number of the disk that the system runs from. Nobody gets an empty one called so.
pub(super) fn system() -> Serial {
    "system".parse().expect("it is one")
}

/// Makes the disks in `folder`, the system's as a copy of the image with `files` in it. Secrets are on them: nobody but
/// root comes there.
pub(in super::super) async fn create(
    folder: &Path,
    image: &Path,
    vm: &VirtualMachine,
    files: &Files,
) -> Result<(), EnvironmentError> {
    let disks = folder.join(FOLDER);
    fs::DirBuilder::new().mode(0o700).create(&disks).map_err(file("creating", &disks))?;
    let link = folder.join(image::LINK);
    symlink(image, &link).map_err(file("linking", link))?;
    let system = path(folder, &system());
    tool::run("cp", &["--sparse=always", "--reflink=auto", arg(&image.join(image::DISK)), arg(&system)], COPY).await?;
    write(folder, &system, files).await?;
    for serial in vm.disks.iter().filter(|serial| **serial != self::system()) {
        let path = path(folder, serial);
        fs::File::create(&path).and_then(|disk| disk.set_len(SIZE)).map_err(file("making", path))?;
    }
    Ok(())
}

/// What QEMU is told of every disk that lies in the folder.
pub(super) fn arguments(folder: &Path) -> Result<Vec<String>, EnvironmentError> {
    let disks = folder.join(FOLDER);
    let mut serials = Vec::new();
    for entry in fs::read_dir(&disks).map_err(file("reading", &disks))? {
        let entry = entry.map_err(file("reading", &disks))?;
        serials.extend(entry.file_name().to_str().and_then(|name| name.parse::<Serial>().ok()));
    }
    serials.sort();
    let arguments = |serial: Serial| {
        let path = path(folder, &serial);
        let drive = format!("if=none,id={serial},file={},format=raw,discard=unmap,detect-zeroes=unmap", arg(&path));
        ["-drive".to_owned(), drive, "-device".to_owned(), format!("virtio-blk-pci,drive={serial},serial={serial}")]
    };
    Ok(serials.into_iter().flat_map(arguments).collect())
}

fn path(folder: &Path, serial: &Serial) -> PathBuf {
    folder.join(FOLDER).join(serial.as_str())
}

/// Writes files into the file system on `disk`, which nobody has mounted: nothing but its own programs is needed for it.
async fn write(folder: &Path, disk: &Path, files: &Files) -> Result<(), EnvironmentError> {
    let staged = folder.join("files");
    fs::create_dir_all(&staged).map_err(file("creating", &staged))?;
    let mut commands = String::new();
    for (number, (path, mode, content)) in files.iter().enumerate() {
        let from = staged.join(number.to_string());
        let mut options = fs::OpenOptions::new();
        let written = options.write(true).create_new(true).mode(*mode).open(&from);
        written.and_then(|mut to| std::io::Write::write_all(&mut to, content)).map_err(file("writing", &from))?;
        writeln!(commands, "write {} {path}", arg(&from)).expect("writing to a String can't fail");
    }
    let script = staged.join("commands");
    fs::write(&script, commands).map_err(file("writing", &script))?;
    let said = tool::complaints("debugfs", &["-w", "-f", arg(&script), arg(disk)], COPY).await?;
    fs::remove_dir_all(&staged).map_err(file("removing", &staged))?;
    // It ends well whatever it could not do, and greets first.
    let complaint = said.lines().filter(|line| !line.starts_with("debugfs ")).collect::<Vec<_>>().join("; ");
    if complaint.is_empty() { Ok(()) } else { Err(EnvironmentError::Image { disk: disk.to_owned(), said: complaint }) }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    /// An image with a small file system, and a machine's folder.
    async fn bed(within: &Path) -> (PathBuf, PathBuf) {
        let [root, image, folder] = ["root", "image", "machine"].map(|name| within.join(name));
        for path in [&root.join("root/.ssh"), &image, &folder] {
            fs::create_dir_all(path).unwrap();
        }
        fs::write(root.join("there"), "before").unwrap();
        let disk = image.join(image::DISK);
        tool::run("mkfs.ext4", &["-q", "-F", "-d", arg(&root), arg(&disk), "8M"], COPY).await.unwrap();
        (image, folder)
    }

    async fn look(folder: &Path, command: &str) -> String {
        tool::run("debugfs", &["-R", command, arg(&path(folder, &system()))], COPY).await.unwrap()
    }

    fn vm(serials: &[&str]) -> VirtualMachine {
        VirtualMachine { disks: serials.iter().map(|serial| serial.parse().unwrap()).collect() }
    }

    #[tokio::test]
    async fn a_machine_has_files_of_its_own_and_empty_disks() {
        let within = tempfile::tempdir().unwrap();
        let (image, folder) = bed(within.path()).await;
        let files = vec![("root/.ssh/authorized_keys", 0o644, b"a key".to_vec()), ("secret", 0o600, b"hush".to_vec())];
        create(&folder, &image, &vm(&["b", "a", "system"]), &files).await.unwrap();
        assert_eq!(look(&folder, "cat root/.ssh/authorized_keys").await, "a key");
        assert_eq!(look(&folder, "cat there").await, "before");
        let secret = look(&folder, "stat secret").await;
        assert!(secret.contains("Mode:  0600") && secret.contains("User:     0"), "{secret}");
        assert!(!folder.join("files").exists(), "no secret lies about");
        let mode = fs::metadata(folder.join(FOLDER)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o700, "nobody else reads a disk");
        let bytes = |serial: &str| fs::metadata(folder.join(FOLDER).join(serial)).unwrap().len();
        assert_eq!((bytes("a"), bytes("b"), bytes("system")), (SIZE, SIZE, 8 << 20));
    }

    #[tokio::test]
    async fn a_file_that_could_not_be_written_is_told() {
        let within = tempfile::tempdir().unwrap();
        let (image, folder) = bed(within.path()).await;
        let told = create(&folder, &image, &vm(&[]), &vec![("there", 0o644, Vec::new())]).await.unwrap_err();
        assert!(told.to_string().contains("already exists"), "{told}");
    }

    #[tokio::test]
    async fn every_disk_in_the_folder_is_the_machines() {
        let within = tempfile::tempdir().unwrap();
        let disks = within.path().join(FOLDER);
        fs::create_dir_all(&disks).unwrap();
        for name in ["system", "b", "a", "no,disk"] {
            fs::write(disks.join(name), "").unwrap();
        }
        let told = arguments(within.path()).unwrap().join(" ");
        let serials: Vec<&str> = told.split("serial=").skip(1).map(|rest| rest.split(' ').next().unwrap()).collect();
        assert_eq!(serials, ["a", "b", "system"], "{told}");
    }
}
