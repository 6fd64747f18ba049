//! The project's commands: `cargo xtask setup | build | image | run | serve | functions | test | bench`.
#![expect(
    clippy::print_stdout,
    reason = "what a command says goes to the terminal"
)]
#![expect(
    clippy::disallowed_methods,
    reason = "these commands run on the host only, where there is a clock"
)]

mod bench;
mod build;
mod failure;
mod functions;
mod image;
mod process;
mod serve;
mod setup;
mod site;
mod test;
mod workspace;

use std::ffi::OsString;
use std::process::ExitCode;

use failure::{Failure, Result};
use workspace::Workspace;

const USAGE: &str = "\
cargo xtask <command>

  setup                            install what is missing; does nothing the second time
  build [--dev]                    build the WASM and the page into static/dist
  image                            build what the virtual machine boots from into static/dist/vm
  run   [--port 5173] [--no-open]  set up, build, serve the page and open a browser
  serve [--port 54321] [--host 127.0.0.1] [--data DIR] [--config FILE]
                                   the same API in Node, without a browser
  functions deploy DIR [--url http://127.0.0.1:54321] [--key SECRET] [--name NAME]
                                   edge functions from supabase/functions to a gateway that runs; --help tells more
  test  [NAME]                     every check and test, or the steps whose name contains NAME
  bench [-- ARGS]                  the benchmarks, as ratios
";

fn main() -> ExitCode {
    match command() {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            if !failure.is_quiet() {
                eprintln!("\nxtask: {failure}");
            }
            failure.exit_code()
        }
    }
}

fn command() -> Result<()> {
    let mut arguments = lexopt::Parser::from_env();
    let name = match arguments.next()? {
        Some(lexopt::Arg::Value(name)) => name.to_string_lossy().into_owned(),
        Some(lexopt::Arg::Long("help") | lexopt::Arg::Short('h')) => "help".to_owned(),
        Some(other) => return Err(Failure::usage(other.unexpected().to_string())),
        None => return Err(Failure::usage(format!("which command?\n\n{USAGE}"))),
    };
    if name == "help" {
        print!("{USAGE}");
        return Ok(());
    }
    let workspace = Workspace::find()?;
    match name.as_str() {
        "setup" => {
            no_more(&mut arguments)?;
            setup::everything(&workspace)?;
            image::offer(&workspace);
            Ok(())
        }
        "build" => {
            let mut profile = build::Profile::Release;
            while let Some(argument) = arguments.next()? {
                match argument {
                    lexopt::Arg::Long("dev") => profile = build::Profile::Dev,
                    other => return Err(Failure::usage(other.unexpected().to_string())),
                }
            }
            build::build(&workspace, profile)
        }
        "image" => {
            no_more(&mut arguments)?;
            image::command(&workspace)
        }
        "run" => {
            let mut port = 5173;
            let mut open = true;
            while let Some(argument) = arguments.next()? {
                match argument {
                    lexopt::Arg::Long("port") => port = number(&arguments.value()?)?,
                    lexopt::Arg::Long("no-open") => open = false,
                    other => return Err(Failure::usage(other.unexpected().to_string())),
                }
            }
            let site = site::Site::bind(port)?;
            build::build(&workspace, build::Profile::Release)?;
            image::offer(&workspace);
            site.serve(&workspace, open);
            Ok(())
        }
        "serve" => serve::serve(&workspace, &arguments.raw_args()?.collect::<Vec<_>>()),
        "functions" => functions::functions(&workspace, &arguments.raw_args()?.collect::<Vec<_>>()),
        "test" => {
            let mut filter = None;
            while let Some(argument) = arguments.next()? {
                match argument {
                    lexopt::Arg::Value(name) if filter.is_none() => {
                        filter = Some(name.to_string_lossy().into_owned());
                    }
                    other => return Err(Failure::usage(other.unexpected().to_string())),
                }
            }
            test::test(&workspace, filter.as_deref())
        }
        "bench" => bench::bench(&workspace, &arguments.raw_args()?.collect::<Vec<_>>()),
        other => Err(Failure::usage(format!(
            "there is no command {other:?}\n\n{USAGE}"
        ))),
    }
}

fn no_more(arguments: &mut lexopt::Parser) -> Result<()> {
    match arguments.next()? {
        None => Ok(()),
        Some(other) => Err(Failure::usage(other.unexpected().to_string())),
    }
}

fn number(value: &OsString) -> Result<u16> {
    let value = value.to_string_lossy();
    value.parse().map_err(|error| {
        Failure::usage(format!(
            "a port is a number from 0 to 65535, not {value:?} ({error})"
        ))
    })
}
