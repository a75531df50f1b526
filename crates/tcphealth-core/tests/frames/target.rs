//! Bytes of a recording, whatever they are: an error or samples in order, and what was read is written and read again the same.

use tcphealth_core::frame::block::{Block, Builder};
use tcphealth_core::frame::row;

/// A row against no row before, a row against that one, and a block.
pub fn survive(bytes: &[u8]) {
    let (first, second) = bytes.split_at(bytes.len() / 2);
    let before = row::decode(&[], first).unwrap_or_default();
    if let Ok(now) = row::decode(&before, second) {
        assert!(now.is_sorted_by(|(a, _), (b, _)| a < b));
        assert_eq!(row::decode(&before, &row::encode(&before, &now)).as_ref(), Ok(&now));
    }
    let Ok(block) = Block::open(bytes) else { return };
    // A run of a few bytes may stand for a day; a fuzzer would spend its time on little else.
    if block.series().len() > 1_000 {
        return;
    }
    let (Ok(moments), Ok(rows)) = (block.moments(), block.rows()) else { return };
    let mut builder = Builder::default();
    for (at, row) in moments.iter().zip(&rows) {
        builder.push(*at, row);
    }
    let again = builder.finish();
    let again = Block::open(&again).expect("what was written opens");
    assert_eq!((again.moments().expect("clocks"), again.rows().expect("rows")), (moments, rows));
}
