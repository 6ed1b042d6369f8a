//! Login and discovery with a real target: tgtd, from the package `tgt`.

#![allow(clippy::unwrap_used, clippy::expect_used)] // helpers of tests are tests

use std::io;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use iscsi::client::{discover, login};
use iscsi::login::{Credentials, Who};
use iscsi::{Error, Refusal};

const TARGET: &str = "iqn.2025-01.org.example:backups";
const PASSWORD: &str = "twelve letters";

/// A tgtd on a port of the loopback of its own.
struct Tgt {
    child: Child,
    port: u16,
    folder: PathBuf,
}

impl Tgt {
    fn start() -> Self {
        let name = format!("rescue-tgt-{}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&folder).unwrap();
        let free = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = free.local_addr().unwrap().port();
        drop(free);
        let child = tool("tgtd", &folder)
            .args(["-f", "--iscsi", &format!("portal=127.0.0.1:{port}")])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("running tgtd; install the package tgt");
        let tgt = Self {
            child,
            port,
            folder,
        };
        let began = Instant::now();
        while !tgt.admin("sys --op show") {
            assert!(began.elapsed() < Duration::from_secs(20), "tgtd is silent");
            sleep(Duration::from_millis(50));
        }
        for words in [
            &format!("target --op new --tid 1 --targetname {TARGET}"),
            "account --op new --user joe --password",
            "account --op bind --tid 1 --user joe",
            "target --op bind --tid 1 --initiator-address ALL",
            "target --op new --tid 2 --targetname iqn.2025-01.org.example:open",
            "target --op bind --tid 2 --initiator-address ALL",
        ] {
            assert!(tgt.admin(words), "{words}");
        }
        tgt
    }

    fn admin(&self, words: &str) -> bool {
        let mut command = tool("tgtadm", &self.folder);
        command.args(["--lld", "iscsi", "--mode"]);
        command.args(words.split(' '));
        if words.ends_with("--password") {
            command.arg(PASSWORD);
        }
        command.output().is_ok_and(|output| output.status.success())
    }

    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        let limit = Some(Duration::from_secs(20));
        stream.set_read_timeout(limit).unwrap();
        stream
    }
}

impl Drop for Tgt {
    fn drop(&mut self) {
        // It does not end on TERM while it has targets.
        drop(self.child.kill());
        drop(self.child.wait());
        drop(std::fs::remove_dir_all(&self.folder));
    }
}

fn tool(name: &str, folder: &Path) -> Command {
    let mut command = Command::new(name);
    command.env("PATH", "/usr/sbin:/sbin:/usr/bin:/bin");
    command.env("TGT_IPC_SOCKET", folder.join("socket"));
    command
}

fn who(target: &str, password: Option<&str>) -> Who {
    let credentials = password.map(|password| Credentials {
        name: "joe".to_owned(),
        password: password.to_owned(),
    });
    Who {
        initiator: "iqn.2025-11.invalid.rescue:test".to_owned(),
        isid: [0x80, 0x72, 0x65, 0x73, 0, 0],
        target: Some(target.to_owned()),
        credentials,
    }
}

#[test]
fn host_a_real_target_lets_in_who_may_come_in() {
    let tgt = Tgt::start();
    let mut stream = tgt.connect();
    let session = login(&mut stream, who(TARGET, Some(PASSWORD))).unwrap();
    assert_eq!(session.portal_group, Some(1));
    assert!(session.settings.max_burst >= 512, "{session:?}");
    let left = stream.set_nonblocking(true).map(|()| stream.peek(&mut [0]));
    let nothing = matches!(left, Ok(Err(e)) if e.kind() == io::ErrorKind::WouldBlock);
    assert!(nothing, "the connection is ready for commands");

    let refused = |target: &str, password| match login(&mut tgt.connect(), who(target, password)) {
        Err(Error::Refused(refusal)) => refusal,
        other => panic!("{other:?}"),
    };
    assert_eq!(
        refused(TARGET, Some("another one!")),
        Refusal::Authentication
    );
    assert_eq!(refused(TARGET, None), Refusal::Authentication);
    assert_eq!(refused("iqn.no", Some(PASSWORD)), Refusal::NoTarget);

    let open = who("iqn.2025-01.org.example:open", Some(PASSWORD));
    assert!(
        login(&mut tgt.connect(), open).is_ok(),
        "a password that is not asked for does no harm"
    );
    let found = discover(&mut tgt.connect(), who("", None)).unwrap();
    let names: Vec<&str> = found.iter().map(|t| t.name.as_str()).collect();
    assert_eq!(names, [TARGET, "iqn.2025-01.org.example:open"]);
    assert!(found[0].addresses[0].starts_with("127.0.0.1:"), "{found:?}");
}
