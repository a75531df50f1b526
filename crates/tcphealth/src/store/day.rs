//! One day's file: its tables, its words, what is read of it and written to it.

use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use flate2::Compression;
use flate2::read::ZlibDecoder;
use flate2::write::ZlibEncoder;
use rusqlite::{Connection, ErrorCode, OpenFlags, OptionalExtension, Row as SqlRow, params};
use tcphealth_core::frame::block::{Block, Builder, Moment};
use tcphealth_core::frame::row::{self, Row};
use tcphealth_core::say;

use super::names::Names;
use super::sum::{self, LiveRow, Packed};
use super::{SCHEMAS, Stream};
use crate::speech::Complaint;

// Each on one line: SQLite quotes them in its errors.
const TABLES: &str = "BEGIN; \
    CREATE TABLE IF NOT EXISTS meta (k TEXT PRIMARY KEY, v TEXT NOT NULL) WITHOUT ROWID; \
    CREATE TABLE IF NOT EXISTS name (id INTEGER PRIMARY KEY, text TEXT NOT NULL UNIQUE); \
    CREATE TABLE IF NOT EXISTS live (id INTEGER PRIMARY KEY, stream INTEGER NOT NULL, boot_us INTEGER NOT NULL, \
        wall_us INTEGER NOT NULL, bytes BLOB NOT NULL, crc INTEGER NOT NULL); \
    CREATE TABLE IF NOT EXISTS block (id INTEGER PRIMARY KEY, stream INTEGER NOT NULL, begin_us INTEGER NOT NULL, \
        end_us INTEGER NOT NULL, bytes BLOB NOT NULL, crc INTEGER NOT NULL); \
    CREATE INDEX IF NOT EXISTS block_time ON block (stream, begin_us); \
    COMMIT";
const NEWEST: &str = SCHEMAS[0];
/// The largest block that is believed, bytes before compression.
const BLOCK_MAX: u64 = 256 << 20;
const BUSY: Duration = Duration::from_secs(5);

/// A day's file, open.
pub(super) struct Day {
    path: PathBuf,
    sql: Connection,
    pub(super) names: Names,
}

/// A sample of a stream.
pub(super) type Timed = (Moment, Row);

impl Day {
    /// Opens or makes a file to write to.
    pub(super) fn write(path: &Path) -> anyhow::Result<Self> {
        let sql = Connection::open(path).with_context(|| path.display().to_string())?;
        let made = || -> rusqlite::Result<()> {
            sql.busy_timeout(BUSY)?;
            // Each sample writes one page: small ones wear a disk four times less.
            sql.pragma_update(None, "page_size", 1024)?;
            sql.pragma_update(None, "journal_mode", "WAL")?;
            sql.pragma_update(None, "synchronous", "NORMAL")?;
            sql.pragma_update(None, "cache_size", -1024)?;
            sql.execute_batch(TABLES)?;
            sql.execute("INSERT OR IGNORE INTO meta VALUES ('schema', ?1)", [NEWEST])?;
            Ok(())
        };
        made().with_context(|| path.display().to_string())?;
        let day = Self::known(path, sql)?;
        let renewed = day.sql.execute("UPDATE meta SET v = ?1 WHERE k = 'schema' AND v <> ?1", [NEWEST]);
        renewed.with_context(|| path.display().to_string())?;
        Ok(day)
    }

    /// Opens a file to read. A file that was closed well has no log beside it and may lie where nothing can be written.
    pub(super) fn read(path: &Path) -> anyhow::Result<Self> {
        let place = || path.display().to_string();
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let tried = Connection::open_with_flags(path, flags).and_then(|sql| {
            sql.busy_timeout(BUSY)?;
            sql.query_row("SELECT count(*) FROM meta", [], |_| Ok(()))?;
            Ok(sql)
        });
        let sql = match tried {
            Err(_) if !beside(path, "-wal").exists() => {
                let escaped = path.to_string_lossy().replace('%', "%25").replace('?', "%3f").replace('#', "%23");
                Connection::open_with_flags(format!("file:{escaped}?immutable=1"), flags).with_context(place)?
            }
            tried => tried.with_context(place)?,
        };
        // Everything is read as of one moment, whatever the recorder does meanwhile.
        sql.execute_batch("BEGIN").with_context(place)?;
        Self::known(path, sql)
    }

    fn known(path: &Path, sql: Connection) -> anyhow::Result<Self> {
        let mut day = Self { path: path.to_owned(), sql, names: Names::default() };
        day.load().with_context(|| path.display().to_string())?;
        Ok(day)
    }

