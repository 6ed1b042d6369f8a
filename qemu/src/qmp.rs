//! The machine's monitor: one JSON object a line in both directions.
//!
//! Layout: QEMU's `docs/interop/qmp-spec` ("QMP Protocol Specification").

use crate::hub::Lines;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// What the monitor has said.
#[derive(Debug, Default)]
pub(crate) struct Monitor {
    lines: Lines,
    greeted: bool,
    replies: BTreeMap<u64, Value>,
    events: Vec<Value>,
    last_id: u64,
}

impl Monitor {
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        for line in self.lines.push(bytes) {
            // QEMU's monitor speaks nothing but JSON; anything else is not for us.
            let Ok(message) = serde_json::from_str::<Value>(&line) else {
                continue;
            };
            self.take_message(message);
        }
    }

    fn take_message(&mut self, message: Value) {
        if message.get("QMP").is_some() {
            self.greeted = true;
        } else if message.get("event").is_some() {
            self.events.push(message);
        } else if let Some(id) = message.get("id").and_then(Value::as_u64) {
            self.replies.insert(id, message);
        }
    }

    /// True once QEMU is ready for the first command.
    pub(crate) fn greeted(&self) -> bool {
        self.greeted
    }

    /// The line that asks for `command`, and the id its reply will carry.
    pub(crate) fn request(&mut self, command: &str, arguments: &Value) -> (u64, String) {
        self.last_id += 1;
        let mut request = json!({ "execute": command, "id": self.last_id });
        if let (Some(fields), false) = (request.as_object_mut(), arguments.is_null()) {
            fields.insert("arguments".to_owned(), arguments.clone());
        }
        (self.last_id, format!("{request}\n"))
    }

    /// The reply to request `id`: its return value, or QEMU's reason against it.
    pub(crate) fn take_reply(&mut self, id: u64) -> Option<Result<Value, String>> {
        let mut reply = self.replies.remove(&id)?;
        if let Some(error) = reply.get("error") {
            let reason = error.get("desc").and_then(Value::as_str);
            return Some(Err(reason.unwrap_or("no reason given").to_owned()));
        }
        Some(Ok(reply
            .get_mut("return")
            .map(Value::take)
            .unwrap_or_default()))
    }

    /// Why the machine stopped, in QEMU's words (`guest-shutdown`, `guest-reset`,
    /// `host-qmp-quit`, …): the last SHUTDOWN event's reason.
    pub(crate) fn shutdown_reason(&self) -> Option<&str> {
        let last = self
            .events
            .iter()
            .rev()
            .find(|e| e["event"] == "SHUTDOWN")?;
        last["data"]["reason"].as_str()
    }

    /// How many events named `name` there have been.
    pub(crate) fn count(&self, name: &str) -> usize {
        self.events.iter().filter(|e| e["event"] == name).count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replies_find_their_request() {
        let mut monitor = Monitor::default();
        let (id, line) = monitor.request("query-status", &Value::Null);
        assert_eq!(line, "{\"execute\":\"query-status\",\"id\":1}\n");
        let (other, _) = monitor.request("screendump", &json!({"filename": "x"}));
        monitor.push(b"{\"QMP\":{}}\n{\"event\":\"RESET\"}\n{\"return\":{\"status\":\"running\"},\"id\":1}\n");
        monitor.push(b"{\"error\":{\"class\":\"GenericError\",\"desc\":\"no file\"},\"id\":2}\n");
        assert!(monitor.greeted());
        assert_eq!(
            monitor.take_reply(id).unwrap().unwrap()["status"],
            "running"
        );
        assert_eq!(monitor.take_reply(other).unwrap().unwrap_err(), "no file");
        assert!(monitor.take_reply(id).is_none());
        assert_eq!(monitor.count("RESET"), 1);
    }

    #[test]
    fn the_last_shutdown_tells_why() {
        let mut monitor = Monitor::default();
        assert_eq!(monitor.shutdown_reason(), None);
        monitor.push(
            b"{\"event\":\"SHUTDOWN\",\"data\":{\"guest\":true,\"reason\":\"guest-reset\"}}\n",
        );
        assert_eq!(monitor.shutdown_reason(), Some("guest-reset"));
    }
}
