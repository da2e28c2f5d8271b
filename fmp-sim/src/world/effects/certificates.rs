//! Key pairs with a certificate.

use std::collections::BTreeSet;

use fmp_core::{
    Digest, NodeName,
    observed::Certificate,
    resource::{CertificateRequest, Usage},
    role::paths::key,
};
use fmp_exec::{Applied, Failure, FailureKind};
use fmp_plan::action::CertificateIssue;

use super::{stale, trust::key_id};
use crate::world::{World, files::Content, later};

const DAY_S: i64 = 24 * 60 * 60;

/// Seconds from which on, before it is made, a certificate is valid.
const BEFORE_S: i64 = 60 * 60;

impl World {
    pub(crate) fn issue(&mut self, node: &NodeName, certificates: &[CertificateIssue]) -> Result<Applied, Failure> {
        self.running(node)?;
        let mut wanted = Vec::new();
        for issue in certificates {
            let signer = self.signer(issue)?;
            if !self.is_as_wanted(node, issue, &signer) {
                wanted.push((issue, signer));
            }
        }
        let nothing_to_do = wanted.is_empty();
        let clock_off_s = self.running(node)?.clock_off_s;
        if !nothing_to_do && clock_off_s < -BEFORE_S {
            let found = format!("one {} s before that", -clock_off_s - BEFORE_S);
            return Ok(stale(format!("{node}: the clock"), "a time at which a new certificate is valid", found));
        }
        if !nothing_to_do {
            self.with_room(node, "/etc/kubernetes/pki", 1_024)?;
        }
        for (issue, signer) in wanted {
            let serial = self.next();
            let certificate = self.certificate(&issue.request, signer, serial);
            self.running(node)?.note(key::certificate(&issue.path), "certificate", |host| host.previous(&issue.path));
            self.put(node.as_str(), &issue.key_path, Content::Secret(serial), 0o600);
            self.put(node.as_str(), &issue.path, Content::Certificate(Box::new(certificate)), 0o644);
        }
        Ok(if nothing_to_do { Applied::AlreadyDone } else { Applied::Done })
    }

    /// The identifier of the authority's key, from a holder that answers.
    fn signer(&self, issue: &CertificateIssue) -> Result<String, Failure> {
        let authority = issue.request.signer;
        let lends = |node: &NodeName| {
            let host = self.hosts.get(node).filter(|_| self.way_to(node).is_ok())?;
            host.files.get(authority.key())?;
            match &host.files.get(authority.certificate())?.content {
                Content::Certificate(certificate) => Some(certificate.subject_key.clone()),
                Content::Text(_) | Content::Program { .. } | Content::Secret(_) => None,
            }
        };
        let nobody = || later(FailureKind::Other(format!("no holder of {} answers", authority.key())));
        issue.holders.iter().find_map(lends).ok_or_else(nobody)
    }

    fn is_as_wanted(&self, node: &NodeName, issue: &CertificateIssue, signer: &str) -> bool {
        let files = &self.hosts[node].files;
        let Some(Content::Certificate(found)) = files.get(&*issue.path).map(|file| &file.content) else { return false };
        let request = &issue.request;
        files.contains_key(&*issue.key_path)
            && found.signer == signer
            && found.common_name == request.common_name
            && found.organizations == request.organizations
            && found.names == request.names
            && found.usages == usages(request.usage)
            && found.not_after > self.now() + i64::from(request.renew_days) * DAY_S
    }

    fn certificate(&self, request: &CertificateRequest, signer: String, serial: u64) -> Certificate {
        let key = Digest::of(format!("key {serial}"));
        let not_before = self.now() - BEFORE_S;
        Certificate {
            common_name: request.common_name.clone(),
            organizations: request.organizations.clone(),
            names: request.names.clone(),
            usages: usages(request.usage),
            authority: false,
            not_before,
            not_after: not_before + i64::from(request.days) * DAY_S,
            key,
            signer,
            subject_key: key_id(&key),
        }
    }
}

fn usages(usage: Usage) -> BTreeSet<String> {
    let words: &[&str] = match usage {
        Usage::Server => &["server"],
        Usage::Client => &["client"],
        Usage::ServerAndClient => &["client", "server"],
    };
    words.iter().map(|&word| word.to_owned()).collect()
}
