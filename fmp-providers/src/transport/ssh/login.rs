//! From a TCP connection to a logged-in SSH session.

use std::{
    borrow::Cow,
    env,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use russh::{
    Preferred, cipher,
    client::{self, AuthResult, DisconnectReason, Handle},
    keys::{
        Algorithm, HashAlg, PrivateKey, PrivateKeyWithHashAlg, PublicKey, PublicKeyOrCertificate,
        agent::{
            AgentIdentity,
            client::{AgentClient, AgentStream},
        },
        load_secret_key,
    },
};

use super::{
    Counters, Endpoint, dial,
    host_key::{Trusted, is_rsa},
};
use crate::transport::TransportError;

/// How long key exchange and login may take together: a busy machine that has just booted needs one or two seconds.
const LOGIN_TIMEOUT: Duration = Duration::from_secs(20);

/// A silent connection is asked for a sign of life this often, and counts as lost after three questions without an
/// answer: 20 s, half of the time after which Kubernetes gives up a node.
const KEEPALIVE: Duration = Duration::from_secs(5);

/// How many keys are offered: sshd hangs up after six (`MaxAuthTries`).
const OFFERS: usize = 5;

/// How far a program's output may run ahead of us, in bytes: what fits a fast link with some delay.
const WINDOW_BYTES: u32 = 4 << 20;

/// The largest packet: what russh allows at most. Fewer packets, less work.
const PACKET_BYTES: u32 = 65535;

/// Messages of one channel that may wait for their reader. A full window of small packets has to fit, or one tunnel
/// that nobody reads would stop all channels of its connection.
const CHANNEL_MESSAGES: usize = 1024;

/// Fastest first, as measured with ring on a CPU with AES instructions.
const CIPHERS: &[cipher::Name] =
    &[cipher::AES_128_GCM, cipher::AES_256_GCM, cipher::CHACHA20_POLY1305, cipher::AES_256_CTR, cipher::AES_128_CTR];

/// Our end of the protocol: it looks at the server's key, and that is all.
#[derive(Debug)]
pub(super) struct Client {
    trusted: Trusted,
}

/// Why the protocol broke off: by itself, or because we don't trust the server.
#[derive(Debug)]
pub(super) enum Broken {
    Protocol(russh::Error),
    Distrust(TransportError),
}

impl From<russh::Error> for Broken {
    fn from(error: russh::Error) -> Self {
        Self::Protocol(error)
    }
}

impl client::Handler for Client {
    type Error = Broken;

    async fn check_server_key(&mut self, seen: &PublicKeyOrCertificate) -> Result<bool, Broken> {
        self.trusted.check(seen).map(|()| true).map_err(Broken::Distrust)
    }

    async fn disconnected(&mut self, reason: DisconnectReason<Broken>) -> Result<(), Broken> {
        match reason {
            DisconnectReason::ReceivedDisconnect(_) => Ok(()),
            DisconnectReason::Error(error) => Err(error),
        }
    }
}

/// Connects and logs in.
pub(super) async fn login(endpoint: &Endpoint, counters: &Arc<Counters>) -> Result<Handle<Client>, TransportError> {
    let trusted = Trusted::of(endpoint)?;
    let stream = dial(endpoint, counters).await?;
    let handshake = |source| TransportError::Handshake {
        host: endpoint.host.clone(),
        port: endpoint.port,
        source: Arc::new(source),
    };
    let config = Arc::new(config(&trusted));
    let session = async {
        let mut handle = match client::connect_stream(config, stream, Client { trusted }).await {
            Ok(handle) => handle,
            Err(Broken::Protocol(error)) => return Err(handshake(error)),
            Err(Broken::Distrust(error)) => return Err(error),
        };
        Offers::new(endpoint, &mut handle).authenticate().await?;
        Ok(handle)
    };
    let late = || handshake(russh::Error::ConnectionTimeout);
    tokio::time::timeout(LOGIN_TIMEOUT, session).await.unwrap_or_else(|_| Err(late()))
}

fn config(trusted: &Trusted) -> client::Config {
    let defaults = Preferred::DEFAULT;
    client::Config {
        window_size: WINDOW_BYTES,
        maximum_packet_size: PACKET_BYTES,
        channel_buffer_size: CHANNEL_MESSAGES,
        preferred: Preferred {
            key: Cow::Owned(trusted.preferred(&defaults.key)),
            cipher: Cow::Borrowed(CIPHERS),
            ..defaults
        },
        keepalive_interval: Some(KEEPALIVE),
        nodelay: true,
        ..client::Config::default()
    }
}

/// The keys that were offered to one server so far.
struct Offers<'a> {
    endpoint: &'a Endpoint,
    handle: &'a mut Handle<Client>,
    tried: Vec<String>,
}

