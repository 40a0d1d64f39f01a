/** Writes the pages of docs/ that are made from code: `deno task docs`. */

import { formatConfigurationPage } from "../../cli/configuration_page.ts";

const PAGE = new URL("../../docs/configuration.md", import.meta.url);

if (import.meta.main) await Deno.writeTextFile(PAGE, formatConfigurationPage());
