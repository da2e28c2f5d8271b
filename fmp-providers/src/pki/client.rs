//! Credentials of people: a client certificate for hours, made from an authority's key that is read for the moment.

use std::collections::BTreeSet;

use fmp_core::{
    Secret,
    resource::{Authority as Which, CertificateRequest, Usage},
};

use super::{Authority, PkiError, issue::sign};

/// A credential of people lasts at most a day: it can't be revoked.
const MOST_HOURS: u32 = 24;

/// What a person shows to the API.
#[derive(Debug)]
pub struct ClientCredential {
    /// The client certificate as PEM.
    pub certificate: String,
    /// Its key as PEM.
    pub key: Secret,
    /// The authority that the API's own certificate is checked with, as PEM.
    pub authority: String,
    /// Seconds since 1970 until which it is valid.
    pub not_after: i64,
}

/// Signs a client certificate for `hours`, a day at most. `now` is in seconds since 1970.
///
/// # Errors
/// [`PkiError::Sign`].
pub fn client_credential(
    authority: &Authority,
    common_name: &str,
    organization: &str,
    hours: u32,
    now: i64,
) -> Result<ClientCredential, PkiError> {
    let request = CertificateRequest {
        signer: Which::Cluster,
        common_name: common_name.to_owned(),
        organizations: BTreeSet::from([organization.to_owned()]),
        names: BTreeSet::new(),
        usage: Usage::Client,
        days: 1,
        renew_days: 0,
    };
    let seconds = i64::from(hours.min(MOST_HOURS)) * 3600;
    // The hour that it is backdated by is not taken from the person.
    let issued = sign(authority, &request, now, seconds + fmp_core::resource::BACKDATED_S)?;
    let authority = authority.certificate().to_owned();
    Ok(ClientCredential { certificate: issued.certificate, key: issued.key, authority, not_after: now + seconds })
}
