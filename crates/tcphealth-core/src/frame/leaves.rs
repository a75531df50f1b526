//! Anything that serde can write ⇄ named numbers and words: the leaves of its tree, each by its path.
//!
//! A recording keeps leaves and not structures. That is why a release can read what any release before it wrote: a field that is
//! gone is not asked for, one that is new is absent. The items of a list are named by what identifies them and not by their
//! place, so that one more item moves no other.

use std::collections::BTreeMap;

use serde_json::{Map, Number, Value};

/// Between the steps of a path; no name contains it (ASCII unit separator).
const STEP: char = '\u{1f}';
/// Before an item of a list.
const ITEM: char = '\u{1e}';
/// Fields that identify an item, the first that it has.
const IDENTITIES: [&str; 6] = ["cookie", "key", "address", "source", "name", "question"];

/// A leaf.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Leaf {
    /// A number from 0 on, true or false (1 or 0) where the structure has a bool.
    Number(u64),
    /// Anything else, as JSON.
    Word(String),
}

/// The leaves of a value, by their paths.
pub fn flatten(value: &Value) -> BTreeMap<String, Leaf> {
    let mut leaves = BTreeMap::new();
    put(&mut leaves, String::new(), value);
    leaves
}

fn put(leaves: &mut BTreeMap<String, Leaf>, path: String, value: &Value) {
    match value {
        Value::Object(fields) if !fields.is_empty() => {
            for (name, value) in fields {
                put(leaves, format!("{path}{STEP}{name}"), value);
            }
        }
        Value::Array(items) if !items.is_empty() => {
            for (place, item) in items.iter().enumerate() {
                put(leaves, format!("{path}{STEP}{ITEM}{}", identity(item).unwrap_or_else(|| place.to_string())), item);
            }
        }
        other => {
            let leaf = other.as_u64().map_or_else(|| Leaf::Word(other.to_string()), Leaf::Number);
            leaves.insert(path, leaf);
        }
    }
}

/// What names an item of a list among its like.
fn identity(item: &Value) -> Option<String> {
    let found = IDENTITIES.iter().find_map(|field| item.get(field))?;
    Some(found.as_str().map_or_else(|| found.to_string(), ToOwned::to_owned))
}

/// The value that has these leaves. Lists come back in the order of their items' names.
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
    let list = fields.keys().next().is_some_and(|name| name.starts_with(ITEM));
    if list { in_order(fields) } else { fields.into_iter().map(|(name, value)| (name, lists(value))).collect() }
}

// Numbers as names (places, cookies) are ordered as numbers.
fn in_order(fields: Map<String, Value>) -> Value {
    let mut items: Vec<(String, Value)> = fields.into_iter().collect();
    items.sort_by_cached_key(|(name, _)| {
        let name = name.trim_start_matches(ITEM).to_owned();
        (name.parse::<u64>().unwrap_or(u64::MAX), name)
    });
    items.into_iter().map(|(_, value)| lists(value)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    #[test]
    fn a_leaf_is_named_by_the_path_to_it() {
        let leaves =
            flatten(&json!({ "a": { "b": 5, "c": "x" }, "peers": [{ "address": "192.0.2.1", "sockets": 2 }] }));
        assert_eq!(leaves["\u{1f}a\u{1f}b"], Leaf::Number(5));
        assert_eq!(leaves["\u{1f}a\u{1f}c"], Leaf::Word("\"x\"".into()));
        assert_eq!(leaves["\u{1f}peers\u{1f}\u{1e}192.0.2.1\u{1f}sockets"], Leaf::Number(2));
    }

    #[test]
    fn one_more_item_moves_no_other() {
        let list = |cookies: &[u64]| {
            json!(cookies.iter().map(|cookie| json!({ "cookie": cookie, "q": 1 })).collect::<Vec<_>>())
        };
        let (two, three) = (flatten(&list(&[10, 30])), flatten(&list(&[10, 20, 30])));
        assert!(two.iter().all(|(path, leaf)| three.get(path) == Some(leaf)));
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
            prop_assert_eq!(unflatten(&flatten(&value)), value);
        }
    }
}
