import { MemoryContents, MemoryStore } from "../../../shapes/log/memory_store.ts";
import { testStoreContract } from "./store_contract.ts";

testStoreContract("MemoryStore", () => {
  const contents = new MemoryContents();
  return Promise.resolve({
    open: () => Promise.resolve(new MemoryStore(contents)),
    [Symbol.asyncDispose]: () => Promise.resolve(),
  });
});
