//! A web server for a folder: `GET` and `HEAD`, ranges, persistent connections.
//! What a restore needs of a plain HTTP server, and no more; and `POST` to
//! addresses that were given answers beforehand, each used once.

use anyhow::{Context, Result, bail};
use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

/// More header than this is no request of ours.
const HEADER_LIMIT: usize = 16 << 10;

/// Something that was sent to the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Post {
    /// Where to, with the slash.
    pub path: String,
    /// What.
    pub body: String,
    /// The status it was answered with.
    pub status: u16,
}

/// A server on a port of the loopback; it ends with the value.
#[derive(Debug)]
pub struct Web {
    port: u16,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    folder: PathBuf,
    ended: AtomicBool,
    requests: AtomicU64,
    ranges: AtomicU64,
    bytes: AtomicU64,
    /// Bytes a second over all connections; 0 for as fast as can be.
    pace: AtomicU64,
    /// What was posted, and how each address answers the next posts.
    posts: Mutex<Vec<Post>>,
    answers: Mutex<Vec<(String, u16)>>,
    /// Held while bytes take their time: connections share the line.
    line: Mutex<()>,
}

impl Web {
    /// Serves `folder`.
    ///
    /// # Errors
    /// When no port can be listened on.
    pub fn serve(folder: impl Into<PathBuf>) -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("opening a port")?;
        let port = listener.local_addr().context("naming the port")?.port();
        let shared = Arc::new(Shared {
            folder: folder.into(),
            ended: AtomicBool::new(false),
            requests: AtomicU64::new(0),
            ranges: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
            pace: AtomicU64::new(0),
            posts: Mutex::default(),
            answers: Mutex::default(),
            line: Mutex::new(()),
        });
        let of_thread = Arc::clone(&shared);
        thread::spawn(move || accept(&listener, &of_thread));
        Ok(Self { port, shared })
    }

    /// The folder's address for this host.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// The folder's address for a guest on QEMU's user network.
    #[must_use]
    pub fn url_for_guest(&self) -> String {
        format!("http://10.0.2.2:{}", self.port)
    }

    /// Answers with so many bytes a second from now on; 0 for as fast as can be.
    pub fn set_pace(&self, bytes_per_second: u64) {
        self.shared.pace.store(bytes_per_second, Ordering::Relaxed);
    }

    /// Answers the next post to `path` with `status`; one without an answer
    /// gets 410 (gone).
    pub fn answer_post(&self, path: &str, status: u16) {
        lock(&self.shared.answers).push((path.to_owned(), status));
    }

    /// What was posted so far.
    #[must_use]
    pub fn posts(&self) -> Vec<Post> {
        lock(&self.shared.posts).clone()
    }

    /// Bytes of content sent so far.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.shared.bytes.load(Ordering::Relaxed)
    }

    /// Requests answered so far.
    #[must_use]
    pub fn requests(&self) -> u64 {
        self.shared.requests.load(Ordering::Relaxed)
    }

    /// Answers so far that were a part of a file.
    #[must_use]
    pub fn ranges(&self) -> u64 {
        self.shared.ranges.load(Ordering::Relaxed)
    }
}

impl Shared {
    fn take_post(&self, path: String, body: Vec<u8>) -> Answer {
        let mut answers = lock(&self.answers);
        let next = answers.iter().position(|(at, _)| *at == path);
        let status = next.map_or(410, |at| answers.remove(at).1);
        lock(&self.posts).push(Post {
            path,
            body: String::from_utf8_lossy(&body).into_owned(),
            status,
        });
        Answer::empty(match status {
            200 => "200 OK",
            500 => "500 Internal Server Error",
            _ => "410 Gone",
        })
    }

    fn take_time(&self, bytes: u64) {
        let pace = self.pace.load(Ordering::Relaxed);
        if let Some(millis) = (bytes * 1000).checked_div(pace) {
            let _line = self.line.lock().unwrap_or_else(PoisonError::into_inner);
            thread::sleep(Duration::from_millis(millis));
        }
        // Connections queue up for the line: what waits is not sent.
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Drop for Web {
    fn drop(&mut self) {
        self.shared.ended.store(true, Ordering::Relaxed);
        // Wakes the accepting thread, so that it sees the flag.
        drop(TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)));
    }
}

