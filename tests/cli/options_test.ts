import assert from "node:assert/strict";
import { formatConfigurationPage } from "../../cli/configuration_page.ts";
import { listUnsupported, warnOfForeign } from "../../cli/foreign_env.ts";
import { formatHelp } from "../../cli/help.ts";
import { listOptions } from "../../cli/options.ts";

Deno.test("no two options share a flag or a variable", () => {
  const flags = listOptions().map(({ option }) => option.flag);
  const names = listOptions().flatMap(({ option }) => option.env);
  assert.deepEqual(flags, [...new Set(flags)]);
  assert.deepEqual(names, [...new Set(names)]);
  for (const [name] of listUnsupported()) assert(!names.includes(name), name);
});

Deno.test("every default is a value of its type", () => {
  for (const { option } of listOptions()) {
    if (option.initial === undefined) assert(option.initialDoc, option.flag);
    else assert.deepEqual(option.type.parse(option.type.format(option.initial)), option.initial);
  }
});

Deno.test("help of serve and the configuration page tell of every option", () => {
  const help = formatHelp("serve"), page = formatConfigurationPage();
  for (const { option } of listOptions()) {
    assert(help.includes(`--${option.flag}`) && help.includes(option.doc), option.flag);
    assert(page.includes(`\`--${option.flag}\``) && page.includes(option.doc), option.flag);
    for (const name of option.env) assert(page.includes(`\`${name}\``), name);
  }
  for (const [name] of listUnsupported()) assert(page.includes(`\`${name}\``), name);
});

Deno.test("formatHelp() begins with examples", () => {
  for (const topic of [undefined, "serve", "demo", "help", "version"] as const) {
    assert.match(formatHelp(topic), /^Examples:\n {2}\S/);
  }
});

Deno.test("warnOfForeign() is silent about options, their files and other programs", () => {
  const names = listOptions().flatMap(({ option }) => option.env);
  const env = Object.fromEntries(names.map((name) => [name, "x"]));
  assert.deepEqual(
    warnOfForeign({ ...env, DATABASE_URL_FILE: "x", ELECTRIC_CONFIG_FILE: "x", PATH: "/bin" }),
    [],
  );
});

Deno.test("warnOfForeign() warns once of each recognised variable, without its value", () => {
  for (const [name, reason] of listUnsupported()) {
    const warnings = warnOfForeign({ [name]: "hush" });
    assert.deepEqual(warnings, [`${name} is not supported and does nothing: ${reason}`]);
  }
});

Deno.test("warnOfForeign() suggests the variable that an unknown one may be meant for", () => {
  assert.deepEqual(warnOfForeign({ ELECTRIC_PROT: "1" }), [
    'ELECTRIC_PROT is not known and does nothing, did you mean "ELECTRIC_PORT"?',
  ]);
  assert.deepEqual(warnOfForeign({ ELECTRIC_QQQQQQQQQQQQQQQQQQQQQ: "1" }), [
    "ELECTRIC_QQQQQQQQQQQQQQQQQQQQQ is not known and does nothing",
  ]);
});
