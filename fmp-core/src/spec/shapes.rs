//! Readers of single values: each takes what stands in the file and gives a legal value, or the problem with it.

use std::{collections::BTreeSet, net::Ipv4Addr, ops::RangeInclusive};

use toml::{Spanned, de::DeValue};

use super::{
    decode::{Read, Value, reserved, wrong_type},
    problem::{Code, Problem},
    suggest::closest,
};
use crate::{
    KubeVersion, NodeName,
    net::{BadCidr, Cidr},
    role::paths,
};

/// A text of at least one visible character, without control characters: it may stand on one line anywhere.
pub(super) fn text(value: &Value<'_>) -> Read<String> {
    let DeValue::String(text) = value.get_ref() else { return Err(wrong_type(value, "a text")) };
    let bad = |message: &str, help: &str| Err(Problem::new(Code::BadText, message, value.span(), "").help(help));
    if text.trim().is_empty() {
        bad("an empty text", "write what is meant between the quotation marks")
    } else if text.contains("PRIVATE KEY") {
        Err(inline_secret(value))
    } else if text.chars().any(char::is_control) {
        bad("a text with a line break or another control character", "write it on one line, with visible characters")
    } else {
        Ok(text.clone().into_owned())
    }
}

/// A whole number within `range`.
pub(super) fn number<T: TryFrom<i64> + PartialOrd + std::fmt::Display>(
    value: &Value<'_>,
    range: &RangeInclusive<T>,
) -> Read<T> {
    let DeValue::Integer(number) = value.get_ref() else { return Err(wrong_type(value, "a number")) };
    let read = i64::from_str_radix(number.as_str(), number.radix()).ok().and_then(|number| T::try_from(number).ok());
    read.filter(|number| range.contains(number)).ok_or_else(|| {
        let label = format!("{} to {}", range.start(), range.end());
        Problem::new(Code::BadNumber, format!("{number} is out of range"), value.span(), &label)
            .help(format!("write a whole number from {label}"))
    })
}

/// A TCP port.
pub(super) fn port(value: &Value<'_>) -> Read<u16> {
    number(value, &(1..=u16::MAX))
}

/// The most ports that are asked one after the other, every second.
const MOST_PORTS: usize = 8;

/// A list of TCP ports.
pub(super) fn ports(value: &Value<'_>) -> Read<BTreeSet<u16>> {
    let DeValue::Array(list) = value.get_ref() else { return Err(wrong_type(value, "a list of ports")) };
    if list.len() > MOST_PORTS {
        let message = format!("{} ports are too many: at most {MOST_PORTS}", list.len());
        let problem = Problem::new(Code::BadNumber, message, value.span(), "too many");
        return Err(problem.help("name those by which it can be told whether anything answers"));
    }
    list.iter().map(port).collect()
}

/// A list of texts, each with its place.
pub(super) fn texts(value: &Value<'_>) -> Read<Vec<Spanned<String>>> {
    let DeValue::Array(list) = value.get_ref() else { return Err(wrong_type(value, "a list of texts")) };
    list.iter().map(|value| Ok(Spanned::new(value.span(), text(value)?))).collect()
}

/// One of the words of `known`; those of `later` are said to be reserved.
pub(super) fn choice<T: Copy>(value: &Value<'_>, known: &[(&str, T)], later: &[(&str, &str)]) -> Read<T> {
    let word = text(value)?;
    if let Some((_, choice)) = known.iter().find(|(known, _)| *known == word) {
        return Ok(*choice);
    }
    if let Some((_, purpose)) = later.iter().find(|(later, _)| *later == word) {
        return Err(reserved(&word, purpose, value.span()));
    }
    let words: Vec<&str> = known.iter().map(|(known, _)| *known).collect();
    let label = closest(&word, words.iter().copied()).map(|meant| format!("did you mean `{meant}`?"));
    let problem = Problem::new(
        Code::BadChoice,
        format!("`{word}` is none of the words possible here"),
        value.span(),
        label.as_deref().unwrap_or("unknown"),
    );
    Err(problem.help(format!("possible: {}", words.join(", "))))
}

/// A version of Kubernetes with all three numbers.
pub(super) fn version(value: &Value<'_>) -> Read<KubeVersion> {
    let bad = |error| {
        Problem::new(Code::BadVersion, format!("{error}"), value.span(), "not a whole version")
            .help("write all three numbers, such as `1.29.15`: what is deployed is one patch release and no other")
    };
    text(value)?.parse().map_err(bad)
}

