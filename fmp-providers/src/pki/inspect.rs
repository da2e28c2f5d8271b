//! What a certificate says.

use std::{collections::BTreeSet, net::IpAddr};

use fmp_core::{Digest, observed::Certificate};
use x509_parser::{
    certificate::X509Certificate,
    extensions::{GeneralName, ParsedExtension},
    pem::parse_x509_pem,
    x509::{AttributeTypeAndValue, X509Name},
};

use super::{PkiError, hex};

/// Reads the first certificate of a PEM text.
///
/// # Errors
/// [`PkiError::NoCertificate`].
pub fn inspect(pem: &str) -> Result<Certificate, PkiError> {
    let (_, block) = parse_x509_pem(pem.as_bytes()).map_err(|_| PkiError::NoCertificate)?;
    let parsed = block.parse_x509().map_err(|_| PkiError::NoCertificate)?;
    let subject = parsed.subject();
    Ok(Certificate {
        common_name: texts(subject.iter_common_name()).next().unwrap_or_default(),
        organizations: organizations(subject),
        names: names(&parsed),
        usages: usages(&parsed),
        authority: parsed.is_ca(),
        not_before: parsed.validity().not_before.timestamp(),
        not_after: parsed.validity().not_after.timestamp(),
        key: Digest::of(parsed.public_key().raw),
        signer: key_identifier(&parsed, |extension| match extension {
            ParsedExtension::AuthorityKeyIdentifier(id) => id.key_identifier.as_ref().map(|id| hex(id.0)),
            _ => None,
        }),
        subject_key: key_identifier(&parsed, |extension| match extension {
            ParsedExtension::SubjectKeyIdentifier(id) => Some(hex(id.0)),
            _ => None,
        }),
    })
}

fn texts<'a>(attributes: impl Iterator<Item = &'a AttributeTypeAndValue<'a>>) -> impl Iterator<Item = String> {
    attributes.filter_map(|attribute| attribute.as_str().ok().map(str::to_owned))
}

fn organizations(subject: &X509Name<'_>) -> BTreeSet<String> {
    texts(subject.iter_organization()).collect()
}

fn names(certificate: &X509Certificate<'_>) -> BTreeSet<String> {
    let Ok(Some(extension)) = certificate.subject_alternative_name() else { return BTreeSet::new() };
    extension.value.general_names.iter().map(name).collect()
}

/// A name as requests write it; one of another kind as the parser shows it, so that it is seen to differ.
fn name(name: &GeneralName<'_>) -> String {
    match name {
        GeneralName::DNSName(name) => format!("DNS:{name}"),
        GeneralName::IPAddress(bytes) => address(bytes).map_or_else(|| hex(bytes), |address| format!("IP:{address}")),
        other => other.to_string(),
    }
}

fn address(bytes: &[u8]) -> Option<IpAddr> {
    <[u8; 4]>::try_from(bytes).map(IpAddr::from).or_else(|_| <[u8; 16]>::try_from(bytes).map(IpAddr::from)).ok()
}

fn usages(certificate: &X509Certificate<'_>) -> BTreeSet<String> {
    let Ok(Some(extension)) = certificate.extended_key_usage() else { return BTreeSet::new() };
    let usages = [("client", extension.value.client_auth), ("server", extension.value.server_auth)];
    usages.into_iter().filter(|(_, there)| *there).map(|(usage, _)| usage.to_owned()).collect()
}

fn key_identifier(certificate: &X509Certificate<'_>, find: impl Fn(&ParsedExtension<'_>) -> Option<String>) -> String {
    certificate.extensions().iter().find_map(|extension| find(extension.parsed_extension())).unwrap_or_default()
}
