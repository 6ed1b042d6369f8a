//! The start of what was restored, watched until it proves itself or stops.

use crate::agent;
use crate::drill::{Failed, Running};
use crate::proof::{Heard, Proof, Shown, Watcher};
use crate::reason::Finder;
use crate::report::{Compared, Proven};
use crate::unlock::Typist;
use anyhow::{Context, Result};
use qemu::{Forward, Machine, Nic, Vm};
use std::time::{Duration, Instant};

/// How often is looked whether it proves itself.
const TICK: Duration = Duration::from_millis(500);
/// How often a picture is taken.
const PICTURES: Duration = Duration::from_secs(4);
/// After a fatal message: what comes behind it belongs to it, and an answer that
/// contradicts it is heard.
const SETTLE: Duration = Duration::from_secs(2);
/// A system may start anew by itself (to label its files, to take up its drivers),
/// but not for ever.
const RESTARTS: usize = 5;
/// For the system to switch off when it is told to.
const OFF: Duration = Duration::from_secs(10);
/// Characters of a picture's caption.
const CAPTION: usize = 100;
/// More of a console is not kept for the report.
const CONSOLE_LIMIT: usize = 4 << 20;

/// Starts what was restored and waits for its proofs.
pub(crate) fn prove(drill: &mut Running<'_>) -> Result<()> {
    drill.step(
        "starting",
        "the medium is gone; what was restored starts, on a network of its own",
    );
    let socket = drill.folder.join("agent");
    let mut vm = machine(drill, &socket).start()?;
    // It is a reason like others here.
    vm.expect_panic();
    let mut start = Start::new(drill, &mut vm, &socket)?;
    let outcome = start.watch(drill, &mut vm);
    start
        .heard
        .console
        .truncate(floor(&start.heard.console, CONSOLE_LIMIT));
    let console = std::mem::take(&mut start.heard.console);
    drill.told.console = drill.setting.passphrases.struck_from(console);
    let caption = match outcome {
        Ok(()) => "it has proven itself",
        Err(_) => "how it ended",
    };
    let at = drill.at();
    // A machine that ended has no screen any more.
    drop(drill.gallery.take(&mut vm, at, caption, true));
    outcome.map_err(|error| with_what_was_foretold(error, drill.told.foretold()))?;
    switch_off(drill, &mut vm)
}

/// What does not come up shows that, and not always why: GRUB on a BIOS wipes its errors
/// away before its prompt, faster than anybody reads. The medium may have known.
fn with_what_was_foretold(error: anyhow::Error, foretold: Option<&str>) -> anyhow::Error {
    let Some(foretold) = foretold else {
        return error;
    };
    match error.downcast::<Failed>() {
        Ok(mut failed) => {
            failed.reason = format!("{}; the medium had foretold it: {foretold}", failed.reason);
            failed.evidence.push(foretold.to_owned());
            failed.into()
        }
        Err(other) => other,
    }
}

/// The largest place of a character that is not above `limit`.
fn floor(text: &str, limit: usize) -> usize {
    (0..=limit.min(text.len()))
        .rev()
        .find(|at| text.is_char_boundary(*at))
        .unwrap_or(0)
}

fn machine(drill: &Running<'_>, agent: &std::path::Path) -> Machine {
    let args = drill.setting.args;
    let proofs = args.wait_for.iter().filter_map(|proof| match proof {
        Proof::Port(port) => Some(*port),
        _ => None,
    });
    let mut ports: Vec<u16> = proofs.chain(args.forward.iter().copied()).collect();
    ports.sort_unstable();
    ports.dedup();
    let mut nic = Nic::new(drill.profile.nic).restricted();
    for guest in ports {
        nic = nic.forward(Forward { host: 0, guest });
    }
    let machine = drill.machine(true).nic(nic).may_reboot();
    if !args.wait_for.contains(&Proof::Agent) {
        return machine;
    }
    let arguments = agent::arguments(agent);
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    machine.arguments(&arguments)
}

struct Start {
    watchers: Vec<Watcher>,
    heard: Heard,
    listened: usize,
    finder: Finder,
    typist: Typist,
    deadline: Instant,
    limit: Duration,
    next_picture: Instant,
    doomed: Option<Instant>,
    /// How often it may still be started once more because of the host.
    starts_anew: u32,
}

