//! What the schema cache knows of real databases: PGlite, asked as the gateway asks it.

mod session;

use std::{fmt::Write as _, rc::Rc};

use expect_test::{Expect, expect};
use routes::{
    config::Config,
    project::Project,
    schema::{
        self, Cardinality, Column, QualifiedName, Relationship, RelationshipKind, ReturnType,
        Routine, SchemaCache, Table,
    },
};

use session::{Session, now};

fn features() -> Rc<SchemaCache> {
    let config = Config {
        db_schemas: vec![
            "api".to_owned(),
            "Other Api".to_owned(),
            "nowhere".to_owned(),
        ],
        db_extra_search_path: vec!["public".to_owned()],
        db_authenticator: Some("app_authenticator".to_owned()),
        ..Config::default()
    };
    let session = Session::open("features.sql");
    let snapshot = now(schema::load(&session, "default", &config)).expect("the schema loads");
    let schema = snapshot.schema;
    assert!(!schema.timezones.contains("Asia/Tokyo"));
    now(schema::load_timezones(&session, "default", &schema)).expect("the timezones load");
    assert!(schema.timezones.contains("Asia/Tokyo"));
    assert!(!schema.timezones.contains("Asia/Nowhere"));
    schema
}

/// Loads a project after each of these statements: whether its schema was read anew.
#[test]
fn a_schema_is_read_anew_when_anything_of_it_changed_and_only_then() {
    let session = Session::open("features.sql");
    let config = Config {
        db_schemas: vec!["api".to_owned()],
        ..Config::default()
    };
    let load = |before: Option<&Project>| {
        now(Project::load(&session, "default", &config, before)).expect("the project loads")
    };
    let mut project = load(None);
    for (changes, statement) in [
        (false, "SELECT 1"),
        (false, "NOTIFY pgrst, 'reload schema'"),
        (
            true,
            "CREATE TABLE api.fresh (id int PRIMARY KEY, parent int)",
        ),
        (
            false,
            "INSERT INTO api.fresh SELECT n, n FROM generate_series(1, 100) n",
        ),
        (false, "ANALYZE"),
        (false, "BEGIN; ALTER TABLE api.fresh ADD gone int; ROLLBACK"),
        (false, "SELECT set_config('search_path', 'api', false)"),
        (true, "ALTER TABLE api.fresh ADD more int"),
        (true, "ALTER TABLE api.fresh ALTER more SET DEFAULT 7"),
        (true, "ALTER TABLE api.fresh ALTER more SET DEFAULT 8"),
        (true, "ALTER TABLE api.fresh ALTER more DROP DEFAULT"),
        (true, "ALTER TABLE api.fresh RENAME more TO less"),
        (
            true,
            "ALTER TABLE api.fresh ADD CONSTRAINT up FOREIGN KEY (parent) REFERENCES api.fresh",
        ),
        (true, "ALTER TABLE api.fresh RENAME CONSTRAINT up TO down"),
        (true, "ALTER TABLE api.fresh DROP CONSTRAINT down"),
        (true, "COMMENT ON TABLE api.fresh IS 'New'"),
        (true, "COMMENT ON TABLE api.fresh IS 'Old'"),
        (true, "COMMENT ON TABLE api.fresh IS NULL"),
        (
            true,
            "CREATE VIEW api.seen AS SELECT DISTINCT id FROM api.fresh",
        ),
        (
            true,
            "CREATE FUNCTION api.stand_in() RETURNS trigger LANGUAGE plpgsql AS 'begin return new; end'",
        ),
        (
            true,
            "CREATE TRIGGER stands_in INSTEAD OF INSERT ON api.seen FOR EACH ROW EXECUTE FUNCTION api.stand_in()",
        ),
        (true, "DROP TRIGGER stands_in ON api.seen"),
        (true, "CREATE TYPE api.mood AS ENUM ('good')"),
        (true, "ALTER TYPE api.mood ADD VALUE 'bad'"),
        (
            true,
            "CREATE DOMAIN api.short AS text CHECK (length(value) < 5)",
        ),
        (
            true,
            "CREATE FUNCTION api.twice(a int) RETURNS int LANGUAGE sql RETURN a * 2",
        ),
        (true, "ALTER FUNCTION api.twice STABLE"),
        (true, "REVOKE EXECUTE ON FUNCTION api.twice FROM public"),
        (true, "CREATE ROLE newcomer"),
        (true, "ALTER ROLE newcomer SET statement_timeout = '1s'"),
        (true, "ALTER ROLE newcomer SET statement_timeout = '2s'"),
        (true, "GRANT newcomer TO app_authenticator"),
        (true, "ALTER SCHEMA api OWNER TO newcomer"),
        // One thing comes and another one goes: as many as before, but not the same.
        (
            true,
            "BEGIN; DROP FUNCTION api.twice; CREATE FUNCTION api.thrice(a int) RETURNS int LANGUAGE sql RETURN a * 3; COMMIT",
        ),
        (true, "DROP TABLE api.fresh CASCADE"),
        (false, "SELECT 1"),
    ] {
        now(session.run(statement));
        let next = load(Some(&project));
        let same = Rc::ptr_eq(&project.snapshot.schema, &next.snapshot.schema);
        assert_eq!(!same, changes, "{statement}");
        project = next;
    }
    // Another database has no state in common with this one, however alike they were made.
    let (one, other) = (load(None), Session::open("features.sql"));
    let other = now(Project::load(&other, "default", &config, Some(&one)));
    let other = other.expect("the project loads");
    assert!(!Rc::ptr_eq(&one.snapshot.schema, &other.snapshot.schema));
}