/// An address that a machine can have.
pub(super) fn address(value: &Value<'_>) -> Read<Ipv4Addr> {
    let text = text(value)?;
    if text.parse::<std::net::Ipv6Addr>().is_ok() {
        return Err(ipv6(value));
    }
    let bad = |message: String| {
        Problem::new(Code::BadAddress, message, value.span(), "an IPv4 address belongs here")
            .help("write the address by which the others reach it, such as `192.0.2.21`")
    };
    let address: Ipv4Addr = text.parse().map_err(|_| bad(format!("`{text}` is not an address")))?;
    if is_unusable(address) { Err(bad(format!("{address} can't be the address of a machine"))) } else { Ok(address) }
}

/// Whether no machine of a network can have this address.
pub(super) const fn is_unusable(address: Ipv4Addr) -> bool {
    address.is_unspecified()
        || address.is_loopback()
        || address.is_link_local()
        || address.is_multicast()
        || address.octets()[0] >= 240
}

/// The most servers that `CoreDNS` forwards to ([its page](https://coredns.io/plugins/forward/)).
const MOST_SERVERS: usize = 15;

/// A list of servers for names.
pub(super) fn servers(value: &Value<'_>) -> Read<Vec<Ipv4Addr>> {
    let DeValue::Array(list) = value.get_ref() else { return Err(wrong_type(value, "a list of addresses")) };
    if list.len() > MOST_SERVERS {
        let message = format!("{} servers are too many: at most {MOST_SERVERS}", list.len());
        let problem = Problem::new(Code::BadAddress, message, value.span(), "too many");
        return Err(problem.help("name those that are nearest: one that does not answer is passed over"));
    }
    let loopback = "a pod's loopback is its own: name the server that the node's resolver asks";
    list.iter().map(|server| address(server).map_err(|problem| problem.help(loopback))).collect()
}

/// A range of addresses without host bits.
pub(super) fn range(value: &Value<'_>) -> Read<Cidr> {
    let text = text(value)?;
    let problem = |error: &BadCidr| {
        Problem::new(Code::BadRange, format!("`{text}` is not a range: {error}"), value.span(), "not a range")
    };
    text.parse().map_err(|error| match error {
        BadCidr::Ipv6 => ipv6(value),
        BadCidr::HostBits(range) => problem(&error).help(format!("write `{range}`")),
        BadCidr::Form => problem(&error).help("write the first address, `/` and the number of fixed bits"),
    })
}

/// What a DNS label may be.
pub(super) const DNS_LABEL: &str = "write at most 63 of a-z, 0-9 and `-`, with a letter or digit at both ends";

/// A DNS label, for a cluster.
pub(super) fn label_name(value: &Value<'_>) -> Read<String> {
    let name = text(value)?.parse::<NodeName>();
    name.map(|name| name.as_str().to_owned()).map_err(|error| {
        Problem::new(Code::BadName, error.to_string(), value.span(), "not a DNS label").help(DNS_LABEL)
    })
}

/// DNS labels joined by dots, at most 253 characters together.
pub(super) fn domain(value: &Value<'_>) -> Read<String> {
    let name = text(value)?;
    if is_domain(&name) {
        return Ok(name);
    }
    let help = "DNS labels of a-z, 0-9 and `-`, joined by dots, such as `cluster.local`";
    Err(Problem::new(Code::BadName, format!("`{name}` is not a DNS name"), value.span(), "").help(help))
}

/// A host name or an IPv4 address, without a port.
pub(super) fn host(value: &Value<'_>) -> Read<String> {
    let name = text(value)?;
    if name.parse::<std::net::Ipv6Addr>().is_ok() {
        return Err(ipv6(value));
    }
    let help = "write a host name or an IPv4 address; the port has a key of its own";
    let bad = || Problem::new(Code::BadName, format!("`{name}` is not a host"), value.span(), "").help(help);
    if is_domain(&name.to_ascii_lowercase()) { Ok(name) } else { Err(bad()) }
}

/// A host with or without a port: `registry.example.org:5000`.
pub(super) fn endpoint(value: &Value<'_>) -> Read<String> {
    let written = text(value)?;
    let (name, port) = written.split_once(':').map_or((written.as_str(), None), |(name, port)| (name, Some(port)));
    let good = is_domain(name) && port.is_none_or(|port| port.parse::<u16>().is_ok_and(|port| port > 0));
    let help = "write a host name in small letters or an IPv4 address, and `:` and a port where it is not 443";
    let message = format!("`{written}` is not where a registry answers");
    if good { Ok(written) } else { Err(Problem::new(Code::BadName, message, value.span(), "").help(help)) }
}

