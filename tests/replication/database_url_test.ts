import assert from "node:assert/strict";
import {
  parseDatabaseUrl,
  redactDatabaseUrl,
  withCaCertificate,
} from "../../replication/database_url.ts";

Deno.test("parseDatabaseUrl() reads every part", () => {
  const url = parseDatabaseUrl(
    "postgresql://ann:s3cret@db.example:5433/shop?sslmode=require&application_name=my%20app" +
      "&connect_timeout=7&options=project%3Dx&sslrootcert=%2Fetc%2Fca.pem&pgbouncer=true",
  );
  assert.deepEqual(url, {
    hosts: [{ host: "db.example", port: 5433 }],
    user: "ann",
    password: "s3cret",
    database: "shop",
    sslMode: "require",
    caFile: "/etc/ca.pem",
    caCertificate: undefined,
    applicationName: "my app",
    connectTimeoutMs: 7000,
    startupOptions: "project=x",
    isPooled: true,
  });
});

Deno.test("parseDatabaseUrl() fills in what is left out", () => {
  const url = parseDatabaseUrl("postgres://");
  assert.deepEqual(url.hosts, [{ host: "localhost", port: 5432 }]);
  assert.equal(url.user, "postgres");
  assert.equal(url.password, "");
  assert.equal(url.database, "postgres");
  assert.equal(url.sslMode, "prefer");
  assert.equal(url.isPooled, false);
  assert.equal(parseDatabaseUrl("postgres://ann@h").database, "ann");
});

Deno.test("parseDatabaseUrl() verifies by the well-known authorities for sslrootcert=system", () => {
  for (const mode of ["", "&sslmode=verify-full"]) {
    const url = parseDatabaseUrl(`postgres://h/d?sslrootcert=system${mode}`);
    assert.deepEqual([url.sslMode, url.caFile], ["verify-full", undefined]);
  }
  for (const mode of ["disable", "allow", "prefer", "require", "verify-ca"]) {
    assert.throws(
      () => parseDatabaseUrl(`postgres://h/d?sslrootcert=system&sslmode=${mode}`),
      /sslrootcert "system" with sslmode/,
    );
  }
});

Deno.test("parseDatabaseUrl() decodes percent signs and keeps odd passwords", () => {
  const of = (text: string) => parseDatabaseUrl(text).password;
  assert.equal(of("postgres://u:a%40b%2Fc%3Ad@h/d"), "a@b/c:d");
  assert.equal(of("postgres://u:a@b#c@h/d"), "a@b#c");
  assert.equal(of("postgres://u:a:b@h/d"), "a:b");
  assert.equal(of("postgres://u@h/d?password=p%26q"), "p&q");
  assert.equal(parseDatabaseUrl("postgres://u@h/caf%C3%A9").database, "café");
});

Deno.test("parseDatabaseUrl() reads addresses, sockets and several hosts", () => {
  const of = (text: string) => parseDatabaseUrl(text).hosts;
  assert.deepEqual(of("postgres://[::1]:5433/d"), [{ host: "::1", port: 5433 }]);
  assert.deepEqual(of("postgres://[::1]/d"), [{ host: "::1", port: 5432 }]);
  assert.deepEqual(of("postgres:///d?host=::1"), [{ host: "::1", port: 5432 }]);
  assert.deepEqual(of("postgres://%2Frun%2Fpg/d"), [{ host: "/run/pg", port: 5432 }]);
  assert.deepEqual(of("postgres:///d?host=/run/pg&port=1"), [{ host: "/run/pg", port: 1 }]);
  assert.deepEqual(of("postgres://a:1,b,c:3/d"), [
    { host: "a", port: 1 },
    { host: "b", port: 5432 },
    { host: "c", port: 3 },
  ]);
  assert.deepEqual(of("postgres:///d?host=a,b&port=1,2"), [
    { host: "a", port: 1 },
    { host: "b", port: 2 },
  ]);
});

Deno.test("parseDatabaseUrl() ignores parameters that it does not know", () => {
  const url = parseDatabaseUrl("postgres://u@h/d?schema=x&replication=database&flag&=&channel=1");
  assert.equal(url.database, "d");
});

Deno.test("parseDatabaseUrl() accepts every sslmode and no other", () => {
  for (const mode of ["disable", "allow", "prefer", "require", "verify-ca", "verify-full"]) {
    assert.equal(parseDatabaseUrl(`postgres://h/d?sslmode=${mode}`).sslMode, mode);
  }
  assert.throws(() => parseDatabaseUrl("postgres://h/d?sslmode=yes"), {
    name: "SyntaxError",
    message: /unknown sslmode "yes"/,
  });
});

Deno.test("parseDatabaseUrl() refuses what is no URL without quoting the password", () => {
  const broken = [
    "mysql://u:hunter2@h/d",
    "u:hunter2@h",
    "postgres:/u:hunter2@h",
    "postgres://u:hunter2@h:port/d",
    "postgres://u:hunter2@h:99999/d",
    "postgres://u:hunter2%zz@h/d",
    "postgres://u:hunter2/x@h/d",
    "postgres://u:1/hunter2@h/d",
    "",
  ];
  for (const text of broken) {
    assert.throws(() => parseDatabaseUrl(text), (error) => {
      assert.ok(error instanceof SyntaxError, text);
      assert.ok(!error.message.includes("hunter2"), error.message);
      return true;
    });
  }
});

Deno.test("withCaCertificate() makes the certificate be verified", () => {
  const modeOf = (mode: string) =>
    withCaCertificate(parseDatabaseUrl(`postgres://h/d?sslmode=${mode}`), "PEM").sslMode;
  assert.equal(modeOf("prefer"), "verify-full");
  assert.equal(modeOf("require"), "verify-full");
  assert.equal(modeOf("verify-ca"), "verify-ca");
  assert.throws(() => modeOf("disable"), RangeError);
  const url = withCaCertificate(parseDatabaseUrl("postgres://h/d"), "PEM");
  assert.equal(url.caCertificate, "PEM");
});

Deno.test("redactDatabaseUrl() shows where a URL leads, not how one gets in", () => {
  const text = redactDatabaseUrl(parseDatabaseUrl("postgres://ann:hunter2@[::1]:1,h/shop?x=y"));
  assert.equal(text, "postgresql://ann:***@[::1]:1,h:5432/shop?sslmode=prefer");
  assert.equal(
    redactDatabaseUrl(parseDatabaseUrl("postgres://ann@h/shop")),
    "postgresql://ann@h:5432/shop?sslmode=prefer",
  );
});

Deno.test("parseDatabaseUrl() refuses demands that would go unmet, and says what to do instead", () => {
  const demands = [
    ["channel_binding=require", /demands channel_binding.* not supported.*"verify-full"/],
    ["gssencmode=require", /demands gssencmode/],
    ["require_auth=scram-sha-256", /demands require_auth/],
  ] as const;
  for (const [demand, message] of demands) {
    const url = `postgres://ann:s3cret@h/d?sslmode=require&${demand}`;
    assert.throws(() => parseDatabaseUrl(url), (error: Error) => {
      assert.match(error.message, message);
      return error instanceof SyntaxError && !error.message.includes("s3cret");
    });
  }
  for (const wish of ["channel_binding=prefer", "channel_binding=disable", "gssencmode=prefer"]) {
    assert.equal(parseDatabaseUrl(`postgres://h/d?${wish}`).database, "d");
  }
});