fn check(lines: impl IntoIterator<Item = String>, expected: Expect) {
    let mut lines: Vec<_> = lines.into_iter().collect();
    lines.sort();
    expected.assert_eq(&lines.join("\n"));
}

fn name(name: &QualifiedName) -> String {
    match name.schema.as_str() {
        "api" => name.name.clone(),
        schema => format!("{schema}.{}", name.name),
    }
}

fn table(table: &Table) -> String {
    let mut line = format!("{} ({})", name(&table.name), table.primary_key.join(", "));
    for (word, said) in [
        ("view", table.is_view),
        ("insert", table.insertable),
        ("update", table.updatable),
        ("delete", table.deletable),
    ] {
        if said {
            line.extend([" ", word]);
        }
    }
    if let Some(description) = &table.description {
        let _ = write!(line, " -- {description}");
    }
    line
}

fn column(column: &Column) -> String {
    let mut line = format!("{}: {}", column.name, column.nominal_type);
    if column.data_type != column.nominal_type {
        let _ = write!(line, " as {}", column.data_type);
    }
    if let Some(length) = column.max_length {
        let _ = write!(line, " of {length}");
    }
    if !column.nullable {
        line.push_str(" not null");
    }
    if let Some(default) = &column.default {
        let _ = write!(line, " = {default}");
    }
    if !column.enum_values.is_empty() {
        let _ = write!(line, " in {:?}", column.enum_values);
    }
    if column.generated {
        line.push_str(" generated");
    }
    if let Some(description) = &column.description {
        let _ = write!(line, " -- {description}");
    }
    line
}

fn relationship(relationship: &Relationship) -> String {
    let pairs = |columns: &[(String, String)]| {
        let columns = columns.iter().map(|(from, to)| format!("{from} = {to}"));
        columns.collect::<Vec<_>>().join(", ")
    };
    let way = match &relationship.kind {
        RelationshipKind::ForeignKey {
            cardinality,
            constraint,
            columns,
        } => {
            let kind = match cardinality {
                Cardinality::OneToMany => "one to many",
                Cardinality::ManyToOne => "many to one",
                Cardinality::OneToOne { is_parent: true } => "one to its one",
                Cardinality::OneToOne { is_parent: false } => "one to one",
                Cardinality::ManyToMany => "many to many",
            };
            format!("{kind} by {constraint} on {}", pairs(columns))
        }
        RelationshipKind::Junction {
            junction,
            left_constraint,
            right_constraint,
            left,
            right,
        } => format!(
            "many to many through {} by {left_constraint} on {}, by {right_constraint} on {}",
            name(junction),
            pairs(left),
            pairs(right)
        ),
        RelationshipKind::Computed { function, to_one } => {
            let kind = if *to_one { "one" } else { "many" };
            format!("{kind} computed by {}", name(function))
        }
    };
    let itself = if relationship.is_self {
        " (itself)"
    } else {
        ""
    };
    format!(
        "{} -> {}{itself}: {way}",
        name(&relationship.table),
        name(&relationship.foreign_table)
    )
}

