//! Machines that an environment makes, as far as they are not all alike.

use std::{collections::BTreeSet, fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// What systemd calls a virtual disk by its serial number.
const NAMED: &str = "/dev/disk/by-id/virtio-";

/// The longest serial number that a virtio disk tells
/// ([`VIRTIO_BLK_ID_BYTES`](https://docs.oasis-open.org/virtio/virtio/v1.2/virtio-v1.2.html)).
const LENGTH: usize = 20;

/// A virtual machine: a computer of its own for whatever runs in it, with a kernel of its own.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VirtualMachine {
    /// Its empty disks besides the system's.
    pub disks: BTreeSet<Serial>,
}

/// The serial number of a virtual disk: 1 to 20 letters, digits, `-` and `_`. Nothing else may come between it and its
/// name under /dev.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Serial(String);

/// Why a text is no serial number.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("`{0}` is no serial number of a virtual disk: at most {LENGTH} of a-z, A-Z, 0-9, `-` and `_`")]
pub struct BadSerial(String);

impl Serial {
    /// The serial number of the disk of this stable name, where it is a virtual one's.
    pub fn of_disk(path: &str) -> Option<Self> {
        path.strip_prefix(NAMED)?.parse().ok()
    }

    /// The disk's stable name on its machine.
    pub fn disk(&self) -> String {
        format!("{NAMED}{self}")
    }

    /// The number.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Serial {
    type Err = BadSerial;

    fn from_str(text: &str) -> Result<Self, BadSerial> {
        text.to_owned().try_into()
    }
}

impl TryFrom<String> for Serial {
    type Error = BadSerial;

    fn try_from(text: String) -> Result<Self, BadSerial> {
        let plain = |c: u8| c.is_ascii_alphanumeric() || b"-_".contains(&c);
        if (1..=LENGTH).contains(&text.len()) && text.bytes().all(plain) {
            Ok(Self(text))
        } else {
            Err(BadSerial(text))
        }
    }
}

impl From<Serial> for String {
    fn from(serial: Serial) -> Self {
        serial.0
    }
}

impl fmt::Display for Serial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_virtual_disk_is_called_by_its_serial_number() {
        let serial = Serial::of_disk("/dev/disk/by-id/virtio-vm1-a").unwrap();
        assert_eq!((serial.as_str(), &*serial.disk()), ("vm1-a", "/dev/disk/by-id/virtio-vm1-a"));
    }

    #[test]
    fn refuses_what_no_virtual_disk_is_called() {
        for path in ["/dev/disk/by-id/wwn-0x5000c500a1b2c3d4", "/dev/vdb", "virtio-a", "/dev/disk/by-id/virtio-"] {
            assert_eq!(Serial::of_disk(path), None, "{path}");
        }
        for text in ["", "a,b", "a.b", "a b", "a-serial-number-of-21c", "ä"] {
            assert_eq!(text.parse::<Serial>(), Err(BadSerial(text.to_owned())));
        }
        assert!("a-serial-number-of-20".parse::<Serial>().is_err() && "a-serial-number-of-2".parse::<Serial>().is_ok());
    }
}
