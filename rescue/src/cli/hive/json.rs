//! Hives and their differences as JSON lines. Field names are part of the interface.

use std::fmt::Write;

use hive::{Change, Content, Data, Hive, Key, ValueType, What};
use serde_json::{Value, json};

/// One line for each key.
pub(super) fn dump(hive: &Hive, out: &mut impl Write) -> anyhow::Result<()> {
    for item in hive.walk()? {
        let (path, key) = item?;
        writeln!(out, "{}", json!({ "v": 1, "key": of_key(&path, &key)? }))?;
    }
    Ok(())
}

fn of_key(path: &str, key: &Key<'_>) -> anyhow::Result<Value> {
    let mut values = Vec::new();
    for value in key.values()? {
        let mut line = of_content(value.value_type(), &value.data()?);
        line["name"] = json!(value.name().to_string());
        values.push(line);
    }
    Ok(json!({
        "path": path,
        "written": key.last_written().to_string(),
        "class": key.class()?.map(|class| class.to_string()),
        "values": values,
    }))
}

/// The bytes, and what they say where they say something.
fn of_content(kind: ValueType, data: &[u8]) -> Value {
    let says = match Data::decode(kind, data) {
        Data::Text(text) => json!(text),
        Data::Lines(lines) => json!(lines),
        Data::Dword(number) => json!(number),
        Data::Qword(number) => json!(number),
        _ => Value::Null,
    };
    json!({ "type": kind.0, "type_name": kind.to_string(), "hex": hex(data), "value": says })
}

/// One line.
pub(super) fn change(change: &Change, out: &mut impl Write) -> anyhow::Result<()> {
    let text =
        |old: &dyn ToString, new: &dyn ToString| (json!(old.to_string()), json!(new.to_string()));
    let content = |content: &Option<Content>| {
        let some = content.as_ref();
        some.map_or(Value::Null, |(kind, data)| of_content(*kind, data))
    };
    let mut name = Value::Null;
    let (what, (old, new)) = match &change.what {
        What::KeyAdded => ("key", (json!(false), json!(true))),
        What::KeyRemoved => ("key", (json!(true), json!(false))),
        What::Time(old, new) => ("written", text(old, new)),
        What::Form(old, new) => ("form", text(old, new)),
        What::Class(old, new) => {
            let class = |class: &Option<hive::Name>| json!(class.as_ref().map(ToString::to_string));
            ("class", (class(old), class(new)))
        }
        What::Security(old, new) => ("security", (json!(hex(old)), json!(hex(new)))),
        What::Value(of, old, new) => {
            name = json!(of.to_string());
            ("value", (content(old), content(new)))
        }
    };
    let key = &change.key;
    let line = json!({ "key": key, "what": what, "name": name, "old": old, "new": new });
    writeln!(out, "{}", json!({ "v": 1, "change": line }))?;
    Ok(())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
