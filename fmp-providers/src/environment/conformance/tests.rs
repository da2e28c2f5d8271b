//! The suite against machines in memory, and against environments that do one thing wrong each.

use std::sync::Mutex;

use fmp_exec::{FailureKind, Retry};

use super::*;

/// What an environment does wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wrong {
    Nothing,
    /// It does not know what is not there.
    Vague,
    /// It makes what it is to switch on.
    Makes,
    /// It says of everything that it did it now.
    Boasts,
    /// It makes a machine anew that is there.
    Anew,
    /// It gives a machine another address.
    Moves,
    /// It says that it is done before the machine answers.
    Hasty,
    /// It asks the machine to stop, and says that it did.
    Asks,
    /// Its machines lose their disks with their power.
    Forgets,
    /// It keeps the disk of what it deletes.
    Keeps,
}

#[derive(Debug, Clone)]
struct Made {
    address: Ipv4Addr,
    running: bool,
    disk: Option<String>,
}

/// At most one machine.
struct Memory {
    wrong: Wrong,
    machine: Mutex<Option<Made>>,
    kept: Mutex<Option<String>>,
}

impl Memory {
    fn new(wrong: Wrong) -> Self {
        Self { wrong, machine: Mutex::new(None), kept: Mutex::new(None) }
    }

    fn done(&self, changed: bool) -> Applied {
        if changed || self.wrong == Wrong::Boasts { Applied::Done } else { Applied::AlreadyDone }
    }
}

fn refused(why: &str) -> Failure {
    Failure { effect: Effect::None, retry: Retry::Never, kind: FailureKind::Other(why.to_owned()), source: None }
}

impl Environment for Memory {
    fn machines(&self) -> Task<'_, Fact<BTreeMap<NodeName, Machine>>> {
        Box::pin(async {
            match &*self.machine.lock().unwrap() {
                Some(made) => Fact::Known([(self.node(), Machine { running: made.running, kind: None })].into()),
                None if self.wrong == Wrong::Vague => Fact::Unknown("who knows".into()),
                None => Fact::Known([].into()),
            }
        })
    }

    fn create<'a>(
        &'a self,
        _: &'a NodeName,
        address: Ipv4Addr,
        _: Option<&'a VirtualMachine>,
    ) -> Task<'a, Result<Applied, Failure>> {
        Box::pin(async move {
            let mut machine = self.machine.lock().unwrap();
            match &mut *machine {
                Some(made) if made.address != address && self.wrong != Wrong::Moves => Err(refused("another address")),
                Some(made) => {
                    made.address = address;
                    if self.wrong == Wrong::Anew {
                        made.disk = None;
                    }
                    Ok(self.done(false))
                }
                None => {
                    let disk = self.kept.lock().unwrap().take();
                    *machine = Some(Made { address, running: self.wrong != Wrong::Hasty, disk });
                    Ok(self.done(true))
                }
            }
        })
    }

    fn power<'a>(&'a self, node: &'a NodeName, want: Power) -> Task<'a, Result<Applied, Failure>> {
        Box::pin(async move {
            if self.wrong == Wrong::Makes && self.machine.lock().unwrap().is_none() {
                return self.create(node, self.address(), None).await;
            }
            let mut machine = self.machine.lock().unwrap();
            let Some(made) = &mut *machine else { return Err(refused("no machine")) };
            let run = want == Power::On;
            let changed = made.running != run;
            if self.wrong != Wrong::Asks || run {
                made.running = run;
            }
            if self.wrong == Wrong::Forgets && !run {
                made.disk = None;
            }
            Ok(self.done(changed))
        })
    }

    fn delete<'a>(&'a self, _: &'a NodeName) -> Task<'a, Result<Applied, Failure>> {
        Box::pin(async move {
            let made = self.machine.lock().unwrap().take();
            if let (Wrong::Keeps, Some(made)) = (self.wrong, &made) {
                self.kept.lock().unwrap().clone_from(&made.disk);
            }
            Ok(self.done(made.is_some()))
        })
    }
}

impl Bed for Memory {
    fn environment(&self) -> &dyn Environment {
        self
    }

    fn node(&self) -> NodeName {
        "main-1".parse().unwrap()
    }

    fn address(&self) -> Ipv4Addr {
        [198, 18, 0, 11].into()
    }

    fn other_address(&self) -> Ipv4Addr {
        [198, 18, 0, 12].into()
    }

    fn answers(&self) -> Task<'_, Result<(), String>> {
        Box::pin(async {
            let running = self.machine.lock().unwrap().as_ref().is_some_and(|made| made.running);
            if running { Ok(()) } else { Err("no route".to_owned()) }
        })
    }

    fn write<'a>(&'a self, words: &'a str) -> Task<'a, ()> {
        Box::pin(async move {
            if let Some(made) = &mut *self.machine.lock().unwrap() {
                made.disk = Some(words.to_owned());
            }
        })
    }

    fn read(&self) -> Task<'_, Option<String>> {
        Box::pin(async { self.machine.lock().unwrap().as_ref().and_then(|made| made.disk.clone()) })
    }
}

#[tokio::test]
async fn machines_in_memory_conform() {
    all(&Memory::new(Wrong::Nothing)).await;
}

#[tokio::test]
async fn each_mistake_is_found_and_named() {
    let mistakes = [
        (Wrong::Vague, "its own machines are unknown"),
        (Wrong::Makes, "a machine that does not exist was switched On"),
        (Wrong::Boasts, "deleting what is not there"),
        (Wrong::Anew, "making it again keeps its disk"),
        (Wrong::Moves, "was made again with"),
        (Wrong::Hasty, "a machine that is on does not answer"),
        (Wrong::Asks, "after its power was cut"),
        (Wrong::Forgets, "what was on its disk"),
        (Wrong::Keeps, "the disk of the one before"),
    ];
    for (wrong, complaint) in mistakes {
        let run = tokio::spawn(async move { all(&Memory::new(wrong)).await });
        let panicked = run.await.expect_err("a mistake that nobody finds").into_panic();
        let told = panicked.downcast_ref::<String>().map_or("", String::as_str);
        assert!(told.contains(complaint), "{wrong:?}: {told}");
    }
}
