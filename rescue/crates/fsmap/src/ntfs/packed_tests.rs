use super::*;
use crate::bytes::Source;
use crate::ntfs::NtfsFiles;
use disk::MemDisk;
use std::path::Path;
use std::process::Command;

fn run(program: &str, arguments: &[&str], folder: &Path) -> Vec<u8> {
    let mut command = Command::new(program);
    let output = command.args(arguments).current_dir(folder).output();
    let output = output.unwrap_or_else(|e| panic!("{program}: {e}"));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {arguments:?}: {said}");
    output.stdout
}

/// What packs well, what does not, and nothing at all.
fn content() -> Vec<u8> {
    let text = "for each of them a sentence that others resemble, and the number ";
    let mut content: Vec<u8> = (0..9000_u32)
        .flat_map(|n| format!("{text}{n}\n").into_bytes())
        .collect();
    let mut state = 1_u32;
    content.extend((0..150_000).map(|_| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    }));
    content.extend([0; 200_000]);
    content.extend(b"and an end");
    content
}

/// A volume on which new files are compressed, with one that ntfs-3g wrote.
fn volume(folder: &Path) -> Vec<u8> {
    std::fs::write(folder.join("file"), content()).unwrap();
    std::fs::write(folder.join("v"), []).unwrap();
    let image = std::fs::File::options().write(true).open(folder.join("v"));
    image.unwrap().set_len(16 << 20).unwrap();
    run("mkntfs", &["-F", "-Q", "-q", "-C", "v"], folder);
    run("ntfscp", &["v", "file", "/packed"], folder);
    std::fs::read(folder.join("v")).unwrap()
}

fn is_packed(bytes: &[u8]) -> bool {
    let disk = MemDisk::new(bytes.to_vec());
    let volume = Volume::open(Source::new(&disk)).unwrap();
    // The first file that is not the system's.
    matches!(volume.value(64, DATA, ""), Ok(Some(Value::Packed(_))))
}

fn read(bytes: &[u8]) -> Result<Vec<u8>, String> {
    let disk = MemDisk::new(bytes.to_vec());
    let files = NtfsFiles::open(&disk).map_err(|e| e.to_string())?;
    let file = files.find("/packed").map_err(|e| e.to_string())?.unwrap();
    files.read(file, 8 << 20).map_err(|e| e.to_string())
}

#[test]
fn what_ntfs_3g_compressed_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let bytes = volume(folder.path());
    assert!(is_packed(&bytes), "ntfs-3g did not compress it");
    let found = read(&bytes).unwrap();
    assert!(found == content(), "{} bytes", found.len());
    let theirs = run("ntfscat", &["v", "/packed"], folder.path());
    assert!(theirs == found);
    let disk = MemDisk::new(bytes);
    let files = NtfsFiles::open(&disk).unwrap();
    let file = files.find("/packed").unwrap().unwrap();
    assert_eq!(files.size(file), Ok(content().len() as u64));
    assert_eq!(files.places(file), Ok(None), "nobody writes into it");
    let why = files.read(file, 1000).unwrap_err().to_string();
    assert!(why.contains("expected at most 1000"), "{why}");
}

/// As a resource of a WIM that wimlib compressed: the table of chunks and the chunks.
fn resource(folder: &Path, chunk: u64) -> Vec<u8> {
    std::fs::create_dir_all(folder.join("in")).unwrap();
    std::fs::write(folder.join("in/file"), content()).unwrap();
    let chunk = format!("--chunk-size={chunk}");
    let how = ["--compress=XPRESS", &chunk, "--no-acls"];
    run(
        "wimlib-imagex",
        &[&["capture", "in", "w.wim"][..], &how[..]].concat(),
        folder,
    );
    let list = run("wimlib-imagex", &["info", "w.wim", "--blobs"], folder);
    let list = String::from_utf8(list).unwrap();
    let size = content().len().to_string();
    let blob = list.split("\n\n").find(|blob| {
        let line = blob
            .lines()
            .find(|line| line.starts_with("Uncompressed size"));
        line.is_some_and(|line| line.contains(&format!(" {size} ")))
    });
    let blob = blob.unwrap_or_else(|| panic!("{list}"));
    let field = |name: &str| -> usize {
        let line = blob.lines().find(|line| line.starts_with(name)).unwrap();
        let words = line.split_whitespace();
        words.filter_map(|word| word.parse().ok()).next().unwrap()
    };
    let (at, len) = (field("Offset in WIM"), field("Compressed size"));
    let wim = std::fs::read(folder.join("w.wim")).unwrap();
    wim[at..at + len].to_vec()
}

#[test]
fn what_wimlib_compressed_is_read() {
    for chunk in [4096, 8192, 16384] {
        let folder = tempfile::tempdir().unwrap();
        let stream = resource(folder.path(), chunk);
        let size = content().len() as u64;
        let found = chunks(&stream, size, chunk).unwrap();
        assert!(found == content(), "{chunk}");
        let why = chunks(&stream[..stream.len() / 2], size, chunk).unwrap_err();
        assert!(matches!(why, Stop::Raw(_)));
        let mut bad = stream.clone();
        let at = bad.len() - 1000;
        bad[at] ^= 0xFF;
        // (There is no checksum: what matters is that it ends.)
        let _ = chunks(&bad, size, chunk);
    }
}

#[test]
fn a_reparse_point_says_how_it_is_compacted() {
    let point = |provider: u32, algorithm: u32| {
        let fields = [TAG, 16, 1, provider, 1, algorithm];
        fields.map(u32::to_le_bytes).concat()
    };
    assert!(is_compacted(&point(2, 0)));
    assert!(!is_compacted(&[0x0C, 0, 0, 0xA0]));
    for (algorithm, size) in [(0, 4096), (2, 8192), (3, 16384)] {
        assert_eq!(chunk_size(&point(IN_FILE, algorithm)).unwrap(), size);
    }
    for (provider, algorithm, told) in [(2, 1, "LZX"), (1, 0, "provider 1"), (2, 7, "algorithm 7")]
    {
        match chunk_size(&point(provider, algorithm)) {
            Err(Stop::Raw(why)) => assert!(why.contains(told), "{why}"),
            other => panic!("{other:?}"),
        }
    }
}