    fn load(&mut self) -> anyhow::Result<()> {
        let schema = self.sql.query_row("SELECT v FROM meta WHERE k = 'schema'", [], |row| row.get(0)).optional()?;
        let schema: String = schema.unwrap_or_default();
        if !SCHEMAS.contains(&schema.as_str()) {
            let words = say! { en: "schema “{schema}” is none of those known, up to {NEWEST}", ko: "형식 “{schema}”을(를) 알 수 없음. {NEWEST}까지 읽을 수 있음", schema = schema };
            return Err(Complaint(words).into());
        }
        let mut names = self.sql.prepare("SELECT id, text FROM name ORDER BY id")?;
        let mut rows = names.query([])?;
        while let Some(row) = rows.next()? {
            if !self.names.load(row.get(0)?, row.get_ref(1)?.as_str()?) {
                let words = say! { en: "damaged: the names do not follow each other", ko: "손상됨: 이름의 순서가 이어지지 않음" };
                return Err(Complaint(words).into());
            }
        }
        Ok(())
    }

    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Its size, with what is in the log only so far, bytes.
    pub(super) fn bytes(&self) -> anyhow::Result<u64> {
        let size = "SELECT page_count * page_size FROM pragma_page_count, pragma_page_size";
        Ok(self.sql.query_row(size, [], |row| row.get::<_, i64>(0))?.unsigned_abs())
    }

    /// Stores one sample as it differs from the one before, and the words that are new with it; returns its sum.
    pub(super) fn append(&mut self, sum_before: u32, row: &LiveRow<'_>) -> rusqlite::Result<u32> {
        let sum = sum::of_row(sum_before, row, &self.names);
        let fresh = self.names.fresh().next().is_some();
        if fresh {
            self.sql.execute_batch("BEGIN")?;
            let mut insert = self.sql.prepare_cached("INSERT INTO name (id, text) VALUES (?1, ?2)")?;
            for (id, text) in self.names.fresh() {
                insert.execute(params![id, text])?;
            }
        }
        self.sql
            .prepare_cached("INSERT INTO live (stream, boot_us, wall_us, bytes, crc) VALUES (?1, ?2, ?3, ?4, ?5)")?
            .execute(params![row.stream as i64, row.at.boot_us.cast_signed(), row.at.wall_us, row.bytes, sum])?;
        if fresh {
            self.sql.execute_batch("COMMIT")?;
        }
        self.names.are_stored();
        Ok(sum)
    }

    /// Puts a block in the place of the rows that it holds, all or nothing.
    pub(super) fn fold(&mut self, stream: Stream, raw: &[u8]) -> anyhow::Result<()> {
        let block = Block::open(raw)?;
        let walls = block.moments()?;
        let walls = || walls.iter().map(|at| at.wall_us);
        let (Some(begin_us), Some(end_us)) = (walls().min(), walls().max()) else { return Ok(()) };
        let mut packer = ZlibEncoder::new(Vec::new(), Compression::default());
        packer.write_all(raw)?;
        let bytes = packer.finish()?;
        let sum = sum::of_block(&Packed { stream, begin_us, end_us, bytes: &bytes }, &block, &self.names)?;
        let transaction = self.sql.transaction()?;
        transaction.execute(
            "INSERT INTO block (stream, begin_us, end_us, bytes, crc) VALUES (?1, ?2, ?3, ?4, ?5)",
            params![stream as i64, begin_us, end_us, bytes, sum],
        )?;
        transaction.execute("DELETE FROM live WHERE stream = ?1", [stream as i64])?;
        Ok(transaction.commit()?)
    }

    /// Takes away rows that cannot be read.
    pub(super) fn drop_live(&mut self, stream: Stream) -> rusqlite::Result<()> {
        self.sql.execute("DELETE FROM live WHERE stream = ?1", [stream as i64]).map(drop)
    }

