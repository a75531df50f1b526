//! What fuzzing begins with, replayed through the same functions as `fuzz/run` calls.

mod targets;

use std::path::Path;

#[test]
fn the_corpus_of_every_target_is_replayed() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus");
    for (name, target) in targets::ALL {
        let mut inputs = 0;
        for input in std::fs::read_dir(corpus.join(name)).unwrap().map(Result::unwrap) {
            let bytes = std::fs::read(input.path()).unwrap();
            // Every beginning of it too: that is what a cut file or message looks like.
            let step = if name == "frozen" { bytes.len().max(1) } else { 1 };
            (0..=bytes.len()).step_by(step).for_each(|length| target(&bytes[..length]));
            inputs += 1;
        }
        assert!(inputs >= 1, "{name} has no corpus");
    }
}
