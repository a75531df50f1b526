//! Counts of which most are zero ⇄ the few that are not, by their place: what a recording keeps of them.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Writes the counts that are not zero.
pub fn serialize<S: Serializer, const N: usize>(counts: &[u32; N], to: S) -> Result<S::Ok, S::Error> {
    let set: BTreeMap<usize, u32> = counts.iter().copied().enumerate().filter(|(_, count)| *count != 0).collect();
    set.serialize(to)
}

/// Reads them; a place that the array does not have is left out.
pub fn deserialize<'de, D: Deserializer<'de>, const N: usize>(from: D) -> Result<[u32; N], D::Error> {
    let mut counts = [0; N];
    for (place, count) in BTreeMap::<usize, u32>::deserialize(from)? {
        if let Some(slot) = counts.get_mut(place) {
            *slot = count;
        }
    }
    Ok(counts)
}
