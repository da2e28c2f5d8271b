//! A transport to a machine that may not exist yet.

use std::sync::{Arc, OnceLock};

use async_trait::async_trait;
use fmp_core::NodeName;

use super::Local;
use crate::transport::{Input, Output, Ssh, Stream, Traffic, Transport, TransportError};

/// SSH to a local machine, whose address and host key are known from the moment when it is made.
#[derive(Debug)]
pub struct LocalLink {
    machines: Arc<Local>,
    node: NodeName,
    ssh: OnceLock<Ssh>,
}

impl LocalLink {
    /// The way to `node`, used or not.
    pub const fn new(machines: Arc<Local>, node: NodeName) -> Self {
        Self { machines, node, ssh: OnceLock::new() }
    }

    fn ssh(&self) -> Result<&Ssh, TransportError> {
        if let Some(ssh) = self.ssh.get() {
            return Ok(ssh);
        }
        let endpoint = self.machines.endpoint(&self.node).map_err(|error| TransportError::Unreachable {
            host: self.node.to_string(),
            port: 22,
            source: Arc::new(std::io::Error::other(error)),
        })?;
        Ok(self.ssh.get_or_init(|| Ssh::new(endpoint)))
    }
}

#[async_trait]
impl Transport for LocalLink {
    async fn run(&self, program: &str, args: &[&str], stdin: Input) -> Result<Output, TransportError> {
        self.ssh()?.run(program, args, stdin).await
    }

    async fn tunnel(&self, port: u16) -> Result<Box<dyn Stream>, TransportError> {
        self.ssh()?.tunnel(port).await
    }

    fn traffic(&self) -> Traffic {
        self.ssh.get().map(Transport::traffic).unwrap_or_default()
    }
}
