//! Bytes that claim to be a file of sysstat's: every report of them ends, and is what it claims to be. The fuzzer and the
//! ordinary tests share this.

use tcphealth_core::sysstat::activity::Dialect;
use tcphealth_core::sysstat::clock::{Civil, Clock, Zone, utc};
use tcphealth_core::sysstat::header::Header;
use tcphealth_core::sysstat::input::{Input, Trouble};
use tcphealth_core::sysstat::past::{Wish, interval};
use tcphealth_core::sysstat::rates::{Cpus, Wanted};
use tcphealth_core::sysstat::record::Reader;
use tcphealth_core::sysstat::sadf::Times;
use tcphealth_core::sysstat::sadf::head::head;
use tcphealth_core::sysstat::sadf::lines::{Form, LinePrinter};
use tcphealth_core::sysstat::sadf::tree::{Markup, TreePrinter};
use tcphealth_core::sysstat::style::{Colours, Style};
use tcphealth_core::sysstat::text::{SarPrinter, Settings};
use tcphealth_core::sysstat::walk::{Choice, Outs, Paper, Walk};

/// Every zone is UTC.
pub struct Utc;

impl Zone for Utc {
    fn local(&self, epoch: u64) -> Option<Civil> {
        utc(epoch)
    }
    fn abbreviation(&self, _: u64) -> String {
        "UTC".to_owned()
    }
}

/// Keeps everything.
#[derive(Default)]
pub struct Memory {
    shown: Vec<u8>,
    waiting: Vec<Vec<u8>>,
}

impl Paper for Memory {
    fn put(&mut self, lane: usize, text: &mut Vec<u8>) -> std::io::Result<()> {
        if lane == 0 {
            self.shown.append(text);
            return Ok(());
        }
        self.waiting.resize_with(self.waiting.len().max(lane), Vec::new);
        self.waiting[lane - 1].append(text);
        Ok(())
    }

    fn end_section(&mut self, lanes: usize) -> std::io::Result<()> {
        for mut text in self.waiting.drain(..).take(lanes.saturating_sub(1)) {
            self.shown.append(&mut text);
        }
        Ok(())
    }
}

pub const EVERYTHING: Choice =
    Choice { start: None, end: None, interval: 1, count: None, comments: true, together: false, clock: Clock::Utc };

/// A file, opened for reports on all that it has.
pub fn open(bytes: &[u8], old_hz: Option<u64>) -> Result<Reader<&[u8]>, Trouble> {
    let mut input = Input::new(bytes);
    let header = Header::read(&mut input, old_hz)?;
    Ok(Reader::new(input, header, |_| true))
}

/// What `sar` prints, and how the walk ended.
pub fn sar(reader: Reader<&[u8]>, settings: Settings, choice: &Choice) -> (Vec<u8>, Result<(), Trouble>) {
    let mut paper = Memory::default();
    let mut printer = SarPrinter::new(settings, reader.activities(), choice.together);
    let walked = Walk::new(reader, choice, &Utc).run(&mut printer, &mut Outs::new(&mut paper));
    (paper.shown, walked)
}

/// What `sadf -d`, `-dh`, `-p` or `-r` prints.
pub fn lines(reader: Reader<&[u8]>, form: Form, choice: &Choice) -> Vec<u8> {
    let mut paper = Memory::default();
    let reader = if form == Form::Wide { reader.in_table_order() } else { reader };
    let choice = Choice { together: form == Form::Wide, ..choice.clone() };
    let times = Times::new(reader.header(), choice.clock, Dialect::Current, &Utc);
    let look = (Wanted { cpus: Cpus::All, ..Wanted::default() }, Style::default());
    let mut printer = LinePrinter::new(form, (reader.header(), reader.activities()), times, look);
    let _ = Walk::new(reader, &choice, &Utc).run(&mut printer, &mut Outs::new(&mut paper));
    paper.shown
}

/// What `sadf -j` or `-x` prints.
pub fn tree(reader: Reader<&[u8]>, markup: Markup, choice: &Choice) -> Vec<u8> {
    let mut paper = Memory::default();
    let reader = reader.in_table_order();
    let times = Times::new(reader.header(), Clock::Utc, Dialect::Current, &Utc);
    let about = (times, Wanted { cpus: Cpus::All, ..Wanted::default() }, true);
    let mut printer = TreePrinter::new(markup, reader.activities(), about);
    let mut out = Outs::new(&mut paper);
    printer.begin(&mut out, reader.header(), ("2023-11-14", false));
    let choice = Choice { together: true, ..choice.clone() };
    let _ = Walk::new(reader, &choice, &Utc).run(&mut printer, &mut out);
    printer.finish(&mut out);
    paper.shown
}

/// Everything on: colours, extremes, units, changed items only, all CPUs.
fn loud() -> Settings {
    Settings {
        style: Style { human: true, pretty: true, colours: Some(Colours::default()), decimals: 1 },
        wanted: Wanted { cpus: Cpus::All, ..Wanted::default() },
        omit_unchanged: true,
        extremes: true,
        rows: 3,
        ..Settings::default()
    }
}

/// Reads the bytes in every way. An empty report is told, and JSON must be JSON whatever the names are.
pub fn survive(bytes: &[u8]) {
    let Ok(reader) = open(bytes, Some(100)) else { return };
    head(reader.header(), "file", (b"host", "1", "day"));
    let again = || open(bytes, Some(100)).expect("it was opened before");
    let (shown, walked) = sar(again(), Settings::default(), &EVERYTHING);
    // A file of which nothing is known is refused before.
    let refused = reader.activities().is_empty();
    assert!(refused || walked.is_err() || !shown.is_empty(), "an empty report that nobody is told of");
    interval(again(), Wish { at: None, window_cs: 250 });
    let picky = Choice { interval: 7, count: Some(3), ..EVERYTHING };
    for choice in [&EVERYTHING, &picky] {
        let _ = sar(again(), Settings { rows: 86_400, ..Settings::default() }, choice);
        let _ = sar(again(), loud(), choice);
        for form in [Form::Database, Form::Wide, Form::Values, Form::Raw] {
            lines(again(), form, choice);
        }
        let json = tree(again(), Markup::Json, choice);
        serde_json::from_slice::<serde::de::IgnoredAny>(&json).expect("JSON");
        tree(again(), Markup::Xml, choice);
    }
}
