//! The loop of PID 1: consoles to the process in front and back, children that
//! end, signals. It must not panic: nothing here indexes, unwraps or recurses.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use sys::console::Pty;
use sys::poll::{Interest, Ready};
use sys::power::Stop;
use sys::process::{End, Signals, Wake};
use sys::watch::Watch;

use super::console::Consoles;
use super::port::Relay;
use super::role::{Request, Role};

/// A process in the background that keeps dying is given up after this many.
const RESTARTS: u32 = 3;

/// How long processes get to end by themselves before the machine stops.
const FAREWELL: Duration = Duration::from_secs(3);

/// What the operator may choose when the process in front died.
const MENU: &str = "\n  r  start it again\n  s  command prompt\n  b  reboot\n  p  power off\n> ";

#[derive(Debug)]
struct Child {
    role: Role,
    pid: u32,
}

/// The terminal of the process in front, as PID 1 sees it.
#[derive(Debug)]
struct Front {
    near: File,
    path: PathBuf,
    /// Kept open so that the pair lives while no process uses it; the menu is
    /// answered here.
    far: File,
    _pty: Pty,
}

impl Front {
    fn open() -> std::io::Result<Self> {
        let pty = Pty::open(80, 24)?;
        let near = pty.near()?;
        let far = sys::console::open(pty.far())?;
        let path = pty.far().to_owned();
        Ok(Self {
            near,
            path,
            far,
            _pty: pty,
        })
    }
}

/// PID 1's state.
#[derive(Debug)]
pub(super) struct Supervisor {
    signals: Signals,
    consoles: Consoles,
    port: Option<Relay>,
    /// Wakes PID 1 when a part of the system has news: the event port may be
    /// there then.
    board: Option<Watch>,
    front: Option<Front>,
    children: Vec<Child>,
    restarts: u32,
    /// What the menu starts again.
    last: Role,
    /// Nobody is in front: the menu is shown, this is what was typed so far.
    menu: Option<Vec<u8>>,
    /// Processes the kernel ended for want of memory, when last looked.
    oom_kills: u64,
}

impl Supervisor {
    pub(super) fn new(signals: Signals, consoles: Consoles) -> Self {
        Self {
            signals,
            consoles,
            port: None,
            board: Watch::folder(Path::new(super::mounts::STATE)).ok(),
            front: None,
            children: Vec::new(),
            restarts: 0,
            last: Role::Main,
            menu: None,
            oom_kills: oom_kills(),
        }
    }

    pub(super) fn say(&mut self, text: &str) {
        self.consoles.say(text);
    }

    /// Starts a role; what fails is said, and the menu shown if it was to be
    /// in front.
    pub(super) fn start(&mut self, role: Role) {
        if role.is_in_front() {
            self.menu = None;
            match Front::open() {
                Ok(front) => self.front = Some(front),
                Err(error) => return self.no_front(&format!("opening a terminal: {error}")),
            }
        }
        let terminal = self
            .front
            .as_ref()
            .map(|f| f.path.clone())
            .unwrap_or_default();
        match role.start(&terminal) {
            Ok(pid) => self.children.push(Child { role, pid }),
            Err(error) if role.is_in_front() => self.no_front(&format!("{error:#}")),
            Err(error) => self.say(&format!("error: {error:#}\n")),
        }
    }

    fn no_front(&mut self, why: &str) {
        self.say(&format!("\nerror: {why}\n"));
        self.show_menu();
    }

    fn show_menu(&mut self) {
        self.front = Front::open().ok();
        self.menu = Some(Vec::new());
        self.consoles.say(MENU);
    }

    /// Runs for ever.
    pub(super) fn run(&mut self) -> ! {
        loop {
            if let Err(error) = self.turn() {
                self.say(&format!("error: PID 1: {error}\n"));
                // Whatever it was must not make this loop spin.
                std::thread::sleep(Duration::from_secs(1));
            }
        }
    }

    /// Waits for something and deals with it.
    fn turn(&mut self) -> std::io::Result<()> {
        let (front, far, consoles) = self.wait()?;
        if let Some(board) = &self.board {
            board.drain()?;
        }
        if self.port.is_none() {
            self.open_port();
        }
        if front.input || front.hangup {
            self.front_output();
        }
        for (index, ready) in consoles.into_iter().enumerate() {
            self.console(index, ready);
        }
        self.consoles.forget_gone();
        if far.input {
            self.menu_input();
        }
        while let Some(wake) = self.signals.next()? {
            match wake {
                Wake::Child => self.reap()?,
                Wake::Reboot => self.stop(Stop::Reboot),
                Wake::PowerOff => self.stop(Stop::PowerOff),
            }
        }
        Ok(())
    }

