//! Makes a Supabase database out of an empty one: numbered SQL files of ours, each run once.
//!
//! A machine without I/O: [`Runner::poll`] gives the next query, [`Runner::handle`] takes its answer.
//! Every file runs in one transaction with its own record, so that it is there whole or not at all.
//! A database that has everything costs two reads; one that a later version made is refused and
//! not touched.

use bytes::Bytes;

use crate::{backend, frontend};

/// One SQL file. A released one is never edited: its checksum is in users' databases.
#[derive(Debug, Clone, Copy)]
pub struct Migration {
    pub number: u32,
    pub name: &'static str,
    pub sql: &'static str,
}

/// All of them, in order. Numbers grow; each API has a ten of its own.
pub const ALL: &[Migration] = &[
    Migration {
        number: 1,
        name: "gateway",
        sql: include_str!("../migrations/0001_gateway.sql"),
    },
    Migration {
        number: 2,
        name: "roles",
        sql: include_str!("../migrations/0002_roles.sql"),
    },
    Migration {
        number: 3,
        name: "schemas",
        sql: include_str!("../migrations/0003_schemas.sql"),
    },
    Migration {
        number: 4,
        name: "auth_functions",
        sql: include_str!("../migrations/0004_auth_functions.sql"),
    },
    Migration {
        number: 5,
        name: "graphql",
        sql: include_str!("../migrations/0005_graphql.sql"),
    },
    Migration {
        number: 6,
        name: "schema_watch",
        sql: include_str!("../migrations/0006_schema_watch.sql"),
    },
    Migration {
        number: 10,
        name: "auth",
        sql: include_str!("../migrations/0010_auth.sql"),
    },
    Migration {
        number: 11,
        name: "auth_clients",
        sql: include_str!("../migrations/0011_auth_clients.sql"),
    },
    Migration {
        number: 15,
        name: "outbox",
        sql: include_str!("../migrations/0015_outbox.sql"),
    },
    Migration {
        number: 20,
        name: "storage",
        sql: include_str!("../migrations/0020_storage.sql"),
    },
    Migration {
        number: 21,
        name: "resumable_uploads",
        sql: include_str!("../migrations/0021_resumable_uploads.sql"),
    },
    Migration {
        number: 30,
        name: "apps",
        sql: include_str!("../migrations/0030_apps.sql"),
    },
    Migration {
        number: 40,
        name: "functions",
        sql: include_str!("../migrations/0040_functions.sql"),
    },
    Migration {
        number: 41,
        name: "function_calls",
        sql: include_str!("../migrations/0041_function_calls.sql"),
    },
];

impl Migration {
    /// FNV-1a, 64 bits: it notices an edited file, and need not withstand anybody.
    pub fn checksum(&self) -> String {
        let hash = self
            .sql
            .bytes()
            .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
                (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
            });
        format!("{hash:016x}")
    }
}

/// Why a database was not brought up to date. Its text is for a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// A later version of the gateway made it.
    Newer { database: u32, ours: u32 },
    /// What was run then is not what we have under that number.
    Different { number: u32, name: String },
    /// Postgres refused a file; nothing of it remains.
    Refused { name: String, message: String },
    /// The answer was none.
    Unreadable,
}

impl std::fmt::Display for Fault {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Newer { database, ours } => write!(
                formatter,
                "This database was last opened by a newer version of the gateway (its migration \
                 {database}; this version knows {ours}). Nothing was changed. Load the newer \
                 version again."
            ),
            Self::Different { number, name } => write!(
                formatter,
                "This database was made by another edition of the gateway: its migration {number} \
                 ({name}) is not the one we know. Nothing was changed."
            ),
            Self::Refused { name, message } => write!(
                formatter,
                "Migration {name} could not be applied and was rolled back: {message}"
            ),
            Self::Unreadable => {
                formatter.write_str("The database gave no answer while it was being prepared.")
            }
        }
    }
}

impl std::error::Error for Fault {}

/// Brings one database up to date.
#[derive(Debug)]
pub struct Runner {
    all: &'static [Migration],
    stage: Stage,
    created: bool,
}

#[derive(Debug, Clone, Copy)]
enum Stage {
    Look,
    Read,
    /// How many are there already.
    Apply(usize),
}

impl Runner {
    pub fn new(all: &'static [Migration]) -> Self {
        Self {
            all,
            stage: Stage::Look,
            created: false,
        }
    }

    /// The next query; none when the database is up to date.
    pub fn poll(&self) -> Option<Bytes> {
        match self.stage {
            Stage::Look => Some(frontend::query(
                "select to_regclass('gateway.migrations') is not null",
            )),
            Stage::Read => Some(frontend::query(
                "select number, checksum, name from gateway.migrations order by number",
            )),
            Stage::Apply(done) => self.all.get(done).map(|migration| {
                let Migration { number, name, sql } = migration;
                let checksum = migration.checksum();
                frontend::query(&format!(
                    "begin;\n{sql}\n;insert into gateway.migrations (number, name, checksum) \
                     values ({number}, '{name}', '{checksum}');\ncommit"
                ))
            }),
        }
    }