    /// Leaves one file that can be read from where nothing can be written. While somebody reads it its log must stay: then
    /// the next recorder does this.
    pub(super) fn close(self) -> rusqlite::Result<()> {
        let ended = self
            .sql
            .query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))
            .and_then(|()| self.sql.pragma_update(None, "journal_mode", "DELETE"));
        match ended {
            Err(error) if error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy) => Ok(()),
            ended => ended,
        }
    }

    /// The samples between two times, both included, in the order of their writing.
    pub(super) fn samples(&self, stream: Stream, range: (i64, i64)) -> anyhow::Result<Vec<Timed>> {
        let mut samples = Vec::new();
        self.blocks(stream, range, &mut |block| {
            samples.extend(block.moments()?.into_iter().zip(block.rows()?));
            Ok(())
        })?;
        let (live, damaged) = self.live(stream)?;
        samples.extend(live);
        if let Some(damaged) = damaged {
            return Err(damaged);
        }
        samples.retain(|(at, _)| (range.0..=range.1).contains(&at.wall_us));
        Ok(samples)
    }

    /// From when until when each block and the rows in no block reach.
    pub(super) fn spans(&self, stream: Stream) -> rusqlite::Result<Vec<(i64, i64)>> {
        let all = "SELECT begin_us, end_us FROM block WHERE stream = ?1 UNION ALL \
            SELECT min(wall_us), max(wall_us) FROM live WHERE stream = ?1 HAVING count(*) > 0";
        let mut query = self.sql.prepare(all)?;
        query.query_map([stream as i64], |row| Ok((row.get(0)?, row.get(1)?)))?.collect()
    }

    /// Hands on the blocks that have something of this time, in the order of their writing.
    pub(super) fn blocks(
        &self,
        stream: Stream,
        range: (i64, i64),
        each: &mut dyn FnMut(&Block<'_>) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        let chosen = "SELECT id, begin_us, end_us, bytes, crc FROM block \
            WHERE stream = ?1 AND begin_us <= ?3 AND end_us >= ?2 ORDER BY id";
        let mut query = self.sql.prepare_cached(chosen)?;
        let mut rows = query.query(params![stream as i64, range.0, range.1])?;
        while let Some(row) = rows.next()? {
            let id: i64 = row.get(0)?;
            self.block(stream, row, each).with_context(|| format!("{}: block {id}", self.path.display()))?;
        }
        Ok(())
    }

    /// Hands on the blocks that have something of this time, and the rows in no block as one more.
    pub(super) fn each_block(
        &self,
        stream: Stream,
        range: (i64, i64),
        each: &mut dyn FnMut(&Block<'_>) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        self.blocks(stream, range, each)?;
        let (live, damaged) = self.live(stream)?;
        if let Some(damaged) = damaged {
            return Err(damaged);
        }
        let mut block = Builder::default();
        for (at, row) in live.iter().filter(|(at, _)| (range.0..=range.1).contains(&at.wall_us)) {
            block.push(*at, row);
        }
        if block.rows() == 0 { Ok(()) } else { each(&Block::open(&block.finish())?) }
    }

    fn block(
        &self,
        stream: Stream,
        row: &SqlRow<'_>,
        each: &mut dyn FnMut(&Block<'_>) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        let bytes = row.get_ref(3)?.as_blob()?;
        let mut raw = Vec::new();
        ZlibDecoder::new(bytes).take(BLOCK_MAX).read_to_end(&mut raw)?;
        let block = Block::open(&raw)?;
        let packed = Packed { stream, begin_us: row.get(1)?, end_us: row.get(2)?, bytes };
        if sum::of_block(&packed, &block, &self.names)? != row.get::<_, u32>(4)? {
            return Err(other_sum().into());
        }
        each(&block)
    }

    /// The rows that are in no block yet, up to the first that is damaged, and what is wrong with it.
    pub(super) fn live(&self, stream: Stream) -> anyhow::Result<(Vec<Timed>, Option<anyhow::Error>)> {
        let chosen = "SELECT boot_us, wall_us, bytes, crc FROM live WHERE stream = ?1 ORDER BY id";
        let mut query = self.sql.prepare_cached(chosen)?;
        let mut rows = query.query([stream as i64])?;
        let (mut samples, mut sum_before): (Vec<Timed>, u32) = (Vec::new(), 0);
        while let Some(sql) = rows.next()? {
            let before = samples.last().map_or(&[][..], |(_, row)| row);
            match self.live_row(stream, sql, before, sum_before) {
                Ok((sample, sum)) => {
                    sum_before = sum;
                    samples.push(sample);
                }
                Err(error) => {
                    let place =
                        format!("{}: live row {} of stream {}", self.path.display(), samples.len() + 1, stream as i64);
                    return Ok((samples, Some(error.context(place))));
                }
            }
        }
        Ok((samples, None))
    }

    fn live_row(
        &self,
        stream: Stream,
        sql: &SqlRow<'_>,
        before: &[(row::Series, u64)],
        sum_before: u32,
    ) -> anyhow::Result<(Timed, u32)> {
        let at = Moment { boot_us: sql.get::<_, i64>(0)?.cast_unsigned(), wall_us: sql.get(1)? };
        let bytes = sql.get_ref(2)?.as_blob()?;
        let now = row::decode(before, bytes)?;
        let sum = sum::of_row(sum_before, &LiveRow { stream, at, bytes, before, now: &now }, &self.names);
        if sum != sql.get::<_, u32>(3)? {
            return Err(other_sum().into());
        }
        Ok(((at, now), sum))
    }
}

/// A file that SQLite keeps beside another.
pub(super) fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    name.into()
}

fn other_sum() -> Complaint {
    Complaint(say! { en: "damaged: the sum is another", ko: "손상됨: 검사합이 다름" })
}