    /// What is ready: the front's near end, its far end, each console.
    fn wait(&self) -> std::io::Result<(Ready, Ready, Vec<Ready>)> {
        let quiet = |fd| Interest { fd, output: false };
        let signals = self.signals.as_fd();
        // The signals stand in where there is nothing to wait for.
        let near: BorrowedFd<'_> = self.front.as_ref().map_or(signals, |f| f.near.as_fd());
        let far = match (&self.front, &self.menu) {
            (Some(front), Some(_)) => front.far.as_fd(),
            _ => signals,
        };
        let board = self.board.as_ref().map_or(signals, |b| b.as_fd());
        let mut interests = vec![quiet(signals), quiet(near), quiet(far), quiet(board)];
        interests.extend(self.consoles.all.iter().map(|c| Interest {
            fd: c.fd(),
            output: c.is_waiting(),
        }));
        let ready = sys::poll::wait(&interests, None)?;
        let front = self.front.as_ref().and(ready.get(1)).copied();
        let menu = self.menu.as_ref().and(ready.get(2)).copied();
        let consoles = ready.get(4..).unwrap_or_default().to_vec();
        Ok((
            front.unwrap_or_default(),
            menu.unwrap_or_default(),
            consoles,
        ))
    }

    /// The driver that names the port may be loaded at any time.
    fn open_port(&mut self) {
        self.port = Relay::start();
        let names: Vec<&str> = self.consoles.all.iter().map(|c| c.name()).collect();
        let version = env!("CARGO_PKG_VERSION");
        self.fact("boot", json!({"version": version, "consoles": names}));
        self.fact(super::site::STATE, json!(super::site::current()));
    }

    fn fact(&self, name: &str, value: Value) {
        if let Some(port) = &self.port {
            port.fact(name, value);
        }
    }

    fn front_output(&mut self) {
        let Some(front) = &mut self.front else { return };
        let mut buffer = [0; 4096];
        // One buffer a turn: a chatty process must not starve the signals.
        if let Ok(len @ 1..) = front.near.read(&mut buffer) {
            self.consoles.show(buffer.get(..len).unwrap_or_default());
        }
    }

    fn console(&mut self, index: usize, ready: Ready) {
        let Some(console) = self.consoles.all.get_mut(index) else {
            return;
        };
        if ready.output {
            console.flush();
        }
        if !ready.input && !ready.hangup {
            return;
        }
        let typed = console.typed();
        if let Some(front) = &mut self.front {
            // More than the terminal holds is lost, as on any terminal.
            let _ = front.near.write(&typed);
        }
    }

    fn menu_input(&mut self) {
        let (Some(front), Some(typed)) = (&mut self.front, &mut self.menu) else {
            return;
        };
        let mut buffer = [0; 256];
        let Ok(len) = front.far.read(&mut buffer) else {
            return;
        };
        typed.extend_from_slice(buffer.get(..len).unwrap_or_default());
        if !typed.ends_with(b"\n") {
            typed.truncate(1024);
            return;
        }
        let answer = String::from_utf8_lossy(typed).trim().to_lowercase();
        typed.clear();
        match answer.as_str() {
            "r" => self.start(self.last),
            "s" => self.start(Role::best_prompt()),
            "b" => self.stop(Stop::Reboot),
            "p" => self.stop(Stop::PowerOff),
            _ => self.consoles.say(MENU),
        }
    }

    fn reap(&mut self) -> std::io::Result<()> {
        while let Some((pid, end)) = sys::process::reap()? {
            let Some(index) = self.children.iter().position(|c| c.pid == pid) else {
                continue; // an orphan that came to us
            };
            let child = self.children.remove(index);
            if child.role.is_in_front() {
                self.front_ended(child.role, end);
            } else {
                self.background_ended(child.role, end);
            }
        }
        Ok(())
    }

    fn background_ended(&mut self, role: Role, end: End) {
        let name = role.name();
        self.fact(
            "process-ended",
            json!({"role": name, "end": end.to_string()}),
        );
        if self.restarts >= RESTARTS {
            self.say(&format!(
                "\nwarning: the {name} process ended again ({end}) and stays away;\n\
                 its log is /run/rescue/{name}.log\n"
            ));
            return;
        }
        self.restarts = self.restarts.saturating_add(1);
        self.start(role);
    }

