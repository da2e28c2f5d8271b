//! Unit files: one shape for all of ours.
//!
//! Every unit comes back for ever, waits for its own readiness as long as it takes, and notes what it read when it
//! started. Only directives of systemd 239 (Rocky Linux 8.6) are written.

use std::{fmt::Write as _, sync::Arc};

use super::{
    paths::{self, key},
    recipe::{Recipe, ThisNode},
};
use crate::resource::{Check, Effect, Input, Resource, Unit};

/// A unit as a role describes it.
pub(super) struct Service<'a> {
    /// Full name: `etcd.service`.
    pub(super) name: &'static str,
    /// In words.
    pub(super) about: &'static str,
    /// Where to read on.
    pub(super) documentation: &'static str,
    /// Units that start before it where both are started, besides the network.
    pub(super) after: &'static str,
    /// Directories whose mounts it can't do without.
    pub(super) mounts: &'a str,
    /// Further lines of `[Unit]`.
    pub(super) conditions: Vec<String>,
    /// How it says that it runs.
    pub(super) kind: ServiceKind,
    /// Further lines of `[Service]`.
    pub(super) options: Vec<String>,
    /// The program and its arguments.
    pub(super) command: Vec<String>,
    /// What it reads besides its unit file.
    pub(super) inputs: Vec<Input>,
    /// When others may go on.
    pub(super) ready: Ready,
}

/// How a unit says that it runs.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum ServiceKind {
    /// It notifies systemd.
    Notify,
    /// It does not.
    Simple,
    /// It does its work and ends.
    Oneshot,
}

/// When others may go on.
#[derive(Clone, Copy)]
#[expect(clippy::enum_variant_names, reason = "the names of `Check`, whose node and unit are filled in")]
pub(super) enum Ready {
    UnitActive,
    Listening(u16),
    EtcdHealthy,
    ApiReady,
    NodeReady,
}

impl Ready {
    fn on(self, node: &ThisNode<'_>, unit: &Arc<str>) -> Check {
        let (node, unit) = (node.name.clone(), unit.clone());
        match self {
            Self::UnitActive => Check::UnitActive { node, unit },
            Self::Listening(port) => Check::Listening { node, unit, port },
            Self::EtcdHealthy => Check::EtcdHealthy { node },
            Self::ApiReady => Check::ApiReady { node },
            Self::NodeReady => Check::NodeReady { node },
        }
    }
}

/// An input whose change asks for a restart.
pub(super) fn restart(path: impl Into<Arc<str>>) -> Input {
    Input { path: path.into(), effect: Effect::Restart }
}

/// An input whose change asks for a reload.
pub(super) fn reload(path: impl Into<Arc<str>>) -> Input {
    Input { path: path.into(), effect: Effect::Reload }
}

/// An input that the program reads again by itself.
pub(super) fn reread(path: impl Into<Arc<str>>) -> Input {
    Input { path: path.into(), effect: Effect::None }
}

impl Service<'_> {
    /// Adds the unit, its file and its needs to a recipe. Returns the unit's key.
    pub(super) fn add(self, recipe: &mut Recipe<'_>) -> String {
        self.add_rendering(recipe, &[])
    }

    /// The same for a program that reads what `commands` make of the unit's inputs when it starts.
    pub(super) fn add_rendering(self, recipe: &mut Recipe<'_>, commands: &[String]) -> String {
        let path = paths::unit_file(self.name);
        recipe.file(&path, self.text(commands));
        let inputs: Arc<[Input]> = self.inputs.into_iter().chain([restart(path)]).collect();
        let (name, ready, shared): (Arc<str>, _, _) = (self.name.into(), self.ready, inputs.clone());
        let key = key::unit(self.name);
        recipe.each(&key, move |node| {
            let ready = ready.on(node, &name);
            Resource::Unit(Unit { name: name.clone(), inputs: shared.clone(), ready })
        });
        for input in &*inputs {
            recipe.needs_path(&key, &input.path);
        }
        recipe.needs(&key, &key::file(paths::STAMP));
        key
    }

    fn text(&self, renders: &[String]) -> String {
        let mut text = String::new();
        let mut line = |line: &str| {
            text.push_str(line);
            text.push('\n');
        };
        line("[Unit]");
        line(&format!("Description={}", self.about));
        line(&format!("Documentation={}", self.documentation));
        line("Wants=network-online.target");
        line(format!("After=network-online.target {}", self.after).trim_end());
        if !self.mounts.is_empty() {
            line(&format!("RequiresMountsFor={}", self.mounts));
        }
        // A unit that gives up after some failures would need a person at three in the morning.
        line("StartLimitIntervalSec=0");
        self.conditions.iter().for_each(|more| line(more));
        line("\n[Service]");
        line(match self.kind {
            ServiceKind::Notify => "Type=notify",
            ServiceKind::Simple => "Type=simple",
            ServiceKind::Oneshot => "Type=oneshot\nRemainAfterExit=yes",
        });
        self.options.iter().for_each(|more| line(more));
        line(&self.stamp());
        // After the note: what is written in between is another than what is noted, and so is seen.
        renders.iter().for_each(|command| line(&format!("ExecStartPre={command}")));
        line(&format!("ExecStart={}", self.command.join(" \\\n    ")));
        // systemd 239 refuses a oneshot that restarts.
        if self.kind != ServiceKind::Oneshot {
            line("Restart=always\nRestartSec=2");
        }
        line("TimeoutStartSec=infinity");
        line("\n[Install]\nWantedBy=multi-user.target");
        text
    }

    /// The command that notes what the unit reads. A host that can't write its note still starts its unit: a missing
    /// note costs a restart later, a unit that stays down costs a voter now.
    fn stamp(&self) -> String {
        format!("ExecStartPre=-{}", stamp(self.name, &self.inputs))
    }
}

/// The command that notes what `unit` read.
pub(super) fn stamp<'i>(unit: &str, inputs: impl IntoIterator<Item = &'i Input>) -> String {
    let mut command = format!("/bin/sh {} {unit}", paths::STAMP);
    for input in inputs {
        write!(command, " \\\n    {}", input.path).expect("writing to a String can't fail");
    }
    command
}
