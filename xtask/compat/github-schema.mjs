// Validates GraphQL documents against GitHub's published schema, and recorded
// answers against both. Arguments: the directory with `node_modules`, that of the
// documents, that of the recorded exchanges.
import { readFileSync, readdirSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";

const [modules, documents, exchanges] = process.argv.slice(2);
const require = createRequire(join(modules, "package.json"));
const g = require("graphql");
const published = join(modules, "node_modules/@octokit/graphql-schema/schema.graphql");
const text = readFileSync(published, "utf8");
const schema = g.buildSchema(text, { assumeValidSDL: true });
const faults = [];

for (const name of readdirSync(documents)) {
  const document = g.parse(readFileSync(join(documents, name), "utf8"));
  for (const error of g.validate(schema, document)) faults.push(`${name}: ${error.message}`);
}

let answers = 0;
for (const name of readdirSync(exchanges)) {
  const { asked, answer } = JSON.parse(readFileSync(join(exchanges, name), "utf8"));
  const document = g.parse(asked.query);
  const operation = g.getOperationAST(document, asked.operationName);
  const fragments = Object.fromEntries(
    document.definitions.filter((it) => it.kind === "FragmentDefinition")
      .map((it) => [it.name.value, it]));
  const values = g.getVariableValues(schema, operation.variableDefinitions, asked.variables);
  for (const error of values.errors ?? []) faults.push(`${name}: ${error.message}`);
  object(schema.getQueryType(), [operation.selectionSet], answer.data, fragments, name);
  answers += 1;
}

function object(type, sets, value, fragments, path) {
  if (g.isAbstractType(type)) {
    const concrete = schema.getType(value.__typename);
    if (!concrete || !schema.isSubType(type, concrete)) {
      return faults.push(`${path}: \`${value.__typename}\` is no ${type.name}`);
    }
    type = concrete;
  }
  const fields = new Map();
  for (const set of sets) collect(type, set, fragments, fields);
  for (const key of Object.keys(value)) {
    if (!fields.has(key)) faults.push(`${path}.${key}: nobody asked for it`);
  }
  for (const [key, nodes] of fields) {
    const name = nodes[0].name.value;
    const known = name === "__typename" ? g.TypeNameMetaFieldDef : type.getFields()[name];
    if (!(key in value)) faults.push(`${path}.${key}: is missing`);
    else complete(known.type, nodes, value[key], fragments, `${path}.${key}`);
  }
}

function collect(type, set, fragments, fields) {
  for (const selection of set.selections) {
    if (selection.kind === "Field") {
      const key = (selection.alias ?? selection.name).value;
      fields.set(key, [...(fields.get(key) ?? []), selection]);
      continue;
    }
    const fragment =
      selection.kind === "FragmentSpread" ? fragments[selection.name.value] : selection;
    const on = schema.getType(fragment.typeCondition.name.value);
    if (on === type || (g.isAbstractType(on) && schema.isSubType(on, type))) {
      collect(type, fragment.selectionSet, fragments, fields);
    }
  }
}

function complete(type, nodes, value, fragments, path) {
  if (g.isNonNullType(type)) {
    if (value === null) return faults.push(`${path}: may not be null`);
    return complete(type.ofType, nodes, value, fragments, path);
  }
  if (value === null) return;
  if (g.isListType(type)) {
    if (!Array.isArray(value)) return faults.push(`${path}: is no list`);
    return value.forEach((it, at) => complete(type.ofType, nodes, it, fragments, `${path}.${at}`));
  }
  if (g.isLeafType(type)) {
    // Scalars of GitHub's own, such as `DateTime`, are all written as texts.
    if (g.isScalarType(type) && !g.isSpecifiedScalarType(type) && typeof value !== "string") {
      return faults.push(`${path}: \`${value}\` is no ${type.name}`);
    }
    try {
      type.parseValue(value);
    } catch (error) {
      faults.push(`${path}: ${error.message}`);
    }
    return;
  }
  object(type, nodes.map((it) => it.selectionSet), value, fragments, path);
}

for (const fault of faults.slice(0, 50)) console.error(fault);
if (answers === 0) faults.push(console.error("no answers were recorded"));
console.log(`${readdirSync(documents).length} documents, ${answers} answers, ${faults.length} faults`);
process.exit(faults.length === 0 ? 0 : 1);