    fn front_ended(&mut self, role: Role, end: End) {
        self.last_words();
        let request = match end {
            End::Exited(code) => Request::from_code(code),
            End::Killed(_) => None,
        };
        match (request, role) {
            (Some(Request::Reboot), _) => self.stop(Stop::Reboot),
            (Some(Request::PowerOff), _) => self.stop(Stop::PowerOff),
            (Some(Request::Prompt), _) => self.start(Role::best_prompt()),
            (Some(Request::Dialogue), _) => self.start(Role::Dialogue),
            (None, Role::Main | Role::Dialogue) => {
                self.last = role;
                self.explain(end);
            }
            // Leaving a prompt, however, leads back to the dialogue.
            (None, _) => self.start(Role::Dialogue),
        }
    }

    /// What the process wrote before it ended.
    fn last_words(&mut self) {
        let Some(front) = &mut self.front else { return };
        let mut buffer = [0; 4096];
        let mut left = 64;
        while let (Ok(len @ 1..), 1..) = (front.near.read(&mut buffer), left) {
            self.consoles.show(buffer.get(..len).unwrap_or_default());
            left -= 1;
        }
    }

    fn explain(&mut self, end: End) {
        let kills = oom_kills();
        let why = match end {
            End::Killed(9) if kills > self.oom_kills => {
                "The kernel ended the rescue program because the machine ran out of memory."
            }
            End::Killed(2) => "The rescue program was interrupted from the keyboard.",
            End::Killed(9) => "The rescue program was ended by the kernel or by somebody.",
            End::Killed(_) => "The rescue program ended unexpectedly: this is a defect in it.",
            End::Exited(_) => "The rescue program could not go on; the reason stands above.",
        };
        self.oom_kills = kills;
        let fact = json!({"role": "main", "end": end.to_string()});
        self.fact("process-ended", fact);
        // It may have left a screen half drawn: what it said stays, and we go on
        // below it.
        self.say(super::console::AFTER_A_SCREEN);
        self.say(&format!(
            "\n{why} ({end})\nA restore that was under way resumes when the same is chosen again.\n"
        ));
        self.show_menu();
    }

    /// Ends every process, takes disks out of use, stops the machine. Comes
    /// back only when the kernel refuses.
    fn stop(&mut self, how: Stop) {
        let word = match how {
            Stop::Reboot => "Rebooting",
            Stop::PowerOff => "Switching off",
        };
        self.say(&format!("\n{word} ...\n"));
        self.fact("stopping", json!(word));
        self.children.clear();
        let _ = sys::process::end_all(true);
        self.farewell();
        let _ = sys::process::end_all(false);
        super::volumes::release_all();
        super::iscsi::log_out_all();
        if let Some(port) = self.port.take() {
            port.finish(FAREWELL);
        }
        if let Err(error) = sys::power::stop(how) {
            self.no_front(&format!(
                "{word} failed: {error}. Use the machine's own switch."
            ));
        }
    }

    /// Waits for processes to end, and for the last output to leave.
    fn farewell(&mut self) {
        let started = Instant::now();
        while started.elapsed() < FAREWELL {
            while let Ok(Some(_)) = sys::process::reap() {}
            for console in &mut self.consoles.all {
                console.flush();
            }
            let busy = self.consoles.all.iter().any(|c| c.is_waiting());
            if !busy && !has_children() {
                return;
            }
            let signals = [Interest {
                fd: self.signals.as_fd(),
                output: false,
            }];
            let _ = sys::poll::wait(&signals, Some(Duration::from_millis(50)));
            while let Ok(Some(_)) = self.signals.next() {}
        }
    }
}

/// Whether process 1 has children, by the kernel's own list.
fn has_children() -> bool {
    std::fs::read_to_string("/proc/1/task/1/children").is_ok_and(|c| !c.trim().is_empty())
}

/// How many processes the kernel has ended for want of memory.
fn oom_kills() -> u64 {
    let text = std::fs::read_to_string("/proc/vmstat").unwrap_or_default();
    text.lines()
        .find_map(|l| l.strip_prefix("oom_kill "))
        .and_then(|n| n.trim().parse().ok())
        .unwrap_or(0)
}