/// Certificates as PEM, and nothing else.
pub(super) fn certificates(value: &Value<'_>) -> Read<String> {
    let DeValue::String(text) = value.get_ref() else { return Err(wrong_type(value, "a text")) };
    if text.contains("PRIVATE KEY") {
        return Err(inline_secret(value));
    }
    let (begin, end) = ("-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----");
    let of_base64 =
        |line: &str| !line.is_empty() && line.bytes().all(|c| c.is_ascii_alphanumeric() || b"+/=".contains(&c));
    let mut inside = false;
    let mut count = 0;
    let good = text.trim().lines().all(|line| match (line.trim_end(), inside) {
        (line, false) if line == begin => {
            inside = true;
            true
        }
        (line, true) if line == end => {
            (inside, count) = (false, count + 1);
            true
        }
        (line, true) => of_base64(line),
        (_, false) => false,
    });
    if good && !inside && count > 0 {
        return Ok(text.trim().lines().fold(String::new(), |all, line| all + line.trim_end() + "\n"));
    }
    let help = "write the authority's certificate as PEM between two lines of \"\"\", from -----BEGIN to -----END";
    Err(Problem::new(Code::BadText, "not certificates as PEM", value.span(), "").help(help))
}

/// A user's name: nothing that a shell or `ssh` would take for something else.
pub(super) fn user(value: &Value<'_>) -> Read<String> {
    let name = text(value)?;
    let plain = |c: char| c.is_ascii_alphanumeric() || "._-@\\".contains(c);
    let help = "write letters, digits, `.`, `_`, `-`, `@` and `\\`, with no `-` at the beginning";
    let bad = || Problem::new(Code::BadName, format!("`{name}` is not a user's name"), value.span(), "").help(help);
    if !name.starts_with('-') && name.chars().all(plain) { Ok(name) } else { Err(bad()) }
}

/// A host key as `known_hosts` has it: its kind, a space, and base64.
pub(super) fn host_key(value: &Value<'_>) -> Read<String> {
    let key = text(value)?;
    let base64 = |c: u8| c.is_ascii_alphanumeric() || b"+/=".contains(&c);
    let good = key.split_once(' ').is_some_and(|(kind, body)| {
        (kind.starts_with("ssh-") || kind.starts_with("ecdsa-sha2-")) && !body.is_empty() && body.bytes().all(base64)
    });
    let help = "copy kind and key from `ssh-keyscan HOST` after comparing it on the host: `ssh-ed25519 AAAA…`";
    let bad = || Problem::new(Code::BadText, "not a host key", value.span(), "kind and key belong here").help(help);
    if good { Ok(key) } else { Err(bad()) }
}

/// Where udev keeps the names of disks that stay the same.
const STABLE: &str = "/dev/disk/by-id/";

/// A disk by a name that stays the same at each boot and whatever else is plugged in.
pub(super) fn disk(value: &Value<'_>) -> Read<String> {
    let path = text(value)?;
    let bad = |why: &str| {
        let problem = Problem::new(Code::BadDisk, format!("`{path}` {why}"), value.span(), "not a disk's stable name");
        Err(problem.help(
            "`ls -l /dev/disk/by-id` on the host shows them: take the whole disk's, such as `wwn-0x5000c500a1b2c3d4`",
        ))
    };
    let Some(name) = path.strip_prefix(STABLE) else {
        return bad("may be another disk at the next boot: only names under /dev/disk/by-id stay");
    };
    let part = name.rsplit_once("-part").is_some_and(|(_, number)| number.bytes().all(|c| c.is_ascii_digit()));
    let zero =
        name.strip_prefix("wwn-0x").or(name.strip_prefix("nvme-eui.")).is_some_and(|id| id.bytes().all(|c| c == b'0'));
    let plain = |c: u8| c.is_ascii_alphanumeric() || b"-_.:+=@".contains(&c);
    if name.is_empty() || name.starts_with('.') || !name.bytes().all(plain) {
        bad("is no name of a disk")
    } else if part {
        bad("is a partition")
    } else if ["dm-", "md-", "lvm-"].iter().any(|layer| name.starts_with(layer)) {
        bad("is a layer over other disks")
    } else if zero {
        bad("is what many disks without an id of their own are called")
    } else {
        Ok(path)
    }
}

/// Several disks, none of them twice.
pub(super) fn disks(value: &Value<'_>) -> Read<Vec<Spanned<String>>> {
    let DeValue::Array(list) = value.get_ref() else { return Err(wrong_type(value, "a list of disks")) };
    let read: Vec<Spanned<String>> =
        list.iter().map(|value| Ok(Spanned::new(value.span(), disk(value)?))).collect::<Read<_>>()?;
    if read.is_empty() {
        return Err(
            Problem::new(Code::BadDisk, "no disk at all", value.span(), "empty").help("name one, or remove the key")
        );
    }
    Ok(read)
}