fn accept(listener: &TcpListener, shared: &Arc<Shared>) {
    while let Ok((stream, _)) = listener.accept() {
        if shared.ended.load(Ordering::Relaxed) {
            return;
        }
        let shared = Arc::clone(shared);
        thread::spawn(move || {
            // A client that goes away in the middle is its own affair.
            drop(converse(stream, &shared));
        });
    }
}

fn converse(stream: TcpStream, shared: &Shared) -> Result<()> {
    let mut reader = BufReader::new(stream.try_clone().context("cloning a connection")?);
    let mut stream = stream;
    while let Some(request) = Request::read(&mut reader)? {
        shared.requests.fetch_add(1, Ordering::Relaxed);
        let (head_only, body) = (request.head_only, request.body.clone());
        let answer = match body {
            Some(body) => shared.take_post(request.path, body),
            None => Answer::to(&request, &shared.folder),
        };
        if answer.status.starts_with("206") {
            shared.ranges.fetch_add(1, Ordering::Relaxed);
        }
        if !head_only {
            shared.take_time(answer.body.len() as u64);
        }
        answer.write(&mut stream, head_only)?;
    }
    Ok(())
}

#[derive(Debug, PartialEq, Eq)]
struct Request {
    path: String,
    head_only: bool,
    range: Option<String>,
    /// Of a `POST`.
    body: Option<Vec<u8>>,
}

impl Request {
    /// The next request of a connection; `None` at its end.
    fn read(reader: &mut impl BufRead) -> Result<Option<Self>> {
        let mut first = String::new();
        if reader.read_line(&mut first)? == 0 {
            return Ok(None);
        }
        let mut words = first.split_whitespace();
        let (Some(method), Some(path)) = (words.next(), words.next()) else {
            bail!("no request line: {first:?}");
        };
        let mut request = Self {
            path: path.to_owned(),
            head_only: method == "HEAD",
            range: None,
            body: (method == "POST").then(Vec::new),
        };
        let mut length = 0;
        let mut total = 0;
        loop {
            let mut line = String::new();
            total += reader.read_line(&mut line)?;
            if line.trim().is_empty() {
                if let Some(body) = &mut request.body {
                    reader.take(length).read_to_end(body)?;
                }
                return Ok(Some(request));
            }
            if total > HEADER_LIMIT {
                bail!("a header of more than {HEADER_LIMIT} bytes");
            }
            if let Some((name, value)) = line.split_once(':') {
                let value = value.trim();
                match name.to_ascii_lowercase().as_str() {
                    "range" => request.range = Some(value.to_owned()),
                    "content-length" => length = value.parse().context("a length")?,
                    _ => {}
                }
            }
        }
    }
}

#[derive(Debug)]
struct Answer {
    status: &'static str,
    headers: String,
    body: Vec<u8>,
}

impl Answer {
    fn empty(status: &'static str) -> Self {
        Self {
            status,
            headers: String::new(),
            body: Vec::new(),
        }
    }

    fn to(request: &Request, folder: &Path) -> Self {
        let relative = request.path.trim_start_matches('/');
        if relative.split('/').any(|part| part == "..") {
            return Self::empty("403 Forbidden");
        }
        let path = folder.join(relative);
        let file = match File::open(&path) {
            Ok(file) if path.is_file() => file,
            // Folders are not listed: not every server does.
            Ok(_) | Err(_) => return Self::empty("404 Not Found"),
        };
        let size = file.metadata().map_or(0, |m| m.len());
        let asked = request.range.as_deref();
        match asked.map_or(Some((0, size)), |range| part(range, size)) {
            Some((start, len)) => Self::file(&file, (start, len), asked.is_some().then_some(size)),
            None => Self::empty("416 Range Not Satisfiable"),
        }
    }

