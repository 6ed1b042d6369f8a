//! The repository as the drill's machine sees it: one HTTP connection over standard
//! input and output.
//!
//! QEMU starts this for each connection that the guest makes to the repository's
//! address. No port of the host is opened, so nobody else can reach it either.
//! `GET` and `HEAD` of files with one range, connections that stay: what a restore
//! needs. Facts: RFC 9110 and RFC 9112.

use anyhow::{Result, bail};
use std::io::{self, BufRead, Read, Write};
use std::path::Path;
use store::Store;

/// More header than this is no request of a restore.
const HEADER_LIMIT: u64 = 16 << 10;
/// So many bytes are asked of the repository at once.
const PIECE: u64 = 4 << 20;

/// Answers requests for objects of `store` until the connection ends. Where that is a
/// folder, links out of it lead nowhere.
pub(crate) fn serve(
    store: &dyn Store,
    folder: Option<&Path>,
    input: impl Read,
    mut output: impl Write,
) -> Result<()> {
    let mut input = io::BufReader::new(input);
    while let Some(request) = Request::read(&mut input)? {
        answer(store, folder, &request, &mut output)?;
        output.flush()?;
    }
    Ok(())
}

#[derive(Debug, PartialEq, Eq)]
struct Request {
    method: String,
    path: String,
    range: Option<String>,
}

impl Request {
    /// The next one; `None` at the end of the connection.
    fn read(input: &mut impl BufRead) -> Result<Option<Self>> {
        let mut input = input.take(HEADER_LIMIT);
        let mut line = String::new();
        if input.read_line(&mut line)? == 0 {
            return Ok(None);
        }
        let mut words = line.split_whitespace();
        let (Some(method), Some(path)) = (words.next(), words.next()) else {
            bail!("no request line: {line:?}");
        };
        let mut request = Self {
            method: method.to_owned(),
            path: path.to_owned(),
            range: None,
        };
        loop {
            let mut line = String::new();
            if input.read_line(&mut line)? == 0 {
                bail!("a request without an end, or of more than {HEADER_LIMIT} bytes");
            }
            if line.trim().is_empty() {
                return Ok(Some(request));
            }
            if let Some((name, value)) = line.split_once(':')
                && name.eq_ignore_ascii_case("range")
            {
                request.range = Some(value.trim().to_owned());
            }
        }
    }
}

fn answer(
    store: &dyn Store,
    folder: Option<&Path>,
    request: &Request,
    output: &mut impl Write,
) -> Result<()> {
    let head_only = match request.method.as_str() {
        "GET" => false,
        "HEAD" => true,
        _ => return empty(output, "405 Method Not Allowed", ""),
    };
    let Some(name) = object(folder, &request.path) else {
        return empty(output, "404 Not Found", "");
    };
    let size = match store.size(&name) {
        Ok(size) => size,
        Err(store::Error::NotFound { .. }) => return empty(output, "404 Not Found", ""),
        Err(error) => {
            eprintln!("drill: {error}");
            return empty(output, "502 Bad Gateway", "");
        }
    };
    let (status, start, len) = match request.range.as_deref().map(|r| part(r, size)) {
        None => ("200 OK", 0, size),
        Some(Some((start, len))) => ("206 Partial Content", start, len),
        Some(None) => {
            let told = format!("Content-Range: bytes */{size}\r\n");
            return empty(output, "416 Range Not Satisfiable", &told);
        }
    };
    let mut header =
        format!("HTTP/1.1 {status}\r\nAccept-Ranges: bytes\r\nContent-Length: {len}\r\n");
    if request.range.is_some() {
        let last = (start + len).saturating_sub(1);
        header.push_str(&format!("Content-Range: bytes {start}-{last}/{size}\r\n"));
    }
    header.push_str("\r\n");
    output.write_all(header.as_bytes())?;
    if head_only {
        return Ok(());
    }
    send(store, &name, start, len, output)
}

/// The header promised them: where they do not come, the connection must not go on as
/// if they had.
fn send(
    store: &dyn Store,
    name: &str,
    start: u64,
    len: u64,
    output: &mut impl Write,
) -> Result<()> {
    let end = start + len;
    let mut at = start;
    let mut piece = Vec::new();
    while at < end {
        let wanted = (end - at).min(PIECE);
        piece.resize(usize::try_from(wanted)?, 0);
        store.read_range(name, at, &mut piece)?;
        output.write_all(&piece)?;
        at += wanted;
    }
    Ok(())
}

fn empty(output: &mut impl Write, status: &str, header: &str) -> Result<()> {
    write!(
        output,
        "HTTP/1.1 {status}\r\n{header}Content-Length: 0\r\n\r\n"
    )?;
    Ok(())
}

/// The object that a request's path means; none outside the repository.
fn object(folder: Option<&Path>, path: &str) -> Option<String> {
    let path = path.split(['?', '#']).next()?;
    let name = decoded(path.trim_start_matches('/'))?;
    let inside = |folder: &Path| {
        let file = folder.join(&name).canonicalize();
        file.is_ok_and(|file| file.starts_with(folder) && file.is_file())
    };
    (store::is_valid_name(&name) && folder.is_none_or(inside)).then_some(name)
}

