//! Nouns out of columns. What does not parse is damage, never a guess.

use std::error::Error;
use std::str::FromStr;

use model::{Timestamp, TokenHash};
use rusqlite::types::Type;
use rusqlite::{Result, Row};
use serde::de::DeserializeOwned;

/// A noun whose text stands in the column.
pub(crate) fn parsed<T>(row: &Row<'_>, column: usize) -> Result<T>
where
    T: FromStr<Err: Error + Send + Sync + 'static>,
{
    row.get::<_, String>(column)?.parse().map_err(|error| mistaken(column, error))
}

/// A noun whose JSON stands in the column.
pub(crate) fn json<T: DeserializeOwned>(row: &Row<'_>, column: usize) -> Result<T> {
    serde_json::from_str(&row.get::<_, String>(column)?).map_err(|error| mistaken(column, Place::of(&error)))
}

/// A time.
pub(crate) fn time(row: &Row<'_>, column: usize) -> Result<Timestamp> {
    row.get(column).map(Timestamp::from_unix_ms)
}

/// A time, where there is one.
pub(crate) fn time_if_any(row: &Row<'_>, column: usize) -> Result<Option<Timestamp>> {
    Ok(row.get::<_, Option<i64>>(column)?.map(Timestamp::from_unix_ms))
}

/// A hash.
pub(crate) fn hash(row: &Row<'_>, column: usize) -> Result<TokenHash> {
    row.get(column).map(TokenHash)
}

/// The error for a column that does not say what it must.
pub(crate) fn mistaken(column: usize, error: impl Error + Send + Sync + 'static) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(column, Type::Text, Box::new(error))
}

/// Where JSON went wrong; its own error could quote what it read.
#[derive(Debug, thiserror::Error)]
#[error("not the expected JSON at byte {0}")]
struct Place(usize);

impl Place {
    fn of(error: &serde_json::Error) -> Self {
        Self(error.column())
    }
}
