//! `fmp fault`: what an accident or a person would do, in a simulated world.

use fmp_core::NodeName;
use fmp_sim::World;
use miette::{IntoDiagnostic as _, miette};

use crate::{
    cli::{Fault, FaultArgs, Places},
    exit::Exit,
    session::Session,
};

/// Lets it happen. Machines that are real are never touched by this.
pub(crate) async fn run(places: &Places, args: &FaultArgs) -> miette::Result<Exit> {
    let session = Session::open(places)?;
    let Some(world) = session.reach()?.world else {
        return Err(miette!(
            help = "a copy of the file with `kind = \"sim\"` has a world that can be broken",
            "the machines of cluster {} are real: nothing was touched",
            session.spec.name
        ));
    };
    let (node, what) = (args.node.clone(), args.what.clone());
    let there = world.change(move |world| happen(world, &node, &what)).await.into_diagnostic()?;
    if there {
        Ok(Exit::Fine)
    } else {
        Err(miette!(help = "`fmp apply` makes its machines", "there is no machine {} yet", args.node))
    }
}

/// False where there is no such machine.
fn happen(world: &mut World, node: &NodeName, what: &Fault) -> bool {
    if !world.has(node) {
        return false;
    }
    match what {
        Fault::PowerOff => world.power_off(node),
        Fault::PowerOn => world.power_on(node),
        Fault::Reboot => {
            world.power_off(node);
            world.power_on(node);
        }
        Fault::Wipe => world.replace_machine(node),
        Fault::WipeEtcd => world.wipe_etcd(node),
        Fault::Edit { path } => world.edit_file(node, path, "# edited by hand\n"),
        Fault::Remove { path } => world.remove_file(node, path),
        Fault::Replace { path } => world.replace_program(node, path),
        Fault::DropIn { unit } => world.add_drop_in(node, unit, "[Service]\nNice=1\n"),
        Fault::Cordon => world.cordon_by_hand(node),
        Fault::Alarm { alarm } => world.raise_alarm(node, alarm),
        Fault::Disarm => world.end_alarms(),
        Fault::Clock { seconds } => world.set_clock_off(node, *seconds),
        Fault::Unreachable => world.set_reachable(node, false),
        Fault::Reachable => world.set_reachable(node, true),
        Fault::Stop { unit } => world.stop(node, unit),
        Fault::Restart { unit } => world.restart(node, unit),
        Fault::Disable { unit } => world.disable_unit(node, unit),
        Fault::DiskHolds { what } => world.use_disk(node, what),
        Fault::DiskEmpty => world.empty_disk(node),
        Fault::PackageGone { package } => world.purge_package(node, package),
        Fault::DiskGrows { gb } => world.enlarge_disk(node, *gb),
        Fault::DiskFills => world.set_full(node, true),
        Fault::DiskDrains => world.set_full(node, false),
        Fault::SlowDisk { ms } => world.slow_disk(node, *ms),
        Fault::Mtu { bytes } => world.set_mtu(node, *bytes),
        Fault::DropRoutes => world.drop_routes(node),
        Fault::Deploy { pods, least } => world.deploy(*pods, *least),
        Fault::Later { seconds } => world.pass_s(i64::from(*seconds)),
    }
    true
}
