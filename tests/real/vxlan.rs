//! The pods' network as VXLAN, for nodes that are not on one link: every way to a pod works as it does by routes.

use crate::{
    lab::{Lab, SOON, everyone, until},
    workload,
};

pub(crate) fn run(lab: &Lab) {
    // A cluster's network is what it was made with.
    lab.destroy();
    let file = lab.variant("vxlan.toml", |text| text.replace("mode = \"routed\"", "mode = \"flannel\""));
    lab.fmp_for(&file, &["apply", "--yes"]).exits(0);
    for node in everyone() {
        let link = lab.sh(node, "ip -details link show flannel.1");
        assert!(link.contains("vxlan id 1 ") && link.contains(" mtu 1450 "), "{node}: {link}");
        until("each other node's pods have a route", SOON, || {
            let routes = lab.sh(node, "ip route show dev flannel.1");
            let ways = routes.lines().filter(|line| line.contains("via 10.244.")).count();
            if ways == 6 { Ok(()) } else { Err(format!("{node}: {routes}")) }
        });
    }
    workload::deploy(lab);
    workload::all_ways(lab);
    lab.fmp_for(&file, &["plan"]).exits(0);
    // The next check begins with the cluster that the lab's own file asks for.
    lab.destroy_for(&file);
}
