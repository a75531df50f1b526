//! Tallies of the hops and the end → the place where the share of failures changes, with its probability.
//!
//! One change point is fitted over all hops and the end together. The model of a place: nothing fails before it (but for
//! [`NOISE`]), the same share fails at all hops behind it and at the end. A hop may fail more often than the path does,
//! since routers limit their ICMP errors; the end may not: what counts is what the end shares.

/// What fails on a clean path: the share of probes that a healthy path and two healthy hosts lose.
const NOISE: f64 = 0.001;

/// How many hops limit their replies on their own account, in the model. A hop whose failures the later ones do not
/// share is explained by that, at the price of this share; one alone must not outweigh a whole path.
const LIMITERS: f64 = 0.015;

/// The end must fail at least this often: one failure is an accident.
const END_MIN: u32 = 2;

/// By how much the best place must be more likely than "everywhere clean": a factor of e⁵ = 148.
const LN_RATIO_MIN: f64 = 5.0;

/// The probability that the blamed places must hold together.
pub const SURE: f64 = 0.95;

/// How many of the probes with one TTL failed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Probes that were tried.
    pub n: u32,
    /// Probes that failed.
    pub k: u32,
}

/// The smallest run of neighbouring edges that holds [`SURE`]. Edge 0 leads to the first hop, edge i to hop i (from 0),
/// the last one to the end.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Change {
    /// The first edge of the run.
    pub first: usize,
    /// The last edge of the run; the same when one segment is to blame.
    pub last: usize,
    /// What the run's probabilities add up to.
    pub confidence: f64,
    /// The share that fails behind the best edge.
    pub rate: f64,
    /// By what factor more probes of each kind would single one edge out; 1 when one is.
    pub more: f64,
}

/// Finds the change point; `None` when the end fails too seldom for any.
pub fn change_point(hops: &[Tally], end: Tally) -> Option<Change> {
    if end.k < END_MIN {
        return None;
    }
    let fits: Vec<Fit> = (0..=hops.len()).map(|edge| best_rate(hops, end, edge)).collect();
    let best = fits.iter().max_by(|a, b| a.ln.total_cmp(&b.ln))?;
    if best.ln - ln_everything_clean(hops, end) < LN_RATIO_MIN {
        return None;
    }
    let weights: Vec<f64> = fits.iter().map(|fit| (fit.ln - best.ln).exp()).collect();
    let sum: f64 = weights.iter().sum();
    let (first, last, held) = smallest_run(&weights, sum * SURE)?;
    let more = if first == last { 1.0 } else { growth_needed(&fits, best.ln) };
    Some(Change { first, last, confidence: held / sum, rate: best.rate, more })
}

/// How well an edge explains the tallies, and with which share of failures behind it.
struct Fit {
    ln: f64,
    rate: f64,
}

/// The share behind an edge is the end's own or that of all behind, whichever explains more.
fn best_rate(hops: &[Tally], end: Tally, edge: usize) -> Fit {
    let (before, behind) = hops.split_at(edge.min(hops.len()));
    let clean: f64 = before.iter().map(|hop| ln_hop(*hop, NOISE)).sum();
    let with = |rate: f64| {
        let rate = rate.clamp(NOISE, 1.0 - NOISE);
        Fit { ln: clean + behind.iter().map(|hop| ln_hop(*hop, rate)).sum::<f64>() + ln_share(end, rate), rate }
    };
    let pooled = behind.iter().fold(end, |sum, hop| Tally { n: sum.n + hop.n, k: sum.k + hop.k });
    let (own, all) = (with(share(end)), with(share(pooled)));
    if own.ln > all.ln { own } else { all }
}

fn ln_everything_clean(hops: &[Tally], end: Tally) -> f64 {
    hops.iter().map(|hop| ln_hop(*hop, NOISE)).sum::<f64>() + ln_share(end, NOISE)
}

fn share(tally: Tally) -> f64 {
    f64::from(tally.k) / f64::from(tally.n.max(1))
}

/// ln of the probability that just these k of n fail, each with the same probability.
fn ln_share(tally: Tally, rate: f64) -> f64 {
    f64::from(tally.k) * rate.ln() + f64::from(tally.n - tally.k) * (1.0 - rate).ln()
}

