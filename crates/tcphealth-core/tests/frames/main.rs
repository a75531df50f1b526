//! What fuzzing begins with, replayed through the same function, and every beginning of it.

mod target;

use std::path::Path;

#[test]
#[expect(clippy::disallowed_methods, reason = "the corpus is in files; the codec itself opens none")]
fn the_corpus_is_replayed() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus/frame");
    let mut inputs = 0;
    for input in std::fs::read_dir(corpus).unwrap().map(Result::unwrap) {
        let bytes = std::fs::read(input.path()).unwrap();
        (0..=bytes.len()).for_each(|length| target::survive(&bytes[..length]));
        inputs += 1;
    }
    assert!(inputs >= 2, "no corpus");
}