fn routine(routine: &Routine) -> String {
    let parameters = routine.parameters.iter().map(|parameter| {
        let mut text = format!("{}: {}", parameter.name, parameter.data_type);
        if parameter.type_max_length != parameter.data_type {
            let _ = write!(text, " as {}", parameter.type_max_length);
        }
        if !parameter.required {
            text.push_str(" optional");
        }
        if parameter.variadic {
            text.push_str(" variadic");
        }
        text
    });
    let parameters = parameters.collect::<Vec<_>>().join(", ");
    let set = if routine.returns_set { "set of " } else { "" };
    let returns = match &routine.returns {
        ReturnType::Void => "nothing".to_owned(),
        ReturnType::Scalar(returned) => format!("one {}", name(returned)),
        ReturnType::Composite {
            name: returned,
            is_alias,
        } => {
            let alias = if *is_alias { "alias of " } else { "" };
            format!("row {alias}{}", name(returned))
        }
    };
    let mut line = format!(
        "{}({parameters}) -> {set}{returns}, {:?}",
        name(&routine.name),
        routine.volatility
    );
    if !routine.settings.is_empty() {
        let _ = write!(line, ", {:?}", routine.settings);
    }
    if let Some(description) = &routine.description {
        let _ = write!(line, " -- {description}");
    }
    line
}

