//! The records, with as much of their past as lagging lists may still show.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::json::{Json, Map};
use crate::schema::{KINDS, Kind, Type};

/// A stored record. References are stored as ids, dates in canonical form, absent means null.
pub type Record = Arc<Map>;

/// Versions older than this are seen by every list, whatever the lag.
const MAX_LAG_MS: i64 = 11 * 60_000;

#[derive(Clone, Debug)]
struct Row {
    current: Option<Record>,
    since: i64,
    past: Vec<(i64, Option<Record>)>,
    parent: i64,
}

impl Row {
    fn at(&self, at: i64) -> Option<&Record> {
        if self.since <= at {
            return self.current.as_ref();
        }
        self.past
            .iter()
            .rev()
            .find(|(since, _)| *since <= at)
            .and_then(|(_, record)| record.as_ref())
    }

    fn replace(&mut self, record: Option<Record>, now: i64) {
        let old = std::mem::replace(&mut self.current, record);
        if self.since == now {
            return;
        }
        let seen_by_all = now.saturating_sub(MAX_LAG_MS);
        let baseline = self
            .past
            .iter()
            .rposition(|(since, _)| *since <= seen_by_all)
            .unwrap_or(0);
        self.past.drain(..baseline);
        self.past.push((self.since, old));
        self.since = now;
    }
}

#[derive(Clone, Debug, Default)]
struct Table {
    rows: BTreeMap<i64, Row>,
    children: BTreeMap<i64, BTreeSet<i64>>,
    next: i64,
}

/// All tables.
#[derive(Clone, Debug, Default)]
pub struct Store {
    tables: BTreeMap<Kind, Table>,
}

impl Store {
    fn table(&mut self, kind: Kind) -> &mut Table {
        self.tables.entry(kind).or_insert_with(|| Table {
            next: 1,
            ..Table::default()
        })
    }

    /// The record as it is now.
    #[must_use]
    pub fn get(&self, kind: Kind, id: i64) -> Option<&Record> {
        self.tables.get(&kind)?.rows.get(&id)?.current.as_ref()
    }

    /// The id of the record's parent.
    #[must_use]
    pub fn parent(&self, kind: Kind, id: i64) -> Option<i64> {
        self.tables.get(&kind)?.rows.get(&id).map(|row| row.parent)
    }

    /// The records of a kind as they are now, by id.
    pub fn all(&self, kind: Kind) -> impl Iterator<Item = (i64, &Record)> {
        self.tables
            .get(&kind)
            .into_iter()
            .flat_map(|t| t.rows.iter())
            .filter_map(|(id, row)| row.current.as_ref().map(|record| (*id, record)))
    }

    /// The children of one parent as they are now.
    pub fn children(&self, kind: Kind, parent: i64) -> impl Iterator<Item = (i64, &Record)> {
        let table = self.tables.get(&kind);
        table
            .and_then(|t| t.children.get(&parent))
            .into_iter()
            .flatten()
            .filter_map(move |id| {
                table?
                    .rows
                    .get(id)?
                    .current
                    .as_ref()
                    .map(|record| (*id, record))
            })
    }

