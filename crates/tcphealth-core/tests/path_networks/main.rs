//! The whole prober, from the first probe to the verdict, on simulated networks whose truth is known.
#![expect(clippy::indexing_slicing, reason = "a test may panic, and it is then wrong itself")]

mod hostile;
mod network;

use network::{Dice, Network, Router, Run, SOURCE, TARGET, plan, walk};
use std::net::IpAddr;
use tcphealth_core::path::{Hop, Kind, Outcome, Path, judge};

const NETWORKS: u64 = 240;
const SEEDS: u64 = 20;

/// A network of a kind drawn from its number, and the edge that loses (0 leads to the first hop), if one does.
fn drawn(number: u64) -> (Network, Option<usize>) {
    let mut dice = Dice(number * 7919 + 1);
    let length = 3 + dice.below(6) as usize;
    let mut routers: Vec<Router> = (0..length)
        .map(|_| Router { delay_us: 100 + dice.below(8_000), jitter_us: dice.below(2_000), ..Router::default() })
        .collect();
    for router in routers.iter_mut().take(length - 1) {
        router.silent = dice.hits(0.12);
        router.branches = if dice.hits(0.15) { 2 + dice.below(3) as u16 } else { 1 };
    }
    if dice.hits(0.25) {
        let at = dice.below(length as u64 - 1) as usize;
        routers[at].reply_every_us = [500_000, 1_000_000, 2_000_000, 3_000_000, 6_000_000][dice.below(5) as usize];
    }
    let edge = (!number.is_multiple_of(5)).then(|| dice.below(length as u64) as usize);
    let loss = [0.02, 0.05, 0.1, 0.15, 0.25, 0.4, 0.6][dice.below(7) as usize];
    if let Some(edge) = edge {
        match dice.below(3) {
            0 => routers[edge].loss_forward = loss,
            1 => routers[edge].loss_back = loss,
            _ => (routers[edge].loss_forward, routers[edge].loss_back) = (loss / 2.0, loss / 2.0),
        }
    }
    let mut network = Network { routers, ..Network::default() };
    network.duplicates = if dice.hits(0.2) { 0.1 } else { 0.0 };
    network.wrong_quotes = if dice.hits(0.2) { 0.1 } else { 0.0 };
    if dice.hits(0.1) {
        network.later = Some((5_000_000 + dice.below(20_000_000), network.routers.clone()));
    }
    (network, edge)
}

/// Whether the blamed range, named by its addresses, holds the lossy edge.
fn right(run: &Run, network: &Network, edge: usize) -> bool {
    let Some(blame) = judge(&run.path).blame else { return false };
    let place = |address: IpAddr| {
        let flows = 0..run.path.plan.flows;
        let times = [0, run.ended_us];
        let here =
            |ttl: &usize| flows.clone().any(|flow| times.iter().any(|at| network.address(*ttl, flow, *at) == address));
        (1..=network.routers.len()).find(here)
    };
    let from = if blame.from == SOURCE { Some(0) } else { place(blame.from) };
    let to = if blame.to == TARGET { Some(network.routers.len()) } else { place(blame.to) };
    from.is_some_and(|from| from <= edge) && to.is_some_and(|to| to > edge)
}

/// Whether the run had enough to go by: ten or more lost behind the edge, and so many clean at the hop before it that
/// chance would bring that about in less than one of a hundred runs. A hop that limits its replies beside the edge hides it.
fn enough(path: &Path, network: &Network, edge: usize) -> bool {
    let hops = path.hops();
    let limits = |hop: &Hop| {
        network.routers.get(usize::from(hop.ttl) - 1).is_some_and(|router| router.reply_every_us > 1_000_000)
    };
    let (before, behind) = hops.split_at(edge.min(hops.len()));
    let answering = |hop: &&Hop| !hop.silent();
    let Some(end) = behind.last() else { return false };
    let share = f64::from(end.lost) / f64::from(end.sent.max(1));
    let chance = |hop: &Hop| if hop.lost > 0 || limits(hop) { 1.0 } else { (1.0 - share).powf(f64::from(hop.sent)) };
    let lost: u32 = behind.iter().filter(answering).map(|hop| hop.lost).sum();
    let clean = before.iter().rev().find(answering).is_none_or(|hop| chance(hop) < 0.01);
    lost >= 10
        && clean
        && behind.iter().find(answering).is_some_and(|hop| chance(&Hop { lost: 0, ..hop.clone() }) < 0.01)
}

