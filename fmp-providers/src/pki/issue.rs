//! Leaf certificates.

use fmp_core::{
    Secret,
    resource::{CertificateRequest, Usage},
};
use rcgen::{CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, KeyPair, KeyUsagePurpose, SanType};

use super::{
    Authority, PkiError,
    authority::{DAY_S, validity},
};

/// A key pair and its certificate.
#[derive(Debug)]
pub struct Issued {
    /// The certificate as PEM.
    pub certificate: String,
    /// The private key as PEM.
    pub key: Secret,
}

/// Makes a key pair and has the authority sign it. `now` is in seconds since 1970.
///
/// # Errors
/// A name that is neither DNS nor an address, or [`PkiError::Sign`].
pub fn issue(authority: &Authority, request: &CertificateRequest, now: i64) -> Result<Issued, PkiError> {
    sign(authority, request, now, i64::from(request.days) * DAY_S)
}

/// The same with a validity in seconds.
pub(super) fn sign(
    authority: &Authority,
    request: &CertificateRequest,
    now: i64,
    seconds: i64,
) -> Result<Issued, PkiError> {
    let key = KeyPair::generate().map_err(PkiError::Sign)?;
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    if request.organizations.len() > 1 {
        // rcgen keeps one value of a kind: a second one would take the first one's place in silence.
        return Err(PkiError::Organizations(request.common_name.clone()));
    }
    for organization in &request.organizations {
        params.distinguished_name.push(DnType::OrganizationName, organization.as_str());
    }
    params.distinguished_name.push(DnType::CommonName, request.common_name.as_str());
    params.subject_alt_names = request.names.iter().map(|name| subject_name(name)).collect::<Result<_, _>>()?;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = usages(request.usage);
    params.use_authority_key_identifier_extension = true;
    (params.not_before, params.not_after) = validity(now, seconds)?;
    let certificate = params.signed_by(&key, authority.issuer()).map_err(PkiError::Sign)?;
    Ok(Issued { certificate: certificate.pem(), key: Secret::new(key.serialize_pem()) })
}

fn subject_name(name: &str) -> Result<SanType, PkiError> {
    let bad = || PkiError::Name(name.to_owned());
    match name.split_once(':') {
        Some(("DNS", name)) => Ok(SanType::DnsName(name.try_into().map_err(|_| bad())?)),
        Some(("IP", address)) => Ok(SanType::IpAddress(address.parse().map_err(|_| bad())?)),
        _ => Err(bad()),
    }
}

fn usages(usage: Usage) -> Vec<ExtendedKeyUsagePurpose> {
    match usage {
        Usage::Server => vec![ExtendedKeyUsagePurpose::ServerAuth],
        Usage::Client => vec![ExtendedKeyUsagePurpose::ClientAuth],
        Usage::ServerAndClient => vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth],
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use fmp_core::resource;

    use super::*;
    use crate::pki::inspect;

    const NOW: i64 = 1_700_000_000;

    fn authority() -> Authority {
        let made = Authority::create(resource::Authority::Cluster, NOW).unwrap();
        Authority::load(&made.public.unwrap(), &made.private.unwrap()).unwrap()
    }

    fn request() -> CertificateRequest {
        CertificateRequest {
            signer: resource::Authority::Cluster,
            common_name: "kube-apiserver".to_owned(),
            organizations: BTreeSet::from(["system:masters".to_owned()]),
            names: BTreeSet::from(["DNS:kubernetes".to_owned(), "IP:10.96.0.1".to_owned()]),
            usage: Usage::ServerAndClient,
            days: 365,
            renew_days: 60,
        }
    }

    #[test]
    fn a_certificate_says_what_was_asked_and_names_its_signer() {
        let (authority, request) = (authority(), request());
        let seen = inspect(&issue(&authority, &request, NOW).unwrap().certificate).unwrap();
        assert_eq!((&seen.common_name, &seen.organizations), (&request.common_name, &request.organizations));
        assert_eq!(seen.names, request.names);
        assert_eq!(seen.usages.iter().map(String::as_str).collect::<Vec<_>>(), ["client", "server"]);
        assert_eq!((seen.not_before, seen.not_after), (NOW - 3600, NOW - 3600 + 365 * DAY_S));
        let signer = inspect(authority.certificate()).unwrap();
        assert!(signer.authority && !seen.authority);
        assert!(!signer.subject_key.is_empty());
        assert_eq!(seen.signer, signer.subject_key);
    }

    #[test]
    fn refuses_a_name_of_no_known_kind() {
        let request = CertificateRequest { names: BTreeSet::from(["URI:x".to_owned()]), ..request() };
        assert!(matches!(issue(&authority(), &request, NOW), Err(PkiError::Name(_))));
    }

    #[test]
    fn refuses_a_second_organisation() {
        let organizations = BTreeSet::from(["one".to_owned(), "two".to_owned()]);
        let request = CertificateRequest { organizations, ..request() };
        assert!(matches!(issue(&authority(), &request, NOW), Err(PkiError::Organizations(_))));
    }

    #[test]
    fn an_authority_that_does_not_load_does_not_tell_its_key() {
        let key = Secret::new("-----BEGIN PRIVATE KEY-----\ncanary\n-----END PRIVATE KEY-----\n");
        let error = Authority::load("canary", &key).unwrap_err();
        assert!(!format!("{error:?} {error}").contains("canary"));
    }
}