impl Start {
    fn new(drill: &Running<'_>, vm: &mut Vm, agent: &std::path::Path) -> Result<Self> {
        let args = drill.setting.args;
        let mut environment = vec![
            ("DRILL_HARDWARE".to_owned(), drill.profile.name.clone()),
            ("DRILL_IMAGE".to_owned(), drill.setting.image.id.clone()),
        ];
        for port in &args.forward {
            let host = vm.forwarded(*port)?;
            let host = host.with_context(|| format!("no port leads to {port} of the system"))?;
            environment.push((format!("DRILL_PORT_{port}"), host.to_string()));
        }
        let watchers = args.wait_for.iter();
        let watchers = watchers.map(|proof| Watcher::new(proof, agent, &environment));
        let limit = vm.stretched(Duration::from_secs(args.limit.into()));
        Ok(Self {
            watchers: watchers.collect::<Result<_>>()?,
            heard: Heard::default(),
            listened: 0,
            finder: Finder::default(),
            typist: Typist::new(drill.setting.passphrases),
            deadline: Instant::now() + limit,
            limit,
            next_picture: Instant::now(),
            doomed: None,
            starts_anew: 3,
        })
    }

    fn watch(&mut self, drill: &mut Running<'_>, vm: &mut Vm) -> Result<()> {
        loop {
            let next = Instant::now() + TICK;
            let over = self.hear(vm, next)?;
            if over.is_none() {
                self.typist.answer(vm, &self.heard.console)?;
            }
            let looked = self.look(drill, vm);
            if looked.is_ok() && self.watchers.is_empty() {
                return Ok(());
            }
            if let Some(exit) = over {
                return Err(self.failed(&format!("it ended before it proved itself ({exit})")));
            }
            looked?;
            if Instant::now() >= self.next_picture {
                self.picture(drill, vm);
            }
            if vm.resets() > RESTARTS {
                return Err(self.failed("it starts over and over again"));
            }
            if self.finder.is_hosts_fault() && self.starts_anew > 0 {
                self.start_anew(drill, vm)?;
            }
            if self.finder.is_fatal() {
                let since = *self.doomed.get_or_insert_with(Instant::now);
                if since.elapsed() > vm.stretched(SETTLE) {
                    self.picture(drill, vm);
                    return Err(self.failed("it did not come up"));
                }
            }
            if Instant::now() > self.deadline {
                self.picture(drill, vm);
                return Err(self.failed(&self.out_of_time()));
            }
        }
    }

    /// Takes in what the machine says until `next`; how it ended, if it did.
    fn hear(&mut self, vm: &mut Vm, next: Instant) -> Result<Option<String>> {
        loop {
            let patience = next.saturating_duration_since(Instant::now());
            match vm.listen(self.listened, patience) {
                Ok((text, at)) => {
                    self.listened = at;
                    self.finder.hear(&text);
                    self.heard.console.push_str(&text);
                }
                Err(qemu::Error::Ended { exit, .. }) => return Ok(Some(exit)),
                Err(other) => return Err(other.into()),
            }
            while let Ok(Some(event)) = vm.next_event(Duration::ZERO) {
                if event["event"] == "facts" {
                    self.heard.facts = Some(event);
                }
            }
            if Instant::now() >= next {
                return Ok(None);
            }
        }
    }

    /// Looks for each proof that is still missing.
    fn look(&mut self, drill: &mut Running<'_>, vm: &mut Vm) -> Result<()> {
        let mut missing = Vec::new();
        for mut watcher in std::mem::take(&mut self.watchers) {
            let looked = watcher.look(vm, &self.heard).map_err(|error| Failed {
                reason: format!("{error:#}"),
                evidence: Vec::new(),
            });
            match looked? {
                Some(shown) => take(drill, &watcher.proof, shown),
                None => missing.push(watcher),
            }
        }
        self.watchers = missing;
        Ok(())
    }

    /// The host was too busy to move the emulated clock on: nothing is said about the
    /// image by that.
    fn start_anew(&mut self, drill: &mut Running<'_>, vm: &mut Vm) -> Result<()> {
        self.starts_anew -= 1;
        drill.warn(
            "the emulated timer stood still because this host is too busy, and the kernel gave \
             up; started once more",
        );
        self.finder = Finder::default();
        self.doomed = None;
        vm.reset()?;
        Ok(())
    }

