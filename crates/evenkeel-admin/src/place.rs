//! Where the control socket is, when nobody says.

use std::collections::HashSet;
use std::env;
use std::path::PathBuf;

/// Its name in the runtime directory.
const NAME: &str = "evenkeel.sock";

/// Where systemd makes the runtime directory of a unit called evenkeel.
const UNIT: &str = "/run/evenkeel";

/// Where a process listens: in the runtime directory that systemd gives it, else in that of its user, else, as root, in
/// `/run`; none: there is no such place.
#[must_use]
pub fn to_listen(is_root: bool) -> Option<PathBuf> {
    runtime_directories()
        .next()
        .or_else(|| is_root.then(|| PathBuf::from("/run")))
        .map(|folder| folder.join(NAME))
}

/// Where commands look for a process, one place after the other: where it listens if it was started from the same shell, and
/// where it does as a service.
#[must_use]
pub fn to_look() -> Vec<PathBuf> {
    let mut places: Vec<PathBuf> = runtime_directories()
        .chain([PathBuf::from("/run"), PathBuf::from(UNIT)])
        .map(|folder| folder.join(NAME))
        .collect();
    let mut seen = HashSet::new();
    places.retain(|place| seen.insert(place.clone()));
    places
}

fn runtime_directories() -> impl Iterator<Item = PathBuf> {
    // systemd separates several by colons.
    let of_unit = env::var("RUNTIME_DIRECTORY").ok();
    let of_unit = of_unit.and_then(|all| all.split(':').next().map(PathBuf::from));
    let of_user = env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from);
    of_unit
        .into_iter()
        .chain(of_user)
        .filter(|folder| folder.is_absolute())
}
