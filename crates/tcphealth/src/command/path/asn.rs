//! Which autonomous system an address belongs to, by a table on this host: `first<TAB>last<TAB>number<TAB>…`, one range a line
//! (the format of iptoasn.com's files).

use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::net::IpAddr;
use std::path::Path;

/// Opens the table.
pub(super) fn open(table: &Path) -> io::Result<Table<'_>> {
    Ok((table, File::open(table).map_err(|error| placed(table, &error))?))
}

fn placed(table: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", table.display()))
}

/// Its path, and the file.
pub(super) type Table<'a> = (&'a Path, File);

/// The system of each address that the table knows, "AS64496".
pub(super) fn look_up((table, file): Table<'_>, addresses: &[IpAddr]) -> io::Result<Vec<(IpAddr, String)>> {
    let mut found = Vec::new();
    for (number, line) in BufReader::new(file).lines().enumerate() {
        let line = line.map_err(|error| placed(table, &error))?;
        let Some((first, last, system)) = range(&line) else {
            let place = format!("{}:{}: not FIRST, LAST and NUMBER with tabs between", table.display(), number + 1);
            return Err(io::Error::new(io::ErrorKind::InvalidData, place));
        };
        let inside = addresses.iter().filter(|at| at.is_ipv4() == first.is_ipv4() && (first..=last).contains(*at));
        // Number 0 stands for "not routed".
        found.extend(inside.filter(|_| system != 0).map(|address| (*address, format!("AS{system}"))));
    }
    Ok(found)
}

fn range(line: &str) -> Option<(IpAddr, IpAddr, u32)> {
    let mut words = line.split('\t');
    Some((words.next()?.parse().ok()?, words.next()?.parse().ok()?, words.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn table(text: &str) -> tempfile::NamedTempFile {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(text.as_bytes()).unwrap();
        file
    }

    #[test]
    fn an_address_belongs_to_the_range_around_it() {
        let file = table(
            "192.0.2.0\t192.0.2.255\t64496\tZZ\tExample\n2001:db8::\t2001:db8:ffff::\t64497\n198.51.100.0\t198.51.100.9\t0\n",
        );
        let addresses: Vec<IpAddr> =
            ["192.0.2.7", "2001:db8::1", "203.0.113.1", "198.51.100.1"].iter().map(|at| at.parse().unwrap()).collect();
        let found = look_up(open(file.path()).unwrap(), &addresses).unwrap();
        assert_eq!(found, [(addresses[0], "AS64496".to_owned()), (addresses[1], "AS64497".to_owned())]);
    }

    #[test]
    fn a_bad_line_is_named() {
        let file = table("192.0.2.0\t192.0.2.255\t64496\nnonsense\n");
        assert!(look_up(open(file.path()).unwrap(), &[]).unwrap_err().to_string().contains(":2: not FIRST"));
    }
}