    /// What a list sees at a moment in the past: all of a kind, or those of one parent, with ids above `after`.
    pub fn listed(
        &self,
        kind: Kind,
        parent: Option<i64>,
        after: i64,
        at: i64,
    ) -> Box<dyn Iterator<Item = (i64, &Record)> + '_> {
        let Some(table) = self.tables.get(&kind) else {
            return Box::new(std::iter::empty());
        };
        let above = (std::ops::Bound::Excluded(after), std::ops::Bound::Unbounded);
        match parent {
            None => Box::new(
                table
                    .rows
                    .range(above)
                    .filter_map(move |(id, row)| row.at(at).map(|r| (*id, r))),
            ),
            Some(parent) => Box::new(
                table
                    .children
                    .get(&parent)
                    .into_iter()
                    .flat_map(move |ids| ids.range(above))
                    .filter_map(move |id| table.rows.get(id)?.at(at).map(|r| (*id, r))),
            ),
        }
    }

    /// How many records of a kind there are.
    #[must_use]
    pub fn len(&self, kind: Kind) -> usize {
        self.all(kind).count()
    }

    /// Takes an id for a new record.
    pub fn new_id(&mut self, kind: Kind, reuse: bool) -> i64 {
        let table = self.table(kind);
        if reuse {
            let highest = table
                .rows
                .iter()
                .rev()
                .find(|(_, row)| row.current.is_some())
                .map_or(0, |(id, _)| *id);
            return highest + 1;
        }
        table.next
    }

    /// Stores a record at a moment; `i64::MIN` for one that was always there.
    pub fn put(&mut self, kind: Kind, id: i64, parent: i64, mut record: Map, now: i64) {
        let fields = kind.schema().fields;
        // A flag that is not there is false; that halves most records.
        record.retain(|key, value| {
            *value != Json::Bool(false)
                || !fields.iter().any(|f| f.name == key && f.ty == Type::Bool)
        });
        record.sort_by_key(|key| {
            fields
                .iter()
                .position(|f| f.name == key)
                .unwrap_or(fields.len())
        });
        record.shrink();
        let record = Some(Arc::new(record));
        let table = self.table(kind);
        table.next = table.next.max(id + 1);
        if kind.schema().parent.is_some() {
            table.children.entry(parent).or_default().insert(id);
        }
        match table.rows.get_mut(&id) {
            Some(row) => {
                row.parent = parent;
                row.replace(record, now);
            }
            None => {
                table.rows.insert(
                    id,
                    Row {
                        current: record,
                        since: now,
                        past: Vec::new(),
                        parent,
                    },
                );
            }
        }
    }

    /// Deletes a record; lagging lists may still show it.
    pub fn delete(&mut self, kind: Kind, id: i64, now: i64) {
        if let Some(row) = self.table(kind).rows.get_mut(&id) {
            row.replace(None, now);
        }
    }

    /// Everything, by kind.
    #[must_use]
    pub fn dump(&self) -> Json {
        let mut out = Map::new();
        for kind in KINDS {
            let rows = self
                .all(kind)
                .map(|(id, record)| {
                    let mut row = record.as_ref().clone();
                    row.set("id", id);
                    if kind.schema().parent.is_some() {
                        row.set("_parent", self.parent(kind, id).unwrap_or_default());
                    }
                    Json::Obj(row)
                })
                .collect::<Vec<_>>();
            out.push(kind.schema().name, rows);
        }
        Json::Obj(out)
    }

    /// Replaces everything by a dump.
    ///
    /// # Errors
    /// The text is not a dump.
    pub fn load(dump: &Json) -> Result<Self, String> {
        let mut store = Self::default();
        let Json::Obj(tables) = dump else {
            return Err("a dump is an object of tables".to_owned());
        };
        for (name, rows) in tables.iter() {
            let kind = Kind::named(name).ok_or_else(|| format!("no kind is called {name}"))?;
            for row in rows.items() {
                let id = row
                    .get("id")
                    .as_int()
                    .ok_or_else(|| format!("a {name} has no id"))?;
                let parent = row.get("_parent").as_int().unwrap_or_default();
                let mut record = Map::new();
                for (key, value) in row.as_obj().into_iter().flat_map(Map::iter) {
                    if key != "id" && key != "_parent" {
                        match kind.schema().field(key) {
                            Some(field) => record.push(field.name, value.clone()),
                            None => record.push(hidden(key), value.clone()),
                        }
                    }
                }
                store.put(kind, id, parent, record, i64::MIN);
            }
        }
        Ok(store)
    }
}

/// Keys that records carry beside the schema's fields.
fn hidden(key: &str) -> std::borrow::Cow<'static, str> {
    for known in [
        "_updated",
        "_by",
        "_entered",
        "_enteredBy",
        "_object",
        "_billed",
        "_through",
        "_debt",
        "_key",
    ] {
        if known == key {
            return known.into();
        }
    }
    key.to_owned().into()
}
