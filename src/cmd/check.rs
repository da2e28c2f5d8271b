//! `fmp check`: each host against the requirement profile.

use fmp_core::{Finding, Severity, check, observed::Fact};

use crate::{cli::Places, exit::Exit, output, session::Session};

/// Prints a finding a paragraph, errors first.
pub(crate) async fn run(places: &Places) -> miette::Result<Exit> {
    let session = Session::open(places)?;
    let reach = session.reach()?;
    let observed = super::look(&session, &reach, super::Depth::Requirements).await?;
    for profile in session.spec.profiles() {
        for relaxed in &profile.relaxes {
            output::print(&format!("profile {} relaxes: {relaxed}\n", profile.name));
        }
    }
    let mut silent = Vec::new();
    let mut seen = 0;
    // What leaves need not meet any requirement.
    for (node, host) in observed.hosts.iter().filter(|(node, _)| session.spec.nodes.contains_key(*node)) {
        match host {
            Fact::Known(_) => seen += 1,
            Fact::Absent => output::print(&format!("{node}: the machine is not made yet\n")),
            Fact::Unknown(why) => silent.push(format!("{node}: it does not answer: {why}")),
        }
    }
    let findings = check::all(&session.spec, &observed);
    let errors = findings.iter().filter(|finding| finding.severity == Severity::Error).count() + silent.len();
    silent.iter().for_each(|line| output::print(&format!("{line}\n")));
    findings.iter().for_each(|finding| output::print(&paragraph(finding)));
    output::print(&format!("{seen} hosts checked, {errors} errors, {} findings\n", findings.len()));
    Ok(if errors == 0 { Exit::Fine } else { Exit::Error })
}

pub(crate) fn paragraph(finding: &Finding) -> String {
    let word = match finding.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
    };
    format!("{}: {word}: {}: {}\n  fix: {}\n", finding.subject, finding.check, finding.message, finding.fix)
}
