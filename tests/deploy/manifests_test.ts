import { deepStrictEqual as deepEqual, match, ok, strictEqual as equal } from "node:assert/strict";
import { parse, parseAllDocuments } from "yaml";
import { listOptions } from "../../cli/options.ts";
import manifest from "../../deno.json" with { type: "json" };
import { readProjectFile } from "../support/source_tree.ts";
import { SEALED_USER } from "../support/sealed_root.ts";

const IMAGE = `electric-ts:${manifest.version}`;
const STORAGE = "/var/lib/electric-ts";
/** The process ends within ten seconds of SIGTERM. */
const GRACE_SECONDS = 15;

const compose = parse(readProjectFile("deploy/docker-compose.yml"), { strict: true });
const objects = new Map(
  parseAllDocuments(readProjectFile("deploy/kubernetes.yaml"), { strict: true }).map((document) => {
    deepEqual(document.errors, []);
    const object = document.toJS();
    return [object.kind, object];
  }),
);
const pod = objects.get("Deployment").spec.template.spec;
const [container] = pod.containers;

/** Every variable must be one that the program knows. */
function assertKnown(names: readonly string[]): void {
  const known = new Set(listOptions().flatMap(({ option }) => option.env));
  deepEqual(names.filter((name) => !known.has(name)), []);
}

Deno.test("compose runs a Postgres that can be followed, and waits for it", () => {
  const { postgres, "electric-ts": server } = compose.services;
  match(postgres.image, /^postgres:\d+-bookworm$/);
  ok(postgres.command.includes("wal_level=logical"));
  ok(postgres.command.some((part: string) => part.startsWith("max_slot_wal_keep_size=")));
  equal(server.depends_on.postgres.condition, "service_healthy");
  assertKnown(Object.keys(server.environment));
});

Deno.test("compose keeps the server sealed, its storage in a volume, and no secret in the file", () => {
  const { postgres, "electric-ts": server } = compose.services;
  equal(server.image, IMAGE);
  equal(server.read_only, true);
  deepEqual(server.cap_drop, ["ALL"]);
  deepEqual(server.volumes, [`storage:${STORAGE}`]);
  ok(Object.hasOwn(compose.volumes, "storage"));
  equal(server.stop_grace_period, `${GRACE_SECONDS}s`);
  for (const port of server.ports) match(port, /^127\.0\.0\.1:/);
  match(postgres.environment.POSTGRES_PASSWORD, /^\$\{POSTGRES_PASSWORD:\?.+\}$/);
  match(server.environment.ELECTRIC_SECRET, /^\$\{ELECTRIC_SECRET:\?.+\}$/);
});

Deno.test("Kubernetes never runs two pods, and each part names the others rightly", () => {
  const deployment = objects.get("Deployment").spec;
  equal(deployment.replicas, 1);
  deepEqual(deployment.strategy, { type: "Recreate" });
  const labels = deployment.template.metadata.labels;
  deepEqual(deployment.selector.matchLabels, labels);
  deepEqual(objects.get("Service").spec.selector, labels);
  equal(objects.get("Service").spec.ports[0].targetPort, container.ports[0].name);
  deepEqual(container.envFrom, [{ secretRef: { name: objects.get("Secret").metadata.name } }]);
  const claim = objects.get("PersistentVolumeClaim");
  deepEqual(claim.spec.accessModes, ["ReadWriteOnce"]);
  equal(pod.volumes[0].persistentVolumeClaim.claimName, claim.metadata.name);
  deepEqual(container.volumeMounts, [{ name: pod.volumes[0].name, mountPath: STORAGE }]);
});

Deno.test("Kubernetes probes the routes that are made for it", () => {
  const pathOf = (probe: { httpGet: { path: string; port: string } }) => probe.httpGet.path;
  equal(pathOf(container.startupProbe), "/health/live");
  equal(pathOf(container.livenessProbe), "/health/live");
  equal(pathOf(container.readinessProbe), "/health/ready");
});

Deno.test("Kubernetes gives the pod no more rights than it needs", () => {
  equal(container.image, IMAGE);
  equal(container.securityContext.readOnlyRootFilesystem, true);
  equal(container.securityContext.allowPrivilegeEscalation, false);
  deepEqual(container.securityContext.capabilities, { drop: ["ALL"] });
  const { runAsNonRoot, runAsUser, fsGroup } = pod.securityContext;
  deepEqual([runAsNonRoot, runAsUser, fsGroup], [true, SEALED_USER, SEALED_USER]);
  equal(pod.automountServiceAccountToken, false);
  equal(pod.enableServiceLinks, false);
  equal(pod.terminationGracePeriodSeconds, GRACE_SECONDS);
  assertKnown(Object.keys(objects.get("Secret").stringData));
});

/** Settings of a unit file; the last one of a name counts. */
function parseUnit(text: string): ReadonlyMap<string, string> {
  const lines = text.split("\n").filter((line) => /^\w+=/.test(line));
  return new Map(lines.map((line) => {
    const equals = line.indexOf("=");
    return [line.slice(0, equals), line.slice(equals + 1)];
  }));
}

Deno.test("the systemd unit keeps the server sealed and brings it back", () => {
  const unit = parseUnit(readProjectFile("deploy/electric-ts.service"));
  const expected: Record<string, string> = {
    Type: "exec",
    ExecStart: "/usr/local/bin/electric-ts serve",
    Environment: "ELECTRIC_STORAGE_DIR=%S/electric-ts",
    DynamicUser: "yes",
    StateDirectory: "electric-ts",
    ProtectSystem: "strict",
    Restart: "on-failure",
    RestartPreventExitStatus: "2",
    TimeoutStopSec: `${GRACE_SECONDS}`,
    LimitNOFILE: "65536",
  };
  for (const [name, value] of Object.entries(expected)) equal(unit.get(name), value, name);
  // V8 writes code into memory; KV's loader asks for the network's interfaces.
  equal(unit.has("MemoryDenyWriteExecute"), false);
  match(unit.get("RestrictAddressFamilies") ?? "", /AF_INET AF_INET6 AF_UNIX AF_NETLINK/);
});
