//! The dialogue with scripted answers.

use std::collections::VecDeque;

use anyhow::bail;

use super::*;
use crate::inventory::{Bus, DiskKind, Use};

/// Instead of an answer: the bell rings.
const NEWS: &str = "(news)";

/// Answers from a list; what was shown and asked, as one text.
struct Script {
    answers: VecDeque<&'static str>,
    seen: String,
    asked: Vec<&'static str>,
}

impl Terminal for Script {
    fn show(&mut self, text: &str) {
        self.seen.push_str(text);
    }
    fn ask(&mut self, question: Question<'_>) -> Reply {
        self.seen.push_str(question.prompt);
        self.asked.push(question.id);
        let Some(answer) = self.answers.pop_front() else {
            return Reply::Gone;
        };
        if answer == NEWS {
            assert_eq!(question.until, Until::News, "{}", question.id);
            return Reply::News;
        }
        self.seen.push_str(&format!("{answer}\n"));
        Reply::Line(answer.to_owned())
    }
}

/// A machine with two disks and one repository.
struct Fake {
    fail_once: bool,
    image_disks: u32,
    restored: Vec<Choice>,
    /// What is found by each look for a plan.
    plans: VecDeque<Option<&'static str>>,
}

fn disk(name: &str, serial: Option<&str>) -> Disk {
    Disk {
        path: format!("/dev/{name}").into(),
        name: name.into(),
        kind: DiskKind::Device,
        size: 500 << 30,
        sector_size: 512,
        physical_sector: 4096,
        model: Some("Fast SSD".into()),
        serial: serial.map(str::to_owned),
        wwn: None,
        bus: Bus::Nvme,
        removable: false,
        read_only: false,
        rotational: false,
        uses: Vec::new(),
    }
}

impl World for Fake {
    fn unattended(&mut self) -> Option<String> {
        self.plans.pop_front()?.map(str::to_owned)
    }
    fn greeting(&mut self) -> String {
        "rescue\n".into()
    }
    fn places(&mut self) -> Vec<Place> {
        vec![Place {
            title: "sdb1 (ext4, labelled RESCUE)".into(),
            location: "/mnt/r".into(),
        }]
    }
    fn images(&mut self, location: &str) -> anyhow::Result<Vec<ImageLine>> {
        if location != "/mnt/r" {
            bail!("{location} is no repository");
        }
        let line = |id: &str, unusable: Option<&str>| ImageLine {
            id: id.into(),
            title: "web1, captured 2025-11-22 04:28 UTC".into(),
            unusable: unusable.map(str::to_owned),
        };
        Ok(vec![
            line("2025-b", Some("its manifest is damaged")),
            line("2025-a", None),
        ])
    }
    fn disks(&mut self, _: &str, _: &str) -> anyhow::Result<Vec<DiskLine>> {
        let line = |index| DiskLine {
            index,
            title: format!("disk {index}"),
        };
        Ok((0..self.image_disks).map(line).collect())
    }
    fn targets(&mut self, _: &str) -> anyhow::Result<Vec<TargetLine>> {
        let line = |disk, unusable: Option<Use>| TargetLine {
            disk,
            holds: "nothing that is known".into(),
            unusable: unusable.map(|u| u.to_string()),
        };
        Ok(vec![
            line(disk("nvme0n1", Some("S4EV")), None),
            line(disk("sdb", None), Some(Use::Repository)),
            line(disk("vda", None), None),
        ])
    }
    fn plan(&mut self, choice: &Choice) -> anyhow::Result<String> {
        Ok(format!(
            "{} goes to {}",
            choice.image,
            choice.target.path.display()
        ))
    }
    fn restore(&mut self, choice: &Choice) -> anyhow::Result<String> {
        if std::mem::take(&mut self.fail_once) {
            return Err(anyhow::anyhow!("connection refused").context("reading pack ab12"));
        }
        self.restored.push(choice.clone());
        Ok("It is there, and was checked.".into())
    }
}