impl<'a> Offers<'a> {
    fn new(endpoint: &'a Endpoint, handle: &'a mut Handle<Client>) -> Self {
        Self { endpoint, handle, tried: Vec::new() }
    }

    /// Offers the named key, then the agent's, then the usual files.
    async fn authenticate(mut self) -> Result<(), TransportError> {
        let mut unusable = None;
        if let Some(path) = self.endpoint.identity.clone() {
            match load_secret_key(&path, None) {
                Ok(key) => {
                    if self.file(&path, key).await? {
                        return Ok(());
                    }
                }
                // The agent may hold a key that has a passphrase; if not, this is what a person should hear.
                Err(source) => unusable = Some(TransportError::Identity { path, source: Arc::new(source) }),
            }
        }
        if self.agent().await? {
            return Ok(());
        }
        for path in usual_files() {
            if let Ok(key) = load_secret_key(&path, None)
                && self.file(&path, key).await?
            {
                return Ok(());
            }
        }
        Err(unusable.unwrap_or_else(|| self.refused()))
    }

    /// Offers a key that was read from a file.
    async fn file(&mut self, path: &Path, key: PrivateKey) -> Result<bool, TransportError> {
        if self.exhausted() {
            return Ok(false);
        }
        self.tried.push(path.display().to_string());
        let hash = self.hash(&key.algorithm()).await?;
        let key = PrivateKeyWithHashAlg::new(Arc::new(key), hash);
        let user = self.endpoint.user.clone();
        let answer = self.handle.authenticate_publickey(user, key).await;
        answer.map(|answer| matches!(answer, AuthResult::Success)).map_err(|error| self.broken(error))
    }

    /// Offers the keys of the SSH agent, where there is one. An agent that fails is one that has no keys.
    async fn agent(&mut self) -> Result<bool, TransportError> {
        if env::var_os("SSH_AUTH_SOCK").is_none() {
            return Ok(false);
        }
        let Ok(agent) = AgentClient::connect_env().await else { return Ok(false) };
        let mut agent = agent.dynamic();
        let Ok(identities) = agent.request_identities().await else { return Ok(false) };
        for identity in identities {
            let AgentIdentity::PublicKey { key, comment } = identity else { continue };
            if self.agent_key(&mut agent, key, &comment).await? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    async fn agent_key(
        &mut self,
        agent: &mut AgentClient<Box<dyn AgentStream + Send + Unpin>>,
        key: PublicKey,
        comment: &str,
    ) -> Result<bool, TransportError> {
        if self.exhausted() {
            return Ok(false);
        }
        self.tried.push(format!("agent's {comment}"));
        let hash = self.hash(&key.algorithm()).await?;
        let user = self.endpoint.user.clone();
        let answer = self.handle.authenticate_publickey_with(user, key, hash, agent).await;
        Ok(matches!(answer, Ok(AuthResult::Success)))
    }

    /// The hash to sign with: only RSA leaves a choice, and asking the server may take a second.
    async fn hash(&self, algorithm: &Algorithm) -> Result<Option<HashAlg>, TransportError> {
        if !is_rsa(algorithm) {
            return Ok(None);
        }
        let best = self.handle.best_supported_rsa_hash().await.map_err(|error| self.broken(error))?;
        Ok(best.unwrap_or(Some(HashAlg::Sha256)))
    }

    fn exhausted(&self) -> bool {
        self.tried.len() >= OFFERS || self.handle.is_closed()
    }

    fn refused(&self) -> TransportError {
        let tried = if self.tried.is_empty() { "no key to offer".to_owned() } else { self.tried.join(", ") };
        TransportError::Authentication { user: self.endpoint.user.clone(), host: self.endpoint.host.clone(), tried }
    }

    fn broken(&self, error: russh::Error) -> TransportError {
        let Endpoint { host, port, .. } = self.endpoint;
        TransportError::Handshake { host: host.clone(), port: *port, source: Arc::new(error) }
    }
}

/// The private keys that OpenSSH makes unless told otherwise.
fn usual_files() -> Vec<PathBuf> {
    let Some(home) = env::home_dir() else { return Vec::new() };
    ["id_ed25519", "id_ecdsa", "id_rsa"].map(|name| home.join(".ssh").join(name)).into()
}
