//! What is known of a drive or a network share beside its name: shown also while it is away.

use rusqlite::ToSql;
use rusqlite::types::{FromSql, FromSqlError, FromSqlResult, ToSqlOutput, ValueRef};
use serde::{Deserialize, Serialize};

/// Facts about a drive or a network share. Whether a drive is mounted, and writable, is decided by none of them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Facts {
    /// The file system in the kernel's word ("ext4", "exfat", "cifs").
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file_system: Option<String>,
    /// Bytes it holds at most.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
    /// Who made the drive, and what he calls it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// Whether it is built into this computer, and used only while its owner wants that.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub built_in: bool,
    /// Whether it was formatted for uploads, and may be written to.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub for_uploads: bool,
}

impl ToSql for Facts {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        let json = serde_json::to_string(self)
            .map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()))?;
        Ok(json.into())
    }
}

impl FromSql for Facts {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        // Fields that a newer version wrote are not known here, and do no harm.
        serde_json::from_str(value.as_str()?).map_err(|error| FromSqlError::Other(error.into()))
    }
}
