//! IPv4 ranges. IPv6 is said to be unsupported by a diagnostic where the file names it.

mod range;

use std::{fmt, net::Ipv4Addr, str::FromStr};

pub use range::{AddressRange, BadRange};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A range of IPv4 addresses, such as `10.244.0.0/16`. No host bits are set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Cidr {
    base: u32,
    prefix: u8,
}

/// Why a text is no range.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum BadCidr {
    /// Not `ADDRESS/PREFIX`.
    #[error("not a range such as 10.244.0.0/16")]
    Form,
    /// An address of IPv6.
    #[error("IPv6 is not supported yet")]
    Ipv6,
    /// The address lies inside the range, not at its beginning.
    #[error("host bits are set: the range begins at {0}")]
    HostBits(Cidr),
}

impl Cidr {
    /// The range of `2^(32 - prefix)` addresses that holds `address`.
    ///
    /// # Panics
    /// With a prefix above 32, which is a bug of the caller.
    pub fn containing(address: Ipv4Addr, prefix: u8) -> Self {
        assert!(prefix <= 32, "a prefix of {prefix} bits");
        Self { base: address.to_bits() & mask(prefix), prefix }
    }

    /// The length of the prefix in bits.
    pub const fn prefix(self) -> u8 {
        self.prefix
    }

    /// The `n`th address, counted from 0; wraps at the range's end.
    pub fn nth(self, n: u32) -> Ipv4Addr {
        Ipv4Addr::from_bits(self.base | (n & !mask(self.prefix)))
    }

    /// Whether `address` lies in the range.
    pub fn contains(self, address: Ipv4Addr) -> bool {
        address.to_bits() & mask(self.prefix) == self.base
    }

    /// Whether the two share an address.
    pub fn overlaps(self, other: Self) -> bool {
        let shorter = self.prefix.min(other.prefix);
        self.base & mask(shorter) == other.base & mask(shorter)
    }

    /// How many ranges of `prefix` bits fit.
    pub fn parts(self, prefix: u8) -> u32 {
        prefix.checked_sub(self.prefix).map_or(0, |bits| 1_u32.checked_shl(bits.into()).unwrap_or(u32::MAX))
    }

    /// The `n`th part of `prefix` bits, or `None` past the end.
    pub fn part(self, prefix: u8, n: u32) -> Option<Self> {
        (prefix <= 32 && n < self.parts(prefix)).then(|| Self { base: self.base + (n << (32 - prefix)), prefix })
    }
}

fn mask(prefix: u8) -> u32 {
    u32::MAX.checked_shl(32 - u32::from(prefix)).unwrap_or(0)
}

impl FromStr for Cidr {
    type Err = BadCidr;

    fn from_str(text: &str) -> Result<Self, BadCidr> {
        let (address, prefix) = text.split_once('/').ok_or(BadCidr::Form)?;
        if address.contains(':') {
            return Err(BadCidr::Ipv6);
        }
        let address: Ipv4Addr = address.parse().map_err(|_| BadCidr::Form)?;
        let prefix = prefix.parse().ok().filter(|&p| p <= 32).ok_or(BadCidr::Form)?;
        let range = Self::containing(address, prefix);
        if range.base == address.to_bits() { Ok(range) } else { Err(BadCidr::HostBits(range)) }
    }
}

impl fmt::Display for Cidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", Ipv4Addr::from_bits(self.base), self.prefix)
    }
}

impl Serialize for Cidr {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Cidr {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(text: &str) -> Cidr {
        text.parse().unwrap()
    }

    #[test]
    fn a_range_is_cut_into_parts() {
        let pods = range("10.244.0.0/16");
        assert_eq!(pods.parts(24), 256);
        assert_eq!(pods.part(24, 255), Some(range("10.244.255.0/24")));
        assert_eq!(pods.part(24, 256), None);
        assert_eq!(pods.part(8, 0), None);
    }

    #[test]
    fn ranges_that_share_an_address_overlap() {
        assert!(range("10.0.0.0/8").overlaps(range("10.96.0.0/16")));
        assert!(range("0.0.0.0/0").overlaps(range("10.96.0.0/16")));
        assert!(!range("10.96.0.0/16").overlaps(range("10.97.0.0/16")));
    }

    #[test]
    fn refuses_what_is_no_range() {
        assert_eq!("10.0.0.0".parse::<Cidr>(), Err(BadCidr::Form));
        assert_eq!("10.0.0.0/33".parse::<Cidr>(), Err(BadCidr::Form));
        assert_eq!("fd00::/64".parse::<Cidr>(), Err(BadCidr::Ipv6));
        assert_eq!("10.0.0.1/24".parse::<Cidr>(), Err(BadCidr::HostBits(range("10.0.0.0/24"))));
    }
}
