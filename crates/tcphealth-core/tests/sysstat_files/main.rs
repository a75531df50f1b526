//! Files of sysstat's, written here by every kind of machine, whole and damaged, and what is printed of them.
#![expect(clippy::indexing_slicing, clippy::unwrap_used, reason = "a test may panic, and it is then wrong itself")]

mod hostile;
mod writer;

use hostile::{EVERYTHING, lines, open, sar, survive, tree};
use tcphealth_core::snapshot::Snapshot;
use tcphealth_core::sysstat::activity::by_keyword;
use tcphealth_core::sysstat::clock::Clock;
use tcphealth_core::sysstat::header::Header;
use tcphealth_core::sysstat::input::{Input, Trouble};
use tcphealth_core::sysstat::items::Items;
use tcphealth_core::sysstat::past::{Wish, interval};
use tcphealth_core::sysstat::record::{Kind, Moment, Reader};
use tcphealth_core::sysstat::sadf::lines::Form;
use tcphealth_core::sysstat::sadf::tree::Markup;
use tcphealth_core::sysstat::text::Settings;
use tcphealth_core::sysstat::walk::{Bound, Choice};
use tcphealth_core::sysstat::writer::{can_append, head, statistics};
use writer::{DEV, Machine, SOFT, TCP, USUAL, Writer, example, named, older};

/// By hand: one second, then two, then two after the RESTART. 1 250 000 bytes/s of 100 Mbit/s are 10 %, 1 220.70 kB.
const SAR: &str = "\
22:13:20     COM before

22:13:20        IFACE   rxpck/s   txpck/s    rxkB/s    txkB/s   rxcmp/s   txcmp/s  rxmcst/s   %ifutil
22:13:21           lo      1.00      1.00      0.00      0.00      0.00      0.00      0.00      0.00
22:13:21         eth0     10.00     20.00     10.00   1220.70      0.00      0.00      1.00     10.00
22:13:22     COM be.tween
22:13:23           lo      2.00      2.00      0.00      0.00      0.00      0.00      0.00      0.00
22:13:23         eth0     20.00     40.00     20.00   2441.41      0.00      0.00      2.00     20.00
Average:           lo      1.67      1.67      0.00      0.00      0.00      0.00      0.00      0.00
Average:         eth0     16.67     33.33     16.67   2034.51      0.00      0.00      1.67     16.67

22:13:20     active/s passive/s    iseg/s    oseg/s
22:13:21         1.00      2.00    100.00    300.00
22:13:22     COM be.tween
22:13:23         2.00      4.00    200.00    600.00
Average:         1.67      3.33    166.67    500.00

22:13:20       totsck    tcpsck    udpsck    rawsck   ip-frag    tcp-tw
22:13:21           11         3         2         1         0        40
22:13:22     COM be.tween
22:13:23           15         3         2         1         0        40
Average:           13         3         2         1         0        40

22:13:30     LINUX RESTART\t(4 CPU)

22:13:40        IFACE   rxpck/s   txpck/s    rxkB/s    txkB/s   rxcmp/s   txcmp/s  rxmcst/s   %ifutil
22:13:42           lo      1.50      1.50      0.00      0.00      0.00      0.00      0.00      0.00
22:13:42         eth0     15.00     30.00     15.00   1831.05      0.00      0.00      1.50     15.00
Average:           lo      1.50      1.50      0.00      0.00      0.00      0.00      0.00      0.00
Average:         eth0     15.00     30.00     15.00   1831.05      0.00      0.00      1.50     15.00

22:13:40     active/s passive/s    iseg/s    oseg/s
22:13:42         1.50      3.00    150.00    450.00
Average:         1.50      3.00    150.00    450.00

22:13:40       totsck    tcpsck    udpsck    rawsck   ip-frag    tcp-tw
22:13:42           13         3         2         1         0        40
Average:           13         3         2         1         0        40
";

fn plain() -> Settings {
    Settings { rows: 86_400, ..Settings::default() }
}

