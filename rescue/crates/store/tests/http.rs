//! The web store against a small server with the habits of real ones.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use store::{Error, HttpStore, Store};

/// How the server behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Habit {
    /// As it should.
    Good,
    /// Ignores `Range`, as `python3 -m http.server` does.
    NoRanges,
    /// Ends the first connections in the middle of the body.
    Torn(usize),
    /// Answers the first requests with 503.
    Busy(usize),
}

struct Server {
    address: String,
    connections: Arc<AtomicUsize>,
}

fn serve(habit: Habit, objects: &[(&str, Vec<u8>)]) -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}/repo/", listener.local_addr().unwrap());
    let objects: BTreeMap<String, Vec<u8>> = objects
        .iter()
        .map(|(name, bytes)| (format!("/repo/{name}"), bytes.clone()))
        .collect();
    let objects = Arc::new(objects);
    let connections = Arc::new(AtomicUsize::new(0));
    let requests = Arc::new(AtomicUsize::new(0));
    let counted = connections.clone();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            counted.fetch_add(1, Ordering::SeqCst);
            let (objects, requests) = (objects.clone(), requests.clone());
            std::thread::spawn(move || answer(stream.unwrap(), habit, &objects, &requests));
        }
    });
    Server {
        address,
        connections,
    }
}

fn answer(
    stream: TcpStream,
    habit: Habit,
    objects: &BTreeMap<String, Vec<u8>>,
    requests: &AtomicUsize,
) {
    let mut out = stream.try_clone().unwrap();
    let mut lines = BufReader::new(stream).lines();
    while let Some(Ok(first)) = lines.next() {
        let mut range = None;
        for header in lines.by_ref() {
            let header = header.unwrap().to_lowercase();
            if header.is_empty() {
                break;
            }
            if let Some(value) = header.strip_prefix("range: bytes=") {
                let (a, b) = value.split_once('-').unwrap();
                range = Some((a.parse::<usize>().unwrap(), b.parse::<usize>().unwrap()));
            }
        }
        let number = requests.fetch_add(1, Ordering::SeqCst);
        let mut words = first.split(' ');
        let (method, path) = (words.next().unwrap(), words.next().unwrap());
        let (head, body) = respond(habit, number, objects.get(path), range);
        out.write_all(head.as_bytes()).unwrap();
        if method == "HEAD" {
            continue;
        }
        if matches!(habit, Habit::Torn(times) if number < times) {
            let _ = out.write_all(&body[..body.len() / 2]);
            return;
        }
        let _ = out.write_all(&body);
    }
}

fn respond(
    habit: Habit,
    number: usize,
    object: Option<&Vec<u8>>,
    range: Option<(usize, usize)>,
) -> (String, Vec<u8>) {
    let head = |status: &str, extra: &str, len: usize| {
        format!("HTTP/1.1 {status}\r\nContent-Length: {len}\r\n{extra}\r\n")
    };
    if matches!(habit, Habit::Busy(times) if number < times) {
        return (head("503 Busy", "", 0), Vec::new());
    }
    let Some(bytes) = object else {
        return (head("404 Not Found", "", 0), Vec::new());
    };
    let size = bytes.len();
    match range.filter(|_| habit != Habit::NoRanges) {
        Some((first, _)) if first >= size => {
            let extra = format!("Content-Range: bytes */{size}\r\n");
            (head("416 Range Not Satisfiable", &extra, 0), Vec::new())
        }
        Some((first, last)) => {
            let last = last.min(size - 1);
            let part = bytes[first..=last].to_vec();
            let extra = format!("Content-Range: bytes {first}-{last}/{size}\r\n");
            (head("206 Partial Content", &extra, part.len()), part)
        }
        None => (head("200 OK", "", size), bytes.clone()),
    }
}

fn objects() -> Vec<(&'static str, Vec<u8>)> {
    let pack: Vec<u8> = (0..6_000_000u32).map(|i| (i % 251) as u8).collect();
    let listing = br#"["b.man","a.man","../../etc/passwd","x y"]"#.to_vec();
    vec![
        ("config", b"configuration".to_vec()),
        ("packs/ab/ab.pack", pack),
        ("snap/index.json", listing),
    ]
}