/// Without percent-encoding; `None` when that is wrong.
fn decoded(path: &str) -> Option<String> {
    let mut bytes = Vec::new();
    let mut rest = path.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let digits = [rest.next()?, rest.next()?];
        let digits = std::str::from_utf8(&digits).ok()?;
        bytes.push(u8::from_str_radix(digits, 16).ok()?);
    }
    String::from_utf8(bytes).ok()
}

/// First byte and length of what `range` asks of `size` bytes.
fn part(range: &str, size: u64) -> Option<(u64, u64)> {
    let (first, last) = range.strip_prefix("bytes=")?.split_once('-')?;
    let (first, end) = match (first, last) {
        ("", suffix) => (size.saturating_sub(suffix.parse().ok()?), size),
        (first, "") => (first.parse().ok()?, size),
        (first, last) => {
            let end = last.parse::<u64>().ok()?.checked_add(1)?;
            (first.parse().ok()?, end.min(size))
        }
    };
    let len = end.checked_sub(first).filter(|len| *len > 0)?;
    Some((first, len))
}

#[cfg(test)]
mod tests {
    use super::*;
    use store::DirStore;

    fn ask(requests: &str) -> String {
        let outer = tempfile::tempdir().unwrap();
        std::fs::write(outer.path().join("secret"), "secret").unwrap();
        let folder = outer.path().join("repo");
        std::fs::create_dir_all(folder.join("a-b")).unwrap();
        std::fs::write(folder.join("a-b/file"), "0123456789").unwrap();
        std::os::unix::fs::symlink("../secret", folder.join("link")).unwrap();
        let folder = folder.canonicalize().unwrap();
        let store = DirStore::open(&folder).unwrap();
        let mut output = Vec::new();
        serve(&store, Some(&folder), requests.as_bytes(), &mut output).unwrap();
        String::from_utf8(output).unwrap()
    }

    #[test]
    fn files_and_parts_of_them_on_one_connection() {
        let answer = ask("GET /a%2Db/file HTTP/1.1\r\nHost: x\r\n\r\n\
             GET /a-b/file HTTP/1.1\r\nrange: bytes=2-4\r\n\r\n\
             HEAD /a-b/file HTTP/1.1\r\n\r\n\
             GET /a-b/file HTTP/1.1\r\nRange: bytes=10-\r\n\r\n");
        assert!(
            answer.contains("Length: 10\r\n\r\n0123456789HTTP/1.1 206"),
            "{answer}"
        );
        assert!(
            answer.contains("bytes 2-4/10\r\n\r\n234HTTP/1.1 200"),
            "{answer}"
        );
        assert!(answer.contains("HTTP/1.1 416"), "{answer}");
        assert!(answer.ends_with("bytes */10\r\nContent-Length: 0\r\n\r\n"));
    }

    #[test]
    fn nothing_outside_the_folder_is_served() {
        for path in [
            "/../secret",
            "/%2e%2e/secret",
            "/link",
            "/",
            "/a-b",
            "/none",
            "/%zz",
            "/%",
        ] {
            let answer = ask(&format!("GET {path} HTTP/1.1\r\n\r\n"));
            assert!(answer.starts_with("HTTP/1.1 404"), "{path}: {answer}");
        }
        assert!(ask("PUT /x HTTP/1.1\r\n\r\n").starts_with("HTTP/1.1 405"));
    }

    #[test]
    fn what_is_larger_than_a_piece_comes_whole() {
        let folder = tempfile::tempdir().unwrap();
        let bytes: Vec<u8> = (0..PIECE + 5).map(|at| at as u8).collect();
        std::fs::write(folder.path().join("pack"), &bytes).unwrap();
        let store = DirStore::open(folder.path()).unwrap();
        let mut output = Vec::new();
        serve(
            &store,
            None,
            &b"GET /pack HTTP/1.1\r\n\r\n"[..],
            &mut output,
        )
        .unwrap();
        assert!(output.ends_with(&bytes));
    }

    #[test]
    fn a_request_without_end_is_refused() {
        let long = format!("GET /x HTTP/1.1\r\nx: {}\r\n\r\n", "y".repeat(20_000));
        let store = DirStore::open(".").unwrap();
        let refused = serve(&store, None, long.as_bytes(), io::sink());
        assert!(refused.unwrap_err().to_string().contains("more than"));
    }

    #[test]
    fn ranges() {
        assert_eq!(part("bytes=0-", 10), Some((0, 10)));
        assert_eq!(part("bytes=-3", 10), Some((7, 3)));
        assert_eq!(part("bytes=-30", 10), Some((0, 10)));
        assert_eq!(part("bytes=8-99", 10), Some((8, 2)));
        assert_eq!(part("bytes=5-4", 10), None);
        assert_eq!(part("bytes=0-18446744073709551615", 10), None);
        assert_eq!(part("lines=1-2", 10), None);
    }
}