fn report(bytes: &[u8], settings: Settings, choice: &Choice) -> String {
    let (shown, walked) = sar(open(bytes, None).unwrap(), settings, choice);
    walked.unwrap();
    String::from_utf8(shown).unwrap()
}

fn every_machine() -> Vec<Machine> {
    let bits = (0..16).map(|bits: u8| [0, 1, 2, 3].map(|bit| bits >> bit & 1 == 1));
    let machines = bits.map(|[big_endian, long32, old_heads, extra]| Machine { big_endian, long32, old_heads, extra });
    // The older heads have no word for extra structures.
    machines.filter(|machine| !(machine.old_heads && machine.extra)).collect()
}

#[test]
fn the_same_counters_of_any_machine_make_the_same_report() {
    for machine in every_machine() {
        assert_eq!(report(&example(machine), plain(), &EVERYTHING), SAR);
    }
}

#[test]
fn a_report_is_bounded_by_times_and_counts() {
    let tcp = |choice: &Choice| {
        let bytes = example(USUAL);
        let mut input = Input::new(&bytes[..]);
        let header = Header::read(&mut input, None).unwrap();
        let reader = Reader::new(input, header, |activity| activity.keyword == "TCP");
        let (shown, walked) = sar(reader, plain(), choice);
        walked.unwrap();
        let text = String::from_utf8(shown).unwrap();
        text.lines().filter(|line| !line.is_empty()).map(|line| line[..8].to_owned()).collect::<Vec<_>>()
    };
    let quiet = Choice { comments: false, ..EVERYTHING };
    let of_day = |hour: u32, minute: u32, second: u32| Some(Bound::Clock(hour * 3600 + minute * 60 + second));
    let ended = Choice { end: of_day(22, 13, 21), ..quiet.clone() };
    assert_eq!(tcp(&ended), ["22:13:20", "22:13:21", "Average:"]);
    let begun = Choice { start: of_day(22, 13, 21), count: Some(1), ..quiet.clone() };
    assert_eq!(tcp(&begun)[..3], ["22:13:21", "22:13:23", "Average:"]);
    let later = Choice { start: Some(Bound::Epoch(1_700_000_020)), ..quiet.clone() };
    assert_eq!(tcp(&later), ["22:13:40", "22:13:42", "Average:"]);
    let sparse = Choice { interval: 3, ..quiet };
    assert_eq!(tcp(&sparse)[..3], ["22:13:20", "22:13:23", "Average:"]);
}

/// The first reading is on the bound, so that it is compared with; what comes after it is late, the next day, too.
#[test]
fn nothing_is_shown_behind_the_bound_even_the_next_day() {
    let mut file = Writer::new(USUAL, &[TCP], 1);
    for seconds in [0, 1, 6410, 6420] {
        file.record(1, 100 * seconds, seconds);
        file.items(&TCP, &[(&[], &[seconds; 4], &[], &[])]);
    }
    let ended = Choice { end: Some(Bound::Clock(22 * 3600 + 13 * 60 + 20)), ..EVERYTHING };
    assert_eq!(report(&file.bytes, plain(), &ended), "");
}

/// `print_dbppc_restart()` writes a blank and the zone's name even where there is no name, `print_dbppc_timestamp()` does not.
#[test]
fn a_zone_without_a_name_leaves_a_blank_behind_the_time_of_a_restart() {
    let mut bytes = example(USUAL);
    bytes[76 + 327..][..3].fill(0);
    let writers = Choice { clock: Clock::Writer, ..EVERYTHING };
    let text = |form| String::from_utf8(lines(open(&bytes, None).unwrap(), form, &writers)).unwrap();
    let database = text(Form::Database);
    assert!(database.contains("host.test;-1;2023-11-14 22:13:30 ;LINUX-RESTART\t(4 CPU)\n"), "{database}");
    assert!(database.contains("host.test;1;2023-11-14 22:13:21;eth0;10.00;"), "{database}");
    assert!(text(Form::Raw).contains("\n22:13:22 ; COM be.tween\n22:13:23; "));
}

