// Prints the memory of an idle worker, in bytes: node idle-memory.js
import { residentMemory } from "./measured-functions.ts";

await residentMemory();
console.log(await residentMemory());
