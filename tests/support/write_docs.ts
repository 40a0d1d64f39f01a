/** Writes the pages of docs/ that are made from code: `deno task docs`. */

import { formatConfigurationPage } from "../../cli/configuration_page.ts";
import { formatWherePage } from "./where_page.ts";

const DOCS = new URL("../../docs/", import.meta.url);

if (import.meta.main) {
  await Deno.writeTextFile(new URL("configuration.md", DOCS), formatConfigurationPage());
  await Deno.writeTextFile(new URL("WHERE.md", DOCS), formatWherePage());
}
