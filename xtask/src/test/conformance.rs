//! PostgREST's own cases, run on the gateway, against the list of those known to fail.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::failure::{Doing, Failure, Result};
use crate::process;
use crate::setup;
use crate::workspace::{Workspace, read_text};

use super::Work;
use super::count::Count;
use super::trouble::Trouble;

/// What PGlite cannot have.
const EXCLUDED: &str = "safeupdate";

/// What loads in one version of PGlite only: its cases have a run of their own, in that one.
const POSTGIS: &str = "postgis";

pub(crate) fn work(workspace: &Workspace) -> Work {
    let corpus = corpus_folder(workspace);
    if !corpus.join("run_corpus.mjs").is_file() {
        return Work::Skip(format!("no corpus at {}", corpus.display()));
    }
    Work::Own(run)
}

/// The real path: the runner does nothing when it is called by a link.
fn corpus_folder(workspace: &Workspace) -> PathBuf {
    let folder = workspace.root.join("../shared/conformance");
    folder.canonicalize().unwrap_or(folder)
}

/// A listed case that fails is skipped; one that passes is a failure: take it off the list.
fn run(workspace: &Workspace, trouble: &mut Trouble) -> Result<Count> {
    let cases: Value = serde_json::from_str(&read_text(
        &corpus_folder(workspace).join("postgrest/corpus.json"),
    )?)
    .doing("read the corpus")?;
    let excluded = format!("{EXCLUDED},{POSTGIS}");
    let usual = report(workspace, "usual", &["--exclude", &excluded], &[])?;
    let matching = matching(&with_postgis(&cases));
    let arguments = ["--exclude", EXCLUDED, "--match", &matching];
    let postgis = report(workspace, POSTGIS, &arguments, &[("CORPUS_POSTGIS", "yes")])?;
    let list = workspace.root.join("tests/conformance/known.toml");
    Ok(judge(
        &usual.failing.union(&postgis.failing).cloned().collect(),
        &known(&list)?,
        usual.passed + postgis.passed,
        without_steps_or_excluded(&cases),
        trouble,
    ))
}

/// Ids of the cases that need `PostGIS`, and nothing that is not to be had.
fn with_postgis(cases: &Value) -> Vec<&str> {
    let cases = cases["cases"].as_array().into_iter().flatten();
    cases
        .filter(|case| needs(case, POSTGIS) && !needs(case, EXCLUDED))
        .filter_map(|case| case["id"].as_str())
        .collect()
}

fn without_steps_or_excluded(cases: &Value) -> usize {
    let cases = cases["cases"].as_array().into_iter().flatten();
    cases
        .filter(|case| needs(case, EXCLUDED) || !case["steps"].is_array())
        .count()
}

fn needs(case: &Value, what: &str) -> bool {
    let needs = case["needs"].as_array();
    needs.is_some_and(|needs| needs.iter().any(|need| need == what))
}

/// A regular expression for just these ids, before whatever the runner puts behind one.
fn matching(ids: &[&str]) -> String {
    let ids: Vec<_> = ids.iter().map(|id| id.replace('.', "[.]")).collect();
    format!("^({}) ", ids.join("|"))
}

/// What came of one run.
struct Report {
    failing: BTreeSet<String>,
    passed: usize,
}

fn report(
    workspace: &Workspace,
    name: &str,
    arguments: &[&str],
    variables: &[(&str, &str)],
) -> Result<Report> {
    let corpus = corpus_folder(workspace);
    let folder = workspace.target.join("conformance");
    std::fs::create_dir_all(&folder).doing(format_args!("create {}", folder.display()))?;
    let report = folder.join(format!("{name}.json"));
    if report.exists() {
        std::fs::remove_file(&report).doing(format_args!("delete {}", report.display()))?;
    }
    let mut command = Command::new(setup::node());
    command
        .current_dir(&workspace.root)
        .arg(corpus.join("run_corpus.mjs"))
        .arg("--corpus")
        .arg(corpus.join("postgrest/corpus.json"))
        .arg("--handler")
        .arg(workspace.root.join("tests/conformance/handler.mjs"))
        .args(arguments)
        .arg("--report")
        .arg(&report)
        .envs(variables.iter().copied());
    println!("$ {}", process::shown(&command));
    // Its exit code only says that some case failed; which ones is in the report.
    let _ = process::watch(&mut command, |_| {})?;
    let outcome: Value =
        serde_json::from_str(&read_text(&report)?).doing("read the conformance report")?;
    let failing: BTreeSet<String> = outcome["out"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|case| case["id"].as_str().map(str::to_owned))
        .collect();
    let passed = outcome["res"]["pass"].as_u64();
    let passed = passed.and_then(|passed| usize::try_from(passed).ok());
    Ok(Report {
        failing,
        passed: passed.unwrap_or(0),
    })
}

/// Ids of the cases that are known to fail; each has a reason.
fn known(list: &Path) -> Result<BTreeSet<String>> {
    let reasons: BTreeMap<String, String> =
        toml::from_str(&read_text(list)?).doing(format_args!("read {}", list.display()))?;
    match reasons.iter().find(|(_, reason)| reason.trim().is_empty()) {
        Some((id, _)) => Err(Failure::new(format!(
            "{} gives no reason for {id}",
            list.display()
        ))),
        None => Ok(reasons.into_keys().collect()),
    }
}

fn judge(
    failing: &BTreeSet<String>,
    known: &BTreeSet<String>,
    passed: usize,
    skipped: usize,
    trouble: &mut Trouble,
) -> Count {
    let unexpected: Vec<&String> = failing.difference(known).collect();
    let mended: Vec<&String> = known.difference(failing).collect();
    for id in &unexpected {
        trouble.say(&format!("fails, and is not in known.toml: {id}"));
    }
    for id in &mended {
        trouble.say(&format!(
            "passes (or is gone), take it off known.toml: {id}"
        ));
    }
    let known_and_failing = failing.len() - unexpected.len();
    println!(
        "{passed} of {} cases pass; {known_and_failing} are known to fail (counted as skipped); {skipped} cannot run here ({EXCLUDED})",
        passed + failing.len()
    );
    Count {
        passed: passed.saturating_sub(mended.len()),
        failed: unexpected.len() + mended.len(),
        skipped: skipped + known_and_failing,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(ids: &[&str]) -> BTreeSet<String> {
        ids.iter().map(|id| (*id).to_owned()).collect()
    }

    #[test]
    fn the_list_is_exact() {
        let judged = |failing: &[&str], known: &[&str]| {
            let mut trouble = Trouble::default();
            judge(&set(failing), &set(known), 10, 2, &mut trouble).to_string()
        };
        assert_eq!(judged(&[], &[]), "10 passed, 0 failed, 2 skipped");
        assert_eq!(judged(&["a"], &["a"]), "10 passed, 0 failed, 3 skipped");
        assert_eq!(judged(&["a"], &[]), "10 passed, 1 failed, 2 skipped");
        assert_eq!(judged(&[], &["a"]), "9 passed, 1 failed, 2 skipped");
    }
}