/// A name of a volume group or of a logical volume. LVM allows more, and keeps some words to itself
/// ([names](https://man7.org/linux/man-pages/man8/lvm.8.html)); a group's name is that of a folder under /dev, too.
pub(super) fn volume_name(value: &Value<'_>) -> Read<String> {
    const OTHERS: [&str; 12] =
        ["block", "bus", "char", "cpu", "disk", "dri", "fd", "input", "mapper", "net", "pts", "shm"];
    let name = text(value)?;
    let plain = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'-';
    let bad = |why: &str| {
        let help = "at most 32 of a-z, 0-9 and `-`, the first a letter, such as `fmp`";
        Err(Problem::new(Code::BadName, format!("`{name}` {why}"), value.span(), "not a name for LVM").help(help))
    };
    if name.len() > 32 || !name.bytes().all(plain) || !name.starts_with(|c: char| c.is_ascii_lowercase()) {
        bad("can't be what a volume is called")
    } else if ["snapshot", "pvmove"].iter().any(|word| name.starts_with(word)) || OTHERS.contains(&name.as_str()) {
        bad("means something else to LVM or under /dev")
    } else {
        Ok(name)
    }
}

/// A directory for data that a volume may be mounted at: it is none of the system's.
pub(super) fn directory(value: &Value<'_>) -> Read<String> {
    let path = text(value)?;
    let bad = |why: String| {
        let problem = Problem::new(Code::BadMount, format!("`{path}` {why}"), value.span(), "no directory for data");
        Err(problem.help("name a directory of a program that keeps data, such as `/var/lib/containerd`"))
    };
    let parts = path.strip_prefix('/').map(|rest| rest.split('/').collect::<Vec<_>>()).unwrap_or_default();
    let plain = |part: &&str| {
        let inner = part.bytes().all(|c| c.is_ascii_alphanumeric() || b"-_.".contains(&c));
        inner && !matches!(*part, "" | "." | "..")
    };
    if parts.is_empty() || !parts.iter().all(plain) {
        return bad("is not an absolute path of letters, digits, `-`, `_` and `.`".to_owned());
    }
    match paths::NOT_MOUNTED.iter().find(|own| paths::overlap(&path, own)) {
        Some(own) => bad(format!("would hide {own}, or lie in it")),
        None => Ok(path),
    }
}

/// Directories that volumes may be mounted at: none lies in another.
pub(super) fn directories(value: &Value<'_>) -> Read<Vec<String>> {
    let DeValue::Array(list) = value.get_ref() else { return Err(wrong_type(value, "a list of directories")) };
    let mut all: Vec<String> = Vec::new();
    for value in list {
        let path = directory(value)?;
        if let Some(other) = all.iter().find(|other| paths::overlap(&path, other)) {
            let message = format!("`{path}` and `{other}`: one lies in the other");
            return Err(
                Problem::new(Code::BadMount, message, value.span(), "no mount point").help("name the outer one")
            );
        }
        all.push(path);
    }
    if all.is_empty() {
        return Err(Problem::new(Code::BadMount, "no directory at all", value.span(), "empty")
            .help("name one, or remove the key"));
    }
    Ok(all)
}

/// A path of a file or folder, read from the folder of the cluster's file.
pub(super) fn path(value: &Value<'_>) -> Read<String> {
    let text = text(value)?;
    if text.is_empty() || text.chars().any(char::is_control) {
        let problem = Problem::new(Code::BadText, format!("`{text}` is no path"), value.span(), "not a path");
        return Err(problem.help("write it as seen from the folder of this file"));
    }
    Ok(text)
}

/// Where a secret is, never the secret: `file:PATH` or `env:NAME`.
pub(super) fn reference(value: &Value<'_>) -> Read<String> {
    let text = text(value)?;
    let named = ["file:", "env:"].iter().filter_map(|prefix| text.strip_prefix(prefix)).any(|rest| !rest.is_empty());
    if named {
        return Ok(text);
    }
    // Whatever stands here may be the secret itself.
    Err(inline_secret(value))
}

fn inline_secret(value: &Value<'_>) -> Problem {
    let message = "a secret may stand here by reference only";
    Problem::new(Code::InlineSecret, message, value.span(), "not shown")
        .help("write where it is: `file:PATH` or `env:NAME`")
        .conceal(value.span())
}

fn ipv6(value: &Value<'_>) -> Problem {
    Problem::new(Code::Ipv6, "IPv6 is not supported yet", value.span(), "IPv6").help("write an IPv4 address")
}

/// Whether `name` is a DNS subdomain
/// ([RFC 1123](https://kubernetes.io/docs/concepts/overview/working-with-objects/names/#dns-subdomain-names)).
pub(super) fn is_domain(name: &str) -> bool {
    name.len() <= 253 && name.split('.').all(|label| label.parse::<NodeName>().is_ok())
}
