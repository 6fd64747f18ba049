//! From a description to an app that listens.

use std::rc::Rc;

use control::{Answer, AppStatus, Request, State};
use futures::{
    FutureExt as _,
    future::{self, LocalBoxFuture},
};

use super::{
    AppSpec, Apps,
    life::{App, Started, Starting},
};
use crate::{
    agent::{Agent, Failed},
    failure::Failure,
    surroundings::{Milliseconds, Task, within},
    vm::{Life, Vm},
};

/// Between two looks at an app that does not listen yet.
const LOOK: Milliseconds = 2_000;

/// Why an app is started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Asked {
    /// Something needs it: what the guest is starting as it was told goes on, and what has crashed just
    /// now rests.
    ByRequest,
    /// It is to run so: exactly that, where the guest has begun it by itself, goes on.
    ByName,
    /// In place of whatever is.
    Anew,
}

/// How a start has come out.
enum Outcome {
    Listens,
    Ended(AppStatus),
    Gone,
}

impl Apps {
    /// Begins to start an app, or meets the start that was begun.
    pub(super) fn begin_start(
        &self,
        vm: &Vm,
        app: &Rc<App>,
        spec: &AppSpec,
        asked: Asked,
    ) -> Starting {
        if let Some(starting) = app.starting() {
            return starting;
        }
        app.set_stage("");
        let (work, handle) = future::abortable({
            let (apps, vm, app, spec) = (self.clone(), vm.clone(), Rc::clone(app), spec.clone());
            async move {
                let started = apps.start_now(&vm, &app, &spec, asked).await;
                app.started();
                started
            }
        });
        let given_up = "The start was given up: the app was stopped, or started anew";
        let work: LocalBoxFuture<'static, Started> = Box::pin(
            work.map(move |outcome| outcome.unwrap_or_else(|_aborted| Err(Failure::vm(given_up)))),
        );
        let outcome = work.shared();
        // It goes on when nobody waits for it.
        let task = Task::run(&self.0.world, outcome.clone().map(drop));
        app.begin(spec.clone(), outcome.clone(), handle, task);
        outcome
    }

    async fn start_now(&self, vm: &Vm, app: &Rc<App>, spec: &AppSpec, asked: Asked) -> Started {
        app.set_stage("waiting for the virtual machine");
        let missing = vm.missing(&spec.layers);
        // What the image has is known before the machine runs, if it was looked at.
        if !missing.is_empty() {
            return Err(Failure::RuntimeMissing { missing });
        }
        let life = vm.running().await?;
        let _used = life.in_use();
        if asked == Asked::ByRequest {
            let now = self.0.world.now();
            if app.runs(spec) {
                return Ok(life);
            }
            let just_now = app
                .ended_before(now)
                .is_some_and(|ago| ago < self.0.limits.again);
            if app.is(spec, State::Crashed) && just_now {
                return Err(self.crashed(&life, spec, app.status()).await);
            }
        }
        let goes_on = asked == Asked::ByRequest && app.was_told() && app.is(spec, State::Starting);
        if !goes_on {
            for layer in &spec.layers {
                app.set_stage("attaching the runtime");
                life.attach(layer).await?;
            }
            self.bring_bundle(&life, app, spec).await?;
            if asked == Asked::Anew {
                // The agent lets go on what is so already.
                app.set_stage("ending what runs");
                self.end(&life, &spec.name).await?;
            }
            app.set_stage("starting the app");
            let request = Request::Start(spec.app()?);
            match life.agent.ask(request, self.0.limits.start).await {
                Ok(Answer::App(status)) => {
                    app.set_told(true);
                    app.set(Some(status), self.0.world.now());
                }
                Ok(_) => return Err(Failed::Odd.into()),
                Err(failed) => {
                    let failure = Failure::from(failed);
                    return Err(match failure {
                        Failure::Crashed { reason, exit, .. } => Failure::Crashed {
                            reason,
                            exit,
                            lines: self.last_lines(&life, &spec.name).await,
                        },
                        other => other,
                    });
                }
            }
        }
        app.set_stage("waiting until the app listens");
        self.until_it_listens(&life, app, spec).await?;
        Ok(life)
    }

    async fn until_it_listens(
        &self,
        life: &Life,
        app: &App,
        spec: &AppSpec,
    ) -> Result<(), Failure> {
        let restarts = app.status().map_or(0, |status| status.restarts);
        let mut begun = false;
        let outcome = app.until(|status| match status {
            None if begun => Some(Outcome::Gone),
            None => None,
            Some(status) => {
                begun = true;
                match status.state {
                    State::Running => Some(Outcome::Listens),
                    State::Starting if status.restarts <= restarts => None,
                    State::Starting | State::Stopped | State::Crashed => {
                        Some(Outcome::Ended(status.clone()))
                    }
                }
            }
        });
        let limit = spec.start_deadline_s.saturating_mul(1_000);
        // Its state is told unasked; should that be missed, it is asked for now and then.
        let asking = Task::run(&self.0.world, {
            let (apps, agent) = (self.clone(), life.agent.clone());
            async move { apps.look_again(&agent).await }
        });
        let outcome = within(&self.0.world, limit, outcome).await;
        drop(asking);
        match outcome {
            Ok(Outcome::Listens) => Ok(()),
            Ok(Outcome::Ended(status)) => Err(self.crashed(life, spec, Some(status)).await),
            Ok(Outcome::Gone) => Err(Failure::vm("The virtual machine went away")),
            Err(_elapsed) => {
                let lines = self.last_lines(life, &spec.name).await;
                Err(Failure::NeverListened { lines })
            }
        }
    }

    /// Asks for the apps' states, again and again.
    async fn look_again(&self, agent: &Agent) {
        loop {
            self.0.world.sleep(LOOK).await;
            self.look(agent).await;
        }
    }

    /// Asks for the states of all apps that the guest knows.
    pub(super) async fn look(&self, agent: &Agent) {
        if let Ok(Answer::Apps(all)) = agent.ask(Request::Apps, self.0.limits.answer).await {
            for status in all {
                self.app(&status.name)
                    .set(Some(status.clone()), self.0.world.now());
            }
        }
    }

    async fn crashed(&self, life: &Life, spec: &AppSpec, status: Option<AppStatus>) -> Failure {
        let exit = status.and_then(|status| status.exit);
        let reason = exit.map_or_else(
            || "The app ended before it listened on its port".to_owned(),
            |exit| format!("The app ended before it listened on its port: {exit}"),
        );
        let lines = self.last_lines(life, &spec.name).await;
        Failure::Crashed {
            reason,
            exit,
            lines,
        }
    }

    /// Sees to it that the guest has the app's files.
    async fn bring_bundle(&self, life: &Life, app: &App, spec: &AppSpec) -> Result<(), Failure> {
        let bundle = spec.digest()?;
        let name = spec.name.clone();
        let request = Request::HasBundle { app: name, bundle };
        let answer = life.agent.ask(request, self.0.limits.answer).await?;
        if answer == (Answer::Bundle { present: true }) {
            return Ok(());
        }
        app.set_stage("bringing the app's files");
        let path = format!("/gateway/apps/{}/bundle/{}", spec.name, spec.bundle);
        let response = self.ask_router(&path).await?;
        let request = Request::PutBundle {
            app: spec.name.clone(),
            bundle,
            bytes: spec.bundle_bytes,
        };
        let sent = life
            .agent
            .send(request, response.into_body(), self.0.limits.unpack);
        sent.await?;
        Ok(())
    }
}
