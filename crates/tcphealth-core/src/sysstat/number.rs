//! Numbers as C's `printf` writes them, fast: a day of one-second records holds millions.

/// Appends `value` right-aligned in `width` with that many decimals (at most two), as `%*.*f` does.
pub fn fixed(out: &mut Vec<u8>, value: f64, width: usize, decimals: usize) {
    match scaled(value, decimals) {
        Some(units) => digits(out, units, width, decimals),
        None => padded(out, format!("{value:.decimals$}").as_bytes(), width),
    }
}

/// Appends an integer right-aligned in `width`.
pub fn integer(out: &mut Vec<u8>, value: u64, width: usize) {
    digits(out, value, width, 0);
}

/// Appends bytes right-aligned in `width`; longer ones are not cut.
pub fn padded(out: &mut Vec<u8>, text: &[u8], width: usize) {
    let missing = width.saturating_sub(text.len());
    out.extend(std::iter::repeat_n(b' ', missing));
    out.extend_from_slice(text);
}

/// The value in units of its last decimal, rounded; `None` when that cannot be told apart from a tie, or is too large.
///
/// Below 10⁹ a product with 100 is wrong by less than 10⁻⁴; farther than that from a tie it rounds the right way.
fn scaled(value: f64, decimals: usize) -> Option<u64> {
    let factor = match decimals {
        0 => 1.0,
        1 => 10.0,
        _ => 100.0,
    };
    if !(0.0..1e9).contains(&value) || value.is_sign_negative() {
        return None;
    }
    let product = value * factor;
    let whole = product as u64;
    let fraction = product - whole as f64;
    if (fraction - 0.5).abs() < 1e-4 {
        return None;
    }
    Some(whole + u64::from(fraction > 0.5))
}

fn digits(out: &mut Vec<u8>, mut units: u64, width: usize, decimals: usize) {
    let mut text = [b' '; 24];
    let mut at = text.len();
    let mut written = 0;
    while units > 0 || written <= decimals {
        if written == decimals && decimals > 0 {
            at -= 1;
            put(&mut text, at, b'.');
        }
        at -= 1;
        put(&mut text, at, b'0' + (units % 10) as u8);
        units /= 10;
        written += 1;
    }
    let start = at.min(text.len().saturating_sub(width));
    out.extend_from_slice(text.get(start..).unwrap_or_default());
}

fn put(text: &mut [u8], at: usize, byte: u8) {
    if let Some(place) = text.get_mut(at) {
        *place = byte;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(value: f64, width: usize, decimals: usize) -> String {
        let mut out = Vec::new();
        fixed(&mut out, value, width, decimals);
        String::from_utf8(out).unwrap()
    }

    /// Expected texts by `printf "%9.2f"` of glibc: ties go to the even digit of the binary value.
    #[test]
    fn rounding_is_that_of_printf() {
        for (value, wanted) in [
            (0.0, "     0.00"),
            (34.65, "    34.65"),
            (0.125, "     0.12"),
            (0.375, "     0.38"),
            (0.005, "     0.01"),
            (1.005, "     1.00"),
            (2.675, "     2.67"),
            (9999.995, " 10000.00"),
            (18_446_744_073_709_551_616.0, "18446744073709551616.00"),
        ] {
            assert_eq!(text(value, 9, 2), wanted);
        }
        assert_eq!((text(0.5, 4, 0), text(1.5, 4, 0), text(2.5, 4, 0)), ("   0".into(), "   2".into(), "   2".into()));
        assert_eq!((text(1000.0, 8, 1), text(0.25, 0, 1)), ("  1000.0".into(), "0.2".into()));
        assert_eq!(text(-1.0, 9, 2), "    -1.00");
    }

    #[test]
    fn the_fast_way_and_the_exact_way_agree() {
        let mut seed = 1_u64;
        for _ in 0..100_000 {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let value = (seed >> 40) as f64 / ((seed & 0xff) + 1) as f64;
            for decimals in 0..3 {
                assert_eq!(text(value, 9, decimals), format!("{value:9.decimals$}"));
            }
        }
    }

    #[test]
    fn integers_are_padded_and_never_cut() {
        let mut out = Vec::new();
        integer(&mut out, 0, 3);
        integer(&mut out, u64::MAX, 9);
        padded(&mut out, b"name", 2);
        assert_eq!(out, b"  018446744073709551615name");
    }
}
