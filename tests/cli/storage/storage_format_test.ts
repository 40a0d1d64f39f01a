import assert from "node:assert/strict";
import { claimStorageFormat, STORAGE_FORMAT } from "../../../cli/storage/storage_format.ts";
import { withDirectory } from "../../support/temp_directory.ts";

Deno.test("claimStorageFormat() marks a directory without a mark, and takes it again", async () => {
  await withDirectory(async (directory) => {
    await claimStorageFormat(directory);
    assert.equal(await Deno.readTextFile(`${directory}/format`), `${STORAGE_FORMAT}\n`);
    assert.deepEqual([...Deno.readDirSync(directory)].map(({ name }) => name), ["format"]);
    await claimStorageFormat(directory);
  });
});

Deno.test("claimStorageFormat() takes an empty mark, which a lost disk may leave, for none", async () => {
  await withDirectory(async (directory) => {
    await Deno.writeTextFile(`${directory}/format`, "");
    await claimStorageFormat(directory);
    assert.equal(await Deno.readTextFile(`${directory}/format`), `${STORAGE_FORMAT}\n`);
  });
});

Deno.test("claimStorageFormat() refuses other formats, and says what to do", async () => {
  await withDirectory(async (directory) => {
    for (const mark of [`${STORAGE_FORMAT + 1}`, "0", "one"]) {
      await Deno.writeTextFile(`${directory}/format`, `${mark}\n`);
      await assert.rejects(claimStorageFormat(directory), {
        name: "StorageFormatError",
        message: new RegExp(
          `has format "${mark}", this version reads "${STORAGE_FORMAT}": use the`,
        ),
      });
      assert.equal(await Deno.readTextFile(`${directory}/format`), `${mark}\n`);
    }
  });
});
