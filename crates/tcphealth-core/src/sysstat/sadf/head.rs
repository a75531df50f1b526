//! `sadf -H`: what the head of a file says.

use crate::sysstat::activity::known;
use crate::sysstat::bytes::Shape;
use crate::sysstat::clock::utc;
use crate::sysstat::header::Header;

/// The head of a file as text; `banner` is the first line of a report on it, `version` the version that wrote it, `date`
/// the day it was made on the clock that was asked for.
pub fn head(header: &Header, file: &str, (banner, version, date): (&[u8], &str, &str)) -> Vec<u8> {
    let mut out = format!(
        "System activity data file: {file} ({:#x})\nFile created by sar/sadc from sysstat version {version}\n\
         Genuine sa datafile: {} ({:x})\nHost: ",
        header.format,
        if header.upgraded == 0 { "yes" } else { "no" },
        header.upgraded
    )
    .into_bytes();
    out.extend_from_slice(banner);
    let civil = utc(header.ust_time).unwrap_or_default();
    let [of_header, of_listed, of_record] = header.shapes.map(shape);
    let rest = format!(
        "File date: {date}\nFile time: {} UTC ({})\nTimezone: {}\nFile composition: {of_header},{of_listed},{of_record}\n\
         Size of a long int: {}\nHZ = {}\nNumber of activities in file: {}\nExtra structures available: {}\n\
         List of activities:\n",
        civil.time(),
        header.ust_time,
        String::from_utf8_lossy(&header.timezone),
        if header.machine.long32 { 4 } else { 8 },
        header.hz,
        header.activities.len(),
        if header.extra { 'Y' } else { 'N' },
    );
    out.extend(rest.bytes());
    for listed in &header.activities {
        let (name, magic) = known(listed.id).unwrap_or(("Unknown activity", listed.magic));
        let counted = if listed.counted { 'Y' } else { 'N' };
        let matrix = if listed.columns > 1 { format!("x{}", listed.columns) } else { String::new() };
        let unknown = if magic == listed.magic { "" } else { " \t[Unknown format]" };
        let line = format!(
            "{:02}: [{:02x}] {name:<20} {counted}:{:>4}{matrix}\t{}{unknown}\n",
            listed.id,
            listed.magic,
            listed.items,
            shape(listed.shape)
        );
        out.extend(line.bytes());
    }
    out
}

/// `(7,0,1)`.
fn shape(shape: Shape) -> String {
    format!("({},{},{})", shape.u64s, shape.longs, shape.u32s)
}
