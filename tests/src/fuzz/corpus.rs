//! The inputs kept in the tree: one file each, in a folder for each target.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

/// The kept inputs of a target, in the order of their names; none where it has no folder.
pub fn kept(corpus: &Path, target: &str) -> io::Result<Vec<Vec<u8>>> {
    let folder = corpus.join(target);
    if !folder.is_dir() {
        return Ok(Vec::new());
    }
    let mut files: Vec<PathBuf> = Vec::new();
    for entry in fs::read_dir(folder)? {
        files.push(entry?.path());
    }
    files.sort();
    files.iter().map(fs::read).collect()
}

/// Keeps an input; the file, named for what is in it.
pub fn keep(corpus: &Path, target: &str, input: &[u8]) -> io::Result<PathBuf> {
    let folder = corpus.join(target);
    fs::create_dir_all(&folder)?;
    let digest = Sha256::digest(input);
    let name = digest.iter().take(8).fold(0_u64, |bits, byte| bits << 8 | u64::from(*byte));
    let file = folder.join(format!("found-{name:016x}"));
    fs::write(&file, input)?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_what_a_later_run_begins_with() {
        let corpus = tempfile::tempdir().unwrap();
        assert_eq!(kept(corpus.path(), "key").unwrap(), Vec::<Vec<u8>>::new());
        let file = keep(corpus.path(), "key", b"\0\xff").unwrap();
        assert!(file.is_file());
        keep(corpus.path(), "key", b"\0\xff").unwrap();
        assert_eq!(kept(corpus.path(), "key").unwrap(), [b"\0\xff".to_vec()]);
    }
}
