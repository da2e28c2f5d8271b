//! Plan and apply with a provider of one's own: here a world in memory behind a provider that counts.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use fmp::{
    core::{bundle::Lock, observed::Observed, profile::Profiles, resource::Check, spec},
    exec::{Applied, Context, Failure, Judgement, Provider, Questions, Task, Watched},
    observe,
    planner::{Standing, Step, step::Subject},
    providers::{
        driver::{self, Judge, Options},
        memory::{MemoryWorld, Setup},
    },
};
use tokio::sync::mpsc;

const CLUSTER: &str = include_str!("../fixtures/ssh-7/cluster.toml");
const LOCK: &str = include_str!("../fixtures/bundle.lock");

/// Whatever your machines are, four functions make them FMP's.
struct Counting {
    world: MemoryWorld,
    steps: AtomicUsize,
}

impl Provider for Counting {
    fn claims(&self, _: &Subject) -> bool {
        true
    }

    fn observe<'a>(&'a self, _: &'a Context, ask: &'a Questions) -> Task<'a, Observed> {
        Box::pin(async { self.world.observe(ask) })
    }

    fn apply<'a>(&'a self, cx: &'a Context, step: &'a Step) -> Task<'a, Result<Applied, Failure>> {
        self.steps.fetch_add(1, Ordering::Relaxed);
        Box::pin(async { self.world.apply(cx, step) })
    }

    fn watch<'a>(&'a self, _: &'a Context, check: &'a Check) -> Task<'a, Result<Watched, Failure>> {
        Box::pin(async { self.world.watch(check) })
    }
}

/// Nothing but us changes this world, so what the planner found safe stays safe.
struct Quiet;

impl Judge for Quiet {
    fn questions(&self, _: &[&Step]) -> Questions {
        Questions::default()
    }

    fn judge(&self, _: &Observed, _: &Step, _: &[&Step]) -> Judgement {
        Judgement::Ready
    }
}

/// Plans, applies, plans again. Returns how many steps the provider carried out.
pub(crate) async fn deploy() -> Result<usize, Box<dyn std::error::Error>> {
    let spec = spec::parse("cluster.toml", CLUSTER, &Profiles::shipped())?;
    let lock = Lock::parse(LOCK)?;
    let world = MemoryWorld::new(Setup::of(&spec));
    let counting = Arc::new(Counting { world, steps: AtomicUsize::new(0) });
    let providers: [Arc<dyn Provider>; 1] = [counting.clone()];

    let questions = observe::questions(&spec, &lock)?;
    let observed = observe::observe(&providers, &Context::default(), &questions).await;
    let plan = fmp::plan(&spec, &lock, &observed)?;

    let cx = Context { epoch: 1, texts: Arc::new(plan.texts.clone()), ..Context::default() };
    let (_ctrl_c, interrupts) = mpsc::channel(1);
    let report = driver::run(&plan, &providers, cx, &Quiet, Options::new(interrupts), &mut |_| {}).await?;
    assert!(report.outcome.complete(), "{:?}", report.outcome);

    let observed = observe::observe(&providers, &Context::default(), &questions).await;
    assert_eq!(fmp::plan(&spec, &lock, &observed)?.standing(), Standing::InSync);
    Ok(counting.steps.load(Ordering::Relaxed))
}

/// Deploys and says how much that took.
#[expect(clippy::print_stdout, reason = "it is what the example shows")]
#[tokio::main]
pub(crate) async fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("{} steps, and nothing is left to do", deploy().await?);
    Ok(())
}
