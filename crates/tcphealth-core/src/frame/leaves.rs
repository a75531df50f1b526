//! Anything that serde can write ⇄ named numbers and words: the leaves of its tree, each by its path.
//!
//! A recording keeps leaves and not structures. That is why a release can read what any release before it wrote: a field that is
//! gone is not asked for, one that is new is absent. An item of a list keeps its slot from sample to sample for as long as it
//! is there, so that one more item moves no other, and the number of names stays small however many items come and go.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::IpAddr;

use serde_json::{Map, Number, Value};

/// Between the steps of a path; no name contains it (ASCII unit separator).
pub(super) const STEP: char = '\u{1f}';
/// Before an item of a list.
const ITEM: char = '\u{1e}';
/// Before a part of an address: addresses come and go like cookies, and a number needs no name.
const PART: char = '\u{1d}';
/// Fields that identify an item, the first that it has.
const IDENTITIES: [&str; 7] = ["cookie", "key", "address", "source", "name", "question", "socket"];

/// Which slot each item of each list has; kept from one sample to the next.
#[derive(Clone, Debug, Default)]
pub struct Slots {
    lists: HashMap<String, HashMap<String, usize>>,
}

impl Slots {
    /// A slot for each item: its own when it had one, else the first that is free.
    fn of(&mut self, list: &str, items: &[Value]) -> Vec<usize> {
        let Some(names) = items.iter().map(identity).collect::<Option<Vec<String>>>() else {
            return (0..items.len()).collect();
        };
        let mut before = self.lists.remove(list).unwrap_or_default();
        let kept: Vec<Option<usize>> = names.iter().map(|name| before.remove(name)).collect();
        let taken: BTreeSet<usize> = kept.iter().flatten().copied().collect();
        let mut free = (0..).filter(|slot| !taken.contains(slot));
        let slots: Vec<usize> = kept
            .into_iter()
            .map(|kept| kept.or_else(|| free.next()).expect("there are more numbers than items"))
            .collect();
        self.lists.insert(list.to_owned(), names.into_iter().zip(slots.iter().copied()).collect());
        slots
    }
}

/// A leaf.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Leaf {
    /// A number from 0 on, true or false (1 or 0) where the structure has a bool.
    Number(u64),
    /// Anything else, as JSON.
    Word(String),
}

impl Leaf {
    /// The number that it is.
    pub fn number(&self) -> Option<u64> {
        match self {
            Self::Number(number) => Some(*number),
            Self::Word(_) => None,
        }
    }
}

/// The leaves of a value, by their paths.
pub fn flatten(value: &Value, slots: &mut Slots) -> BTreeMap<String, Leaf> {
    let mut leaves = BTreeMap::new();
    put(&mut leaves, String::new(), value, slots);
    leaves
}

fn put(leaves: &mut BTreeMap<String, Leaf>, path: String, value: &Value, slots: &mut Slots) {
    match value {
        Value::Object(fields) if !fields.is_empty() => {
            for (name, value) in fields {
                put(leaves, format!("{path}{STEP}{name}"), value, slots);
            }
        }
        Value::Array(items) if !items.is_empty() => {
            for (item, slot) in items.iter().zip(slots.of(&path, items)) {
                put(leaves, format!("{path}{STEP}{ITEM}{slot}"), item, slots);
            }
        }
        other => {
            if let Some(parts) = address(other) {
                let part = |(name, number)| (format!("{path}{STEP}{PART}{name}"), Leaf::Number(number));
                leaves.extend(parts.into_iter().map(part));
            } else {
                let leaf = other.as_u64().map_or_else(|| Leaf::Word(other.to_string()), Leaf::Number);
                leaves.insert(path, leaf);
            }
        }
    }
}

/// A text that is an address, exactly as we write it, as numbers.
fn address(value: &Value) -> Option<Vec<(char, u64)>> {
    let text = value.as_str()?;
    let address: IpAddr = text.parse().ok().filter(|address: &IpAddr| address.to_string() == text)?;
    Some(match address {
        IpAddr::V4(address) => vec![('4', u64::from(address.to_bits()))],
        IpAddr::V6(address) => vec![('h', (address.to_bits() >> 64) as u64), ('l', address.to_bits() as u64)],
    })
}

fn address_of(parts: &Map<String, Value>) -> Option<Value> {
    let part = |name: char| parts.get(&format!("{PART}{name}")).and_then(Value::as_u64);
    let address = match part('4') {
        Some(bits) => IpAddr::V4(u32::try_from(bits).ok()?.into()),
        None => IpAddr::V6((u128::from(part('h')?) << 64 | u128::from(part('l')?)).into()),
    };
    Some(Value::String(address.to_string()))
}

/// What names an item of a list among its like.
fn identity(item: &Value) -> Option<String> {
    let found = IDENTITIES.iter().find_map(|field| item.get(field))?;
    Some(found.get("cookie").unwrap_or(found).to_string())
}

