/**
 * The house rules that need to see the code, as a lint plugin (see "lint" in deno.json). Rules about
 * whole files are in tests/tidy_test.ts.
 */

const FUNCTION_LINES_MAX = 70;

/** Folder → folders of the house that it may import from. */
const IMPORTS: Readonly<Record<string, readonly string[]>> = {
  shapes: ["shapes"],
  replication: ["replication", "shapes"],
  server: ["server", "shapes"],
  cli: ["cli", "replication", "server", "shapes"],
  client: ["client"],
};

/** A call or member that only certain files may name. */
const RESERVED: Readonly<Record<string, RegExp>> = {
  "postgres()": /^replication\/connection\.ts$/,
  "openKv()": /^cli\//,
  "Deno.openKv": /^$/,
  "Deno.serve": /^server\/listen\.ts$/,
  "Deno.env": /^(main|cli\/run|cli\/native_addon)\.ts$/,
  "Deno.args": /^(main|cli\/run)\.ts$/,
  "console": /^$/,
};

/** Words of the HTTP protocol, which stand in server/protocol.ts alone. */
const PROTOCOL_WORD = /^(electric-[a-z-]+|\/?v1\/.*|subset__.*|must-refetch|up-to-date)$/;

/** The path inside the project; undefined for tests, which may do everything but be untidy. */
function housePath(filename: string): string | undefined {
  const path = filename.replaceAll("\\", "/");
  return /(?:^|\/)((?:cli|client|server|shapes|replication)\/(?!.*\/tests\/).*|main\.ts)$/.exec(
    path,
  )?.[1];
}

function isTest(filename: string): boolean {
  return /(?:^|\/)tests\//.test(filename.replaceAll("\\", "/"));
}

function pathOf(filename: string): string | undefined {
  return isTest(filename) ? undefined : housePath(filename);
}

/** Resolves a relative import to a path inside the project. */
function resolveImport(from: string, specifier: string): string {
  return new URL(specifier, `file:///house/${from}`).pathname.replace("/house/", "");
}

/** What forbids the import, if anything does. */
export function judgeImport(from: string, specifier: string): string | undefined {
  if (!specifier.startsWith(".")) return undefined;
  const target = resolveImport(from, specifier);
  if (target.startsWith("tests/")) return `"${from}" must not import tests`;
  if (!target.includes("/")) {
    return target === "deno.json" ? undefined : `"${from}" must not import "${target}"`;
  }
  if (from === "main.ts") {
    return target === "cli/run.ts" ? undefined : `"main.ts" may import "cli/run.ts" only`;
  }
  const [folder] = from.split("/"), [targetFolder] = target.split("/");
  if (IMPORTS[folder].includes(targetFolder)) return undefined;
  return `"${folder}/" must not import from "${targetFolder}/"`;
}

const imports: Deno.lint.Rule = {
  create(context) {
    const from = pathOf(context.filename);
    if (from === undefined) return {};
    const check = (node: Deno.lint.Node, specifier: string) => {
      const message = judgeImport(from, specifier);
      if (message) context.report({ node, message });
    };
    return {
      ImportDeclaration: (node) => check(node, node.source.value),
      ImportExpression(node) {
        if (node.source.type === "Literal") check(node, String(node.source.value));
      },
      ExportAllDeclaration(node) {
        context.report({ node, message: "Import the file that owns the name: no re-exports" });
      },
      ExportNamedDeclaration(node) {
        if (!node.source) return;
        context.report({ node, message: "Import the file that owns the name: no re-exports" });
      },
      ExportDefaultDeclaration(node) {
        context.report({ node, message: "Export by name" });
      },
    };
  },
};

const reserved: Deno.lint.Rule = {
  create(context) {
    const from = pathOf(context.filename);
    if (from === undefined) return {};
    const check = (node: Deno.lint.Node, name: string) => {
      if (!Object.hasOwn(RESERVED, name) || RESERVED[name].test(from)) return;
      context.report({ node, message: `"${name}" is not for "${from}"` });
    };
    return {
      CallExpression(node) {
        if (node.callee.type === "Identifier") check(node, `${node.callee.name}()`);
      },
      MemberExpression(node) {
        if (node.object.type !== "Identifier" || node.property.type !== "Identifier") return;
        check(node, `${node.object.name}.${node.property.name}`);
        check(node, node.object.name);
      },
    };
  },
};

const protocolWords: Deno.lint.Rule = {
  create(context) {
    const from = pathOf(context.filename);
    if (!from?.startsWith("server/") || from === "server/protocol.ts") return {};
    return {
      Literal(node) {
        if (typeof node.value !== "string" || !PROTOCOL_WORD.test(node.value)) return;
        context.report({ node, message: `"${node.value}" belongs in server/protocol.ts` });
      },
    };
  },
};

/** `client/` runs in browsers: no Deno, and of npm packages only their types. */
const anyRuntime: Deno.lint.Rule = {
  create(context) {
    if (!pathOf(context.filename)?.startsWith("client/")) return {};
    return {
      Identifier(node) {
        if (node.name === "Deno") context.report({ node, message: "Browsers have no Deno" });
      },
      ImportDeclaration(node) {
        if (node.source.value.startsWith(".") || node.importKind === "type") return;
        context.report({ node, message: "Import types only" });
      },
    };
  },
};

const functionLength: Deno.lint.Rule = {
  create(context) {
    const check = (node: Deno.lint.Node) => {
      const lines = context.sourceCode.getText(node).split("\n");
      if (lines.length <= FUNCTION_LINES_MAX) return;
      const message = `Function has ${lines.length} lines, more than ${FUNCTION_LINES_MAX}`;
      const [start] = node.range;
      context.report({ range: [start, start + lines[0].length], message });
    };
    return {
      FunctionDeclaration: check,
      FunctionExpression: check,
      ArrowFunctionExpression: check,
    };
  },
};

const plugin: Deno.lint.Plugin = {
  name: "house",
  rules: {
    imports,
    reserved,
    "protocol-words": protocolWords,
    "any-runtime": anyRuntime,
    "function-length": functionLength,
  },
};

// Plugins are loaded by their default export.
export default plugin;