    fn picture(&mut self, drill: &mut Running<'_>, vm: &mut Vm) {
        let at = drill.at();
        // No picture is no failure: the machine may be gone.
        let caption = self.caption();
        if let Ok(Some(lines)) = drill.gallery.take(vm, at, &caption, false) {
            self.finder.see(lines.iter().map(String::as_str));
            self.heard.screen = lines;
        }
        self.next_picture = Instant::now() + PICTURES;
    }

    /// What the console says at the moment.
    fn caption(&self) -> String {
        let mut lines = self.heard.console.lines().rev();
        match lines.find(|line| !line.trim().is_empty()) {
            Some(line) => line.trim().chars().take(CAPTION).collect(),
            None => "starting".to_owned(),
        }
    }

    fn out_of_time(&self) -> String {
        let wishes: Vec<String> = self.watchers.iter().map(|w| w.proof.wish()).collect();
        let seconds = self.limit.as_secs();
        let mut text = format!("nothing after {seconds} s of {}", wishes.join(", "));
        let waits_for_login = self.watchers.iter().any(|w| w.proof == Proof::Login);
        if waits_for_login && self.heard.console.trim().is_empty() {
            text.push_str(
                "; the serial console is silent: if the picture shows that it is up, it has no \
                 console there, and --wait-for port:, agent or script can prove it",
            );
        }
        text
    }

    fn failed(&self, what: &str) -> anyhow::Error {
        let found = self.finder.reason();
        let (sentence, evidence) = match found {
            Some(found) => (format!(": {}", found.sentence), found.evidence),
            None => (String::new(), Vec::new()),
        };
        let typed = self.typist.told().unwrap_or_default();
        let reason = format!("{what}{sentence}{typed}");
        Failed { reason, evidence }.into()
    }
}

/// Keeps a proof, and compares who it says it is.
fn take(drill: &mut Running<'_>, proof: &Proof, shown: Shown) {
    let at = drill.at();
    drill.note(&shown.told);
    if let (Some(found), Some(expected)) = (&shown.hostname, drill.setting.image.hostname()) {
        drill.told.compared.push(Compared {
            what: "host name".to_owned(),
            expected: expected.to_owned(),
            found: found.clone(),
            same: Some(same_host(expected, found)),
            by: format!("told by the running system ({})", proof.name()),
        });
    }
    drill.told.proofs.push(Proven {
        proof: proof.name(),
        at,
        told: shown.told,
        machine_id: shown.machine_id,
    });
}

/// A prompt shows a host name without its domain, and either may have one.
fn same_host(one: &str, other: &str) -> bool {
    let first = |name: &str| name.split('.').next().unwrap_or_default().to_lowercase();
    first(one) == first(other)
}

/// Lets it write what it has to write; one that does not react is cut off.
fn switch_off(drill: &mut Running<'_>, vm: &mut Vm) -> Result<()> {
    drill.step("switching off", "the power button is pressed");
    let pressed = vm.press_power_button();
    if pressed.and_then(|()| vm.wait_exit(OFF)).is_err() {
        drill.note("it does not react to the power button: the power is cut");
        vm.kill()?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn domains_and_case_do_not_make_another_host() {
        assert!(same_host("web1.example.org", "WEB1"));
        assert!(!same_host("web1", "web2"));
        assert!(!same_host("web1", ""));
    }

    #[test]
    fn what_the_medium_foretold_explains_a_start_that_failed_and_nothing_else() {
        let failed = || -> anyhow::Error {
            let (reason, evidence) = ("it did not come up".to_owned(), vec!["grub>".to_owned()]);
            Failed { reason, evidence }.into()
        };
        let told = with_what_was_foretold(failed(), Some("/boot has no kernel"));
        let told = told.downcast_ref::<Failed>().unwrap();
        let reason = "it did not come up; the medium had foretold it: /boot has no kernel";
        assert_eq!(told.reason, reason);
        assert_eq!(told.evidence, ["grub>", "/boot has no kernel"]);
        let same = with_what_was_foretold(failed(), None);
        assert_eq!(same.to_string(), "it did not come up");
        let host = with_what_was_foretold(anyhow::anyhow!("no QEMU"), Some("no kernel"));
        assert_eq!(host.to_string(), "no QEMU");
    }

    #[test]
    fn a_console_is_cut_between_characters() {
        assert_eq!(floor("aä", 2), 1);
        assert_eq!(floor("aä", 9), 3);
    }
}
