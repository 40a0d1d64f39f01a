/** The shapes of a running server: told by its admin API, read like any client reads them. */

import type { AdminShape, AdminShapeDetail, AdminShapes } from "../../server/admin.ts";
import { HEADER, PARAM, ROUTE_SEGMENTS, SHAPE_PATH, START_OFFSET } from "../../server/protocol.ts";
import type { DefinitionRequest } from "../../shapes/service.ts";
import { type LogItem, parseItems, type ShapeReader } from "./shape_reader.ts";

const ADMIN_PATH = `/${ROUTE_SEGMENTS.admin}/${ROUTE_SEGMENTS.shapes}`;

export class ServedShapes implements ShapeReader {
  readonly place: string;
  readonly #url: string;
  readonly #secret: string | undefined;

  /** `url` without a path. */
  constructor(url: string, secret: string | undefined) {
    this.#url = url.replace(/\/+$/, "");
    this.#secret = secret;
    this.place = this.#url;
  }

  async list(): Promise<AdminShapes> {
    return await this.#json(ADMIN_PATH, new URLSearchParams()) as AdminShapes;
  }

  async find(definition: DefinitionRequest): Promise<AdminShape | undefined> {
    const found = await this.#json(ADMIN_PATH, formatDefinition(definition)) as AdminShapes;
    return found.shapes[0];
  }

  async describe(handle: string): Promise<AdminShapeDetail | undefined> {
    const path = `${ADMIN_PATH}/${encodeURIComponent(handle)}`;
    const response = await this.#get(path, new URLSearchParams());
    if (response.status === 404) return void await response.body?.cancel();
    return await readJson(response) as AdminShapeDetail;
  }

  async *read(shape: AdminShape): AsyncGenerator<readonly LogItem[]> {
    const definition = formatDefinition({
      table: formatTable(shape.table),
      where: shape.where ?? undefined,
      params: new Map(),
      columns: shape.columns ?? undefined,
      queryableColumns: undefined,
      keyColumns: shape.key_columns ?? undefined,
      replica: shape.replica,
      log: shape.log,
    });
    for (let handle = "", offset = START_OFFSET;;) {
      const params = new URLSearchParams(definition);
      params.set(PARAM.offset, offset);
      if (handle) params.set(PARAM.handle, handle);
      const response = await this.#get(SHAPE_PATH, params);
      handle = response.headers.get(HEADER.handle) ?? "";
      if (response.status === 409 || (response.ok && handle !== shape.handle)) {
        await response.body?.cancel();
        throw new Error(`Shape "${shape.handle}" ended while it was being read`);
      }
      const isEnd = response.headers.has(HEADER.upToDate);
      offset = response.headers.get(HEADER.offset) ?? "";
      if (!response.ok) await readJson(response);
      yield parseItems(await response.text());
      if (isEnd) return;
    }
  }

  async #json(path: string, params: URLSearchParams): Promise<unknown> {
    const response = await this.#get(path, params);
    if (response.status !== 404) return await readJson(response);
    await response.body?.cancel();
    throw new Error(`${this.#url} has no admin API: is it an electric-ts server of this version?`);
  }

  async #get(path: string, params: URLSearchParams): Promise<Response> {
    if (this.#secret !== undefined) params.set(PARAM.secret, this.#secret);
    try {
      return await fetch(`${this.#url}${path}?${params}`);
    } catch (error) {
      throw new Error(
        `Can't reach a server at ${this.#url}: start it, name another with --url, or look into ` +
          "the storage of a stopped one with --storage-dir",
        { cause: error },
      );
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {}
}

/** Throws with what the server says if it does not succeed. */
async function readJson(response: Response): Promise<unknown> {
  const text = await response.text();
  if (response.ok) return JSON.parse(text);
  if (response.status === 401) {
    throw new Error("The server wants its secret: pass --secret, or set ELECTRIC_SECRET");
  }
  throw new Error(`The server answered ${response.status}: ${text}`);
}

function formatDefinition(definition: DefinitionRequest): URLSearchParams {
  const { table, where, params, columns, keyColumns, replica, log } = definition;
  const query = new URLSearchParams({ [PARAM.table]: table });
  if (where !== undefined) query.set(PARAM.where, where);
  for (const [name, value] of params) query.set(`${PARAM.params}[${name}]`, value);
  appendNames(query, PARAM.columns, columns);
  appendNames(query, PARAM.keyColumns, keyColumns);
  query.set(PARAM.replica, replica);
  query.set(PARAM.log, log);
  return query;
}

function appendNames(
  query: URLSearchParams,
  name: string,
  names: string | readonly string[] | undefined,
): void {
  if (typeof names === "string") query.set(name, names);
  else for (const one of names ?? []) query.append(`${name}[]`, one);
}

function formatTable({ schema, name }: AdminShape["table"]): string {
  return [schema, name].map((part) => `"${part.replaceAll('"', '""')}"`).join(".");
}
