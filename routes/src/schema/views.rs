//! Which columns of tables the columns of views are.
//!
//! Postgres keeps a view's query as a tree of nodes in text (`pg_rewrite.ev_action`), in which each
//! column of the result names the relation and the column that it shows unchanged
//! (`resorigtbl`, `resorigcol` of `TargetEntry` in Postgres' `primnodes.h`). That relation may be a
//! view again.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::{
    SchemaError,
    facts::{Number, Oid, ViewFact},
};

/// A column of a relation.
type ColumnOf = (Oid, Number);

/// The views that show columns of tables.
#[derive(Debug, Default)]
pub(super) struct Views {
    /// By table: the views that show some of its columns, and under which of their own columns
    /// each one stands, in the order of the view.
    by_table: HashMap<Oid, BTreeMap<Oid, HashMap<Number, Vec<Number>>>>,
}

impl Views {
    /// Follows every column of every view to its table.
    pub(super) fn follow(views: &[ViewFact]) -> Result<Self, SchemaError> {
        let mut origins: HashMap<ColumnOf, ColumnOf> = HashMap::new();
        for view in views {
            let entries = target_list(&view.tree).ok_or(SchemaError::View(view.oid))?;
            for entry in entries {
                if let Some(origin) = entry.origin {
                    origins.insert((view.oid, entry.number), origin);
                }
            }
        }
        let known: HashSet<Oid> = views.iter().map(|view| view.oid).collect();
        let mut columns: Vec<ColumnOf> = origins.keys().copied().collect();
        columns.sort_unstable();
        let mut by_table: HashMap<Oid, BTreeMap<Oid, HashMap<Number, Vec<Number>>>> =
            HashMap::new();
        for (view, number) in columns {
            let Some((table, column)) = origin((view, number), &origins, &known) else {
                continue;
            };
            let shown = by_table.entry(table).or_default().entry(view).or_default();
            shown.entry(column).or_default().push(number);
        }
        Ok(Self { by_table })
    }

    /// The ways in which views show all of `columns` of a table: a view and its own columns in the
    /// same order. A view that shows a column twice has a way for each.
    pub(super) fn showing<'a>(
        &'a self,
        table: Oid,
        columns: &'a [Number],
    ) -> impl Iterator<Item = (Oid, Vec<Number>)> + 'a {
        let views = self.by_table.get(&table).into_iter().flatten();
        views.flat_map(move |(view, shown)| {
            let mut ways = vec![Vec::with_capacity(columns.len())];
            for column in columns {
                let numbers = shown.get(column).map(Vec::as_slice).unwrap_or_default();
                ways = ways
                    .iter()
                    .flat_map(|way| {
                        numbers.iter().map(move |number| {
                            let mut longer = way.clone();
                            longer.push(*number);
                            longer
                        })
                    })
                    .collect();
            }
            ways.into_iter().map(|way| (*view, way))
        })
    }
}

/// The table's column that a view's column is in the end; `None` where it is an expression.
fn origin(
    column: ColumnOf,
    origins: &HashMap<ColumnOf, ColumnOf>,
    views: &HashSet<Oid>,
) -> Option<ColumnOf> {
    let mut current = column;
    // A view may be redefined in terms of itself; its query fails, and so does nothing here.
    for _ in 0..=views.len() {
        current = *origins.get(&current)?;
        if !views.contains(&current.0) {
            return Some(current);
        }
    }
    None
}

/// A column of a query's result that shows a relation's column unchanged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Entry {
    number: Number,
    /// `None` of an expression, and of a column that only sorts the result.
    origin: Option<ColumnOf>,
}

/// The entries of the outermost query's target list; `None` where the text is not a list of one
/// query.
fn target_list(tree: &str) -> Option<Vec<Entry>> {
    let mut tokens = Tokens { rest: tree };
    if (tokens.next()?, tokens.next()?, tokens.next()?) != ("(", "{", "QUERY") {
        return None;
    }
    loop {
        match tokens.next()? {
            ":targetList" => break,
            field if field.starts_with(':') => tokens.skip_value()?,
            _ => return None,
        }
    }
    let mut entries = Vec::new();
    match tokens.next()? {
        "<>" => return Some(entries),
        "(" => {}
        _ => return None,
    }
    loop {
        match tokens.next()? {
            ")" => return Some(entries),
            "{" => entries.push(tokens.entry()?),
            _ => return None,
        }
    }
}

/// The tokens of a tree, as Postgres' own `pg_strtok` cuts them.
struct Tokens<'a> {
    rest: &'a str,
}

