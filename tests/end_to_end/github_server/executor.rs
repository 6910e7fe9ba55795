//! Just enough GraphQL to answer the documents that `catena` sends: what is not
//! asked for is not in the answer, and asking for what there is not fails.

use graphql_parser::query::{
    Definition, Document, Field, OperationDefinition, Selection, SelectionSet, TypeCondition,
    Value as Literal, parse_query,
};
use serde_json::{Map, Value, json};

/// Types of objects; a fragment on any other name is on an interface or a
/// connection, and always fits.
const OBJECTS: [&str; 7] = [
    "PullRequest",
    "Issue",
    "Repository",
    "CrossReferencedEvent",
    "PullRequestReviewThread",
    "User",
    "Bot",
];

/// Marks an array as a connection.
pub(crate) fn connection(items: impl IntoIterator<Item = Value>) -> Value {
    let items: Vec<Value> = items.into_iter().collect();
    json!({ "__connection": items })
}

/// Where the fields at the top of a query come from.
pub(crate) trait Roots {
    fn root(&self, field: &str, arguments: &Map<String, Value>) -> Value;
}

/// Carries out the operation `name` of a document; gives `data`.
pub(crate) fn execute(text: &str, name: &str, variables: &Value, roots: &dyn Roots) -> Value {
    let document = parse_query::<String>(text).unwrap_or_else(|err| panic!("{err}"));
    let executor = Executor { document: &document, variables };
    let operation = document.definitions.iter().find_map(|definition| match definition {
        Definition::Operation(OperationDefinition::Query(it))
            if it.name.as_deref() == Some(name) =>
        {
            Some(it)
        }
        _ => None,
    });
    let operation = operation.unwrap_or_else(|| panic!("no operation `{name}`"));
    for variable in &operation.variable_definitions {
        let optional = !variable.var_type.to_string().ends_with('!');
        assert!(optional || !variables[&variable.name].is_null(), "no `{}`", variable.name);
    }
    let mut data = Map::new();
    for selection in &operation.selection_set.items {
        let Selection::Field(field) = selection else { panic!("a fragment at the top") };
        let value = roots.root(&field.name, &executor.arguments(field));
        data.insert(response_key(field), executor.complete(field, &value));
    }
    Value::Object(data)
}

fn response_key(field: &Field<'_, String>) -> String {
    field.alias.as_ref().unwrap_or(&field.name).clone()
}

struct Executor<'a> {
    document: &'a Document<'a, String>,
    variables: &'a Value,
}

impl Executor<'_> {
    fn select(
        &self,
        selections: &SelectionSet<'_, String>,
        object: &Value,
        found: &mut Map<String, Value>,
    ) {
        for selection in &selections.items {
            match selection {
                Selection::Field(field) => {
                    found.insert(response_key(field), self.field(field, object));
                }
                Selection::InlineFragment(fragment) => {
                    if fits(fragment.type_condition.as_ref(), object) {
                        self.select(&fragment.selection_set, object, found);
                    }
                }
                Selection::FragmentSpread(spread) => {
                    let fragment = self.document.definitions.iter().find_map(|it| match it {
                        Definition::Fragment(it) if it.name == spread.fragment_name => Some(it),
                        _ => None,
                    });
                    let fragment = fragment.unwrap_or_else(|| panic!("{}", spread.fragment_name));
                    if fits(Some(&fragment.type_condition), object) {
                        self.select(&fragment.selection_set, object, found);
                    }
                }
            }
        }
    }

    fn field(&self, field: &Field<'_, String>, object: &Value) -> Value {
        let value = object.get(&field.name);
        let value = value.unwrap_or_else(|| panic!("there is no `{}` in {object}", field.name));
        if let Some(items) = value.get("__connection").and_then(Value::as_array) {
            let page = page(items, &self.arguments(field));
            return self.complete(field, &page);
        }
        self.complete(field, value)
    }

    fn complete(&self, field: &Field<'_, String>, value: &Value) -> Value {
        match value {
            Value::Array(items) => items.iter().map(|item| self.complete(field, item)).collect(),
            Value::Object(_) => {
                assert!(!field.selection_set.items.is_empty(), "`{}` asks for nothing", field.name);
                let mut found = Map::new();
                self.select(&field.selection_set, value, &mut found);
                Value::Object(found)
            }
            value => value.clone(),
        }
    }

    fn arguments(&self, field: &Field<'_, String>) -> Map<String, Value> {
        let pair = |(name, value): &(String, _)| (name.clone(), self.literal(value));
        field.arguments.iter().map(pair).collect()
    }

    fn literal(&self, literal: &Literal<'_, String>) -> Value {
        match literal {
            Literal::Variable(name) => self.variables.get(name).cloned().unwrap_or_default(),
            Literal::Int(number) => json!(number.as_i64().unwrap()),
            Literal::Float(number) => json!(number),
            Literal::String(text) | Literal::Enum(text) => json!(text),
            Literal::Boolean(flag) => json!(flag),
            Literal::List(items) => items.iter().map(|item| self.literal(item)).collect(),
            Literal::Object(fields) => {
                fields.iter().map(|(name, value)| (name.clone(), self.literal(value))).collect()
            }
            Literal::Null => Value::Null,
        }
    }
}

fn fits(condition: Option<&TypeCondition<'_, String>>, object: &Value) -> bool {
    let Some(TypeCondition::On(condition)) = condition else { return true };
    let kind = object.get("__typename").and_then(Value::as_str);
    !OBJECTS.contains(&condition.as_str()) || kind == Some(condition)
}

/// One page of a connection, ordered and filtered as the arguments say.
fn page(items: &[Value], arguments: &Map<String, Value>) -> Value {
    let mut items: Vec<&Value> = items.iter().collect();
    if let Some(order) = arguments.get("orderBy") {
        assert_eq!(order["direction"], "DESC", "the only order that is known here");
        let key = if order["field"] == "UPDATED_AT" { "updatedAt" } else { "createdAt" };
        items.sort_by_key(|item| (item[key].to_string(), item["number"].as_u64()));
        items.reverse();
    }
    let total = items.len();
    let first = arguments.get("first").and_then(Value::as_u64);
    let first = first.map(|first| usize::try_from(first).unwrap());
    assert!(first.is_none_or(|first| (1..=100).contains(&first)), "GitHub's limit: {first:?}");
    let begin = arguments.get("after").and_then(Value::as_str).map_or(0, |cursor| {
        let found = items.iter().position(|item| self::cursor(item) == cursor);
        found.unwrap_or_else(|| panic!("`{cursor}` is no cursor")) + 1
    });
    let shown: Vec<&Value> = items[begin..].iter().take(first.unwrap_or(total)).copied().collect();
    json!({
        "totalCount": total,
        "nodes": shown,
        "pageInfo": {
            "hasNextPage": begin + shown.len() < total,
            "endCursor": shown.last().map(|last| cursor(last)),
        },
    })
}

/// What is the same for an item however the list around it grows.
fn cursor(item: &Value) -> String {
    let name = ["id", "path", "name"].into_iter().find_map(|key| item.get(key)?.as_str());
    let name = name.or_else(|| item["commit"]["oid"].as_str()).map(str::to_owned);
    format!("after-{}", name.unwrap_or_else(|| item["number"].to_string()))
}
