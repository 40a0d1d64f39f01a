/** docs/configuration.md, made from the option table. `deno task docs` writes it, a test compares. */

import { CONFIG_FILE_ENV, listUnsupported } from "./foreign_env.ts";
import { formatInitial, listOptions, type Option } from "./options.ts";

const INTRODUCTION = `# Configuration

<!-- Made from cli/options.ts by \`deno task docs\`: change it there. -->

\`electric-ts serve\` takes each option from the first of these that has it:

1. the flag, \`--port 4000\` or \`--port=4000\`; booleans also \`--insecure\` and \`--no-insecure\`
2. the environment, \`ELECTRIC_PORT=4000\`; an empty variable counts as unset
3. the file that \`--config\` or \`${CONFIG_FILE_ENV}\` names: a JSON object whose keys are the flags,
   \`{"port": 4000}\`
4. the default

\`electric-ts serve --print-config\` shows each value and where it came from, secrets masked. What must be
kept secret can also be read from a file: \`DATABASE_URL_FILE\`, \`ELECTRIC_SECRET_FILE\` (and
\`ELECTRIC_POOLED_DATABASE_URL_FILE\`).

Durations are milliseconds, or have a unit: \`ms\` \`msec\` \`s\` \`sec\` \`m\` \`min\`. Sizes are bytes, or have
a unit: \`KB\` \`KiB\` \`MB\` \`MiB\` \`GB\` \`GiB\`. Booleans are \`true\` or \`false\` (also \`1\` \`yes\` \`on\`, \`0\`
\`no\` \`off\`).

Names, meanings and defaults are those of ElectricSQL's sync service.

## Options
`;

const UNSUPPORTED_INTRODUCTION = `
## Variables that do nothing

These variables of ElectricSQL's sync service are recognised: setting one gives a warning. So does any
other variable whose name begins with \`ELECTRIC_\`.
`;

/** The page as Markdown; ends with a newline. */
export function formatConfigurationPage(): string {
  const options = listOptions().map(({ option }) => formatOption(option));
  const unsupported = listUnsupported().map(([name, reason]) => `- \`${name}\`: ${reason}`);
  return [INTRODUCTION, ...options, UNSUPPORTED_INTRODUCTION, ...unsupported, ""].join("\n");
}

function formatOption(option: Option<unknown>): string {
  const [name, ...old] = option.env;
  const also = old.length ? ` (formerly ${old.map((one) => `\`${one}\``).join(", ")})` : "";
  const initial = option.initialDoc ?? `\`${formatInitial(option)}\``;
  return [
    `### \`${name}\`\n`,
    `${option.doc}.\n`,
    `- flag \`--${option.flag}\`, variable \`${name}\`${also}`,
    `- ${option.type.name.replaceAll("|", ", ")}; default: ${initial}\n`,
  ].join("\n");
}
