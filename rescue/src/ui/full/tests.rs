//! The interface as a terminal shows it: keys go in, and what a VT100 makes of
//! the bytes that come out is looked at.

use std::collections::VecDeque;
use std::io::{self, Write};
use std::sync::{Arc, Mutex};

use proptest::prelude::*;

use super::*;
use crate::event::{Part, Phase, Silent};
use crate::ui::dialogue::Rung;
use crate::ui::dialogue::tests::Fake;
use crate::ui::dialogue::{Ending, Next, Operator, Start, World, run};
use crate::ui::tests::same_as_in_file;
use ratatui::Terminal as Canvas;

/// What the operator does.
#[derive(Debug, Clone)]
enum Do {
    /// Sends these bytes.
    Type(Vec<u8>),
    /// Nothing for a moment.
    Pause,
    /// Makes the window another size.
    Resize(u16, u16),
    /// Looks at the screen.
    Look(&'static str),
}

fn keys(text: &str) -> Do {
    Do::Type(text.as_bytes().to_vec())
}

/// A terminal at which a script is sitting.
struct Desk {
    script: VecDeque<Do>,
    screen: vt100::Parser,
    seen: Arc<Mutex<Vec<(&'static str, String)>>>,
    size: (u16, u16),
    interrupted: bool,
    /// Whether the script goes on while work is being done.
    at_work: bool,
}

impl Desk {
    fn new(size: (u16, u16), script: Vec<Do>) -> Self {
        Self {
            script: script.into(),
            screen: vt100::Parser::new(size.1, size.0, 0),
            seen: Arc::default(),
            size,
            interrupted: false,
            at_work: false,
        }
    }

