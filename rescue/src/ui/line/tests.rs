//! The dialogue in lines, with scripted answers.

use std::collections::VecDeque;

use super::*;
use crate::inventory::StartedBy;
use crate::ui::dialogue::tests::Fake;
use crate::ui::dialogue::{Ending, Next, Operator, Start, run};
use crate::ui::tests::same_as_in_file;

/// Instead of an answer: the bell rings.
const NEWS: &str = "(news)";

/// Answers from a list; what was shown and asked, as one text.
struct Script {
    answers: VecDeque<&'static str>,
    seen: String,
    asked: Vec<&'static str>,
}

impl Console for Script {
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
            assert!(question.news, "{}", question.id);
            return Reply::News;
        }
        self.seen.push_str(&format!("{answer}\n"));
        Reply::Line(answer.to_owned())
    }
}

fn play(answers: &[&'static str]) -> (Ending, Script, Fake) {
    play_in(Fake::default(), answers)
}

fn play_in(mut world: Fake, answers: &[&'static str]) -> (Ending, Script, Fake) {
    let mut line = LineMode(Script {
        answers: answers.iter().copied().collect(),
        seen: String::new(),
        asked: Vec::new(),
    });
    let ending = run(&mut line, &mut world, Start::First(Operator::Silent));
    (ending, line.0, world)
}

#[test]
fn a_whole_restore_as_it_is_seen() {
    let (ending, script, world) = play(&["1", "1", "2", "1", "1", "S4EV", "1"]);
    assert_eq!(ending, Ending::Reboot);
    assert_eq!(world.restored.len(), 1);
    assert!(!world.restored[0].verify);
    same_as_in_file("line/whole_restore.txt", &script.seen);
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

/// The report and the question after it fit the screen of 24 lines.
#[test]
fn the_whole_report_as_it_is_seen() {
    let fake = Fake {
        report: crate::ui::report::screen(&crate::ui::report::tests::full(), &[]),
        ..Fake::default()
    };
    let (_, script, _) = play_in(fake, &["1", "1", "2", "1", "1", "S4EV"]);
    let from = script.seen.rfind("2025").unwrap();
    let shown = &script.seen[from..];
    assert!(shown.lines().count() <= 24, "{shown}");
    same_as_in_file("line/report.txt", shown);
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

fn failing(next: Next, answers: &[&'static str]) -> (Ending, Script, Fake) {
    let fake = Fake {
        fail: Some(next),
        image_disks: 2,
        ..Fake::default()
    };
    play_in(fake, answers)
}

const TO_RESTORE: [&str; 7] = ["1", "1", "2", "2", "1", "1", "S4EV"];

#[test]
fn a_failure_is_explained_and_tried_again() {
    let then = ["1", "1", "S4EV", "2"];
    let answers = [&TO_RESTORE[..], &then[..]].concat();
    let (ending, script, world) = failing(Next::Continues, &answers);
    assert_eq!(ending, Ending::PowerOff);
    let expected = "error: reading pack ab12\n  because: connection refused\n";
    assert!(script.seen.contains(expected), "{}", script.seen);
    assert!(
        script
            .seen
            .contains("1  Try again: it goes on where it stopped")
    );
    assert_eq!(world.restored[0].disk, 1);
    assert!(!world.restored[0].start_over);
}

#[test]
fn it_goes_on_is_said_only_where_it_does() {
    let start_over = [&TO_RESTORE[..], &["2", "1", "S4EV", "2"][..]].concat();
    let (_, script, world) = failing(Next::Continues, &start_over);
    assert!(
        script
            .seen
            .contains("2  Start over: write everything again")
    );
    assert!(
        script.seen.contains("is written again.\nType its serial"),
        "{}",
        script.seen
    );
    assert!(world.restored[0].start_over);

    let again = [&TO_RESTORE[..], &["1", "1", "S4EV", "2"][..]].concat();
    let (_, script, world) = failing(Next::StartsOver, &again);
    assert!(!script.seen.contains("where it stopped"), "{}", script.seen);
    assert!(
        script
            .seen
            .contains("1  Try again: it writes everything again\n  2  Choose another")
    );
    assert!(world.restored[0].start_over);

    let other_disk = [&TO_RESTORE[..], &["2"][..]].concat();
    let (_, script, _) = failing(Next::Begins, &other_disk);
    assert!(
        script.seen.contains("nothing was written"),
        "{}",
        script.seen
    );
    assert_eq!(script.asked.last(), Some(&"target"));
}

#[test]
fn an_interrupted_restore_can_be_started_over() {
    let fake = Fake {
        resumes: true,
        ..Fake::default()
    };
    let (_, _, world) = play_in(fake, &["1", "1", "2", "1", "3", "S4EV", "2"]);
    assert!(world.restored[0].start_over);
}

#[test]
fn a_folder_of_drivers_is_given_where_one_is_wanted() {
    let fake = || Fake {
        lacks_driver: true,
        ..Fake::default()
    };
    let to_plan = ["1", "1", "2", "1"];
    let found = [&to_plan[..], &["1", "1", "1", "S4EV", "2"][..]].concat();
    let (ending, script, world) = play_in(fake(), &found);
    assert_eq!(ending, Ending::PowerOff, "{}", script.seen);
    assert_eq!(world.restored[0].drivers.as_deref(), Some("/mnt/drivers"));
    same_as_in_file("line/drivers.txt", &script.seen);
    // What is no folder of drivers is asked for again; nothing has to be given.
    let wrong = [
        &to_plan[..],
        &["1", "/wrong", "2", "/x", "b", "2", "S4EV", "2"][..],
    ]
    .concat();
    let (ending, script, world) = play_in(fake(), &wrong);
    assert_eq!(ending, Ending::PowerOff, "{}", script.seen);
    for words in ["error: /wrong has no driver", "error: /x has no driver"] {
        assert!(script.seen.contains(words), "{}", script.seen);
    }
    assert_eq!(world.restored[0].drivers, None);
    let (_, script, _) = play(&to_plan);
    assert!(!script.seen.contains("Give a folder"), "{}", script.seen);
}

#[test]
fn what_is_encrypted_is_opened_or_left_as_it_is() {
    let fake = || Fake {
        encrypted: vec![
            ["partition 2, LUKS a", " first "],
            ["partition 3, LUKS b", "two"],
        ],
        ..Fake::default()
    };
    let to_target = ["1", "1", "2", "1"];
    let both = ["wrong", " first ", "two", "1", "S4EV", "2"];
    let (ending, script, world) = play_in(fake(), &[&to_target[..], &both].concat());
    assert_eq!(ending, Ending::PowerOff, "{}", script.seen);
    let passphrases = &world.restored[0].passphrases;
    assert!(passphrases.has(" first ") && passphrases.has("two"));
    assert!(!passphrases.has("wrong"));
    assert_eq!(
        script.seen.matches("This passphrase opens nothing").count(),
        1
    );
    assert_eq!(script.asked[4..7], ["passphrase"; 3]);
    assert!(!format!("{:?}", world.restored[0]).contains("first"));
    same_as_in_file("line/passphrase.txt", &script.seen);
    // Some, or none.
    for (then, has) in [
        (&["", "1", "S4EV", "2"][..], false),
        (&["two", "", "1", "S4EV", "2"], true),
        // What was typed is forgotten with the disk.
        (&["two", "b", "1", "", "1", "S4EV", "2"], false),
    ] {
        let (ending, script, world) = play_in(fake(), &[&to_target[..], then].concat());
        assert_eq!(ending, Ending::PowerOff, "{}", script.seen);
        assert_eq!(world.restored[0].passphrases.has("two"), has, "{then:?}");
    }
}

/// Plays the plan of a disk that would be changed for what starts this machine.
fn keeps(by: StartedBy, offer: &str, after_all: &str) {
    let fake = || Fake {
        converts: Some(by),
        ..Fake::default()
    };
    let to_plan = ["1", "1", "2", "1"];
    for (then, keep) in [
        (&["1", "S4EV", "2"][..], false),
        (&["3", "1", "S4EV", "2"], true),
        (&["3", "3", "2", "S4EV", "2"], false),
        // What is kept stays so when one goes back from the confirmation.
        (&["3", "1", "b", "1", "S4EV", "2"], true),
    ] {
        let (ending, script, world) = play_in(fake(), &[&to_plan[..], then].concat());
        assert_eq!(ending, Ending::PowerOff, "{}", script.seen);
        assert_eq!(world.restored[0].keep, keep, "{then:?}");
        assert!(script.seen.contains(offer), "{}", script.seen);
        assert_eq!(script.seen.contains(after_all), then[0] == "3");
    }
}

#[test]
fn a_disk_that_would_be_converted_can_be_kept() {
    let offer = "Do not convert the disk for UEFI: keep it as a BIOS starts it";
    keeps(
        StartedBy::Uefi,
        offer,
        "Convert the disk for UEFI after all",
    );
    let offer = "Do not make the disk start by a BIOS: keep it as UEFI starts it";
    keeps(
        StartedBy::Bios,
        offer,
        "Make the disk start by a BIOS after all",
    );
    let to_plan = ["1", "1", "2", "1"];
    let (_, script, _) = play(&to_plan);
    assert!(!script.seen.contains("convert"), "{}", script.seen);
}

#[test]
fn the_shell_leads_back_to_where_one_was() {
    let (ending, script, world) = play(&["2", "1", "1", "s", "2", "s", "b", "b", "b", "4"]);
    assert_eq!(ending, Ending::PowerOff, "{}", script.seen);
    assert_eq!(world.shells, 3);
    assert_eq!(
        script.asked[2..6],
        ["repository", "image", "image", "target"]
    );
}

#[test]
fn a_share_is_filled_in() {
    let wrong = ["1", "3", "", "joe", "pw", "3.0", "2.1"];
    let right = ["//nas/backup", "", "pw", "", "b", "b", "b", "4"];
    let (ending, script, world) = play(&[&wrong[..], &right[..]].concat());
    assert_eq!(ending, Ending::PowerOff, "{}", script.seen);
    let seen = &script.seen;
    assert!(seen.contains("\"3.0\" is none of: 3.1.1, 2.1"), "{seen}");
    assert!(seen.contains("error: no share was named"), "{seen}");
    assert_eq!(world.filled[1], ["//nas/backup", "joe", "pw", "2.1"]);
    assert!(!seen.contains("[pw"), "the password is not shown: {seen}");
}

#[test]
fn the_network_is_set() {
    let (_, script, world) = play(&["5", "1", "static", "10.0.0.5/24", "b"]);
    assert_eq!(world.filled, [["static", "10.0.0.5/24"]]);
    assert!(
        script.seen.contains("eth0 has 10.0.0.5/24 now."),
        "{}",
        script.seen
    );
    assert_eq!(script.asked.last(), Some(&"first-screen"));
}

#[test]
fn help_and_wrong_places() {
    let (_, script, _) = play(&["?", "1", "?", "/nowhere"]);
    let seen = &script.seen;
    assert!(seen.contains("nothing is written"), "{seen}");
    assert!(seen.contains("    label:NAME/folder "), "{seen}");
    assert!(seen.contains("error: /nowhere is no repository"), "{seen}");
    assert_eq!(script.asked.last(), Some(&"repository"));
    assert!(seen.lines().all(|l| l.len() <= 80), "{seen}");
}

const PLAN: Option<&str> = Some("rescue.toml on sdb1");

fn with_plans(plans: &[Option<&'static str>], answers: &[&'static str]) -> (Ending, Script) {
    let fake = Fake {
        plans: plans.iter().copied().collect(),
        ..Fake::default()
    };
    let (ending, script, _) = play_in(fake, answers);
    (ending, script)
}

#[test]
fn a_plan_that_comes_while_nobody_chooses_is_followed() {
    let (ending, script) = with_plans(&[None, PLAN], &[NEWS]);
    assert_eq!(ending, Ending::Plan(Operator::Silent));
    assert!(script.seen.contains("looking again"), "{}", script.seen);
    let (ending, _) = with_plans(&[None, PLAN], &[""]);
    assert_eq!(ending, Ending::Plan(Operator::Silent), "Enter looks, too");
    let (ending, script) = with_plans(&[None, None], &[NEWS, "4"]);
    assert_eq!(ending, Ending::PowerOff, "{}", script.seen);
}

#[test]
fn a_plan_that_comes_while_somebody_chooses_is_offered() {
    let (ending, script) = with_plans(&[None, PLAN], &["1", "b", "6"]);
    assert_eq!(ending, Ending::Plan(Operator::Choosing));
    let offer = "  6  Follow the plan: rescue.toml on sdb1\n";
    assert!(script.seen.contains(offer), "{}", script.seen);
}
