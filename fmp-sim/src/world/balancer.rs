//! The balancers: every node's way to the API leads through its own, to the apiservers that its configuration named when
//! it was last read.

use std::net::Ipv4Addr;

use fmp_core::NodeName;

use super::{World, files::File, host::Host};

/// The unit that runs a node's balancer.
pub(crate) const BALANCER: &str = "fmp-balancer.service";

const CONFIG: &str = "/etc/fmp/haproxy.cfg";

/// The unit that lets a node take part in holding the address that its role shares, and what says which that is.
const ENTRANCE: &str = "fmp-entrance.service";
const SHARED: &str = "/etc/fmp/keepalived.conf";

/// Where apiservers answer and call themselves ready, which balancers ask.
#[derive(Debug)]
pub(crate) struct Api {
    pub(crate) part: u8,
    addresses: Vec<Ipv4Addr>,
}

impl Host {
    /// The servers that the balancer's configuration names now.
    pub(crate) fn backends(&self) -> Vec<Ipv4Addr> {
        let text = self.files.get(CONFIG).and_then(File::text).unwrap_or_default();
        text.lines().filter_map(backend).collect()
    }

    /// Whether the node's own programs reach an apiserver.
    pub(crate) fn reaches(&self, api: Option<&Api>) -> bool {
        let Some(Api { part, addresses }) = api else { return false };
        let running = self.units.get(BALANCER).and_then(|unit| unit.running.as_ref());
        *part == self.part
            && self.answers(BALANCER)
            && running.is_some_and(|running| match &running.backends {
                Some(backends) => backends.iter().any(|backend| addresses.contains(backend)),
                None => true,
            })
    }
}

impl Host {
    /// The address that this node takes part in holding.
    fn entrance(&self) -> Option<Ipv4Addr> {
        let text = self.files.get(SHARED).and_then(File::text).filter(|_| self.runs(ENTRANCE))?;
        text.lines().find_map(|line| line.trim().split_once("/32 dev ")?.0.parse().ok())
    }
}

/// `server NAME ADDRESS:PORT …`.
fn backend(line: &str) -> Option<Ipv4Addr> {
    let mut words = line.split_whitespace();
    (words.next() == Some("server")).then(|| words.nth(1)?.split_once(':')?.0.parse().ok()).flatten()
}

impl World {
    /// Where apiservers are ready now.
    pub(crate) fn api(&self) -> Option<Api> {
        let quorum = self.quorum_part();
        let serving = self.mains().filter(|(_, host)| self.is_ready(host, quorum));
        let addresses: Vec<Ipv4Addr> = serving.filter_map(|(_, host)| host.facts.addresses.first().copied()).collect();
        quorum.filter(|_| !addresses.is_empty()).map(|part| Api { part, addresses })
    }
}

impl World {
    /// The shared address of its role, where this node is the one that holds it: the first that takes part and, of mains,
    /// reaches an apiserver. What work nodes answer at is nobody's here: each does.
    pub(crate) fn shared_address(&self, node: &NodeName) -> Option<Ipv4Addr> {
        let own = self.hosts.get(node)?;
        own.entrance()?;
        let api = self.api();
        let can = |host: &Host| host.entrance().filter(|_| !host.main || host.reaches(api.as_ref()));
        let mut role = self.hosts.iter().filter(|(_, host)| host.main == own.main);
        let (holder, address) = role.find_map(|(name, host)| Some((name, can(host)?)))?;
        (holder == node).then_some(address)
    }
}

#[cfg(test)]
mod tests {
    use fmp_core::NodeName;

    use super::{BALANCER, CONFIG};
    use crate::{World, scenario::Shape, testing};

    fn settled() -> (World, NodeName) {
        (testing::settled(&Shape::usual()), "work-01".parse().unwrap())
    }

    fn is_ready(world: &mut World) -> bool {
        testing::wait(world);
        world.why_not_ready("work-01", world.api().as_ref()).is_none()
    }

    #[test]
    fn without_its_balancer_a_node_reaches_no_api() {
        let (mut world, node) = settled();
        assert!(is_ready(&mut world));
        world.stop(&node, BALANCER);
        assert!(!is_ready(&mut world));
        world.restart(&node, BALANCER);
        assert!(is_ready(&mut world));
    }

    #[test]
    fn it_goes_where_it_was_told_when_it_last_read() {
        let (mut world, node) = settled();
        world.edit_file(&node, CONFIG, "    server main-1 198.18.0.1:6443 check\n");
        for main in ["main-2", "main-3"] {
            assert!(is_ready(&mut world), "what it has not read it does not know");
            world.restart(&node, BALANCER);
            assert!(is_ready(&mut world), "main-1 serves");
            world.stop(&main.parse().unwrap(), "kube-apiserver.service");
        }
        world.restart(&"main-2".parse().unwrap(), "kube-apiserver.service");
        world.stop(&"main-1".parse().unwrap(), "kube-apiserver.service");
        assert!(!is_ready(&mut world), "main-2 serves, and is not named");
    }
}
