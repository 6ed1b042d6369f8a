//! Module and firmware files as they lie on disk: plain, or compressed by the
//! distribution.

use std::fs;
use std::io::{self, Read};
use std::path::Path;
use std::process::{Command, Stdio};

use crate::{Error, Result};

/// No module comes near; a damaged file must not fill memory.
const MODULE_CAP: u64 = 256 << 20;

/// The file at `path`, unpacked.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>> {
    let packed = fs::read(path).map_err(|source| Error::Read {
        path: path.to_owned(),
        source,
    })?;
    let unpacked = match path.extension().and_then(|ext| ext.to_str()) {
        Some("zst") => unzstd(&packed),
        Some(tool @ ("xz" | "gz")) => {
            let tool = if tool == "gz" { "gzip" } else { tool };
            filter(tool, path)
        }
        _ => Ok(packed),
    };
    unpacked.map_err(|source| Error::Codec {
        action: format!("unpacking {}", path.display()),
        source,
    })
}

fn unzstd(packed: &[u8]) -> io::Result<Vec<u8>> {
    let mut out = Vec::new();
    zstd::Decoder::new(packed)?
        .take(MODULE_CAP)
        .read_to_end(&mut out)?;
    Ok(out)
}

/// `tool -dc < path`. The tools are on every Debian; a decoder of our own
/// would be one more dependency for a file that is read once per build.
fn filter(tool: &str, path: &Path) -> io::Result<Vec<u8>> {
    let output = Command::new(tool)
        .arg("-dc")
        .stdin(fs::File::open(path)?)
        .stderr(Stdio::piped())
        .output()
        .map_err(|error| {
            let package = if tool == "xz" { "xz-utils" } else { tool };
            io::Error::new(error.kind(), format!("{tool}: {error}; install {package}"))
        })?;
    if output.status.success() {
        return Ok(output.stdout);
    }
    let message = String::from_utf8_lossy(&output.stderr);
    Err(io::Error::other(format!("{tool} -dc: {}", message.trim())))
}
