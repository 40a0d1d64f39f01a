import assert from "node:assert/strict";
import { runCli as electric } from "../support/cli_process.ts";

Deno.test("help and version write to stdout and exit with 0", async () => {
  const help = await electric(["help"]);
  assert.deepEqual([help.code, help.stderr], [0, ""]);
  assert.match(help.stdout, /^Examples:/);
  const version = await electric(["--version"]);
  assert.deepEqual([version.code, version.stderr], [0, ""]);
  assert.match(version.stdout, /^electric-ts \d+\.\d+\.\d+ \(\S+, Deno \d+\.\d+\.\d+\)\n$/);
});

Deno.test("an unknown flag or command exits with 2 and a suggestion on stderr", async () => {
  assert.deepEqual(await electric(["serve", "--prot", "1"]), {
    code: 2,
    stdout: "",
    stderr: 'Error: Unknown flag "--prot", did you mean "--port"?\nSee `electric-ts help serve`\n',
  });
  assert.deepEqual(await electric(["srve"]), {
    code: 2,
    stdout: "",
    stderr: 'Error: Unknown command "srve", did you mean "serve"?\nSee `electric-ts help`\n',
  });
});

Deno.test("serve refuses to start without a secret, in the reference server's words", async () => {
  const { code, stderr } = await electric(["serve"], { DATABASE_URL: "postgresql://u:p@h/d" });
  assert.equal(code, 2);
  assert(
    stderr.includes(
      "You must set ELECTRIC_SECRET unless ELECTRIC_INSECURE=true. Setting ELECTRIC_INSECURE=true risks exposing your database",
    ),
    stderr,
  );
});

Deno.test("serve refuses a database URL that demands channel binding, which it would not get", async () => {
  const { code, stderr } = await electric(["serve", "--insecure"], {
    DATABASE_URL: "postgresql://u:tiger@h/d?sslmode=require&channel_binding=require",
  });
  assert.equal(code, 2);
  assert.match(stderr, /^Error: .*Database URL demands channel_binding, which is not supported/);
  assert(!stderr.includes("tiger"));
});

Deno.test("serve says which port is taken, and which option sets it", async () => {
  using taken = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const port = taken.addr.port;
  const args = ["serve", "--insecure", "--storage-dir=:memory:", "--listen-on-ipv6=false"];
  const { code, stderr } = await electric([...args, `--port=${port}`], {
    DATABASE_URL: "postgresql://u@127.0.0.1:1/d",
  });
  assert.equal(code, 1, stderr);
  assert.match(stderr, new RegExp(`Error: Port ${port} is in use: .* set ELECTRIC_PORT`));
});

Deno.test("serve --print-config shows values and sources, masks secrets and warns", async () => {
  const folder = await Deno.makeTempDir();
  try {
    // The program may be another user.
    await Deno.chmod(folder, 0o755);
    const path = `${folder}/electric.json`;
    await Deno.writeTextFile(path, '{"db-pool-size": 5}');
    const env = {
      SEALED_FOLDER: folder,
      DATABASE_URL: "postgresql://app:tiger@db/app",
      ELECTRIC_SECRET: "hush",
      ELECTRIC_CONFIG_FILE: path,
      ELECTRIC_STATSD_HOST: "stats",
    };
    const { code, stdout, stderr } = await electric(["serve", "--print-config", "--port=1"], env);
    assert.equal(code, 0);
    assert(!stdout.includes("tiger") && !stdout.includes("hush"));
    assert.match(stdout, /^DATABASE_URL +postgresql:\/\/app:\*\*\*@db\/app +env DATABASE_URL$/m);
    assert.match(stdout, /^ELECTRIC_PORT +1 +flag --port$/m);
    assert(stdout.includes(`file ${path}`));
    assert.match(stderr, /^Warning: ELECTRIC_STATSD_HOST is not supported/);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("a config file that can't be read exits with 2", async () => {
  const { code, stderr } = await electric(["serve", "--config", "/nowhere/e.json"]);
  assert.equal(code, 2);
  assert.match(stderr, /^Error: Can't read config file "\/nowhere\/e\.json"/);
});
