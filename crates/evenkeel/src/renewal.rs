//! Files of TLS that are read anew while the configuration stays, and which of them take the place of what is served.
//!
//! Files that belong together are taken together or not at all, and keep back no others. A certificate that has expired, or is not
//! valid yet, is as good as any where there is nothing better; where what is served of the same files is in its time, that goes on,
//! and the new one is taken when its time comes.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use evenkeel_config::Severity;
use evenkeel_config::model::Config;

use crate::files::{certificate_in, seconds_since_1970};
use crate::load::{Loaded, Reading, load};
use crate::stamp::{Seen, Stamp};

/// A configuration, and what it was read from.
pub(crate) type Fit = (Box<Config>, Arc<Reading>);

/// What came of reading certificates anew.
pub(crate) struct Renewed {
    /// The configuration with all that fit; none: nothing that is new does.
    pub(crate) fit: Option<Fit>,
    /// What did not fit, for people; none: all did.
    pub(crate) report: Option<String>,
    /// What the files look like now.
    pub(crate) seen: Seen,
    /// When the first of those certificates that did not fit becomes valid, in seconds since 1970.
    pub(crate) due: Option<i64>,
}

/// Reads the files of TLS anew that look other than they did when `config` was read.
pub(crate) fn renew(reading: &Reading, config: &Config) -> Renewed {
    let before = reading.certificates();
    let look = |(path, _): &(PathBuf, _)| (path.clone(), Stamp::of(path));
    let seen: Seen = before.iter().map(look).collect();
    let both = before.iter().zip(&seen);
    let changed = both.filter(|(before, now)| before != now);
    let changed: HashSet<PathBuf> = changed.map(|(_, (path, _))| path.clone()).collect();
    let all_fit = |fit| Renewed {
        fit,
        report: None,
        seen: seen.clone(),
        due: None,
    };
    if changed.is_empty() {
        return all_fit(None);
    }
    let report = match fit(reading, &changed) {
        Ok(fit) => return all_fit(Some(fit)),
        Err(report) => report,
    };
    let (mut taken, mut renewed) = (HashSet::new(), None);
    for group in groups(config, &changed) {
        let more = &taken | &group;
        if let Ok(fit) = fit(reading, &more) {
            (taken, renewed) = (more, Some(fit));
        }
    }
    Renewed {
        fit: renewed,
        report: Some(report),
        due: due(config, &(&changed - &taken)),
        seen,
    }
}

/// Reads the file again; `served` is what is served, with what that was read from. A pair that is out of its time takes no place of one
/// that is in its time: who looks at the files finds it there, and takes it when its time comes.
pub(crate) fn reload(
    path: &Path,
    served: Option<(&Reading, &Config)>,
) -> (anyhow::Result<Loaded>, Seen) {
    let (loaded, seen) = load(path, false);
    let better = match (&loaded, served) {
        (
            Ok(Loaded::Good {
                config, reading, ..
            }),
            Some((before, served)),
        ) => with_better(reading, config, before, served),
        _ => None,
    };
    (better.map_or(loaded, Ok), seen)
}

fn with_better(
    reading: &Reading,
    config: &Config,
    before: &Reading,
    served: &Config,
) -> Option<Loaded> {
    let now = seconds_since_1970();
    let early_or_late = config
        .pairs()
        .filter(|pair| !pair.identity.certificate().is_in_time(now));
    let better = early_or_late.filter(|pair| {
        served.pairs().any(|other| {
            let same_files = (other.certificate, other.key) == (pair.certificate, pair.key);
            same_files && other.identity.certificate().is_in_time(now)
        })
    });
    let held: HashSet<&Path> = better
        .flat_map(|pair| [pair.certificate, pair.key])
        .collect();
    if held.is_empty() {
        return None;
    }
    let mixed = reading.with_certificates_of(before, |path| held.contains(path));
    let again = mixed.again(&HashSet::new(), Severity::Warning);
    // Where a key belongs to several, one of which is renewed, it cannot be had.
    matches!(again, Loaded::Good { .. }).then_some(again)
}

/// What was read before as it is by now: with the files of TLS that are served, and with those that fit of what is there. None: it
/// cannot be had.
pub(crate) fn of_now(reading: &Reading, served: Option<&Reading>) -> Option<Fit> {
    let none = HashSet::new();
    // What is served may be newer than what was read then, and no longer there.
    let served = served.map(|served| reading.with_certificates_of(served, |_| true));
    let served = served.and_then(|served| fit(&served, &none).ok());
    let (config, reading) = served.or_else(|| fit(reading, &none).ok())?;
    let renewed = renew(&reading, &config).fit;
    renewed.or(Some((config, reading)))
}

/// With these files of TLS read anew, if they fit each other and all else; what is wrong with them if not.
fn fit(reading: &Reading, fresh: &HashSet<PathBuf>) -> Result<Fit, String> {
    match reading.again(fresh, Severity::Error) {
        Loaded::Good {
            config, reading, ..
        } => Ok((config, reading)),
        Loaded::Bad { report } => Err(report),
    }
}

/// Files that changed and belong together: a certificate and its key, or a listener's authorities and their lists; any other stands for
/// itself. Where two have a file in common they are one.
fn groups(config: &Config, changed: &HashSet<PathBuf>) -> Vec<HashSet<PathBuf>> {
    let pairs = config.pairs();
    let pairs = pairs.map(|pair| vec![pair.certificate, pair.key]);
    let listeners = config.listeners.iter().filter_map(|listener| {
        let client = listener.tls.as_ref()?.client.as_ref()?;
        let lists = client.crl.iter().map(PathBuf::as_path);
        Some(lists.chain([client.ca.as_path()]).collect())
    });
    let others = changed.iter().map(|file| vec![file.as_path()]);
    let all = pairs.chain(listeners).chain(others);
    let mut groups: Vec<HashSet<PathBuf>> = Vec::new();
    for files in all {
        let files = files.into_iter().map(Path::to_owned);
        let mut group: HashSet<PathBuf> = files.filter(|file| changed.contains(file)).collect();
        if group.is_empty() {
            continue;
        }
        groups.retain(|other| {
            let is_apart = other.is_disjoint(&group);
            if !is_apart {
                group.extend(other.iter().cloned());
            }
            is_apart
        });
        groups.push(group);
    }
    groups
}

/// When the first of the certificates in these files becomes valid; none: that is no reason against any.
fn due(config: &Config, unfit: &HashSet<PathBuf>) -> Option<i64> {
    let now = seconds_since_1970();
    let files = config.pairs().map(|pair| pair.certificate);
    let files = files.filter(|file| unfit.contains(*file));
    let begins = files.filter_map(|file| Some(certificate_in(file)?.not_before));
    begins.filter(|begin| *begin > now).min()
}

#[cfg(test)]
mod tests;