/// Where a path ends to name the thing, and goes on to name what is said of it: after its last item of a list.
pub fn split(path: &str) -> (&str, &str) {
    let item = path.rfind(ITEM).unwrap_or(0);
    let end = path.get(item..).and_then(|rest| rest.find(STEP)).map_or(path.len(), |end| item + end);
    path.split_at(end)
}

/// The value that has these leaves. Lists come back in the order of their items' slots.
pub fn unflatten(leaves: &BTreeMap<String, Leaf>) -> Value {
    let mut tree = Value::Null;
    for (path, leaf) in leaves {
        let value = match leaf {
            Leaf::Number(number) => Value::Number(Number::from(*number)),
            Leaf::Word(json) => serde_json::from_str(json).unwrap_or(Value::Null),
        };
        let mut place = &mut tree;
        for step in path.split(STEP).skip(1) {
            place = descend(place, step);
        }
        *place = value;
    }
    lists(tree)
}

// Lists are built as objects whose names begin with ITEM, and become lists at the end.
fn descend<'a>(at: &'a mut Value, step: &str) -> &'a mut Value {
    if !at.is_object() {
        *at = Value::Object(Map::new());
    }
    at.as_object_mut().expect("it has just become one").entry(step).or_insert(Value::Null)
}

fn lists(value: Value) -> Value {
    let Value::Object(fields) = value else { return value };
    match fields.keys().next().and_then(|name| name.chars().next()) {
        Some(ITEM) => in_order(fields),
        Some(PART) => address_of(&fields).unwrap_or(Value::Null),
        _ => fields.into_iter().map(|(name, value)| (name, lists(value))).collect(),
    }
}

fn in_order(fields: Map<String, Value>) -> Value {
    let mut items: Vec<(String, Value)> = fields.into_iter().collect();
    items.sort_by_cached_key(|(name, _)| name.trim_start_matches(ITEM).parse::<u64>().unwrap_or(u64::MAX));
    items.into_iter().map(|(_, value)| lists(value)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    #[test]
    fn a_leaf_is_named_by_the_path_to_it() {
        let value = json!({ "a": { "b": 5, "c": "x" }, "peers": [{ "address": "192.0.2.1", "sockets": 2 }] });
        let leaves = flatten(&value, &mut Slots::default());
        assert_eq!(leaves["\u{1f}a\u{1f}b"], Leaf::Number(5));
        assert_eq!(leaves["\u{1f}a\u{1f}c"], Leaf::Word("\"x\"".into()));
        assert_eq!(leaves["\u{1f}peers\u{1f}\u{1e}0\u{1f}sockets"], Leaf::Number(2));
        assert_eq!(leaves["\u{1f}peers\u{1f}\u{1e}0\u{1f}address\u{1f}\u{1d}4"], Leaf::Number(0xc000_0201));
        assert_eq!(split("\u{1f}peers\u{1f}\u{1e}0\u{1f}sockets"), ("\u{1f}peers\u{1f}\u{1e}0", "\u{1f}sockets"));
        assert_eq!(split("\u{1f}a\u{1f}b"), ("", "\u{1f}a\u{1f}b"));
    }

    #[test]
    fn one_more_item_moves_no_other_and_a_free_slot_is_used_again() {
        let list = |cookies: &[u64]| {
            json!(cookies.iter().map(|cookie| json!({ "cookie": cookie, "q": 1 })).collect::<Vec<_>>())
        };
        let mut slots = Slots::default();
        let two = flatten(&list(&[10, 30]), &mut slots);
        let three = flatten(&list(&[5, 10, 20, 30]), &mut slots);
        assert!(two.iter().all(|(path, leaf)| three.get(path) == Some(leaf)));
        let other = flatten(&list(&[30, 40]), &mut slots);
        assert_eq!(other.keys().collect::<Vec<_>>(), two.keys().collect::<Vec<_>>());
    }

    #[test]
    fn addresses_come_back_as_they_were_written() {
        let value = json!(["192.0.2.1", "2001:db8::1", "::ffff:192.0.2.1", "192.0.2.01", "::"]);
        assert_eq!(unflatten(&flatten(&value, &mut Slots::default())), value);
    }

    fn values() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            any::<u64>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<bool>().prop_map(Value::from),
            "[a-z가-힣 ./:]{0,8}".prop_map(Value::from),
            Just(Value::Null),
            Just(json!([])),
            Just(json!({})),
        ];
        leaf.prop_recursive(4, 40, 6, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
                prop::collection::btree_map("[a-z_.]{1,8}", inner, 0..6).prop_map(|map| map.into_iter().collect()),
            ]
        })
    }

    proptest! {
        #[test]
        fn what_is_flattened_comes_back(value in values()) {
            // An item with an identity may be ordered by it; here no item has one.
            let plain = !value.to_string().contains("\"name\"") && !value.to_string().contains("\"key\"");
            prop_assume!(plain);
            prop_assert_eq!(unflatten(&flatten(&value, &mut Slots::default())), value);
        }
    }
}
