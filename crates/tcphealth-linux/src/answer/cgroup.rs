//! A cgroup's id → its path and its memory.
//!
//! Source: Documentation/admin-guide/cgroup-v2.rst; the id is the inode of its directory.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{DirEntryExt, MetadataExt};
use std::path::{Path, PathBuf};

use tcphealth_core::snapshot::{Absent, Answer, Fact};

use super::Deadline;

/// Files of names and values, and files of one value.
const FILES: [&str; 4] = ["memory.stat", "memory.events", "memory.current", "memory.max"];

/// The cgroup with this id.
pub(super) fn cgroup(id: u64, deadline: Deadline) -> Answer {
    let root = mounted().ok_or(Absent::NotHere)?;
    let directory = find(&root, id, deadline)?;
    let path = directory.strip_prefix(&root).unwrap_or(&directory);
    let values = FILES.iter().flat_map(|file| values(&directory, file)).collect();
    Ok(Fact::Cgroup { path: format!("/{}", path.display()), values })
}

fn mounted() -> Option<PathBuf> {
    let mounts = fs::read_to_string("/proc/thread-self/mountinfo").ok()?;
    let line = mounts.lines().find(|line| line.contains(" - cgroup2 "))?;
    line.split(' ').nth(4).map(PathBuf::from)
}

/// Breadth first, by the inodes in the directory entries: nothing is opened but directories.
fn find(root: &Path, id: u64, deadline: Deadline) -> Result<PathBuf, Absent> {
    if fs::metadata(root).is_ok_and(|about| about.ino() == id) {
        return Ok(root.to_owned());
    }
    let mut level = vec![root.to_owned()];
    let mut seen = 0_u32;
    while !level.is_empty() {
        let mut below = Vec::new();
        for directory in level {
            if deadline.passed() {
                return Err(Absent::CutShort(seen.to_string()));
            }
            seen += 1;
            let entries = fs::read_dir(&directory).into_iter().flatten().flatten();
            for entry in entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir())) {
                if entry.ino() == id {
                    return Ok(entry.path());
                }
                below.push(entry.path());
            }
        }
        level = below;
    }
    Err(Absent::NotHere)
}

fn values(directory: &Path, file: &str) -> BTreeMap<String, u64> {
    let text = fs::read_to_string(directory.join(file)).unwrap_or_default();
    text.lines()
        .filter_map(|line| match line.split_once(' ') {
            Some((key, value)) => Some((format!("{file} {key}"), value.parse().ok()?)),
            // `memory.max` says “max” where there is no limit.
            None => Some((file.to_owned(), line.parse().ok()?)),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_cgroup_is_found_by_the_inode_of_its_directory() {
        let tree = tempfile::tempdir().unwrap();
        let inner = tree.path().join("system.slice/nginx.service");
        fs::create_dir_all(&inner).unwrap();
        let id = fs::metadata(&inner).unwrap().ino();
        let deadline = Deadline::after(Duration::from_secs(20));
        assert_eq!(find(tree.path(), id, deadline), Ok(inner));
        assert_eq!(find(tree.path(), u64::MAX, deadline), Err(Absent::NotHere));
        assert_eq!(find(tree.path(), u64::MAX, Deadline::after(Duration::ZERO)), Err(Absent::CutShort("0".into())));
    }

    #[test]
    fn values_go_by_file_and_key() {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("memory.stat"), "anon 12\nsock 345\n").unwrap();
        fs::write(directory.path().join("memory.current"), "99\n").unwrap();
        fs::write(directory.path().join("memory.max"), "max\n").unwrap();
        let all: BTreeMap<_, _> = FILES.iter().flat_map(|file| values(directory.path(), file)).collect();
        let expected = [("memory.current", 99), ("memory.stat anon", 12), ("memory.stat sock", 345)];
        assert_eq!(all, expected.map(|(name, value)| (name.to_owned(), value)).into());
    }
}