fn range(store: &HttpStore, offset: u64, len: usize) -> Result<Vec<u8>, Error> {
    let mut buf = vec![0; len];
    store.read_range("packs/ab/ab.pack", offset, &mut buf)?;
    Ok(buf)
}

#[test]
fn objects_ranges_and_sizes_come_over_one_connection() {
    let server = serve(Habit::Good, &objects());
    let store = HttpStore::new(&server.address, &store::Web::default()).unwrap();
    assert_eq!(store.get("config", 100).unwrap(), b"configuration");
    assert_eq!(store.size("packs/ab/ab.pack").unwrap(), 6_000_000);
    let expected: Vec<u8> = (5_000_000..5_000_100u32).map(|i| (i % 251) as u8).collect();
    assert_eq!(range(&store, 5_000_000, 100).unwrap(), expected);
    assert_eq!(store.list("snap/").unwrap(), ["snap/a.man", "snap/b.man"]);
    assert_eq!(server.connections.load(Ordering::SeqCst), 1, "keep-alive");
}

#[test]
fn what_is_not_there_or_too_short_is_told_apart() {
    let server = serve(Habit::Good, &objects());
    let store = HttpStore::new(&server.address, &store::Web::default()).unwrap();
    assert!(matches!(
        store.get("nothing", 9),
        Err(Error::NotFound { .. })
    ));
    assert!(matches!(store.size("nothing"), Err(Error::NotFound { .. })));
    assert!(matches!(
        store.get("config", 5),
        Err(Error::TooLarge { size: 13, .. })
    ));
    for offset in [5_999_990, 6_000_000, 7_000_000] {
        let result = range(&store, offset, 100);
        let Err(Error::ShortObject { size, .. }) = result else {
            panic!("{offset}: {result:?}");
        };
        assert_eq!(size, 6_000_000);
    }
    assert!(matches!(store.put("a", b""), Err(Error::ReadOnly { .. })));
    assert!(matches!(store.delete("a"), Err(Error::ReadOnly { .. })));
    assert!(store.list("packs/").is_err());
    assert!(store.get("../config", 100).is_err());
}

#[test]
fn a_server_without_ranges_serves_small_objects_and_is_refused_for_large_ones() {
    let server = serve(Habit::NoRanges, &objects());
    let store = HttpStore::new(&server.address, &store::Web::default()).unwrap();
    let expected: Vec<u8> = (1000..1100u32).map(|i| (i % 251) as u8).collect();
    assert_eq!(range(&store, 1000, 100).unwrap(), expected);
    let error = range(&store, 5_000_000, 100).unwrap_err().to_string();
    assert!(error.contains("ignores byte ranges"), "{error}");
    assert!(matches!(
        range(&store, 6_000_000, 1),
        Err(Error::ShortObject {
            size: 6_000_000,
            ..
        })
    ));
}

#[test]
fn torn_connections_and_busy_servers_are_tried_again() {
    for habit in [Habit::Torn(2), Habit::Busy(2)] {
        let server = serve(habit, &objects());
        let store = HttpStore::new(&server.address, &store::Web::default()).unwrap();
        assert_eq!(range(&store, 0, 3).unwrap(), [0, 1, 2], "{habit:?}");
        assert_eq!(store.get("config", 100).unwrap(), b"configuration");
    }
}

#[test]
fn a_server_that_is_gone_is_reported_with_its_address() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let error = HttpStore::new(&address, &store::Web::default())
        .unwrap()
        .get("config", 10)
        .unwrap_err();
    assert!(matches!(error, Error::Unreachable { .. }));
    let text = error.to_string();
    assert!(
        text.contains(&address) && text.contains("tried 6 times"),
        "{text}"
    );
}

#[test]
fn an_address_without_repository_says_so() {
    let server = serve(Habit::Good, &[]);
    let error = HttpStore::new(&server.address, &store::Web::default())
        .unwrap()
        .list("snap/")
        .unwrap_err();
    assert!(error.to_string().contains("snap/index.json"), "{error}");
}