fn play(answers: &[&'static str]) -> (Ending, Script, Fake) {
    let fake = Fake {
        fail_once: false,
        image_disks: 1,
        restored: Vec::new(),
        plans: VecDeque::new(),
    };
    play_in(fake, answers)
}

fn play_in(mut world: Fake, answers: &[&'static str]) -> (Ending, Script, Fake) {
    let mut script = Script {
        answers: answers.iter().copied().collect(),
        seen: String::new(),
        asked: Vec::new(),
    };
    let ending = run(&mut script, &mut world, Start::First(Operator::Silent));
    (ending, script, world)
}

#[test]
fn a_whole_restore_as_it_is_seen() {
    let (ending, script, world) = play(&["1", "1", "2", "1", "1", "S4EV", "1"]);
    assert_eq!(ending, Ending::Reboot);
    assert_eq!(world.restored.len(), 1);
    assert!(!world.restored[0].verify);
    assert_eq!(script.seen, include_str!("whole_restore.txt"));
    let questions = [
        "first-screen",
        "repository",
        "image",
        "target",
        "plan",
        "confirm",
        "finished",
    ];
    assert_eq!(script.asked, questions);
}

#[test]
fn what_cannot_be_chosen_is_not_chosen() {
    let (ending, script, world) = play(&["1", "1", "1", "7", "0", "x", "2", "2"]);
    assert_eq!(ending, Ending::Gone);
    assert!(world.restored.is_empty());
    let seen = &script.seen;
    assert!(
        seen.contains("That cannot be chosen: its manifest is damaged"),
        "{seen}"
    );
    assert!(seen.contains("\"7\" is not in the list"), "{seen}");
    assert!(seen.contains("\"0\" is not in the list"), "{seen}");
    assert!(
        seen.contains("That cannot be chosen: it holds the repository"),
        "{seen}"
    );
}

#[test]
fn only_the_serial_number_itself_starts_a_restore() {
    let (_, script, world) = play(&["1", "1", "2", "1", "2", "", "yes", "s4ev", "b", "b", "b"]);
    assert!(world.restored.is_empty());
    assert_eq!(script.seen.matches("Nothing was written.").count(), 3);
    let after = &script.asked[script.asked.len() - 4..];
    assert_eq!(after, ["confirm", "plan", "target", "image"]);
}

#[test]
fn a_disk_without_serial_number_is_confirmed_by_its_path() {
    let (ending, _, world) = play(&["1", "1", "2", "3", "2", "/dev/vda", "2"]);
    assert_eq!(ending, Ending::PowerOff);
    assert!(world.restored[0].verify);
}

#[test]
fn a_failure_is_explained_and_tried_again() {
    let fake = Fake {
        fail_once: true,
        image_disks: 2,
        restored: Vec::new(),
        plans: VecDeque::new(),
    };
    let answers = ["1", "1", "2", "2", "1", "1", "S4EV", "1", "1", "S4EV", "4"];
    let (ending, script, world) = play_in(fake, &answers);
    assert_eq!(ending, Ending::Prompt);
    let expected = "error: reading pack ab12\n  because: connection refused\n";
    assert!(script.seen.contains(expected), "{}", script.seen);
    assert_eq!(world.restored[0].disk, 1);
}

#[test]
fn help_and_wrong_places() {
    let (_, script, _) = play(&["?", "1", "?", "/nowhere"]);
    let seen = &script.seen;
    assert!(seen.contains("nothing is written"), "{seen}");
    assert!(seen.contains("    label:NAME/folder"), "{seen}");
    assert!(seen.contains("error: /nowhere is no repository"), "{seen}");
    assert_eq!(script.asked.last(), Some(&"repository"));
    assert!(seen.lines().all(|l| l.len() <= 80), "{seen}");
}

const PLAN: Option<&str> = Some("rescue.toml on sdb1");

fn with_plans(plans: &[Option<&'static str>], answers: &[&'static str]) -> (Ending, Script) {
    let fake = Fake {
        fail_once: false,
        image_disks: 1,
        restored: Vec::new(),
        plans: plans.iter().copied().collect(),
    };
    let (ending, script, _) = play_in(fake, answers);
    (ending, script)
}

#[test]
fn a_plan_that_comes_while_nobody_chooses_is_followed() {
    let (ending, script) = with_plans(&[None, PLAN], &[NEWS]);
    assert_eq!(ending, Ending::Plan(Operator::Silent));
    assert!(
        script.seen.contains("Disks came or went"),
        "{}",
        script.seen
    );
    let (ending, _) = with_plans(&[None, PLAN], &[""]);
    assert_eq!(ending, Ending::Plan(Operator::Silent), "Enter looks, too");
    let (ending, script) = with_plans(&[None, None], &[NEWS, "4"]);
    assert_eq!(ending, Ending::PowerOff, "{}", script.seen);
}

#[test]
fn a_plan_that_comes_while_somebody_chooses_is_offered() {
    let (ending, script) = with_plans(&[None, PLAN], &["1", "b", "5"]);
    assert_eq!(ending, Ending::Plan(Operator::Choosing));
    let offer = "  5  Follow the plan: rescue.toml on sdb1\n";
    assert!(script.seen.contains(offer), "{}", script.seen);
}
