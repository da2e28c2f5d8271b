//! Machines as subjects of a plan.

use std::{collections::BTreeMap, net::Ipv4Addr, sync::Arc};

use fmp_core::{
    NodeName,
    observed::{Fact, Machine, Observed},
    resource::{Check, VirtualMachine},
};
use fmp_exec::{
    Applied, Context, Effect, Environment, Failure, FailureKind, Provider, Questions, Retry, Task, Watched,
    provider::Power,
};
use fmp_plan::{Action, Step, step::Subject};

use super::{
    Local,
    local::{Done, EnvironmentError, MachineSeen},
};

/// Carries out steps on machines by way of their environment.
#[derive(Debug)]
pub struct MachineProvider<E> {
    environment: Arc<E>,
}

impl<E: Environment> MachineProvider<E> {
    /// The provider for the machines of `environment`.
    pub const fn new(environment: Arc<E>) -> Self {
        Self { environment }
    }
}

impl<E: Environment> Provider for MachineProvider<E> {
    fn claims(&self, subject: &Subject) -> bool {
        matches!(subject, Subject::Machine(_))
    }

    fn observe<'a>(&'a self, _: &'a Context, ask: &'a Questions) -> Task<'a, Observed> {
        Box::pin(async move {
            let machines = self.environment.machines().await;
            let hosts = absent_hosts(&machines, ask);
            Observed { machines, hosts, ..fmp_exec::merge::nothing() }
        })
    }

    fn apply<'a>(&'a self, _: &'a Context, step: &'a Step) -> Task<'a, Result<Applied, Failure>> {
        Box::pin(async move {
            match (&step.subject, &step.action) {
                (Subject::Machine(node), Action::CreateMachine { address, vm }) => {
                    self.environment.create(node, *address, vm.as_ref()).await
                }
                (Subject::Machine(node), Action::StartMachine) => self.environment.power(node, Power::On).await,
                _ => Err(Failure {
                    effect: Effect::None,
                    retry: Retry::Never,
                    kind: FailureKind::Other(format!("{} is nothing that an environment of machines does", step.id)),
                    source: None,
                }),
            }
        })
    }

    /// Making and starting return when the machine answers, so there is nothing left to wait for.
    fn watch<'a>(&'a self, _: &'a Context, _: &'a Check) -> Task<'a, Result<Watched, Failure>> {
        Box::pin(async { Ok(Watched::Holds) })
    }
}

/// A host is absent where its environment knows that there is no machine.
fn absent_hosts(
    machines: &Fact<BTreeMap<NodeName, Machine>>,
    ask: &Questions,
) -> BTreeMap<NodeName, Fact<fmp_core::observed::Host>> {
    let Fact::Known(machines) = machines else { return BTreeMap::new() };
    let unmade = ask.hosts.keys().filter(|node| !machines.contains_key(*node));
    unmade.map(|node| (node.clone(), Fact::Absent)).collect()
}

impl From<MachineSeen> for Machine {
    fn from(MachineSeen { running, kind, address: _ }: MachineSeen) -> Self {
        Self { running, kind: Some(kind) }
    }
}

impl Environment for Local {
    fn machines(&self) -> Task<'_, Fact<BTreeMap<NodeName, Machine>>> {
        Box::pin(async {
            match Self::machines(self) {
                Ok(seen) => Fact::Known(seen.into_iter().map(|(node, seen)| (node, seen.into())).collect()),
                Err(error) => Fact::Unknown(error.to_string()),
            }
        })
    }

    fn create<'a>(
        &'a self,
        node: &'a NodeName,
        address: Ipv4Addr,
        vm: Option<&'a VirtualMachine>,
    ) -> Task<'a, Result<Applied, Failure>> {
        Box::pin(async move { applied(Self::create(self, node, address, vm).await) })
    }

    fn power<'a>(&'a self, node: &'a NodeName, want: Power) -> Task<'a, Result<Applied, Failure>> {
        Box::pin(async move {
            applied(match want {
                Power::On => self.switch_on(node).await,
                Power::Off => self.cut_power(node).await,
            })
        })
    }

    fn delete<'a>(&'a self, node: &'a NodeName) -> Task<'a, Result<Applied, Failure>> {
        Box::pin(async move { applied(Self::delete(self, node).await) })
    }
}

fn applied(result: Result<Done, EnvironmentError>) -> Result<Applied, Failure> {
    match result {
        Ok(Done::Now) => Ok(Applied::Done),
        Ok(Done::Before) => Ok(Applied::AlreadyDone),
        Err(error) => Err(Failure {
            effect: if error.may_have_happened() { Effect::MayHaveHappened } else { Effect::None },
            retry: Retry::Never,
            kind: FailureKind::Other(format!("{error}; {}", error.remedy())),
            source: std::error::Error::source(&error).map(|source| source.to_string().into()),
        }),
    }
}
