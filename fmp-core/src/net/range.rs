//! Addresses from a first to a last one.

use std::{fmt, net::Ipv4Addr, str::FromStr};

use super::{BadCidr, Cidr};

/// IPv4 addresses from a first to a last one, such as `192.0.2.30-192.0.2.39`: at least one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AddressRange {
    first: Ipv4Addr,
    last: Ipv4Addr,
}

/// Why a text is no range of addresses.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum BadRange {
    /// Neither an address, nor two with `-` between them, nor `ADDRESS/PREFIX`.
    #[error("neither an address, nor two of them as in 192.0.2.30-192.0.2.39, nor a range such as 192.0.2.32/28")]
    Form,
    /// `ADDRESS/PREFIX`, and wrong.
    #[error(transparent)]
    Cidr(BadCidr),
    /// The last address comes before the first.
    #[error("the last address comes before the first one")]
    Backwards,
}

impl AddressRange {
    /// The first address.
    pub const fn first(self) -> Ipv4Addr {
        self.first
    }

    /// The last address.
    pub const fn last(self) -> Ipv4Addr {
        self.last
    }

    /// How many addresses there are.
    pub fn count(self) -> u64 {
        u64::from(self.last.to_bits()) - u64::from(self.first.to_bits()) + 1
    }

    /// All addresses, in order.
    pub fn addresses(self) -> impl Iterator<Item = Ipv4Addr> {
        (self.first.to_bits()..=self.last.to_bits()).map(Ipv4Addr::from_bits)
    }

    /// Whether `address` is one of them.
    pub fn contains(self, address: Ipv4Addr) -> bool {
        (self.first..=self.last).contains(&address)
    }

    /// Whether the two share an address.
    pub fn overlaps(self, other: Self) -> bool {
        self.first <= other.last && other.first <= self.last
    }
}

impl From<Ipv4Addr> for AddressRange {
    fn from(address: Ipv4Addr) -> Self {
        Self { first: address, last: address }
    }
}

impl From<Cidr> for AddressRange {
    fn from(range: Cidr) -> Self {
        Self { first: range.nth(0), last: range.nth(u32::MAX) }
    }
}

impl FromStr for AddressRange {
    type Err = BadRange;

    fn from_str(text: &str) -> Result<Self, BadRange> {
        if text.contains('/') {
            return text.parse::<Cidr>().map(Self::from).map_err(BadRange::Cidr);
        }
        let (first, last) = text.split_once('-').unwrap_or((text, text));
        let address = |text: &str| text.trim().parse::<Ipv4Addr>().map_err(|_| BadRange::Form);
        let range = Self { first: address(first)?, last: address(last)? };
        if range.first <= range.last { Ok(range) } else { Err(BadRange::Backwards) }
    }
}

impl fmt::Display for AddressRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { first, last } = self;
        if first == last { write!(f, "{first}") } else { write!(f, "{first}-{last}") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(text: &str) -> AddressRange {
        text.parse().unwrap()
    }

    #[test]
    fn a_range_is_written_in_three_ways() {
        for (text, count, shown) in [
            ("192.0.2.30", 1, "192.0.2.30"),
            ("192.0.2.30-192.0.2.39", 10, "192.0.2.30-192.0.2.39"),
            ("192.0.2.30 - 192.0.2.30", 1, "192.0.2.30"),
            ("192.0.2.32/30", 4, "192.0.2.32-192.0.2.35"),
            ("0.0.0.0/0", 1 << 32, "0.0.0.0-255.255.255.255"),
        ] {
            assert_eq!((range(text).count(), range(text).to_string().as_str()), (count, shown), "{text}");
        }
        let all: Vec<String> = range("192.0.2.32/30").addresses().map(|address| address.to_string()).collect();
        assert_eq!(all, ["192.0.2.32", "192.0.2.33", "192.0.2.34", "192.0.2.35"]);
    }

    #[test]
    fn ranges_that_share_an_address_overlap() {
        let ten = range("192.0.2.30-192.0.2.39");
        assert!(ten.overlaps(range("192.0.2.39")) && range("192.0.2.0/24").overlaps(ten));
        assert!(!ten.overlaps(range("192.0.2.40")) && !ten.overlaps(range("192.0.2.0-192.0.2.29")));
        assert!(ten.contains(Ipv4Addr::new(192, 0, 2, 30)) && !ten.contains(Ipv4Addr::new(192, 0, 2, 40)));
    }

    #[test]
    fn refuses_what_is_no_range() {
        let error = |text: &str| text.parse::<AddressRange>().unwrap_err();
        assert_eq!(error("192.0.2"), BadRange::Form);
        assert_eq!(error("192.0.2.30-39"), BadRange::Form);
        assert_eq!(error("192.0.2.39-192.0.2.30"), BadRange::Backwards);
        assert!(matches!(error("192.0.2.33/30"), BadRange::Cidr(BadCidr::HostBits(_))));
    }
}
