//! What the process uses, and what it may: from `/proc`, and from the control group (cgroup v2) that it runs in.
//!
//! Memory is what is resident, and of a group what its processes have and the system cannot simply take back: `memory.current`
//! without `inactive_file`, by which a log that was written does not count as ours. Where a file is missing nothing is limited.

use std::fs;
use std::path::{Path, PathBuf};

use evenkeel_policy::overload::Usage;
use rustix::param::page_size;
use rustix::process::{Resource, getrlimit};

/// Where cgroup v2 is mounted.
const GROUPS: &str = "/sys/fs/cgroup";

/// On systems that do not say how many descriptors are open they are counted one by one: at every tenth look only.
const COUNT_EVERY: u32 = 10;

/// Where the numbers are read.
#[derive(Debug)]
pub(super) struct Resources {
    process: PathBuf,
    /// The group of the process and those around it: each may have a limit.
    groups: Vec<PathBuf>,
    looks: u32,
    counted: u64,
}

impl Resources {
    /// Those of this process.
    pub(super) fn of_process() -> Self {
        Self::at(Path::new("/proc/self"), Path::new(GROUPS))
    }

    fn at(process: &Path, mount: &Path) -> Self {
        let path = fs::read_to_string(process.join("cgroup"));
        let groups = groups(mount, &path.unwrap_or_default());
        Self {
            process: process.to_owned(),
            groups,
            looks: 0,
            counted: 0,
        }
    }

    /// The open descriptors.
    pub(super) fn descriptors(&mut self) -> Usage {
        let folder = self.process.join("fd");
        // Since Linux 6.2 the size of the folder is their number; before that it is 0.
        let said = fs::metadata(&folder).map_or(0, |folder| folder.len());
        let used = if said > 0 {
            said
        } else {
            if self.looks.is_multiple_of(COUNT_EVERY) {
                let count = fs::read_dir(&folder).map_or(0, Iterator::count);
                self.counted = u64::try_from(count).unwrap_or(u64::MAX);
            }
            self.looks = self.looks.wrapping_add(1);
            self.counted
        };
        let most = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
        Usage { used, most }
    }

    /// The memory, by the nearest of its limits: `ceiling` for what is resident, and those of its groups.
    pub(super) fn memory(&self, ceiling: u64) -> Usage {
        let resident = (ceiling < u64::MAX).then(|| Usage {
            used: self.resident(),
            most: ceiling,
        });
        let of_groups = self.groups.iter().filter_map(|group| of_group(group));
        resident
            .into_iter()
            .chain(of_groups)
            .max_by_key(|usage| usage.thousandths())
            .unwrap_or(Usage::UNLIMITED)
    }

    fn resident(&self) -> u64 {
        let pages = fs::read_to_string(self.process.join("statm"));
        // size resident shared …, in pages
        let pages = pages
            .ok()
            .and_then(|text| text.split_whitespace().nth(1)?.parse::<u64>().ok());
        pages.unwrap_or(0) * page_size() as u64
    }
}

/// The folders of the group that `/proc/self/cgroup` names, the innermost first.
fn groups(mount: &Path, cgroup: &str) -> Vec<PathBuf> {
    let Some(path) = cgroup.lines().find_map(|line| line.strip_prefix("0::/")) else {
        return Vec::new();
    };
    let inner = mount.join(path.trim());
    let around = inner.ancestors().take_while(|path| path.starts_with(mount));
    around
        .filter(|path| path.join("memory.max").exists())
        .map(Path::to_owned)
        .collect()
}

/// What a group uses of its limit; none when it has none.
fn of_group(group: &Path) -> Option<Usage> {
    let number = |file: &str| {
        let text = fs::read_to_string(group.join(file)).ok()?;
        text.trim().parse::<u64>().ok()
    };
    // Without a limit it says "max".
    let most = number("memory.max")?;
    let current = number("memory.current")?;
    let stat = fs::read_to_string(group.join("memory.stat")).unwrap_or_default();
    let files = stat
        .lines()
        .find_map(|line| line.strip_prefix("inactive_file "));
    let files = files.and_then(|bytes| bytes.trim().parse::<u64>().ok());
    Some(Usage {
        used: current.saturating_sub(files.unwrap_or(0)),
        most,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A folder that is gone when the test is over.
    struct Folder(PathBuf);

    impl Folder {
        fn new(name: &str) -> Self {
            let name = format!("evenkeel-resources-{}-{name}", std::process::id());
            let path = std::env::temp_dir().join(name);
            fs::create_dir_all(path.join("group/inner/fd")).unwrap();
            Self(path)
        }

        fn write(&self, file: &str, text: &str) {
            fs::write(self.0.join(file), text).unwrap();
        }

        fn resources(&self) -> Resources {
            Resources::at(&self.0, &self.0.join("group"))
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            drop(fs::remove_dir_all(&self.0));
        }
    }

    const fn of(used: u64, most: u64) -> Usage {
        Usage { used, most }
    }

    #[test]
    fn the_nearest_limit_of_a_group_counts() {
        let folder = Folder::new("nearest");
        folder.write("cgroup", "1:cpu:/x\n0::/inner\n");
        folder.write("group/memory.max", "1000\n");
        folder.write("group/memory.current", "600\n");
        folder.write("group/inner/memory.max", "max\n");
        folder.write("group/inner/memory.current", "500\n");
        let resources = folder.resources();
        assert_eq!(resources.memory(u64::MAX), of(600, 1000));
        // A limit that is set while it runs is seen, and what the system can take back does not count.
        folder.write("group/inner/memory.max", "500\n");
        folder.write("group/inner/memory.stat", "anon 1\ninactive_file 40\n");
        assert_eq!(resources.memory(u64::MAX), of(460, 500));
    }

    #[test]
    fn resident_memory_counts_against_its_ceiling_alone() {
        let folder = Folder::new("resident");
        folder.write("statm", "900 7 3 1 0 9 0\n");
        let resources = folder.resources();
        assert_eq!(resources.memory(u64::MAX), Usage::UNLIMITED);
        let page = page_size() as u64;
        assert_eq!(resources.memory(1 << 20), of(7 * page, 1 << 20));
    }

    #[test]
    fn this_process_has_memory_and_descriptors() {
        let mut resources = Resources::of_process();
        assert!(resources.resident() > 100_000);
        let before = resources.descriptors();
        assert!(before.used >= 3 && before.most > before.used);
        let more: Vec<_> = (0..20).map(|_| fs::File::open("/").unwrap()).collect();
        let mut anew = Resources::of_process();
        assert!(anew.descriptors().used >= before.used + 10, "{more:?}");
    }

    #[test]
    fn where_nothing_is_said_nothing_is_limited() {
        let mut resources = Resources::at(Path::new("/nowhere"), Path::new("/nowhere"));
        assert_eq!(resources.memory(u64::MAX), Usage::UNLIMITED);
        assert_eq!(resources.memory(1), of(0, 1));
        assert_eq!(resources.descriptors().used, 0);
    }
}
