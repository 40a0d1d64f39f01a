/** The connections to Postgres, and the domain's source on top of them. */

import { dropConnections, openPool, type Sql } from "../replication/connection.ts";
import {
  type DatabaseUrl,
  parseDatabaseUrl,
  withCaCertificate,
} from "../replication/database_url.ts";
import { Evaluator } from "../replication/evaluate.ts";
import { PostgresSource } from "../replication/source.ts";
import type { LineLogger } from "./logger.ts";
import type { ServeConfig } from "./options.ts";

/** Catalog look-ups and publication changes; snapshots have the pool of their own. */
const ADMIN_CONNECTIONS = 4;
/** A replica is queried only while its primary is down. */
const REPLICA_CONNECTIONS = 4;

export interface Postgres {
  readonly source: PostgresSource;
  readonly admin: Sql;
  /** Drops the connections to the primary: they are dead, and the driver would wait for ever. */
  readonly dropAll: () => void;
}

/** What the source asks and tells the rest, which is there by the time that it does. */
export interface PostgresHooks {
  /** Whether the replica has to stand in. */
  readonly isOnReplica: () => boolean;
  readonly onUnpublished: (oid: number) => Promise<void>;
}

/** All is closed with the stack. */
export function openPostgres(
  config: ServeConfig,
  stack: AsyncDisposableStack,
  component: (name: string) => LineLogger,
  { isOnReplica, onUnpublished }: PostgresHooks,
): Postgres {
  const open = (url: string, max: number) => {
    const sql = openPool({ url: databaseUrl(config, url), max });
    stack.defer(() => sql.end({ timeout: 1 }));
    return sql;
  };
  const admin = open(config.databaseUrl, ADMIN_CONNECTIONS);
  const query = open(config.pooledDatabaseUrl, config.poolSize);
  const replica = config.fallbackDatabaseUrl
    ? { sql: open(config.fallbackDatabaseUrl, REPLICA_CONNECTIONS), isInUse: isOnReplica }
    : undefined;
  const url = databaseUrl(config, config.databaseUrl);
  const evaluator = stack.use(new Evaluator({ url, logger: component("evaluation") }));
  const { streamId, isManualPublishing: isManual, reconcileTimeoutMs } = config;
  const logger = component("source");
  const source = new PostgresSource({
    admin,
    query,
    replica,
    evaluator,
    streamId,
    isManual,
    reconcileTimeoutMs,
    onUnpublished,
    logger,
  });
  return { source, admin, dropAll: () => [admin, query].forEach(dropConnections) };
}

export function databaseUrl(config: ServeConfig, text: string): DatabaseUrl {
  const url = parseDatabaseUrl(text);
  const caFile = config.databaseCaFile ?? url.caFile;
  return caFile ? withCaCertificate(url, Deno.readTextFileSync(caFile)) : url;
}
