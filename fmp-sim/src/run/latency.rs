//! How long everything takes between a controller and the hosts: the one table of it.

use fmp_core::resource::Check;
use fmp_plan::Action;

use crate::{random::Stream, step_times::StepTimes, world::Pace};

/// Milliseconds from a controller to a host.
pub(super) const WAY: u64 = 20;

/// Milliseconds until an observation has looked at the hosts, and again until it is told.
pub(super) const LOOK: u64 = 300;

/// Milliseconds until a connection that gives no answer is given up.
pub(super) const SILENCE: u64 = 10_000;

/// Milliseconds between the renewals of a lease.
pub(super) const RENEWAL: u64 = 5_000;

/// Milliseconds until whoever asked a run to stop waits no longer.
pub(super) const PATIENCE: u64 = 60_000;

/// Milliseconds until a watch looks for the second time. Each pause is twice the one before, up to [`LONGEST_PAUSE`].
pub(super) const FIRST_PAUSE: u64 = 100;

/// The longest pause of a watch: what nobody waits for in earnest.
pub(super) const LONGEST_PAUSE: u64 = 10_000;

/// Milliseconds that an apiserver goes on answering after it was told to stop: its `--shutdown-delay-duration`. On real
/// machines its restart takes 15 s until it answers again.
const APISERVER_STOPS: u64 = 10_000;

/// How long a host waits for something that always takes as long. etcd's stop takes its apiserver along.
fn steady(action: &Action) -> u64 {
    let stops = |unit: &str| matches!(unit, "kube-apiserver.service" | "etcd.service");
    match action {
        Action::RestartUnit { unit, .. } if stops(unit) => APISERVER_STOPS,
        Action::StopUnits { units } if units.iter().any(|unit| stops(unit)) => APISERVER_STOPS,
        _ => 0,
    }
}

/// About how long a host is busy with an action.
const fn usual(action: &Action) -> u64 {
    match action {
        Action::CreateMachine { .. } | Action::StartMachine => 8_000,
        Action::EstablishTrust { .. } | Action::IssueCertificates { .. } => 120,
        // Some tens of megabytes over a usual uplink.
        Action::Upload { .. } | Action::ImportImage { .. } | Action::StoreImage { .. } | Action::PullImage { .. } => {
            1_500
        }
        Action::WriteFiles { .. } => 80,
        Action::StartUnit { .. } | Action::RestartUnit { .. } => 250,
        Action::ReloadUnit { .. }
        | Action::EnableUnit { .. }
        | Action::CordonNode { .. }
        | Action::UncordonNode { .. }
        | Action::DeleteNode { .. }
        | Action::ApplyNode { .. }
        | Action::DeleteObject { .. }
        | Action::ApplyObject { .. } => 150,
        // A few packages are unpacked and set up.
        Action::InstallPackages { .. } => 20_000,
        // Tables of a few terabytes are written.
        Action::MakeVolume { .. } => 3_000,
        Action::StopUnits { .. } => 2_000,
        // Pods have half a minute to end.
        Action::DrainNode { .. } => 30_000,
        Action::BootstrapEtcd { .. }
        | Action::StartEtcdLearner { .. }
        | Action::MountVolume { .. }
        | Action::GrowVolume { .. } => 300,
        Action::RemoveEtcdMember { .. } | Action::AddEtcdLearner { .. } | Action::PromoteEtcdLearner { .. } => 200,
    }
}

/// How long a host is busy with an action this time: from half of what is usual to one and a half, and what is steady.
/// Where it was measured, from nine to eleven tenths of that.
pub(super) fn of(action: &Action, pace: Pace, stream: &mut Stream) -> u64 {
    let measured = (pace == Pace::Measured).then(|| StepTimes::measured().of(action)).flatten();
    if let Some(time) = measured {
        return time.applied_ms * 9 / 10 + stream.below(time.applied_ms / 5 + 1);
    }
    let usual = usual(action);
    steady(action) + usual / 2 + stream.below(usual + 1)
}

/// How long a watch goes on, as the watches on real hosts do.
pub(super) const fn patience(check: &Check) -> u64 {
    match check {
        Check::UnitActive { .. } | Check::Listening { .. } | Check::ApiReady { .. } => 180_000,
        Check::EtcdHealthy { .. } | Check::NodeReady { .. } => 300_000,
        Check::MachineUp { .. } => 600_000,
    }
}
