//! From root to a user of its own: once everything is bound that only root may bind, and before anything from outside is read.
//!
//! ```text
//!  bind ─▶ what the user must be able to write is made and given to it ─▶ groups ─▶ group ─▶ user ─▶ log, threads, traffic
//! ```
//!
//! Groups go first, for without root they could not be given up any more. What runs later has no way back: a reload cannot bind
//! a port below 1024, and a process that takes the place of this one begins as the same user.

use std::ffi::CString;
use std::fs::OpenOptions;
use std::os::unix::fs::{OpenOptionsExt, chown};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use evenkeel_config::model::{AccessLogTarget, Bind, Config, Identity};
use nix::unistd::{Gid, Group, Uid, User, geteuid, initgroups, setgid, setuid};

/// Becomes the user that the configuration names, if it names one.
///
/// # Errors
/// When there is no such user, or this process may not become it.
pub(crate) fn shed(config: &Config, control: Option<&Path>) -> anyhow::Result<()> {
    let Some(Identity { user, group }) = &config.identity else {
        return Ok(());
    };
    let known = find_user(user)?;
    let gid = match group {
        Some(group) => find_group(group)?,
        None => known.gid,
    };
    if geteuid() == known.uid {
        return Ok(());
    }
    if !geteuid().is_root() {
        bail!(
            "user = \"{user}\": this process runs as user {} and may not become another; start it as root, or take `user` out",
            geteuid()
        );
    }
    for path in to_own(config, control) {
        chown(&path, Some(known.uid.as_raw()), Some(gid.as_raw()))
            .with_context(|| format!("cannot give {} to user {user}", path.display()))?;
    }
    let name = CString::new(known.name.as_str()).context("the user's name")?;
    let cannot = || format!("cannot become user \"{user}\"");
    initgroups(&name, gid).with_context(cannot)?;
    setgid(gid).with_context(cannot)?;
    setuid(known.uid).with_context(cannot)?;
    if setuid(Uid::from_raw(0)).is_ok() {
        bail!("user \"{user}\" could become root again");
    }
    tracing::info!(
        user,
        uid = known.uid.as_raw(),
        gid = gid.as_raw(),
        "no longer root"
    );
    Ok(())
}

/// What root has made and the user has to write to: the sockets with a file, and the log when there was none.
fn to_own(config: &Config, control: Option<&Path>) -> Vec<PathBuf> {
    let binds = config.listeners.iter().map(|listener| &listener.bind);
    let sockets = binds.filter_map(|bind| match bind {
        Bind::Unix(path) => Some(path.clone()),
        Bind::Ip(_) => None,
    });
    let mut paths: Vec<PathBuf> = sockets.chain(control.map(Path::to_owned)).collect();
    if let AccessLogTarget::File(path) = &config.access_log.to {
        // One that is there has an owner, whom we do not take it from.
        let mut made = OpenOptions::new();
        let made = made
            .append(true)
            .create_new(true)
            .mode(config.access_log.mode);
        if made.open(path).is_ok() {
            paths.push(path.clone());
        }
    }
    paths
}

/// The user of that name or number.
///
/// # Errors
/// When there is none, or nobody can say.
pub(crate) fn find_user(name: &str) -> anyhow::Result<User> {
    let found = match name.parse() {
        Ok(uid) => User::from_uid(Uid::from_raw(uid)),
        Err(_) => User::from_name(name),
    };
    found
        .with_context(|| format!("cannot look up user \"{name}\""))?
        .with_context(|| {
            format!("there is no user \"{name}\"; make it with `useradd --system {name}`")
        })
}

/// The group of that name or number; a number need not have a name.
///
/// # Errors
/// When there is none, or nobody can say.
pub(crate) fn find_group(name: &str) -> anyhow::Result<Gid> {
    if let Ok(gid) = name.parse() {
        return Ok(Gid::from_raw(gid));
    }
    let found =
        Group::from_name(name).with_context(|| format!("cannot look up group \"{name}\""))?;
    found.map(|group| group.gid).with_context(|| {
        format!("there is no group \"{name}\"; make it with `groupadd --system {name}`")
    })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use evenkeel_config::{Nowhere, check};

    use super::*;

    #[test]
    fn a_log_that_is_made_for_the_user_has_the_mode_that_is_asked_for() {
        let path = std::env::temp_dir().join(format!("evenkeel-own-{}.log", std::process::id()));
        for (said, expected) in [("", 0o640), ("mode = \"0600\"", 0o600)] {
            let text = format!(
                "version = 1\n[access_log]\nto = {{ file = {path:?} }}\n{said}\n[listener.a]\nbind = \":0\"\n[[route]]\nrespond.body = \"a\"\n"
            );
            let checked = check(&text, "test", &Nowhere);
            let config = checked.config.unwrap();
            assert_eq!(to_own(&config, None), std::slice::from_ref(&path));
            let made = std::fs::metadata(&path).unwrap().permissions().mode();
            std::fs::remove_file(&path).unwrap();
            assert_eq!(made & 0o777, expected, "{said}");
        }
    }
}