/// `list_fields()` says that there are several items by the CPUs that the last RESTART told of.
#[test]
fn a_restart_tells_how_many_cpus_a_line_holds() {
    let mut file = Writer::new(USUAL, &[SOFT], 0);
    for (start, cpus) in [(0, None), (10, Some(4)), (20, Some(0))] {
        if let Some(cpus) = cpus {
            file.restart(start, cpus);
        }
        for seconds in start + 1..start + 3 {
            file.record(1, 100 * seconds, seconds);
            file.items(&SOFT, &[(&[], &[], &[0; 6], &[]), (&[], &[], &[seconds as u32; 6], &[])]);
        }
    }
    let text = String::from_utf8(lines(open(&file.bytes, None).unwrap(), Form::Wide, &EVERYTHING)).unwrap();
    let heads: Vec<bool> =
        text.lines().filter(|line| line.starts_with('#')).map(|line| line.ends_with("[...]")).collect();
    assert_eq!(heads, [false, true, false], "{text}");
}

#[test]
fn extremes_and_changed_items_are_told() {
    let text = report(&example(USUAL), Settings { extremes: true, ..plain() }, &EVERYTHING);
    assert!(text.contains("Minimum:         eth0     10.00     20.00     10.00   1220.70"));
    assert!(text.contains("Maximum:         eth0     20.00     40.00     20.00   2441.41"));
    assert!(text.contains("\nSummary:       totsck"));
    let still = report(&example(USUAL), Settings { omit_unchanged: true, rows: 1, ..plain() }, &EVERYTHING);
    assert_eq!(still.matches("IFACE").count(), 3 + 2);
}

/// sysstat counts as printed the items of the reading before: behind a reading without any the header comes again.
#[test]
fn the_header_comes_again_behind_a_reading_without_interfaces() {
    let mut file = Writer::new(USUAL, &[DEV], 1);
    let link = named("eth0", 2);
    for seconds in 0..4 {
        file.record(1, 100 * seconds, seconds);
        let item = (&[seconds; 7][..], &[][..], &[100][..], &link[..]);
        file.items(&DEV, if seconds == 0 { &[] } else { std::slice::from_ref(&item) });
    }
    let text = report(&file.bytes, plain(), &EVERYTHING);
    let starts: Vec<&str> = text.lines().map(|line| line.get(..24).unwrap_or_default().trim()).collect();
    let (header, row) = (|time| format!("{time}        IFACE"), |time| format!("{time}         eth0"));
    let wanted = [
        String::new(),
        header("22:13:20"),
        row("22:13:21"),
        String::new(),
        header("22:13:21"),
        row("22:13:22"),
        row("22:13:23"),
        "Average:         eth0".to_owned(),
    ];
    assert_eq!(starts, wanted);
}

#[test]
fn lines_and_trees_hold_the_same_figures() {
    let bytes = example(USUAL);
    let text = |form| String::from_utf8(lines(open(&bytes, None).unwrap(), form, &EVERYTHING)).unwrap();
    assert!(text(Form::Database).contains("host.test;1;2023-11-14 22:13:21 UTC;eth0;10.00;20.00;10.00;1220.70;0.00;"));
    assert!(text(Form::Wide).contains("host.test;2;2023-11-14 22:13:23 UTC;lo;2.00;2.00;"));
    assert!(text(Form::Values).contains("host.test\t2\t2023-11-14 22:13:42 UTC\t-\toseg/s\t450.00\n"));
    assert!(
        text(Form::Raw)
            .contains("22:13:23 UTC; active/s; 2; 6; passive/s; 4; 12; iseg/s; 200; 600; oseg/s; 600; 1800;")
    );
    let json = tree(open(&bytes, None).unwrap(), Markup::Json, &EVERYTHING);
    let json: serde_json::Value = serde_json::from_slice(&json).unwrap();
    let host = &json["sysstat"]["hosts"][0];
    assert_eq!(host["statistics"].as_array().unwrap().len(), 3);
    assert_eq!(host["statistics"][1]["network"]["net-dev"][1]["ifutil-percent"], 20.0);
    assert_eq!(
        (&host["restarts"][0]["boot"]["cpu_count"], &host["comments"][1]["comment"]["com"]),
        (&4.into(), &"be.tween".into())
    );
}

