//! What every environment of machines must do, as checks that run against any of them.
//!
//! Each check panics with what it saw. Whoever writes an environment makes a [`Bed`] of it and runs [`all`], and
//! [`transport::conformance`](crate::transport::conformance) on what reaches its machines.

use std::{collections::BTreeMap, net::Ipv4Addr};

use fmp_core::{
    NodeName,
    observed::{Fact, Machine},
    resource::VirtualMachine,
};
use fmp_exec::{Applied, Effect, Environment, Failure, Task, provider::Power};

#[cfg(test)]
mod tests;

/// An environment, and a machine that it may make for the checks and delete afterwards.
pub trait Bed: Send + Sync {
    /// The environment under test.
    fn environment(&self) -> &dyn Environment;

    /// The machine: it does not exist before the checks, nor after them.
    fn node(&self) -> NodeName;

    /// Its address.
    fn address(&self) -> Ipv4Addr;

    /// The virtual machine that it is to be, where it is to be one.
    fn vm(&self) -> Option<VirtualMachine> {
        None
    }

    /// Another address of the same network.
    fn other_address(&self) -> Ipv4Addr;

    /// Whether a program can be run on the machine, or why not.
    fn answers(&self) -> Task<'_, Result<(), String>>;

    /// Leaves `words` on the machine's disk.
    fn write<'a>(&'a self, words: &'a str) -> Task<'a, ()>;

    /// What [`Self::write`] left.
    fn read(&self) -> Task<'_, Option<String>>;
}

/// Every check, in the order of a machine's life.
pub async fn all(bed: &dyn Bed) {
    what_is_not_there_is_known_to_be_absent(bed).await;
    a_machine_is_made_once_and_answers(bed).await;
    an_address_is_for_life(bed).await;
    power_is_cut_and_comes_back(bed).await;
    what_is_deleted_is_gone(bed).await;
}

/// A machine that was never made is absent, not unknown; it can't be switched on; deleting it is done already.
pub async fn what_is_not_there_is_known_to_be_absent(bed: &dyn Bed) {
    assert_eq!(seen(bed).await, None, "the machine is there before it was made");
    for want in [Power::On, Power::Off] {
        let Err(failure) = bed.environment().power(&bed.node(), want).await else {
            panic!("a machine that does not exist was switched {want:?}");
        };
        assert_eq!(failure.effect, Effect::None, "nothing can have happened: {failure}");
    }
    is(bed.environment().delete(&bed.node()).await, &Applied::AlreadyDone, "deleting what is not there");
}

/// Whoever is told that a machine is made can use it at once; making it again changes nothing.
pub async fn a_machine_is_made_once_and_answers(bed: &dyn Bed) {
    let create = async || create(bed, bed.address()).await;
    is(create().await, &Applied::Done, "making a machine");
    answering(bed).await;
    bed.write("made once").await;
    is(create().await, &Applied::AlreadyDone, "making it again");
    assert_eq!(bed.read().await.as_deref(), Some("made once"), "making it again keeps its disk");
    assert_eq!(runs(bed).await, Some(true));
}

/// A machine that is there is not moved to another address, nor made anew.
pub async fn an_address_is_for_life(bed: &dyn Bed) {
    let Err(failure) = create(bed, bed.other_address()).await else {
        panic!("a machine that has {} was made again with {}", bed.address(), bed.other_address());
    };
    assert_eq!(failure.effect, Effect::None, "nothing can have happened: {failure}");
    answering(bed).await;
}

/// Off is off at once and seen, on answers again, and what was on its disk is there.
pub async fn power_is_cut_and_comes_back(bed: &dyn Bed) {
    let power = async |want| bed.environment().power(&bed.node(), want).await;
    is(power(Power::On).await, &Applied::AlreadyDone, "switching on what runs");
    bed.write("before the cut").await;
    is(power(Power::Off).await, &Applied::Done, "cutting the power");
    assert_eq!(runs(bed).await, Some(false), "after its power was cut");
    assert!(bed.answers().await.is_err(), "a machine without power answers");
    is(power(Power::Off).await, &Applied::AlreadyDone, "cutting it again");
    is(power(Power::On).await, &Applied::Done, "switching on");
    answering(bed).await;
    assert_eq!(runs(bed).await, Some(true));
    assert_eq!(bed.read().await.as_deref(), Some("before the cut"), "what was on its disk");
}

/// Nothing is left of a machine that was deleted while it ran; one of the same name has an empty disk.
pub async fn what_is_deleted_is_gone(bed: &dyn Bed) {
    let delete = async || bed.environment().delete(&bed.node()).await;
    is(delete().await, &Applied::Done, "deleting");
    assert_eq!(seen(bed).await, None, "after it was deleted");
    assert!(bed.answers().await.is_err(), "a machine that was deleted answers");
    is(delete().await, &Applied::AlreadyDone, "deleting it again");
    is(create(bed, bed.address()).await, &Applied::Done, "making one of the same name");
    answering(bed).await;
    assert_eq!(bed.read().await, None, "the disk of the one before");
    is(delete().await, &Applied::Done, "deleting the second one");
}

/// The bed's machine, as the environment sees it.
async fn seen(bed: &dyn Bed) -> Option<Machine> {
    let machines: Fact<BTreeMap<NodeName, Machine>> = bed.environment().machines().await;
    let Fact::Known(mut machines) = machines else { panic!("its own machines are unknown: {machines:?}") };
    machines.remove(&bed.node())
}

/// Whether the bed's machine runs, where there is one.
async fn runs(bed: &dyn Bed) -> Option<bool> {
    seen(bed).await.map(|machine| machine.running)
}

async fn create(bed: &dyn Bed, address: Ipv4Addr) -> Result<Applied, Failure> {
    bed.environment().create(&bed.node(), address, bed.vm().as_ref()).await
}

async fn answering(bed: &dyn Bed) {
    if let Err(why) = bed.answers().await {
        panic!("a machine that is on does not answer: {why}");
    }
}

#[track_caller]
fn is(ended: Result<Applied, Failure>, wanted: &Applied, what: &str) {
    match ended {
        Ok(applied) => assert_eq!(&applied, wanted, "{what}"),
        Err(failure) => panic!("{what}: {failure}"),
    }
}