#[test]
fn the_right_segment_is_blamed_and_hardly_ever_a_wrong_one() {
    let (mut runs, mut wrong, mut strong, mut exact) = (0, 0, 0, 0);
    for number in 0..NETWORKS {
        let (network, edge) = drawn(number);
        for seed in 0..SEEDS {
            let run = walk(&network, plan(1, 40), number << 32 | seed);
            let blame = judge(&run.path).blame;
            let good = edge.is_some_and(|edge| right(&run, &network, edge));
            runs += 1;
            wrong += u32::from(blame.is_some() && !good);
            if edge.is_some_and(|edge| enough(&run.path, &network, edge)) {
                strong += 1;
                exact += u32::from(good && blame.is_some_and(|blame| blame.segments == 1));
            }
        }
    }
    assert!(strong > 1000, "the networks must give the prober something to find: {strong}");
    assert!(f64::from(wrong) < 0.01 * f64::from(runs), "{wrong} of {runs} blame a wrong segment");
    assert!(f64::from(exact) >= 0.97 * f64::from(strong), "{exact} of {strong} with enough data name the right one");
}

#[test]
fn whatever_comes_back_probes_are_bounded_in_number_and_rate() {
    for number in 0..NETWORKS {
        let (mut network, _) = drawn(number);
        (network.wrong_quotes, network.duplicates) = (0.5, 0.5);
        let plan = plan(1 + (number % 4) as u16, 12);
        let run = walk(&network, plan.clone(), number);
        assert!(run.sent.len() <= plan.rounds as usize * usize::from(plan.max_ttl));
        let mut left = [None; 256];
        for (at_us, probe) in &run.sent {
            let last = left[usize::from(probe.ttl)].replace(*at_us);
            assert!(last.is_none_or(|last| at_us - last >= plan.interval_us), "network {number}, {probe:?}");
        }
    }
}

/// Five hops that each take a millisecond more than the one before.
fn five_hops() -> Network {
    let router = Router { delay_us: 500, jitter_us: 50, ..Router::default() };
    Network { routers: vec![router; 5], ..Network::default() }
}

#[test]
fn a_clean_path_is_clean_and_every_hop_is_found() {
    let network = five_hops();
    let run = walk(&network, plan(1, 40), 1);
    let hops = run.path.hops();
    assert_eq!(judge(&run.path).outcome, Outcome::Clean);
    assert_eq!(hops.len(), 5);
    for hop in &hops {
        assert_eq!((hop.sent, hop.lost, hop.addresses.len()), (40, 0, 1), "{hop:?}");
        assert_eq!(hop.address(), Some(network.address(usize::from(hop.ttl), 0, 0)));
        let min = hop.quantiles().unwrap().min;
        assert!((u32::from(hop.ttl) * 1000..u32::from(hop.ttl) * 1000 + 100).contains(&min), "{min}");
    }
    // Forty rounds of 1.05 s each; the last one takes no longer than its replies.
    assert!(run.ended_us < 40 * 1_050_000, "{}", run.ended_us);
}

#[test]
fn replies_that_a_router_withholds_are_no_loss() {
    let mut network = five_hops();
    for router in network.routers.iter_mut().take(4) {
        router.reply_every_us = 6_000_000;
    }
    for seed in 0..100 {
        let judgement = judge(&walk(&network, plan(1, 40), seed).path);
        assert_eq!((judgement.outcome, judgement.blame), (Outcome::Clean, None), "seed {seed}");
    }
}

