//! An image read from a plain web server, as the rescue medium does it.
#![allow(clippy::unwrap_used)]

mod common;

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;

use common::{capture, noise, repository};
use disk::ReadAt;
use image::{BLOCK, Repository, Scope};
use store::{MemoryStore, Store};

/// Serves the objects of `store`, with ranges, until the test ends.
fn serve(store: Arc<MemoryStore>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let store = store.clone();
            std::thread::spawn(move || answer(&stream.unwrap(), &store));
        }
    });
    address
}

fn answer(stream: &TcpStream, store: &MemoryStore) {
    let mut out = stream.try_clone().unwrap();
    let mut lines = BufReader::new(stream).lines();
    while let Some(Ok(request)) = lines.next() {
        let headers: Vec<String> = lines
            .by_ref()
            .map(|line| line.unwrap().to_lowercase())
            .take_while(|line| !line.is_empty())
            .collect();
        let range = headers.iter().find_map(|h| {
            let (a, b) = h.strip_prefix("range: bytes=")?.split_once('-')?;
            Some((a.parse::<usize>().ok()?, b.parse::<usize>().ok()?))
        });
        let name = request.split(' ').nth(1).unwrap().trim_start_matches('/');
        let (status, extra, body) = match (store.get(name, u64::MAX), range) {
            (Err(_), _) => ("404 Not Found", String::new(), Vec::new()),
            (Ok(bytes), None) => ("200 OK", String::new(), bytes),
            (Ok(bytes), Some((a, b))) => {
                let extra = format!("Content-Range: bytes {a}-{b}/{}\r\n", bytes.len());
                ("206 Partial Content", extra, bytes[a..=b].to_vec())
            }
        };
        let head = format!(
            "HTTP/1.1 {status}\r\n{extra}Content-Length: {}\r\n\r\n",
            body.len()
        );
        let body = if request.starts_with("HEAD") {
            &[][..]
        } else {
            &body
        };
        out.write_all(&[head.as_bytes(), body].concat()).unwrap();
    }
}

#[test]
fn an_image_is_found_read_and_checked() {
    let (store, local) = repository();
    let bytes = noise(600 * BLOCK as usize + 99, 8);
    let (image, _) = capture(&local, "web", 1, &[(&bytes, &[])]);
    let remote =
        Repository::open(store::open(&serve(store.clone()), &store::Web::default()).unwrap())
            .unwrap();
    let found = remote.image("web").unwrap();
    assert_eq!(found.id, image.id);
    let mut read = vec![0; bytes.len()];
    let reader = remote.read_at(&found.manifest.disks[0]).unwrap();
    reader.read_exact_at(&mut read, 0).unwrap();
    assert!(read == bytes);

    let images = [found];
    let check = |repository: &Repository| {
        repository
            .check(&images, Scope::Repository, 2, &|_, _| {})
            .unwrap()
    };
    assert!(check(&remote).faults.is_empty());
    let pack = store.list("packs/").unwrap().remove(0);
    store.tamper(&pack, |bytes| bytes[5000] ^= 1);
    assert_eq!(check(&remote).faults.len(), 1);
    assert!(image::Session::begin(&remote).is_err(), "read-only");
}
