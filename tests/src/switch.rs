//! A network switch in this process: two ports that carry VLAN 42 with tags (IEEE
//! 802.1Q), and one that is in VLAN 42 without. Whatever has no tag, or another one,
//! goes nowhere.
//!
//! QEMU's `socket` network gives it frames over TCP on the loopback: length (four
//! bytes, big-endian), frame. Neither the host's kernel nor root is needed.

use anyhow::{Context, Result};
use std::collections::HashMap;
use std::io::{BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

/// The VLAN of the tagged ports.
pub const VLAN: u16 = 42;
/// Ports that carry tags.
pub const TRUNKS: usize = 2;
/// The port without.
const ACCESS: usize = TRUNKS;
const TAG: [u8; 2] = [0x81, 0x00];
/// Both hardware addresses.
const ADDRESSES: usize = 12;
/// Jumbo frames and some more: no frame is longer.
const LONGEST: u32 = 64 << 10;

/// The switch; its threads end with the machines that are plugged in.
#[derive(Debug)]
pub struct Switch {
    ports: [u16; TRUNKS + 1],
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    plugs: [Mutex<Option<TcpStream>>; TRUNKS + 1],
    /// On which port a hardware address was seen last.
    learned: Mutex<HashMap<[u8; 6], usize>>,
    /// Tagged frames that came in.
    tagged: [AtomicU64; TRUNKS],
}

impl Switch {
    /// Switches it on.
    ///
    /// # Errors
    /// When no port can be listened on.
    pub fn new() -> Result<Self> {
        let (shared, mut ports) = (Arc::<Shared>::default(), [0; TRUNKS + 1]);
        for (number, port) in ports.iter_mut().enumerate() {
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("a port")?;
            *port = listener.local_addr().context("its number")?.port();
            let shared = Arc::clone(&shared);
            thread::spawn(move || {
                if let Ok((stream, _)) = listener.accept() {
                    // It ends with the machine.
                    drop(shared.serve(number, stream));
                }
            });
        }
        Ok(Self { ports, shared })
    }

    /// The TCP port that a card is plugged into to be at a tagged port.
    #[must_use]
    pub fn trunk(&self, number: usize) -> u16 {
        self.ports[number]
    }

    /// QEMU's arguments that plug its own network (10.0.2.0/24, the host is 10.0.2.2)
    /// into the port without tags.
    #[must_use]
    pub fn access(&self) -> Vec<String> {
        let port = self.ports[ACCESS];
        let devices = [
            format!("socket,id=access,connect=127.0.0.1:{port}"),
            "user,id=inside".to_owned(),
            "hubport,id=hub0,hubid=9,netdev=access".to_owned(),
            "hubport,id=hub1,hubid=9,netdev=inside".to_owned(),
        ];
        devices
            .map(|device| ["-netdev".to_owned(), device])
            .concat()
    }

    /// Frames with the right tag that came from a tagged port so far.
    #[must_use]
    pub fn tagged(&self, number: usize) -> u64 {
        self.shared.tagged[number].load(Ordering::Relaxed)
    }
}

impl Shared {
    fn serve(&self, port: usize, stream: TcpStream) -> Result<()> {
        stream.set_nodelay(true)?;
        *lock(&self.plugs[port]) = Some(stream.try_clone()?);
        let mut reader = BufReader::new(stream);
        loop {
            let mut length = [0; 4];
            reader.read_exact(&mut length)?;
            let length = u32::from_be_bytes(length);
            anyhow::ensure!(length <= LONGEST, "a frame of {length} bytes");
            let mut frame = vec![0; length as usize];
            reader.read_exact(&mut frame)?;
            if let Some(plain) = self.taken(port, frame) {
                self.forward(port, &plain);
            }
        }
    }

    /// The frame without its tag, when it may come in at all.
    fn taken(&self, port: usize, frame: Vec<u8>) -> Option<Vec<u8>> {
        let source: [u8; 6] = frame.get(6..ADDRESSES)?.try_into().ok()?;
        let plain = match port == ACCESS {
            true => frame,
            false => {
                let plain = untagged(&frame)?;
                self.tagged[port].fetch_add(1, Ordering::Relaxed);
                plain
            }
        };
        lock(&self.learned).insert(source, port);
        Some(plain)
    }

    fn forward(&self, from: usize, plain: &[u8]) {
        let to: Option<[u8; 6]> = plain.get(..6).and_then(|a| a.try_into().ok());
        let known = to.and_then(|to| lock(&self.learned).get(&to).copied());
        for port in (0..=ACCESS).filter(|p| *p != from && known.is_none_or(|k| k == *p)) {
            let frame = match port == ACCESS {
                true => plain.to_vec(),
                false => tagged(plain),
            };
            let mut bytes = u32::try_from(frame.len())
                .unwrap_or(0)
                .to_be_bytes()
                .to_vec();
            bytes.extend(frame);
            if let Some(plug) = &mut *lock(&self.plugs[port]) {
                // A machine that is off hears nothing.
                drop(plug.write_all(&bytes));
            }
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// `frame` without its tag; `None` without that of [`VLAN`].
fn untagged(frame: &[u8]) -> Option<Vec<u8>> {
    let tag = frame.get(ADDRESSES..ADDRESSES + 4)?;
    let id = u16::from_be_bytes([tag[2], tag[3]]) & 0xfff;
    let rest = frame.get(ADDRESSES + 4..)?;
    (tag[..2] == TAG && id == VLAN).then(|| [&frame[..ADDRESSES], rest].concat())
}

fn tagged(plain: &[u8]) -> Vec<u8> {
    let (addresses, rest) = plain.split_at(ADDRESSES.min(plain.len()));
    [addresses, &TAG, &VLAN.to_be_bytes(), rest].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_right_tag_is_let_through() {
        let plain: Vec<u8> = (0..40).collect();
        let with = tagged(&plain);
        assert_eq!(with.len(), 44);
        assert_eq!(untagged(&with).unwrap(), plain);
        assert_eq!(untagged(&plain), None);
        let mut other = with;
        other[15] = 43;
        assert_eq!(untagged(&other), None);
    }

    #[test]
    fn frames_find_their_way() {
        let switch = Switch::new().unwrap();
        let plug = |port: usize| TcpStream::connect(("127.0.0.1", switch.ports[port])).unwrap();
        let mut plugs = [plug(0), plug(1), plug(2)];
        while switch.shared.plugs.iter().any(|p| lock(p).is_none()) {
            thread::yield_now();
        }
        let frame = |to: u8, from: u8| [[to; 6], [from; 6]].concat();
        let send = |plug: &mut TcpStream, frame: &[u8]| {
            plug.write_all(&u32::try_from(frame.len()).unwrap().to_be_bytes())
                .unwrap();
            plug.write_all(frame).unwrap();
        };
        let receive = |plug: &mut TcpStream, len: usize| {
            let mut bytes = vec![0; len + 4];
            plug.read_exact(&mut bytes).unwrap();
            bytes.split_off(4)
        };
        // To everybody, then the answer to one; what has no tag goes nowhere.
        send(&mut plugs[1], &frame(9, 1));
        send(
            &mut plugs[1],
            &[frame(9, 1), TAG.to_vec(), vec![0, 42, 7]].concat(),
        );
        assert_eq!(receive(&mut plugs[2], 13), [frame(9, 1), vec![7]].concat());
        assert_eq!(receive(&mut plugs[0], 17).len(), 17);
        send(&mut plugs[2], &[frame(1, 2), vec![8]].concat());
        let answer = [frame(1, 2), TAG.to_vec(), vec![0, 42, 8]].concat();
        assert_eq!(receive(&mut plugs[1], 17), answer);
        assert_eq!((switch.tagged(0), switch.tagged(1)), (0, 1));
    }
}