    fn file(file: &File, (start, len): (u64, u64), part_of: Option<u64>) -> Self {
        let mut body = vec![0; usize::try_from(len).unwrap_or(0)];
        if file.read_exact_at(&mut body, start).is_err() {
            return Self::empty("500 Internal Server Error");
        }
        let Some(size) = part_of else {
            return Self {
                status: "200 OK",
                headers: "Accept-Ranges: bytes\r\n".to_owned(),
                body,
            };
        };
        let last = (start + len).saturating_sub(1);
        Self {
            status: "206 Partial Content",
            headers: format!("Content-Range: bytes {start}-{last}/{size}\r\n"),
            body,
        }
    }

    fn write(&self, stream: &mut impl Write, head_only: bool) -> Result<()> {
        let (status, headers, len) = (self.status, &self.headers, self.body.len());
        let head = format!("HTTP/1.1 {status}\r\n{headers}Content-Length: {len}\r\n\r\n");
        stream.write_all(head.as_bytes())?;
        if !head_only {
            stream.write_all(&self.body)?;
        }
        Ok(())
    }
}

/// Start and length that `bytes=…` means in a file of `size` bytes (RFC 9110,
/// section 14.1.2; one range only).
fn part(range: &str, size: u64) -> Option<(u64, u64)> {
    let (from, to) = range.strip_prefix("bytes=")?.split_once('-')?;
    let (start, end) = match (from, to) {
        ("", suffix) => (size.saturating_sub(suffix.parse().ok()?), size),
        (from, "") => (from.parse().ok()?, size),
        (from, to) => (
            from.parse().ok()?,
            to.parse::<u64>().ok()?.saturating_add(1).min(size),
        ),
    };
    (start < end).then(|| (start, end - start))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_a_file() {
        assert_eq!(part("bytes=0-9", 100), Some((0, 10)));
        assert_eq!(part("bytes=90-", 100), Some((90, 10)));
        assert_eq!(part("bytes=-8", 100), Some((92, 8)));
        assert_eq!(part("bytes=-800", 100), Some((0, 100)));
        assert_eq!(part("bytes=95-500", 100), Some((95, 5)));
        assert_eq!(part("bytes=100-", 100), None);
        assert_eq!(part("bytes=x-", 100), None);
    }

    fn ask(web: &Web, requests: &str) -> String {
        let mut stream = TcpStream::connect(("127.0.0.1", web.port)).unwrap();
        stream.write_all(requests.as_bytes()).unwrap();
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    #[test]
    fn serves_a_folder_and_nothing_above_it() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("snap")).unwrap();
        std::fs::write(folder.path().join("snap/a.man"), "0123456789").unwrap();
        let web = Web::serve(folder.path()).unwrap();
        let answer = ask(
            &web,
            "GET /snap/a.man HTTP/1.1\r\nRange: bytes=2-4\r\n\r\nGET /../x HTTP/1.1\r\n\r\n",
        );
        assert!(answer.starts_with("HTTP/1.1 206 "), "{answer}");
        assert!(answer.contains("Content-Range: bytes 2-4/10"), "{answer}");
        assert!(answer.contains("\r\n\r\n234HTTP/1.1 403 "), "{answer}");
        let head = ask(&web, "HEAD /snap/a.man HTTP/1.1\r\n\r\n");
        assert!(head.ends_with("Content-Length: 10\r\n\r\n"), "{head}");
        let folder = ask(&web, "GET /snap/ HTTP/1.1\r\n\r\n");
        assert!(folder.starts_with("HTTP/1.1 404 "), "{folder}");
        web.answer_post("/x", 200);
        let post = "POST /x HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}";
        let twice = ask(&web, &format!("{post}{post}"));
        assert!(twice.starts_with("HTTP/1.1 200 ") && twice.contains("HTTP/1.1 410 "));
        assert_eq!(web.posts()[0].body, "{}");
        assert_eq!((web.requests(), web.ranges()), (6, 1));
    }
}
