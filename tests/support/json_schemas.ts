/** The schemas of docs/schemas/, and documents held against them. */

import assert from "node:assert/strict";
import { Ajv2020 } from "ajv/dist/2020.js";
import { readProjectFile } from "./source_tree.ts";

export const SCHEMA_NAMES = ["status", "shapes", "shape", "doctor", "tail"] as const;
export type SchemaName = typeof SCHEMA_NAMES[number];

export type Schema = { readonly [keyword: string]: unknown };

const DATE_TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/;

const ajv = new Ajv2020({ allErrors: true, strict: true, allowUnionTypes: true });
ajv.addFormat("date-time", DATE_TIME);

export function readSchema(name: SchemaName): Schema {
  return JSON.parse(readProjectFile(`docs/schemas/${name}.json`));
}

/**
 * Throws unless the document is as the schema says, and has no name that it leaves out: readers must
 * let new names pass, but each is documented.
 */
export function assertMatches(name: SchemaName, document: unknown): void {
  const errors = findErrors(closed(readSchema(name)), document);
  assert.equal(errors, undefined, `${name}: ${errors}\n${JSON.stringify(document, null, 2)}`);
}

/** What is wrong with the document; undefined for nothing. */
export function findErrors(schema: Schema, document: unknown): string | undefined {
  const validate = ajv.compile(schema);
  return validate(document) ? undefined : ajv.errorsText(validate.errors);
}

/** The schema without a place for names that it does not list. */
function closed(schema: Schema): Schema {
  const entries = Object.entries(schema).map(([keyword, value]) => [keyword, closeWithin(value)]);
  const isOpen = isObject(schema.properties) && schema.additionalProperties === undefined;
  return { ...Object.fromEntries(entries), ...isOpen ? { additionalProperties: false } : {} };
}

function closeWithin(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(closeWithin);
  return isObject(value) ? closed(value) : value;
}

function isObject(value: unknown): value is Schema {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