    /// What the operator sees; inverse text is told by brackets at its ends.
    fn shown(&self) -> String {
        let mut text = String::new();
        for row in self.screen.screen().rows(0, self.size.0) {
            text.push_str(row.trim_end());
            text.push('\n');
        }
        text
    }
}

impl Write for Desk {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.screen.process(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Device for Desk {
    fn size(&self) -> (u16, u16) {
        self.size
    }
    fn wait(&mut self, _: Duration) -> bool {
        if !self.at_work && self.shown().contains("step 7 of 8") {
            std::thread::sleep(Duration::from_millis(1));
            return false;
        }
        match self.script.front() {
            Some(Do::Pause) => {
                self.script.pop_front();
                false
            }
            Some(Do::Resize(columns, rows)) => {
                self.size = (*columns, *rows);
                self.screen.screen_mut().set_size(*rows, *columns);
                self.script.pop_front();
                false
            }
            Some(Do::Look(name)) => {
                let name = *name;
                let shown = self.shown();
                self.seen.lock().unwrap().push((name, shown));
                self.script.pop_front();
                false
            }
            Some(Do::Type(_)) | None => true,
        }
    }
    fn read(&mut self) -> Option<Vec<u8>> {
        match self.script.pop_front() {
            Some(Do::Type(bytes)) => Some(bytes),
            _ => None,
        }
    }
    fn set_raw(&mut self, _: bool) {}
    fn interrupt(&mut self) {
        self.interrupted = true;
    }
}

/// Plays a script in front of a world; the ending, and the screens looked at.
fn play(
    size: (u16, u16),
    world: &mut dyn World,
    script: Vec<Do>,
) -> (Ending, Vec<(&'static str, String)>) {
    let desk = Desk::new(size, script);
    let seen = Arc::clone(&desk.seen);
    let mut full = Full::new(desk, Charset::Unicode, &Silent).unwrap();
    let ending = run(&mut full, world, Start::First(Operator::Choosing));
    drop(full);
    let seen = std::mem::take(&mut *seen.lock().unwrap());
    (ending, seen)
}

/// Every screen of the way to a restore and after it.
fn whole_way() -> Vec<Do> {
    let look = Do::Look;
    vec![
        look("first-screen"),
        keys("?"),
        look("help"),
        keys("q1"),
        look("repository"),
        keys("2"),
        look("address"),
        keys("\x1b"),
        Do::Pause,
        keys("3"),
        look("share"),
        keys("\r\r\r\r"),
        look("share-refused"),
        keys("\x1b"),
        Do::Pause,
        keys("\x1b[3~1"),
        look("image"),
        keys("\x1b[A\x1b[A\r"),
        look("image-refused"),
        keys("2"),
        look("target"),
        keys("1"),
        look("plan"),
        keys("\r"),
        look("confirm"),
        keys("s4ev\r"),
        look("confirm-refused"),
        keys("S4EV\r"),
        look("failed"),
        keys("\x1b[13~"),
        look("log"),
        keys("q1\rS4EV\r"),
        look("finished"),
        keys("2"),
    ]
}

fn snapshots(folder: &str, size: (u16, u16)) {
    let mut world = Fake {
        fail: Some(Next::Continues),
        ..Fake::default()
    };
    let (ending, seen) = play(size, &mut world, whole_way());
    assert_eq!(ending, Ending::PowerOff);
    assert_eq!(world.restored.len(), 1);
    assert_eq!(seen.len(), 15);
    for (name, shown) in seen {
        same_as_in_file(&format!("full/screens/{folder}/{name}.txt"), &shown);
    }
}

#[test]
fn every_screen_at_80_by_24() {
    snapshots("80x24", (80, 24));
}

#[test]
fn every_screen_at_132_by_50() {
    snapshots("132x50", (132, 50));
}

/// The report of a Windows with everything that can be told needs no scrolling.
#[test]
fn the_whole_report_at_80_by_24() {
    let mut world = Fake {
        report: crate::ui::report::screen(&crate::ui::report::tests::full(), &[]),
        ..Fake::default()
    };
    let script = vec![keys("1121\rS4EV\r"), Do::Look("report"), keys("2")];
    let (ending, seen) = play((80, 24), &mut world, script);
    assert_eq!(ending, Ending::PowerOff);
    let [(_, shown)] = seen.as_slice() else {
        panic!("{seen:?}");
    };
    assert!(!shown.contains("--- "), "{shown}");
    same_as_in_file("full/screens/80x24/report.txt", shown);
}

/// The plan of a Windows without a driver, and where one comes from.
#[test]
fn the_screens_of_drivers_at_80_by_24() {
    let mut world = Fake {
        lacks_driver: true,
        ..Fake::default()
    };
    let script = vec![
        keys("1121"),
        Do::Look("drivers-wanted"),
        keys("1"),
        Do::Look("drivers"),
        keys("?"),
        Do::Look("drivers-help"),
        keys("q1"),
        Do::Look("drivers-given"),
    ];
    let (_, seen) = play((80, 24), &mut world, script);
    assert_eq!(seen.len(), 4);
    for (name, shown) in seen {
        same_as_in_file(&format!("full/screens/80x24/{name}.txt"), &shown);
    }
}

/// The passphrase of what is encrypted is no more than stars, and taken as it is.
#[test]
fn the_screens_of_a_passphrase_at_80_by_24() {
    let mut world = Fake {
        encrypted: vec![["partition 3, LUKS 5c0a", " geheim "]],
        ..Fake::default()
    };
    let script = vec![
        keys("1121"),
        Do::Look("passphrase"),
        keys("\x1b[11~"),
        Do::Look("passphrase-help"),
        keys("qfalsch"),
        Do::Look("passphrase-typed"),
        keys("\r"),
        Do::Look("passphrase-wrong"),
        keys(" geheim \r1S4EV\r2"),
    ];
    let (ending, seen) = play((80, 24), &mut world, script);
    assert_eq!(ending, Ending::PowerOff);
    assert!(world.restored[0].passphrases.has(" geheim "));
    assert_eq!(seen.len(), 4);
    for (name, shown) in seen {
        assert!(!shown.contains("falsch"), "{shown}");
        same_as_in_file(&format!("full/screens/80x24/{name}.txt"), &shown);
    }
}

/// The menu that offers the medium's own forms, and each of them.
fn own_forms(folder: &str, size: (u16, u16)) {
    let mut world = Fake {
        place_forms: crate::init::place_forms::forms(),
        ..Fake::default()
    };
    let mut script = vec![keys("1"), Do::Look("offered")];
    // After the one repository that is found, and "type its address".
    for (form, number) in world.place_forms.iter().zip(["3", "4", "5"]) {
        script.extend([keys(number), Do::Look(form.id), keys("\x1b"), Do::Pause]);
    }
    let (_, seen) = play(size, &mut world, script);
    assert_eq!(seen.len(), 1 + world.place_forms.len());
    for (name, shown) in seen {
        same_as_in_file(&format!("full/screens/{folder}/place-{name}.txt"), &shown);
    }
}

#[test]
fn the_forms_of_places_at_80_by_24() {
    own_forms("80x24", (80, 24));
}

#[test]
fn the_forms_of_places_at_132_by_50() {
    own_forms("132x50", (132, 50));
}

#[test]
fn a_window_that_is_too_small_says_so_and_nothing_is_lost() {
    let script = vec![
        keys("1121"),
        Do::Look("before"),
        Do::Resize(60, 20),
        Do::Pause,
        Do::Look("small"),
        Do::Resize(80, 24),
        Do::Pause,
        Do::Look("after"),
    ];
    let (ending, seen) = play((80, 24), &mut Fake::default(), script);
    assert_eq!(ending, Ending::Gone);
    same_as_in_file("full/screens/60x20.txt", &seen[1].1);
    assert!(seen[0].1.contains("This is the plan"), "{}", seen[0].1);
    assert_eq!(seen[0].1, seen[2].1);
}

#[test]
fn in_ascii_no_other_byte_is_sent() {
    struct Tape(Desk, Arc<Mutex<Vec<u8>>>);
    impl Write for Tape {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.1.lock().unwrap().extend(bytes);
            self.0.write(bytes)
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    impl Device for Tape {
        fn size(&self) -> (u16, u16) {
            self.0.size()
        }
        fn wait(&mut self, limit: Duration) -> bool {
            self.0.wait(limit)
        }
        fn read(&mut self) -> Option<Vec<u8>> {
            self.0.read()
        }
        fn set_raw(&mut self, _: bool) {}
        fn interrupt(&mut self) {}
    }
    let tape = Arc::default();
    let desk = Tape(Desk::new((80, 24), whole_way()), Arc::clone(&tape));
    let mut full = Full::new(desk, Charset::Ascii, &Silent).unwrap();
    full.watch("web1 goes to /dev/sda", &mut |sink| half_way(sink));
    drop(full);
    let tape = tape.lock().unwrap();
    assert!(tape.is_ascii());
    assert!(tape.windows(3).any(|w| w == b"[##"), "the bar is drawn");
}

/// A restore that is half way through.
fn half_way(sink: &dyn Sink) {
    let phase = |phase, total| Event::Phase { phase, total };
    sink.emit(phase(Phase::Arming, None));
    sink.emit(phase(Phase::Writing, Some(10 << 30)));
    let part = |title: &str, total| Part {
        title: title.into(),
        total,
    };
    let parts = vec![
        part("before the partitions", 1 << 20),
        part("partition 1, vfat", 512 << 20),
        part("partition 2, ext4", 9 << 30),
    ];
    sink.emit(Event::Parts { parts });
    let done = |index, done| Event::Part { index, done };
    sink.emit(done(0, 1 << 20));
    sink.emit(done(1, 512 << 20));
    sink.emit(done(2, 4 << 30));
    sink.emit(Event::Progress { done: 5 << 30 });
    sink.emit(Event::Warning {
        text: "the repository does not answer since 12 s; waiting".into(),
    });
    std::thread::sleep(Duration::from_millis(50));
}

#[test]
fn progress_is_shown_as_it_is() {
    use progress::Progress;
    for (folder, size) in [
        ("80x24", (80, 24)),
        ("132x50", (132, 50)),
        ("60x20", (60, 20)),
    ] {
        let mut progress = Progress::default();
        let clock = std::cell::Cell::new(0u64);
        struct Into<'a>(Mutex<(&'a mut Progress, Duration)>);
        impl Sink for Into<'_> {
            fn emit(&self, event: Event) {
                let mut to = self.0.lock().unwrap();
                let now = to.1;
                to.0.take(&event, now);
            }
        }
        half_way(&Into(Mutex::new((&mut progress, Duration::ZERO))));
        let running = progress.running.as_mut().unwrap();
        running.rates = (0..120u64).map(|n| (n % 40) * (5 << 20)).collect();
        progress.tick(Duration::from_secs(clock.get() + 60));
        let backend = ratatui::backend::TestBackend::new(size.0, size.1);
        let mut canvas = Canvas::new(backend).unwrap();
        let draw = |frame: &mut ratatui::Frame<'_>| {
            watch::draw(frame, "2025-a goes to /dev/nvme0n1", &progress, None);
        };
        canvas.draw(draw).unwrap();
        let mut shown = String::new();
        for row in canvas.backend().buffer().content.chunks(size.0.into()) {
            let line: String = row.iter().map(|cell| cell.symbol()).collect();
            shown.push_str(line.trim_end());
            shown.push('\n');
        }
        same_as_in_file(&format!("full/screens/{folder}/restore.txt"), &shown);
    }
}

/// Rings once for each entry, before anything is typed.
struct Rings(Mutex<usize>);

impl Bell for Rings {
    fn wait(&self, _: Option<Duration>) -> io::Result<Rung> {
        let mut left = self.0.lock().unwrap();
        if *left == 0 {
            return Err(io::ErrorKind::Other.into());
        }
        *left -= 1;
        Ok(Rung::News)
    }
}

#[test]
fn news_leave_the_operator_where_they_were() {
    let plan = "rescue.toml on sdb1";
    let mut world = Fake {
        plans: [None, Some(plan), Some(plan)].into(),
        ..Fake::default()
    };
    let desk = Desk::new((80, 24), vec![Do::Look("plan"), keys("6")]);
    let seen = Arc::clone(&desk.seen);
    let rings = Rings(Mutex::new(2));
    let mut full = Full::new(desk, Charset::Unicode, &Silent).unwrap();
    full = full.with_bell(&rings);
    let ending = run(&mut full, &mut world, Start::First(Operator::Choosing));
    assert_eq!(ending, Ending::Plan(Operator::Choosing));
    let seen = seen.lock().unwrap();
    let offered = "6  Follow the plan: rescue.toml on sdb1";
    assert!(seen[0].1.contains(offered), "{}", seen[0].1);

    let mut world = Fake {
        plans: [None, Some(plan)].into(),
        ..Fake::default()
    };
    let rings = Rings(Mutex::new(1));
    let desk = Desk::new((80, 24), Vec::new());
    let mut full = Full::new(desk, Charset::Unicode, &Silent).unwrap();
    full = full.with_bell(&rings);
    let ending = run(&mut full, &mut world, Start::First(Operator::Silent));
    assert_eq!(ending, Ending::Plan(Operator::Silent), "nobody was there");
}

#[test]
fn ctrl_c_stops_a_restore_only_the_second_time() {
    for (typed, stopped) in [("\x03", false), ("\x03\x03", true), ("\x03x\x03", false)] {
        let mut desk = Desk::new((80, 24), vec![Do::Pause, keys(typed), Do::Pause]);
        desk.at_work = true;
        let mut full = Full::new(desk, Charset::Unicode, &Silent).unwrap();
        full.watch("x", &mut |_| std::thread::sleep(Duration::from_millis(300)));
        let interrupted = full.face.canvas.backend().device.interrupted;
        assert_eq!(interrupted, stopped, "{typed:?}");
    }
}

#[test]
fn the_log_keeps_what_was_told() {
    let desk = Desk::new((80, 24), Vec::new());
    let mut full = Full::new(desk, Charset::Unicode, &Silent).unwrap();
    full.watch("x", &mut half_way);
    full.tell(Notice::Note("Nothing was written.".into()));
    let log = full.face.log.concat();
    assert!(
        log.contains("warning: the repository does not answer since 12 s"),
        "{log}"
    );
    assert!(log.contains("Nothing was written.\n"), "{log}");
}

/// A world that tells whether it restored without being allowed to.
fn restored_by(typed: &[u8]) -> Vec<String> {
    let mut world = Fake::default();
    let script = vec![Do::Type(typed.to_vec()), Do::Pause];
    play((80, 24), &mut world, script);
    let targets = world.restored.iter();
    targets.map(|choice| choice.target.confirmation()).collect()
}

#[test]
fn the_shortest_way_to_a_restore_does_restore() {
    assert_eq!(restored_by(b"1121\rS4EV\r"), ["S4EV"]);
    assert!(restored_by(b"1121\rS4EW\r").is_empty());
    assert!(restored_by(b"1121\r\r\r\r\r").is_empty());
}

/// Keys that type into the confirmation, choose, or lead elsewhere.
const TYPED: [&[u8]; 10] = [
    b"\r", b"\r", b"1", b"1", b"2", b"S4E", b"V", b"S4EV", b"\x1b", b"b",
];

/// Keys that leave a line being typed as it is.
const OTHERS: [&[u8]; 6] = [b"\x1b[B", b"\x1b[A", b"\t", b"\x1b[6~", b"\xff", b"\x0c"];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn nothing_is_restored_that_was_not_confirmed(
        way in prop::sample::select(vec![&b""[..], b"112", b"1121", b"1121\r"]),
        keys in prop::collection::vec(
            prop::sample::select([&TYPED[..], &OTHERS[..]].concat()), 0..40,
        )
    ) {
        let restored = restored_by(&[way, &keys.concat()].concat());
        let text: Vec<&[u8]> = keys.into_iter().filter(|key| !OTHERS.contains(key)).collect();
        let text = text.concat();
        let confirmed = text.windows(5).any(|w| w == b"S4EV\r");
        prop_assert!(restored.is_empty() || confirmed, "{:?}: {:?}", restored, text);
        prop_assert!(restored.iter().all(|serial| serial == "S4EV"));
    }

    #[test]
    fn no_bytes_panic_at_any_size(typed: Vec<u8>, columns in 1u16..200, rows in 1u16..80) {
        let script = vec![Do::Type(typed), Do::Resize(rows, columns), Do::Pause];
        let (_, _) = play((columns, rows), &mut Fake::default(), script);
    }
}