    /// Takes the answer to [`Runner::poll`]'s query.
    pub fn handle(&mut self, answer: &[u8]) -> Result<(), Fault> {
        let summary = backend::summarize(answer);
        if summary.status.is_none() {
            return Err(Fault::Unreadable);
        }
        if let Some((code, message)) = summary.error {
            let name = match self.stage {
                Stage::Look | Stage::Read => "gateway.migrations",
                Stage::Apply(done) => self.all.get(done).map_or("", |migration| migration.name),
            };
            return Err(Fault::Refused {
                name: name.to_owned(),
                message: format!("{message} ({code})"),
            });
        }
        let mut rows = backend::messages(answer)
            .filter(|message| message.kind == b'D')
            .filter_map(|message| backend::row(message.contents));
        self.stage = match self.stage {
            Stage::Look => match rows.next().as_deref() {
                Some([Some(exists)]) if exists == "t" => Stage::Read,
                Some([Some(_)]) => {
                    self.created = true;
                    Stage::Apply(0)
                }
                Some(_) | None => return Err(Fault::Unreadable),
            },
            Stage::Read => Stage::Apply(self.compare(rows)?),
            Stage::Apply(done) => Stage::Apply(done + 1),
        };
        Ok(())
    }

    /// Whether there was nothing of ours before.
    pub fn created(&self) -> bool {
        self.created
    }

    /// The number that the database has when the runner is done.
    pub fn latest(&self) -> u32 {
        self.all.last().map_or(0, |migration| migration.number)
    }

    /// How many of ours the database has; they must be the first ones, unchanged.
    fn compare(&self, rows: impl Iterator<Item = Vec<Option<String>>>) -> Result<usize, Fault> {
        let mut found = Vec::new();
        for row in rows {
            let [Some(number), Some(checksum), Some(name)] = row.as_slice() else {
                return Err(Fault::Unreadable);
            };
            let Ok(number) = number.parse::<u32>() else {
                return Err(Fault::Unreadable);
            };
            found.push((number, checksum.clone(), name.clone()));
        }
        let ours = self.latest();
        if let Some(&(database, ..)) = found.iter().max_by_key(|(number, ..)| number)
            && database > ours
        {
            return Err(Fault::Newer { database, ours });
        }
        for (index, (number, checksum, name)) in found.iter().enumerate() {
            let same = self.all.get(index).is_some_and(|migration| {
                migration.number == *number && migration.checksum() == *checksum
            });
            if !same {
                return Err(Fault::Different {
                    number: *number,
                    name: name.clone(),
                });
            }
        }
        Ok(found.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(kind: u8, contents: &[u8]) -> Vec<u8> {
        let length = u32::try_from(contents.len() + 4).unwrap();
        [&[kind], &length.to_be_bytes()[..], contents].concat()
    }

    fn row(values: &[&str]) -> Vec<u8> {
        let mut contents = u16::try_from(values.len()).unwrap().to_be_bytes().to_vec();
        for value in values {
            contents.extend(u32::try_from(value.len()).unwrap().to_be_bytes());
            contents.extend(value.as_bytes());
        }
        message(b'D', &contents)
    }

    fn rows(rows: &[Vec<u8>]) -> Vec<u8> {
        [rows.concat(), message(b'Z', b"I")].concat()
    }

    /// What the runner says after reading these records.
    fn read(records: &[(u32, &str)]) -> Result<usize, Fault> {
        let mut runner = Runner::new(ALL);
        runner.handle(&rows(&[row(&["t"])])).unwrap();
        let records: Vec<_> = records
            .iter()
            .map(|(number, checksum)| row(&[&number.to_string(), checksum, "name"]))
            .collect();
        runner.handle(&rows(&records))?;
        let mut left = 0;
        while runner.poll().is_some() {
            runner.handle(&rows(&[])).unwrap();
            left += 1;
        }
        Ok(left)
    }

    #[test]
    fn numbers_grow() {
        assert!(ALL.is_sorted_by(|before, after| before.number < after.number));
    }

    #[test]
    fn what_is_left_to_do() {
        let first = ALL[0].checksum();
        let all: Vec<_> = ALL
            .iter()
            .map(|migration| (migration.number, migration.checksum()))
            .collect();
        let all: Vec<_> = all
            .iter()
            .map(|(number, sum)| (*number, sum.as_str()))
            .collect();
        let newer = ALL[ALL.len() - 1].number + 1;
        let mut newest = all.clone();
        newest.push((newer, "whatever"));
        assert_eq!(read(&all), Ok(0));
        assert_eq!(read(&[(1, &first)]), Ok(ALL.len() - 1));
        assert_eq!(
            read(&newest),
            Err(Fault::Newer {
                database: newer,
                ours: newer - 1
            })
        );
        let different = |number| {
            Err(Fault::Different {
                number,
                name: "name".to_owned(),
            })
        };
        assert_eq!(read(&[(1, "edited")]), different(1));
        assert_eq!(read(&[(2, all[1].1)]), different(2), "the first is missing");
    }

    #[test]
    fn new_database_runs_all_and_says_so() {
        let mut runner = Runner::new(ALL);
        runner.handle(&rows(&[row(&["f"])])).unwrap();
        let mut texts = Vec::new();
        while let Some(query) = runner.poll() {
            texts.push(String::from_utf8_lossy(&query).into_owned());
            runner.handle(&rows(&[])).unwrap();
        }
        assert!(runner.created());
        assert_eq!(texts.len(), ALL.len());
        for text in texts {
            assert!(text.contains("begin;") && text.ends_with("commit\0"));
        }
    }

    #[test]
    fn refusals_name_the_file() {
        let mut runner = Runner::new(ALL);
        runner.handle(&rows(&[row(&["f"])])).unwrap();
        let error = [
            message(b'E', b"SERROR\0C42710\0Mrole \"anon\" already exists\0\0"),
            message(b'Z', b"E"),
        ];
        assert_eq!(
            runner.handle(&error.concat()).unwrap_err().to_string(),
            "Migration gateway could not be applied and was rolled back: role \"anon\" already \
             exists (42710)"
        );
        assert_eq!(Runner::new(ALL).handle(b"").unwrap_err(), Fault::Unreadable);
    }
}