impl<'a> Tokens<'a> {
    fn next(&mut self) -> Option<&'a str> {
        let text = self.rest.trim_start_matches([' ', '\n', '\t']);
        let bytes = text.as_bytes();
        let mut end = 0;
        while let Some(byte) = bytes.get(end) {
            match byte {
                b'(' | b')' | b'{' | b'}' | b' ' | b'\n' | b'\t' => break,
                // An escaped character may be one of those; of one that is longer than a byte the
                // rest follows as any other.
                b'\\' => end += 2,
                _ => end += 1,
            }
        }
        if end == 0 {
            end = usize::from(!text.is_empty());
        }
        // Not at the end, nor in the middle of a character after a stray backslash.
        let (token, rest) = text.split_at_checked(end)?;
        self.rest = rest;
        (!token.is_empty()).then_some(token)
    }

    /// Passes over a field's value: everything up to the next field's name, or the node's end.
    fn skip_value(&mut self) -> Option<()> {
        let mut depth = 0_usize;
        let mut is_first = true;
        loop {
            let before = self.rest;
            match self.next()? {
                "(" | "{" => depth += 1,
                ")" | "}" if depth == 0 => {
                    self.rest = before;
                    return Some(());
                }
                ")" | "}" => depth -= 1,
                token if depth == 0 && !is_first && token.starts_with(':') => {
                    self.rest = before;
                    return Some(());
                }
                _ => {}
            }
            is_first = false;
        }
    }

    /// A `TARGETENTRY` after its brace.
    fn entry(&mut self) -> Option<Entry> {
        if self.next()? != "TARGETENTRY" {
            return None;
        }
        let (mut number, mut table, mut column) = (None, 0, 0);
        let mut is_junk = false;
        loop {
            match self.next()? {
                "}" => break,
                ":resno" => number = Some(self.next()?.parse().ok()?),
                ":resorigtbl" => table = self.next()?.parse().ok()?,
                ":resorigcol" => column = self.next()?.parse().ok()?,
                ":resjunk" => is_junk = self.next()? == "true",
                field if field.starts_with(':') => self.skip_value()?,
                _ => return None,
            }
        }
        Some(Entry {
            number: number?,
            origin: (table != 0 && !is_junk).then_some((table, column)),
        })
    }
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::target_list;

    fn check(tree: &str, expected: Expect) {
        let shown = target_list(tree).map(|entries| {
            let lines = entries.iter().map(|entry| match entry.origin {
                Some((table, column)) => format!("{} is {table}.{column}", entry.number),
                None => format!("{} is its own", entry.number),
            });
            lines.collect::<Vec<_>>().join("\n")
        });
        expected.assert_eq(shown.as_deref().unwrap_or("malformed"));
    }

    #[test]
    fn target_lists_are_read() {
        check(
            "({QUERY :commandType 1 :rtable ({RANGETBLENTRY :targetList ({TARGETENTRY :resno 9 \
             :resorigtbl 9 :resorigcol 9})}) :targetList ({TARGETENTRY :expr {VAR :varno 1} :resno 1 \
             :resname id :ressortgroupref 0 :resorigtbl 16400 :resorigcol 3 :resjunk false} \
             {TARGETENTRY :expr {CONST :constvalue 4 [ 1 0 0 0 ]} :resno 2 :resname one \
             :resorigtbl 0 :resorigcol 0 :resjunk false}) :havingQual <>})",
            expect![[r"
                1 is 16400.3
                2 is its own"]],
        );
        // An expression of a target list may hold a query of its own.
        check(
            "({QUERY :targetList ({TARGETENTRY :expr {SUBLINK :subselect {QUERY :targetList \
             ({TARGETENTRY :resno 1 :resorigtbl 7 :resorigcol 7 :resjunk false})}} :resno 1 \
             :resorigtbl 0 :resorigcol 0 :resjunk false})})",
            expect!["1 is its own"],
        );
        // Columns that only sort the result are not in it.
        check(
            "({QUERY :targetList ({TARGETENTRY :resno 1 :resorigtbl 5 :resorigcol 1 :resjunk true})})",
            expect!["1 is its own"],
        );
        check("({QUERY :commandType 1 :targetList <>})", expect![""]);
    }

    #[test]
    fn names_cannot_pass_for_fields() {
        check(
            r"({QUERY :targetList ({TARGETENTRY :resname :resno :resno 1 :resorigtbl 5 :resorigcol 1} {TARGETENTRY :resname a\ \}\(\\ :resno 2 :resorigtbl 5 :resorigcol 2} {TARGETENTRY :resname \:resorigtbl\ 6 :resno 3 :resorigtbl 5 :resorigcol 3})})",
            expect![[r"
                1 is 5.1
                2 is 5.2
                3 is 5.3"]],
        );
        check(
            r"({QUERY :targetList ({TARGETENTRY :resname ترکیب :resno 1 :resorigtbl 5 :resorigcol 1})})",
            expect!["1 is 5.1"],
        );
    }

    #[test]
    fn anything_else_is_malformed() {
        for tree in [
            "",
            "(",
            "<>",
            "({QUERY",
            "({QUERY :targetList",
            "({QUERY :targetList 5})",
            "({QUERY :targetList ({TARGETENTRY :resno",
            "({QUERY :targetList ({TARGETENTRY :resno x})})",
            "({QUERY :targetList ({VAR :resno 1})})",
            "({QUERY :commandType 1})",
            "({DELETE})",
            r"({QUERY :targetList ({TARGETENTRY :resname \",
            r"({QUERY :targetList ({TARGETENTRY :resname \é",
        ] {
            check(tree, expect!["malformed"]);
        }
    }
}
