//! `cargo xtask test`: every check and every test; the last line is the sum.

mod conformance;
mod count;
mod steps;
mod trouble;

use std::process::Command;
use std::time::Instant;

use crate::failure::{Failure, Result};
use crate::process;
use crate::setup;
use crate::workspace::Workspace;
use count::Count;
use trouble::Trouble;

/// One thing that can fail by itself.
pub(crate) struct Step {
    name: String,
    work: Work,
    /// It runs what `cargo xtask build` makes.
    needs_build: bool,
}

pub(crate) enum Work {
    /// Passes when the program succeeds.
    Check(Command),
    /// Says itself how many tests passed.
    Suite(Command),
    /// A piece of this program.
    Own(fn(&Workspace, &mut Trouble) -> Result<Count>),
    /// Cannot run here, and why.
    Skip(String),
}

/// Runs the steps whose name contains `filter`, all of them even when one fails.
pub(crate) fn test(workspace: &Workspace, filter: Option<&str>) -> Result<()> {
    let start = Instant::now();
    let mut run = Run::default();
    run.step(
        workspace,
        "setup",
        Work::Own(|workspace, _| setup::everything(workspace).map(|_| Count::of_check(true))),
    );
    let steps = steps::steps(workspace)?;
    let chosen = |step: &Step| filter.is_none_or(|filter| step.name.contains(filter));
    if !steps.iter().any(chosen) {
        let names: Vec<&str> = steps.iter().map(|step| step.name.as_str()).collect();
        return Err(Failure::usage(format!(
            "no step's name contains {:?}; the steps are: {}",
            filter.unwrap_or_default(),
            names.join("; ")
        )));
    }
    let build = steps.iter().any(|step| chosen(step) && step.needs_build);
    let mut built = true;
    for step in steps {
        if step.name == steps::BUILD && (build || chosen(&step)) {
            built = run.step(workspace, &step.name, step.work).failed == 0;
        } else if chosen(&step) || step.name == steps::IMAGE && build {
            let work = if built || !step.needs_build {
                step.work
            } else {
                Work::Own(|_, _| Err(Failure::new("not run: there is no build to run it on")))
            };
            run.step(workspace, &step.name, work);
        }
    }
    println!("\n=== summary ({:.0} s)", start.elapsed().as_secs_f64());
    for (failed, line) in &run.summary {
        println!("{} {line}", if *failed { "FAILED" } else { "      " });
    }
    // Last but for the sum: of a run's record, often only the end is kept.
    for (name, lines) in &run.troubles {
        println!("\n=== failed: {name}\n{}", lines.join("\n"));
    }
    println!("{}", run.total);
    if run.total.failed > 0 {
        Err(Failure::quiet())
    } else {
        Ok(())
    }
}

/// What has been run so far.
#[derive(Default)]
struct Run {
    total: Count,
    summary: Vec<(bool, String)>,
    /// What failed, and what its runner said of that.
    troubles: Vec<(String, Vec<String>)>,
}

impl Run {
    fn step(&mut self, workspace: &Workspace, name: &str, work: Work) -> Count {
        println!("\n=== {name}");
        let begin = Instant::now();
        let mut trouble = Trouble::default();
        let count = finish(workspace, work, &mut trouble);
        let line = format!(
            "{name:<36} {count}  ({:.1} s)",
            begin.elapsed().as_secs_f64()
        );
        println!("--- {line}");
        self.total += count;
        self.summary.push((count.failed > 0, line));
        if count.failed > 0 {
            self.troubles.push((name.to_owned(), trouble.lines()));
        }
        count
    }
}

/// Counts what a step did; trouble in running it is a failed test, not the end of the run.
fn finish(workspace: &Workspace, work: Work, trouble: &mut Trouble) -> Count {
    let counted = match work {
        Work::Skip(reason) => {
            println!("skipped: {reason}");
            Ok(Count::skipped(1))
        }
        Work::Check(mut command) => {
            println!("$ {}", process::shown(&command));
            process::watch(&mut command, |line| trouble.read(line))
                .map(|status| Count::of_check(status.success()))
        }
        Work::Suite(command) => run_suite(command, trouble),
        Work::Own(work) => work(workspace, trouble),
    };
    counted.unwrap_or_else(|failure| {
        trouble.say(&failure.to_string());
        Count::of_check(false)
    })
}

/// Runs a program that says itself how many tests passed.
fn run_suite(mut command: Command, trouble: &mut Trouble) -> Result<Count> {
    println!("$ {}", process::shown(&command));
    let mut count = Count::default();
    let status = process::watch(&mut command, |line| {
        count.read(line);
        trouble.read(line);
    })?;
    Ok(count.with_status(status.success()))
}