#[test]
fn what_is_written_is_what_is_read() {
    let (dev, sock) = (by_keyword("DEV").unwrap(), by_keyword("SOCK").unwrap());
    let (mut links, mut sockets) = (Items::none(dev), Items::none(sock));
    links.push(b"eth0").copy_from_slice(&[1, 2, 3, 4, 5, 6, u64::MAX, 1000, 2]);
    sockets.push(b"").copy_from_slice(&[1, 2, 3, 4, 5, 6]);
    let moment = Moment { uptime_cs: 7, ust_time: 1_700_000_000, clock: (22, 13, 20) };
    let mut bytes = head(&Header { cpus: 3, ..Header::of_this_machine() }, &[(dev, 1), (sock, 1)]);
    bytes.extend(statistics(&moment, &[(dev, &links), (sock, &sockets)]));
    let mut reader = open(&bytes, None).unwrap();
    assert!(can_append(reader.header()));
    assert_eq!(reader.advance().unwrap(), Some((moment, Kind::Statistics)));
    let mut read = [Items::none(dev), Items::none(sock)];
    reader.items(&mut read).unwrap();
    assert_eq!(read, [links, sockets]);
    assert_eq!(reader.advance().unwrap(), None);
}

/// The example has readings 5000, 5001 and 5003 s after a boot at second 0, 1 and 3, and after the next one two more.
#[test]
fn an_interval_of_a_file_is_a_window_with_the_kernels_names() {
    let bytes = example(USUAL);
    let found = |at, window_cs| interval(open(&bytes, None).unwrap(), Wish { at, window_cs });
    let (first, last) = found(None, 0).ends.unwrap();
    assert_eq!((last.at.begin_ns - first.at.begin_ns, last.at.wall_ns), (2_000_000_000, 1_700_000_022_000_000_000));
    let value = |snapshot: &Snapshot, name: &str| snapshot.counters.named(name);
    assert_eq!((value(&first, "Tcp.OutSegs"), value(&last, "Tcp.OutSegs")), (Some(300), Some(1200)));
    assert_eq!((value(&last, "dev.eth0.tx_bytes"), value(&last, "TCP.tw")), (Some(5_000_000), Some(40)));
    assert_eq!((value(&last, "Tcp.RetransSegs"), last.census.is_err()), (None, true));
    assert_eq!(last.interfaces.unwrap()[1].speed_mbit_per_second, Some(100));
    let uptimes = |at: u64, window_cs| {
        let (first, last) = found(Some(1_700_000_000 + at), window_cs).ends?;
        Some((first.at.begin_ns / 1_000_000_000, last.at.begin_ns / 1_000_000_000))
    };
    assert_eq!(
        [uptimes(0, 0), uptimes(1, 0), uptimes(2, 0)],
        [Some((5000, 5001)), Some((5000, 5001)), Some((5001, 5003))]
    );
    assert_eq!(uptimes(2, 250), Some((5000, 5003)), "a window of 2.5 s begins earlier");
    assert_eq!(
        [uptimes(4, 0), uptimes(15, 0), uptimes(23, 0)],
        [None; 3],
        "before a start of the host, and behind the end"
    );
    assert_eq!(uptimes(21, 250), Some((10, 12)), "a window does not reach into another boot");
    assert_eq!(found(Some(0), 0).span, Some((1_700_000_000, 1_700_000_022)));
}

