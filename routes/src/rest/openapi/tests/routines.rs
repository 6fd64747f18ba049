//! Functions: arguments, overloads, privileges.

use super::*;
use crate::schema::Volatility;

/// Changes the only routine of a name.
fn change(cache: &mut SchemaCache, name: &str, change: impl FnOnce(&mut Routine)) {
    let mut routines = cache.routines.iter_mut();
    let (_, overloads) = routines.find(|(known, _)| known.name == name).unwrap();
    change(Rc::get_mut(&mut overloads[0]).unwrap());
}

#[test]
fn functions_take_arguments_by_url_unless_they_may_write() {
    let mut cache = fixture::cache();
    change(&mut cache, "projects_of", |routine| {
        routine.volatility = Volatility::Stable;
        routine.description = Some("Of a client".to_owned());
    });
    change(&mut cache, "noise", |routine| {
        routine.volatility = Volatility::Immutable;
    });
    let description = described(&cache, &Visible::All);
    assert_eq!(keys(&description["paths"]["/rpc/quiet"]), ["post"]);
    check(
        &description,
        &["paths", "/rpc/quiet", "post", "parameters"],
        expect![[r##"
            [
              {
                "name": "args",
                "required": true,
                "in": "body",
                "schema": {
                  "type": "object"
                }
              },
              {
                "$ref": "#/parameters/preferParams"
              }
            ]"##]],
    );
    check(
        &description,
        &["paths", "/rpc/projects_of"],
        expect![[r##"
            {
              "get": {
                "tags": [
                  "(rpc) projects_of"
                ],
                "summary": "Of a client",
                "produces": [
                  "application/json",
                  "application/vnd.pgrst.object+json;nulls=stripped",
                  "application/vnd.pgrst.object+json"
                ],
                "parameters": [
                  {
                    "name": "client",
                    "required": true,
                    "in": "query",
                    "type": "integer",
                    "format": "int32"
                  }
                ],
                "responses": {
                  "200": {
                    "description": "OK"
                  }
                }
              },
              "post": {
                "tags": [
                  "(rpc) projects_of"
                ],
                "summary": "Of a client",
                "produces": [
                  "application/json",
                  "application/vnd.pgrst.object+json;nulls=stripped",
                  "application/vnd.pgrst.object+json"
                ],
                "parameters": [
                  {
                    "name": "args",
                    "required": true,
                    "in": "body",
                    "schema": {
                      "description": "Of a client",
                      "required": [
                        "client"
                      ],
                      "properties": {
                        "client": {
                          "type": "integer",
                          "format": "int32"
                        }
                      },
                      "type": "object"
                    }
                  },
                  {
                    "$ref": "#/parameters/preferParams"
                  }
                ],
                "responses": {
                  "200": {
                    "description": "OK"
                  }
                }
              }
            }"##]],
    );
    check(
        &description,
        &["paths", "/rpc/noise", "get", "parameters"],
        expect![[r#"
            [
              {
                "name": "words",
                "required": true,
                "in": "query",
                "type": "array",
                "items": {
                  "type": "string",
                  "format": "text"
                },
                "collectionFormat": "multi"
              }
            ]"#]],
    );
}

#[test]
fn only_what_the_role_may_use_is_shown() {
    let cache = fixture::cache();
    let visible =
        br#"{"relations": ["tasks", "gone"], "routines": {"1": ["int", "int"], "2": []}}"#;
    let description = described(&cache, &Visible::read(visible).unwrap());
    assert_eq!(
        keys(&description["paths"]),
        ["/", "/tasks", "/rpc/add"],
        "the second overload is not as it was, so the first one is shown"
    );
    assert_eq!(keys(&description["definitions"]), ["tasks"]);
    let arguments = "/paths/~1rpc~1add/post/parameters/0/schema/properties/b/format";
    assert_eq!(description.pointer(arguments), Some(&json!("int")));

    let everything = described(&cache, &Visible::All);
    let arguments = "/paths/~1rpc~1add/post/parameters/0/schema/properties";
    let arguments = everything.pointer(arguments).unwrap();
    assert_eq!(keys(arguments), ["a", "b", "c"], "the last overload");

    let nonsense = Visible::read(b"").unwrap_err();
    assert_eq!(
        (nonsense.status.as_u16(), &*nonsense.code),
        (500, "PGRSTX00")
    );
}