#[test]
fn a_silent_hop_is_skipped_and_named() {
    let mut network = five_hops();
    (network.routers[1].silent, network.routers[2].loss_forward) = (true, 0.4);
    let run = walk(&network, plan(1, 40), 3);
    let judgement = judge(&run.path);
    let blame = judgement.blame.unwrap();
    assert_eq!((blame.from, blame.to), (network.address(1, 0, 0), network.address(3, 0, 0)));
    assert!(judgement.why.iter().any(|why| why.en == "Silent, and skipped: hop 2."), "{:?}", judgement.why);
}

#[test]
fn a_queue_is_blamed_for_delay_and_a_distance_is_not() {
    let mut network = five_hops();
    network.routers[3].delay_us = 80_000;
    assert_eq!(judge(&walk(&network, plan(1, 40), 1).path).outcome, Outcome::Clean);
    network.routers[3].delay_us = 500;
    network.routers[2].queue = (0.15, 60_000);
    let judged = |seed| judge(&walk(&network, plan(1, 40), seed).path).blame;
    assert!((0..50).all(|seed| judged(seed).is_none()), "stalls of a busy host are no queue");
    network.routers[2].queue = (0.8, 60_000);
    for seed in 0..50 {
        let run = walk(&network, plan(1, 80), seed);
        let blame = judge(&run.path).blame.unwrap();
        assert_eq!(blame.kind, Kind::Delay);
        assert!(right(&run, &network, 2), "seed {seed}: {blame:?}");
    }
    network.routers[1].loss_back = 0.5;
    assert_eq!(judge(&walk(&network, plan(1, 40), 1).path).blame.map(|blame| blame.kind), Some(Kind::Loss));
}

#[test]
fn flows_show_the_branches_and_the_lossy_one_is_blamed() {
    let mut network = five_hops();
    network.routers[2] = Router { branches: 2, lossy_branch: Some(1), loss_forward: 0.3, ..network.routers[2].clone() };
    let run = walk(&network, plan(4, 120), 5);
    let blame = judge(&run.path).blame.unwrap();
    assert_eq!((blame.from, blame.to), (network.address(2, 1, 0), network.address(3, 1, 0)), "{blame:?}");
    assert_eq!(run.path.branches().len(), 2);
    assert_eq!(run.path.hops()[2].addresses.len(), 2);
    let one = walk(&network, plan(1, 40), 5);
    assert!(one.path.hops().iter().all(|hop| hop.addresses.len() == 1), "one flow meets one branch");
}

#[test]
fn a_route_that_grows_is_walked_to_its_new_end_and_counted_anew() {
    let mut network = five_hops();
    let mut longer = network.routers.clone();
    longer.push(Router { delay_us: 500, ..Router::default() });
    network.later = Some((15_000_000, longer));
    let run = walk(&network, plan(1, 40), 9);
    let hops = run.path.hops();
    assert_eq!((hops.len(), run.path.route_changes), (6, 1));
    assert_eq!(hops[5].address(), Some(TARGET));
    assert!(hops.iter().all(|hop| hop.lost == 0 && hop.addresses.iter().filter(|(_, n)| *n > 0).count() == 1));
}

#[test]
fn a_target_that_never_replies_is_not_judged() {
    let mut network = five_hops();
    network.routers[4].silent = true;
    let judgement = judge(&walk(&network, plan(1, 10), 1).path);
    assert_eq!((judgement.outcome, judgement.blame), (Outcome::Unreached, None));
}

#[test]
#[expect(clippy::disallowed_methods, reason = "the corpus is in files; the prober itself opens none")]
fn hostile_replies_do_no_harm() {
    let corpus = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus/path");
    let files: Vec<_> = std::fs::read_dir(corpus).unwrap().map(|file| file.unwrap().path()).collect();
    assert!(files.len() > 20, "the corpus is missing");
    for file in &files {
        hostile::survive(&std::fs::read(file).unwrap());
    }
    let mut dice = Dice(1);
    for length in 0..2000 {
        let bytes: Vec<u8> = (0..length % 300).map(|_| dice.roll() as u8).collect();
        hostile::survive(&bytes);
    }
}