/// The same for a hop, which may limit its replies besides: with any share from 0 to 1, each as likely as the others.
///
/// ∫ (1−s)^k s^(n−k) ds over s from 0 to 1−rate, divided by 1−rate: the beta function B(n−k+1, k+1) times the probability
/// that of n+1 probes at most k fail.
fn ln_hop(tally: Tally, rate: f64) -> f64 {
    let honest = (1.0 - LIMITERS).ln() + ln_share(tally, rate);
    let ln_beta = -f64::from(tally.n + 1).ln() - ln_choose(tally.n, tally.k);
    let limiter = LIMITERS.ln() + ln_beta - (1.0 - rate).ln() + at_most(tally.k, tally.n + 1, rate).ln();
    let (large, small) = if honest > limiter { (honest, limiter) } else { (limiter, honest) };
    large + (small - large).exp().ln_1p()
}

/// ln of n over k.
fn ln_choose(n: u32, k: u32) -> f64 {
    (1..=k.min(n - k)).map(|i| (f64::from(n - i + 1) / f64::from(i)).ln()).sum()
}

/// The probability that at most k of n fail, each with the same probability.
fn at_most(k: u32, n: u32, rate: f64) -> f64 {
    let mut ln_term = f64::from(n) * (1.0 - rate).ln();
    let odds = (rate / (1.0 - rate)).ln();
    let mut sum = ln_term.exp();
    for i in 1..=k.min(n) {
        ln_term += odds + (f64::from(n - i + 1) / f64::from(i)).ln();
        sum += ln_term.exp();
    }
    sum.clamp(f64::MIN_POSITIVE, 1.0)
}

/// The shortest run of neighbours whose weights reach `enough`, the heaviest of equally short ones.
fn smallest_run(weights: &[f64], enough: f64) -> Option<(usize, usize, f64)> {
    (1..=weights.len()).find_map(|length| {
        weights
            .windows(length)
            .enumerate()
            .map(|(first, run)| (first, first + length - 1, run.iter().sum::<f64>()))
            .filter(|(_, _, held)| *held >= enough)
            .max_by(|a, b| a.2.total_cmp(&b.2))
    })
}

/// The lead of the best edge over the next one grows with the number of probes, so this factor brings it to 19 : 1.
fn growth_needed(fits: &[Fit], best: f64) -> f64 {
    let mut leads: Vec<f64> = fits.iter().map(|fit| best - fit.ln).collect();
    leads.sort_by(f64::total_cmp);
    let lead = leads.get(1).copied().unwrap_or(0.0);
    ((SURE / (1.0 - SURE)).ln() / lead.max(0.3)).max(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tallies(all: &[(u32, u32)]) -> (Vec<Tally>, Tally) {
        let all: Vec<Tally> = all.iter().map(|(k, n)| Tally { k: *k, n: *n }).collect();
        let (end, hops) = all.split_last().unwrap();
        (hops.to_vec(), *end)
    }

    fn found(all: &[(u32, u32)]) -> Option<(usize, usize)> {
        let (hops, end) = tallies(all);
        change_point(&hops, end).map(|change| (change.first, change.last))
    }

    #[test]
    fn loss_that_all_later_hops_share_is_blamed() {
        assert_eq!(found(&[(0, 40), (11, 40), (9, 40), (10, 40)]), Some((1, 1)));
        assert_eq!(found(&[(9, 40), (11, 40), (9, 40), (10, 40)]), Some((0, 0)));
        assert_eq!(found(&[(0, 40), (0, 40), (0, 40), (20, 40)]), Some((3, 3)));
    }

    #[test]
    fn loss_that_the_end_does_not_share_is_not() {
        assert_eq!(found(&[(32, 40), (30, 40), (35, 40), (0, 40)]), None);
        assert_eq!(found(&[(32, 40), (30, 40), (35, 40), (1, 40)]), None);
    }

    #[test]
    fn a_limiting_hop_before_the_lossy_segment_is_not_blamed() {
        assert_eq!(found(&[(25, 40), (0, 40), (11, 40), (10, 40), (9, 40)]), Some((2, 2)));
    }

    #[test]
    fn too_few_losses_give_a_range_and_the_need_for_more() {
        let (hops, end) = tallies(&[(0, 40), (0, 40), (2, 40), (3, 40)]);
        let change = change_point(&hops, end).unwrap();
        assert!(change.first < 2 && change.last == 2 && change.more > 1.0, "{change:?}");
    }

    #[test]
    fn at_most_is_the_binomial_distribution() {
        // R: pbinom(3, 20, 0.1) = 0.8670467; pbinom(0, 10, 0.5) = 0.0009765625
        assert!((at_most(3, 20, 0.1) - 0.867_046_7).abs() < 1e-6);
        assert!((at_most(0, 10, 0.5) - 0.000_976_562_5).abs() < 1e-12);
        assert!((ln_choose(40, 10) - 847_660_528_f64.ln()).abs() < 1e-9);
    }
}
