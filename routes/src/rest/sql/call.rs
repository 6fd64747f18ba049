//! Calls of functions.

use bytes::Bytes;

use super::{
    payload::{self, PAYLOAD},
    writer::{Writer, array_text},
};
use crate::{
    rest::plan::{Arguments, CallPlan, call::Argument},
    schema::{Parameter, QualifiedName},
    wire,
};

const CALL: &str = "pgrst_call";

pub(super) fn statement(writer: &mut Writer, plan: &CallPlan) {
    let scalar = plan.routine.returns_scalar();
    writer.raw("SELECT ");
    if scalar {
        writer.raw("pgrst_call.pgrst_scalar");
    } else if plan.returning.is_empty() {
        writer.raw("*");
    } else {
        let rows = QualifiedName::new("", CALL);
        writer.list(", ", &plan.returning, |writer, column| {
            writer.column(&rows, column);
        });
    }
    writer.raw(" FROM ");
    if let Arguments::Json {
        parameters,
        body,
        is_array,
    } = &plan.arguments
    {
        let columns = parameters
            .iter()
            .map(|parameter| (parameter.name.as_str(), parameter.type_max_length.as_str()));
        payload::arguments(writer, body, *is_array, columns);
        writer.raw(", LATERAL ");
    }
    if scalar {
        writer.raw("(SELECT ");
    }
    writer.name(&plan.routine.name).raw("(");
    arguments(writer, &plan.arguments);
    writer.raw(")");
    if scalar {
        writer.raw(" pgrst_scalar)");
    }
    writer.raw(" ").raw(CALL);
}

fn arguments(writer: &mut Writer, arguments: &Arguments) {
    match arguments {
        Arguments::None => {}
        Arguments::Unnamed { parameter, body } => whole(writer, parameter, body),
        Arguments::Json { parameters, .. } => {
            let from = QualifiedName::new("", PAYLOAD);
            writer.list(", ", parameters, |writer, parameter| {
                named(writer, parameter);
                writer.column(&from, &parameter.name);
            });
        }
        Arguments::Direct(pairs) => {
            writer.list(", ", pairs, |writer, (parameter, argument)| {
                named(writer, parameter);
                match argument {
                    Argument::One(value) => writer.value(value.as_str()),
                    Argument::Many(values) => writer.value(array_text(values)).raw("::text[]"),
                };
                writer.raw("::").catalog(&parameter.type_max_length);
            });
        }
    }
}

fn named(writer: &mut Writer, parameter: &Parameter) {
    if parameter.variadic {
        writer.raw("VARIADIC ");
    }
    writer.identifier(&parameter.name).raw(" := ");
}

/// The body as the one argument. Bytes go as hexadecimal: they need not be text.
fn whole(writer: &mut Writer, parameter: &Parameter, body: &Bytes) {
    if parameter.data_type == "bytea" {
        let mut hex = String::with_capacity(2 + body.len() * 2);
        hex.push_str("\\x");
        for byte in body {
            for digit in [byte >> 4, byte & 0xf] {
                hex.push(char::from_digit(digit.into(), 16).unwrap_or('0'));
            }
        }
        writer.value(hex);
    } else {
        writer.parameter(wire::Parameter::from(body.clone()));
    }
    writer.raw("::").catalog(&parameter.data_type);
}