#[test]
fn a_database_is_known() {
    let schema = features();
    check(
        schema.tables.values().map(table),
        expect![[r"
        Other Api.notes (id) insert update delete
        alarms (id) insert update delete
        all_ids () view
        authors (id) view insert update delete
        badges (id) insert update delete
        books (id) view insert update delete
        client_list (client) view insert update delete
        client_list_again (once) view insert update delete
        clients (id) insert update delete
        columns (id) insert update delete -- A table
        events (id, year) insert update delete
        members (person_id, project_id) insert update delete
        odd_view (} :resno 7 () view insert update delete
        partial_trips () view insert update delete
        passports (id) insert update delete
        people (id) insert update delete
        places (x, y) insert update delete
        project_facts (id) view
        projects (id) insert update delete
        stays () insert update delete
        trips (id) insert update delete
        writings (by, book_id) view insert update delete"]],
    );
    check(
        schema.tables[&QualifiedName::new("api", "columns")]
            .columns
            .iter()
            .map(column),
        expect![[r#"
            Odd "name": text
            amounts: numeric(6,2)[] as numeric[]
            code: api.code as character varying of 8 not null = 'none'::character varying
            colour: api.colour in ["red", "green"]
            favourite: api.favourite in ["red", "green"]
            fixed: character(3) as character of 3
            flags: bit(4) as bit of 4
            id: integer not null generated
            name: character varying(20) as character varying of 20 not null = 'x'::character varying -- A name
            own_code: api.code as character varying of 8 not null = 'own'::character varying
            serial: integer not null = nextval('api.columns_serial_seq'::regclass)
            ticket: integer not null = nextval('api.columns_ticket_seq')
            twice: integer generated"#]],
    );
    check(
        schema.routines.values().map(|overloads| {
            let lines = overloads.iter().map(|overload| routine(overload));
            lines.collect::<Vec<_>>().join("\n")
        }),
        expect![[r#"
            a_table() -> set of row pg_catalog.record, Volatile
            aliased() -> row alias of clients, Volatile
            code(: text) -> one pg_catalog.varchar, Immutable
            coded(fixed: character as character varying, flags: bit as bit varying) -> one pg_catalog.varchar, Volatile, [("statement_timeout", "2s")] -- Gives a code
            many(name: text, numbers: integer[] variadic) -> one pg_catalog.int4, Volatile
            no_result() -> nothing, Volatile
            out_first(a: integer, b: text) -> row pg_catalog.record, Volatile
            overloaded(: json) -> one pg_catalog.int4, Volatile
            overloaded(a: integer) -> one pg_catalog.int4, Stable
            overloaded(a: integer, b: text optional) -> one pg_catalog.int4, Immutable
            picture() -> one pg_catalog.bytea, Volatile
            rows_of() -> set of row clients, Volatile"#]],
    );
    check(
        schema
            .representations
            .iter()
            .map(|((from, to), found)| format!("{from} to {to} by {}", name(&found.function))),
        expect![[r"
            api.code to json by json
            text to api.code by code"]],
    );
    check(
        schema.media_handlers.iter().map(|((of, media), found)| {
            let of = of.as_ref().map_or_else(|| "anything".to_owned(), name);
            let kind = if found.is_function { "itself" } else { "rows" };
            format!(
                "{of} as {media}: {kind} by {} gives {}",
                name(&found.function),
                found.media_type
            )
        }),
        expect![[r"
            any_step as text/html: itself by public.text/HTML gives text/HTML
            anything as text/html: rows by html_of_any gives text/HTML
            clients as text/html: rows by html gives text/HTML
            html_step as text/html: itself by public.text/HTML gives text/HTML
            picture as */*: itself by public.*/* gives application/octet-stream"]],
    );
    check(
        schema
            .role_settings
            .iter()
            .map(|(role, settings)| format!("{role}: {settings:?}")),
        expect![[r#"app_user: [("statement_timeout", "5s"), ("TimeZone", "Asia/Tokyo")]"#]],
    );
    check(
        schema
            .schema_descriptions
            .iter()
            .map(|(schema, description)| format!("{schema}: {description}")),
        expect!["api: What the world sees"],
    );
    check(
        schema.relationships.values().map(|list| {
            let lines = list.iter().map(|found| relationship(found));
            lines.collect::<Vec<_>>().join("\n")
        }),
        expect![[r"
            Other Api.notes -> project_facts: many to one by notes_project_id_fkey on project_id = id
            Other Api.notes -> projects: many to one by notes_project_id_fkey on project_id = id
            alarms -> events: many to one by alarms_event_id_event_year_fkey on event_id = id, event_year = year
            authors -> books: many to many through writings by authors_books_author_id_fkey on id = by, by authors_books_book_id_fkey on book_id = id
            authors -> writings: one to many by authors_books_author_id_fkey on id = by
            badges -> odd_view: one to one by badges_person_id_fkey on person_id = } :resno 7 (
            badges -> people: one to one by badges_person_id_fkey on person_id = id
            books -> authors: many to many through writings by authors_books_book_id_fkey on id = book_id, by authors_books_author_id_fkey on by = id
            books -> writings: one to many by authors_books_book_id_fkey on id = book_id
            client_list -> events: one to many by events_client_id_fkey on client = client_id
            client_list -> project_facts: one to many by client on client = client_id
            client_list -> projects: one to many by client on client = client_id
            client_list_again -> events: one to many by events_client_id_fkey on once = client_id
            client_list_again -> events: one to many by events_client_id_fkey on twice = client_id
            client_list_again -> project_facts: one to many by client on once = client_id
            client_list_again -> project_facts: one to many by client on twice = client_id
            client_list_again -> projects: one to many by client on once = client_id
            client_list_again -> projects: one to many by client on twice = client_id
            clients -> events: one to many by events_client_id_fkey on id = client_id
            clients -> project_facts: one to many by client on id = client_id
            clients -> projects: many computed by projects
            events -> alarms: one to many by alarms_event_id_event_year_fkey on id = event_id, year = event_year
            events -> client_list: many to one by events_client_id_fkey on client_id = client
            events -> client_list_again: many to one by events_client_id_fkey on client_id = once
            events -> client_list_again: many to one by events_client_id_fkey on client_id = twice
            events -> clients: many to one by events_client_id_fkey on client_id = id
            members -> odd_view: many to one by members_invited_by_fkey on invited_by = } :resno 7 (
            members -> odd_view: many to one by members_person_id_fkey on person_id = } :resno 7 (
            members -> people: many to one by members_invited_by_fkey on invited_by = id
            members -> people: many to one by members_person_id_fkey on person_id = id
            members -> project_facts: many to one by members_project_id_fkey on project_id = id
            members -> projects: many to one by members_project_id_fkey on project_id = id
            odd_view -> badges: one to its one by badges_person_id_fkey on } :resno 7 ( = person_id
            odd_view -> members: one to many by members_invited_by_fkey on } :resno 7 ( = invited_by
            odd_view -> members: one to many by members_person_id_fkey on } :resno 7 ( = person_id
            odd_view -> passports: one to its one by passports_id_fkey on } :resno 7 ( = id
            odd_view -> people: one to many by people_boss_id_fkey on } :resno 7 ( = boss_id
            odd_view -> project_facts: many to many through members by members_person_id_fkey on } :resno 7 ( = person_id, by members_project_id_fkey on project_id = id
            odd_view -> projects: many to many through members by members_person_id_fkey on } :resno 7 ( = person_id, by members_project_id_fkey on project_id = id
            passports -> odd_view: one to one by passports_id_fkey on id = } :resno 7 (
            passports -> people: one to one by passports_id_fkey on id = id
            people -> badges: one to its one by badges_person_id_fkey on id = person_id
            people -> members: one to many by members_invited_by_fkey on id = invited_by
            people -> members: one to many by members_person_id_fkey on id = person_id
            people -> odd_view: many to one by people_boss_id_fkey on boss_id = } :resno 7 (
            people -> passports: one to its one by passports_id_fkey on id = id
            people -> people (itself): one to many by people_boss_id_fkey on id = boss_id
            people -> people (itself): many to one by people_boss_id_fkey on boss_id = id
            people -> project_facts: many to many through members by members_person_id_fkey on id = person_id, by members_project_id_fkey on project_id = id
            people -> projects: many to many through members by members_person_id_fkey on id = person_id, by members_project_id_fkey on project_id = id
            places -> stays: one to its one by stays_x_y_fkey on x = x, y = y
            places -> trips: one to many by trips_at_x_at_y_fkey on x = at_x, y = at_y
            project_facts -> Other Api.notes: one to many by notes_project_id_fkey on id = project_id
            project_facts -> client_list: many to one by client on client_id = client
            project_facts -> client_list_again: many to one by client on client_id = once
            project_facts -> client_list_again: many to one by client on client_id = twice
            project_facts -> clients: many to one by client on client_id = id
            project_facts -> members: one to many by members_project_id_fkey on id = project_id
            project_facts -> odd_view: many to many through members by members_project_id_fkey on id = project_id, by members_person_id_fkey on person_id = } :resno 7 (
            project_facts -> people: many to many through members by members_project_id_fkey on id = project_id, by members_person_id_fkey on person_id = id
            projects -> Other Api.notes: one to many by notes_project_id_fkey on id = project_id
            projects -> client_list: many to one by client on client_id = client
            projects -> client_list_again: many to one by client on client_id = once
            projects -> client_list_again: many to one by client on client_id = twice
            projects -> clients: many to one by client on client_id = id
            projects -> members: one to many by members_project_id_fkey on id = project_id
            projects -> odd_view: many to many through members by members_project_id_fkey on id = project_id, by members_person_id_fkey on person_id = } :resno 7 (
            projects -> people: many to many through members by members_project_id_fkey on id = project_id, by members_person_id_fkey on person_id = id
            projects -> clients: one computed by own_client
            stays -> places: one to one by stays_x_y_fkey on x = x, y = y
            trips -> places: many to one by trips_at_x_at_y_fkey on at_x = x, at_y = y
            writings -> authors: many to one by authors_books_author_id_fkey on by = id
            writings -> books: many to one by authors_books_book_id_fkey on book_id = id"]],
    );
}
