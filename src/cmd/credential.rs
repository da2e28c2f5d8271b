//! `fmp kubeconfig`: how people reach the API.
//!
//! The kubeconfig holds no secret: kubectl calls `fmp credential`, which signs a client certificate for some hours.

use std::{
    fmt::Write as _,
    io::Write as _,
    os::unix::fs::OpenOptionsExt as _,
    path::Path,
    time::{SystemTime, UNIX_EPOCH},
};

use fmp_core::{Secret, resource::Authority as Which, spec::Spec};
use fmp_providers::{
    pki::{Authority, ClientCredential, client_credential},
    transport::Input,
};
use miette::{IntoDiagnostic, WrapErr, miette};
use serde::Serialize;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use crate::{
    cli::{KubeconfigArgs, Places},
    exit::Exit,
    output,
    session::{Reach, Session},
};

/// A working day: long enough not to sign at each turn, short enough not to matter when it leaks.
const HOURS: u32 = 8;

/// The one exception that `--embed` names.
const EMBEDDED_HOURS: u32 = 24;

/// `fmp kubeconfig`.
pub(crate) async fn kubeconfig(places: &Places, args: &KubeconfigArgs) -> miette::Result<Exit> {
    let session = Session::open(places)?;
    let hours = if args.embed { EMBEDDED_HOURS } else { HOURS };
    let credential = sign(&session, &session.reach()?, hours).await?;
    let user = if args.embed { embedded(&credential)? } else { called(places)? };
    let text = config(&session.spec, &credential.authority, &user);
    match &args.out {
        Some(path) => write_private(path, &text)?,
        None => output::print(&text),
    }
    Ok(Exit::Fine)
}

/// `fmp credential`: what kubectl reads.
pub(crate) async fn print(places: &Places) -> miette::Result<Exit> {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct ExecCredential<'a> {
        api_version: &'a str,
        kind: &'a str,
        status: Status<'a>,
    }
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Status<'a> {
        expiration_timestamp: String,
        client_certificate_data: &'a str,
        client_key_data: &'a str,
    }
    let session = Session::open(places)?;
    let signed = sign(&session, &session.reach()?, HOURS).await?;
    let credential = ExecCredential {
        api_version: "client.authentication.k8s.io/v1",
        kind: "ExecCredential",
        status: Status {
            expiration_timestamp: OffsetDateTime::from_unix_timestamp(signed.not_after)
                .into_diagnostic()?
                .format(&Rfc3339)
                .into_diagnostic()?,
            client_certificate_data: &signed.certificate,
            client_key_data: std::str::from_utf8(signed.key.expose()).into_diagnostic()?,
        },
    };
    output::print(&serde_json::to_string(&credential).into_diagnostic()?);
    Ok(Exit::Fine)
}

/// Borrows the authority's key from a main for a moment.
async fn sign(session: &Session, reach: &Reach, hours: u32) -> miette::Result<ClientCredential> {
    super::real(reach)?;
    let mut last = None;
    for (node, _) in session.spec.mains() {
        match borrow(reach, node).await {
            Ok(authority) => {
                return client_credential(&authority, &person(), group(&session.spec), hours, now()).into_diagnostic();
            }
            Err(error) => last = Some(error.wrap_err(format!("{node} does not lend the authority's key"))),
        }
    }
    Err(last.unwrap_or_else(|| miette!("there is no main")))
}

async fn borrow(reach: &Reach, node: &fmp_core::NodeName) -> miette::Result<Authority> {
    let read = |path: &'static str| async move {
        let answer = reach.links[node].run("cat", &["--", path], Input::Empty).await.into_diagnostic()?;
        if answer.success() { Ok(answer.stdout) } else { Err(miette!("{path} can't be read")) }
    };
    let certificate = read(Which::Cluster.certificate()).await?;
    let key = Secret::new(read(Which::Cluster.key()).await?);
    let certificate = String::from_utf8(certificate).into_diagnostic()?;
    Authority::load(&certificate, &key).into_diagnostic()
}

/// Since 1.29 kubeadm's administrators are a group of their own, which can be taken out by RBAC.
fn group(spec: &Spec) -> &'static str {
    if spec.kubernetes.minor >= 29 { "kubeadm:cluster-admins" } else { "system:masters" }
}

fn person() -> String {
    std::env::var("USER").unwrap_or_else(|_| "fmp".to_owned())
}

fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}

/// The kubeconfig: one cluster at the entrance, or one for each main where there is none.
fn config(spec: &Spec, authority: &str, user: &str) -> String {
    let entrances: Vec<(String, String)> = match spec.api_entrance.server() {
        Some((host, port)) => vec![(spec.name.clone(), format!("https://{host}:{port}"))],
        None => spec
            .mains()
            .map(|(name, node)| (format!("{}-{name}", spec.name), format!("https://{}:6443", node.address)))
            .collect(),
    };
    let authority = base64(authority.as_bytes());
    let mut text = String::from("apiVersion: v1\nkind: Config\nclusters:\n");
    for (name, server) in &entrances {
        _ = writeln!(
            text,
            "- name: {name}\n  cluster:\n    server: {server}\n    certificate-authority-data: {authority}"
        );
    }
    text.push_str("contexts:\n");
    for (name, _) in &entrances {
        _ = writeln!(text, "- name: {name}\n  context:\n    cluster: {name}\n    user: {}", spec.name);
    }
    let current = entrances.first().map_or("", |(name, _)| name);
    _ = writeln!(text, "current-context: {current}\nusers:\n- name: {}\n  user:\n{user}", spec.name);
    text
}

fn called(places: &Places) -> miette::Result<String> {
    let absolute = |path: &Path| std::path::absolute(path).into_diagnostic();
    let program = std::env::current_exe().into_diagnostic()?;
    let (file, lock) = (absolute(&places.file)?, absolute(&places.lock_path())?);
    Ok(format!(
        "    exec:\n      apiVersion: client.authentication.k8s.io/v1\n      interactiveMode: Never\n      command: {}\n      args: [--file, {}, --lock, {}, credential]",
        program.display(),
        file.display(),
        lock.display()
    ))
}

fn embedded(credential: &ClientCredential) -> miette::Result<String> {
    let key = std::str::from_utf8(credential.key.expose()).into_diagnostic()?;
    Ok(format!(
        "    client-certificate-data: {}\n    client-key-data: {}",
        base64(credential.certificate.as_bytes()),
        base64(key.as_bytes())
    ))
}

fn write_private(path: &Path, text: &str) -> miette::Result<()> {
    let mut file = std::fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(path)
        .into_diagnostic()
        .wrap_err_with(|| format!("{} can't be written", path.display()))?;
    // The mode above is for a file that is new.
    file.set_permissions(std::os::unix::fs::PermissionsExt::from_mode(0o600)).into_diagnostic()?;
    file.write_all(text.as_bytes()).into_diagnostic()
}

fn base64(bytes: &[u8]) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(bytes)
}
