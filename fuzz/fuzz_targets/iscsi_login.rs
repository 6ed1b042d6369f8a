//! Any bytes as what an iSCSI server says to a login and to a question for its
//! targets: no panic, and an end.
#![no_main]

use std::io::{Read, Result, Write};

use iscsi::client;
use iscsi::login::{Credentials, Who};

/// A server that says this, whatever it is asked.
struct Server<'a>(&'a [u8]);

impl Read for Server<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        self.0.read(buffer)
    }
}

impl Write for Server<'_> {
    fn write(&mut self, bytes: &[u8]) -> Result<usize> {
        Ok(bytes.len())
    }
    fn flush(&mut self) -> Result<()> {
        Ok(())
    }
}

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let Some((first, said)) = data.split_first() else {
        return;
    };
    let credentials = (first & 1 == 1).then(|| Credentials {
        name: "joe".to_owned(),
        password: "secret".to_owned(),
    });
    let who = Who {
        initiator: "iqn.i".to_owned(),
        isid: [0x80, 0, 0, 0, 0, 0],
        target: (first & 2 == 2).then(|| "iqn.t".to_owned()),
        credentials,
    };
    if first & 4 == 4 {
        let _ = client::discover(&mut Server(said), who);
    } else {
        let _ = client::login(&mut Server(said), who);
    }
});