/// What stands before the damage is judged, and the damage is told; a moment behind it is not in the file.
#[test]
fn a_cut_file_has_the_intervals_before_its_end() {
    let whole = example(USUAL);
    let bytes = &whole[..whole.len() - 1];
    let found = |at| interval(open(bytes, None).unwrap(), Wish { at, window_cs: 0 });
    let last = found(None);
    assert_eq!(last.ends.unwrap().1.at.wall_ns, 1_700_000_003_000_000_000);
    assert!(matches!(last.damage, Some(Trouble::Cut)));
    let behind = found(Some(1_700_000_021));
    assert!(behind.ends.is_none() && behind.damage.is_some());
    assert!(found(Some(1_700_000_002)).ends.is_some());
}

/// Files of both kinds of today's format and of both older ones.
fn kinds() -> [Vec<u8>; 4] {
    let other = Machine { big_endian: true, long32: true, old_heads: false, extra: true };
    [example(USUAL), example(other), older(0x2171, false), older(0x2173, true)]
}

#[test]
fn a_truncated_file_is_an_error_or_has_fewer_rows() {
    let rows = |text: &[u8]| text.split(|&byte| byte == b'\n').count();
    // Only a cut between two records leaves a file that is whole, and there must be something in front of it to show.
    for (whole, between) in kinds().iter().zip([7, 7, 1, 1]) {
        let report = |bytes: &[u8]| Some(sar(open(bytes, Some(250)).ok()?, plain(), &EVERYTHING));
        let all = rows(&report(whole).unwrap().0);
        let mut clean = 0;
        for length in 0..whole.len() {
            if length % 4 == 0 {
                survive(&whole[..length]);
            }
            let Some((shown, walked)) = report(&whole[..length]) else { continue };
            assert!(rows(&shown) < all, "{length}");
            match walked {
                Ok(()) => clean += usize::from(!shown.is_empty()),
                Err(trouble) => {
                    assert!(matches!(trouble, Trouble::Cut | Trouble::Nothing { .. }), "{length}: {trouble:?}");
                }
            }
        }
        assert_eq!(clean, between);
    }
}

#[test]
fn a_flipped_bit_never_ends_in_a_panic_or_in_nothing() {
    for whole in kinds() {
        for at in (0..whole.len()).step_by(3) {
            let mut bytes = whole.clone();
            bytes[at] ^= 1 << (at % 8);
            survive(&bytes);
        }
    }
}

/// 0x2171 has longs and lists that end at an empty name; 0x2173 64-bit counters sixteen bytes apart, the speed of a link,
/// and the numbers of items again behind a RESTART. Both count in ticks, here 250 a second.
#[test]
fn the_older_formats_are_read_when_they_are_asked_for() {
    for (format, big_endian) in [(0x2171, false), (0x2171, true), (0x2173, false), (0x2173, true)] {
        let bytes = older(format, big_endian);
        assert!(matches!(open(&bytes, None), Err(Trouble::Format { format: told, .. }) if u64::from(told) == format));
        let (shown, walked) = sar(open(&bytes, Some(250)).unwrap(), plain(), &EVERYTHING);
        walked.unwrap();
        let text = String::from_utf8(shown).unwrap();
        let used = if format == 0x2173 { "10.00" } else { " 0.00" };
        assert!(text.contains(&format!("22:13:21         eth0     10.00     20.00     10.00   1220.70      0.00      0.00      1.00     {used}\n")), "{text}");
        assert!(text.contains("22:13:21         1.00      2.00    100.00    300.00\n"));
        assert!(text.contains("22:13:30     LINUX RESTART\t(4 CPU)\n"));
        assert_eq!(text.matches("eth0").count(), 2, "the list ends at the empty name");
    }
}

#[test]
#[expect(clippy::disallowed_methods, reason = "the corpus is in files; the reader itself opens none")]
fn what_the_fuzzer_found_and_its_seeds_are_survived() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus/sysstat");
    let files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert!(files.len() >= 4, "the seeds are there");
    for file in files {
        survive(&std::fs::read(file).unwrap());
    }
}
