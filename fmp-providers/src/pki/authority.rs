//! Certificate authorities.

use std::fmt;

use fmp_core::{Secret, resource};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose};

use super::{PkiError, shared::Made};

/// An authority lives for ten years, as kubeadm's does: renewing it is a rotation, which nobody wants to be routine.
const DAYS: i64 = 3650;

/// A day in seconds.
pub(super) const DAY_S: i64 = 24 * 60 * 60;

/// An authority that can sign.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate: String,
}

impl Authority {
    /// Makes a new one: its certificate as PEM, and its key. `now` is in seconds since 1970.
    ///
    /// # Errors
    /// [`PkiError::Sign`].
    pub fn create(which: resource::Authority, now: i64) -> Result<Made, PkiError> {
        let key = KeyPair::generate().map_err(PkiError::Sign)?;
        let name = which.common_name();
        let mut params = CertificateParams::new([name.to_owned()]).map_err(PkiError::Sign)?;
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages =
            vec![KeyUsagePurpose::DigitalSignature, KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        (params.not_before, params.not_after) = validity(now, DAYS * DAY_S)?;
        let certificate = params.self_signed(&key).map_err(PkiError::Sign)?;
        Ok(Made { public: Some(certificate.pem()), private: Some(Secret::new(key.serialize_pem())) })
    }

    /// Takes an authority that is there, whatever its kind of key.
    ///
    /// # Errors
    /// [`PkiError::Authority`].
    pub fn load(certificate: &str, key: &Secret) -> Result<Self, PkiError> {
        let unusable = |_| PkiError::Authority;
        let pem = std::str::from_utf8(key.expose()).map_err(|_| PkiError::Authority)?;
        let key = KeyPair::from_pem(pem).map_err(unusable)?;
        let issuer = Issuer::from_ca_cert_pem(certificate, key).map_err(unusable)?;
        Ok(Self { issuer, certificate: certificate.to_owned() })
    }

    /// Its certificate as PEM.
    pub fn certificate(&self) -> &str {
        &self.certificate
    }

    /// What signs.
    pub(super) const fn issuer(&self) -> &Issuer<'static, KeyPair> {
        &self.issuer
    }
}

impl fmt::Debug for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authority").finish_non_exhaustive()
    }
}

/// From an hour ago until `seconds` after that.
pub(super) fn validity(now: i64, seconds: i64) -> Result<(time::OffsetDateTime, time::OffsetDateTime), PkiError> {
    let date = |at| time::OffsetDateTime::from_unix_timestamp(at).map_err(|_| PkiError::Validity(seconds));
    let from = now - resource::BACKDATED_S;
    Ok((date(from)?, date(from.saturating_add(seconds))?))
}
