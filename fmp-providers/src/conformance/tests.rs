//! The suite against the world in memory, and against providers that do one thing wrong each.

use fmp_core::{observed::Observed, spec::Environment};
use fmp_exec::merge;
use fmp_sim::world::Guards;

use super::*;
use crate::memory::{MemoryWorld, Setup};

/// What a provider does wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wrong {
    Nothing,
    /// It claims nobody.
    Claims,
    /// It answers about no host.
    Mute,
    /// What is not there is unknown to it.
    Vague,
    /// It writes while it looks.
    Writes,
    /// It says that it did everything.
    Boasts,
    /// It compares nothing.
    Overwrites,
    /// It gives up for good where it should try later.
    GivesUp,
    /// It says of every check that it holds.
    Believes,
    /// It takes a while between the halves of what it writes.
    Tears,
    /// It takes anybody's orders.
    Obeys,
}

/// The world in memory, with one mistake.
struct Memory {
    world: MemoryWorld,
    wrong: Wrong,
}

fn memory(wrong: Wrong) -> Memory {
    let mains = [(name("main-1"), [198, 18, 0, 11].into())].into();
    let works = [(name("work-1"), [198, 18, 0, 21].into())].into();
    let world = MemoryWorld::new(Setup::new(Environment::Ssh, mains, works, "1.29.15"));
    world.lock().power_off(&name("work-1"));
    world.lock().guard(Guards { fencing: wrong != Wrong::Obeys, ..Guards::default() });
    Memory { world, wrong }
}

fn name(text: &str) -> NodeName {
    text.parse().unwrap()
}

impl Memory {
    fn observe(&self, ask: &Questions) -> Observed {
        if self.wrong == Wrong::Writes {
            self.world.lock().edit_file(&name("main-1"), "/etc/looked", "at\n");
        }
        let mut seen = self.world.observe(ask);
        if self.wrong == Wrong::Vague
            && let Some(Fact::Known(host)) = seen.hosts.get_mut("main-1")
        {
            host.files.values_mut().for_each(|file| {
                if *file == Fact::Absent {
                    *file = Fact::Unknown("it was not found".to_owned());
                }
            });
        }
        if self.wrong == Wrong::Mute { merge::nothing() } else { seen }
    }

    async fn apply(&self, cx: &Context, step: &Step) -> Result<Applied, Failure> {
        let Action::WriteFiles { files, .. } = &step.action else { panic!("{step:?}") };
        let write = |write: &FileWrite, text: &str| self.world.lock().edit_file(&name("main-1"), &write.path, text);
        let large = |file: &&FileWrite| cx.texts[&file.content].len() > 1 << 20 && file.before != Before::Absent;
        for file in files.iter().filter(|file| self.wrong == Wrong::Tears && large(file)) {
            write(file, "half");
            // Nothing comes of it but that time passes.
            _ = timeout(Duration::from_millis(20), std::future::pending::<()>()).await;
            write(file, &cx.texts[&file.content]);
        }
        match self.world.apply(cx, step) {
            Ok(Applied::Stale(_)) if self.wrong == Wrong::Overwrites => {
                files.iter().for_each(|file| write(file, &cx.texts[&file.content]));
                Ok(Applied::Done)
            }
            Ok(_) if self.wrong == Wrong::Boasts => Ok(Applied::Done),
            Err(failure) if self.wrong == Wrong::GivesUp => Err(Failure { retry: Retry::Never, ..failure }),
            applied => applied,
        }
    }
}

impl Provider for Memory {
    fn claims(&self, _: &Subject) -> bool {
        self.wrong != Wrong::Claims
    }

    fn observe<'a>(&'a self, _: &'a Context, ask: &'a Questions) -> Task<'a, Observed> {
        Box::pin(async { self.observe(ask) })
    }

    fn apply<'a>(&'a self, cx: &'a Context, step: &'a Step) -> Task<'a, Result<Applied, Failure>> {
        Box::pin(self.apply(cx, step))
    }

    fn watch<'a>(&'a self, _: &'a Context, check: &'a Check) -> Task<'a, Result<Watched, Failure>> {
        let watched = if self.wrong == Wrong::Believes { Ok(Watched::Holds) } else { self.world.watch(check) };
        Box::pin(async { watched })
    }
}

impl Bed for Memory {
    fn provider(&self) -> &dyn Provider {
        self
    }

    fn node(&self) -> NodeName {
        name("main-1")
    }

    fn silent(&self) -> NodeName {
        name("work-1")
    }

    fn holds(&self) -> Check {
        Check::MachineUp { node: self.node() }
    }

    fn never_holds(&self) -> Option<Check> {
        Some(Check::UnitActive { node: self.node(), unit: "fmp-conformance.service".into() })
    }

    fn state(&self) -> Task<'_, String> {
        Box::pin(async { format!("{:?}", *self.world.lock()) })
    }
}

#[tokio::test]
async fn the_world_in_memory_conforms() {
    all(&memory(Wrong::Nothing)).await;
}

#[tokio::test]
async fn each_mistake_is_found_and_named() {
    let mistakes = [
        (Wrong::Mute, "is unknown, not None"),
        (Wrong::Vague, "is absent, not"),
        (Wrong::Writes, "looking changed something"),
        (Wrong::Boasts, "AlreadyDone"),
        (Wrong::Overwrites, "was not stale"),
        (Wrong::GivesUp, "Later"),
        (Wrong::Believes, "can't hold"),
        (Wrong::Tears, "torn"),
        (Wrong::Obeys, "it did not fail"),
    ];
    for (wrong, complaint) in mistakes {
        let run = tokio::spawn(async move { all(&memory(wrong)).await });
        let panicked = run.await.expect_err("a mistake that nobody finds").into_panic();
        let told = panicked.downcast_ref::<String>().map_or("", String::as_str);
        assert!(told.contains(complaint), "{wrong:?}: {told}");
    }
}

#[test]
fn a_subject_has_one_provider() {
    let (one, nobody) = (memory(Wrong::Nothing), memory(Wrong::Claims));
    let subjects = [Subject::Host(name("main-1")), Subject::Cluster];
    claims_are_exclusive(&[&one, &nobody], &subjects);
    for providers in [vec![], vec![&one as &dyn Provider, &one]] {
        let checked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            claims_are_exclusive(&providers, &subjects);
        }));
        assert!(checked.is_err(), "{} providers", providers.len());
    }
}
