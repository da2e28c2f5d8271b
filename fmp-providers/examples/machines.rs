//! Local machines by hand: `machines CLUSTER PREFIX up N | down | cut NODE | on NODE | exec NODE PROGRAM ARGUMENT… | check | measure`.
//!
//! Needs root. `PREFIX` is the first three parts of the machines' addresses, such as `198.18.7`.

use std::{error::Error, net::Ipv4Addr, sync::Arc, time::Instant};

use fmp_core::NodeName;
use fmp_providers::{
    environment::Local,
    transport::{Input, Ssh, Transport as _, conformance},
};
use tokio::{io::AsyncReadExt as _, task::JoinSet};

type Failed = Box<dyn Error + Send + Sync>;

#[tokio::main]
async fn main() -> Result<(), Failed> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    let [cluster, prefix, rest @ ..] = words.as_slice() else { return Err("CLUSTER PREFIX VERB …".into()) };
    let local = Local::new(cluster);
    match rest {
        ["up", count] => up(&local, prefix, count.parse()?).await,
        ["down"] => down(&local).await,
        ["cut", node] => say(&local.cut_power(&node.parse()?).await?),
        ["on", node] => say(&local.switch_on(&node.parse()?).await?),
        ["list"] => say(&local.machines()?),
        ["exec", node, program, args @ ..] => exec(&local, &node.parse()?, program, args).await,
        ["check"] => check(&local).await,
        ["measure"] => measure(&local).await,
        _ => Err("up N | down | cut NODE | on NODE | list | exec NODE PROGRAM ARGUMENT… | check | measure".into()),
    }
}

#[expect(clippy::print_stdout, reason = "an example talks to the person who runs it")]
#[expect(clippy::unnecessary_wraps, reason = "so that it can end a verb")]
fn say(what: &impl std::fmt::Debug) -> Result<(), Failed> {
    println!("{what:?}");
    Ok(())
}

/// Makes the machines h-1 to h-COUNT, all at once.
async fn up(local: &Local, prefix: &str, count: u8) -> Result<(), Failed> {
    let started = Instant::now();
    let mut all = JoinSet::new();
    for n in 1..=count {
        let (local, node) = (local.clone(), format!("h-{n}").parse::<NodeName>()?);
        let address: Ipv4Addr = format!("{prefix}.{}", 10 + n).parse()?;
        all.spawn(async move {
            let done = local.create(&node, address, None).await.map_err(|error| format!("{error}; {}", error.remedy()));
            (node, done, started.elapsed())
        });
    }
    while let Some(made) = all.join_next().await {
        say(&made?)?;
    }
    Ok(())
}

async fn down(local: &Local) -> Result<(), Failed> {
    for node in local.machines()?.into_keys() {
        say(&(&node, local.delete(&node).await?))?;
    }
    Ok(())
}

async fn exec(local: &Local, node: &NodeName, program: &str, args: &[&str]) -> Result<(), Failed> {
    let output = Ssh::new(local.endpoint(node)?).run(program, args, Input::Empty).await?;
    say(&(output.status, output.text(), output.complaint()))
}

/// Every conformance check against the first machine.
async fn check(local: &Local) -> Result<(), Failed> {
    let node = local.machines()?.into_keys().next().ok_or("no machine")?;
    let ssh = Ssh::new(local.endpoint(&node)?);
    conformance::programs(&ssh).await;
    conformance::tunnel(&ssh, 22, b"SSH-2.0-").await;
    say(&ssh.traffic())
}

/// Login to all machines at once, then 100 MB to each at once.
async fn measure(local: &Local) -> Result<(), Failed> {
    const BYTES: u64 = 100_000_000;
    let mut hosts = Vec::new();
    for node in local.machines()?.into_keys() {
        hosts.push(Arc::new(Ssh::new(local.endpoint(&node)?)));
    }
    let started = Instant::now();
    each(&hosts, |ssh| async move { ssh.run("true", &[], Input::Empty).await.map(drop) }).await?;
    say(&format!("login to {}: {:?}", hosts.len(), started.elapsed()))?;
    let started = Instant::now();
    each(&hosts, |ssh| async move { ssh.run("true", &[], Input::Empty).await.map(drop) }).await?;
    say(&format!("one more program on each: {:?}", started.elapsed()))?;
    for target in ["/dev/null", "/tmp/fmp-measure"] {
        let started = Instant::now();
        each(&hosts, |ssh| async move {
            let zeros = Box::new(tokio::io::repeat(0).take(BYTES));
            ssh.run("sh", &["-c", &format!("cat > {target}")], Input::Reader(zeros)).await.map(drop)
        })
        .await?;
        #[expect(clippy::cast_precision_loss, reason = "a figure to look at")]
        let rate = (BYTES * hosts.len() as u64) as f64 / 1e6 / started.elapsed().as_secs_f64();
        say(&format!("100 MB to {target} of each: {:?}, {rate:.0} MB/s in all", started.elapsed()))?;
    }
    let status = std::fs::read_to_string("/proc/self/status")?;
    say(&status.lines().find(|line| line.starts_with("VmHWM")))
}

async fn each<F>(hosts: &[Arc<Ssh>], work: impl Fn(Arc<Ssh>) -> F) -> Result<(), Failed>
where
    F: Future<Output = Result<(), fmp_providers::transport::TransportError>> + Send + 'static,
{
    let mut all = JoinSet::new();
    for ssh in hosts {
        all.spawn(work(ssh.clone()));
    }
    while let Some(done) = all.join_next().await {
        done??;
    }
    Ok(())
}
