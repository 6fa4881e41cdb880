//! Where anvil is. It comes from npm (`make setup`); nothing is ever downloaded from here.

use std::path::{Path, PathBuf};

/// Environment variable that names the anvil binary.
const ANVIL_ENV: &str = "TRIBUTARY_ANVIL";

/// Why there is no L1 to run on.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ProgramError {
    #[error("{ANVIL_ENV} names {path}, which is not a file", path = .0.display())]
    NotAFile(PathBuf),
    #[error(
        "anvil was not found: run `make setup` (it installs @foundry-rs/anvil from npm into contracts/node_modules), \
         put anvil on the PATH, or set {ANVIL_ENV}; or use an L1 that already runs with --l1-rpc"
    )]
    NotFound,
}

/// The anvil binary: the environment's, then the checkout's, then the PATH's.
pub(crate) fn anvil() -> Result<PathBuf, ProgramError> {
    if let Some(path) = std::env::var_os(ANVIL_ENV).map(PathBuf::from) {
        return if path.is_file() {
            Ok(path)
        } else {
            Err(ProgramError::NotAFile(path))
        };
    }
    let start_points = [std::env::current_dir().ok(), std::env::current_exe().ok()];
    let in_checkout = start_points
        .iter()
        .flatten()
        .flat_map(|start| start.ancestors())
        .map(in_node_modules);
    let search_path = std::env::var_os("PATH").unwrap_or_default();
    let on_path = std::env::split_paths(&search_path).map(|folder| folder.join("anvil"));
    in_checkout
        .chain(on_path)
        .find(|path| path.is_file())
        .ok_or(ProgramError::NotFound)
}

fn in_node_modules(root: &Path) -> PathBuf {
    let (system, machine) = (std::env::consts::OS, std::env::consts::ARCH);
    let system = if system == "macos" { "darwin" } else { system };
    let machine = match machine {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    };
    root.join(format!(
        "contracts/node_modules/@foundry-rs/anvil-{system}-{machine}/bin/anvil"
    ))
}
