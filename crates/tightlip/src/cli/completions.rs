//! `tightlip completions`: scripts for shells.

use clap_complete::Shell;

use super::fault::Fault;
use super::output::Output;

/// A shell.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// Which shell
    #[arg(value_enum, value_name = "SHELL")]
    shell: Shell,
}

/// Prints the script.
pub(super) fn completions(args: &Args, out: &Output) -> Result<(), Fault> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut super::description(), "tightlip", &mut script);
    out.raw(&script);
    Ok(())
}

const EXAMPLES: &str = "\
Examples:
  tightlip completions bash > ~/.local/share/bash-completion/completions/tightlip
  tightlip completions zsh > ~/.zfunc/_tightlip
  tightlip completions fish > ~/.config/fish/completions/tightlip.fish";
