// Prints how much memory a worker has that has nothing to do, in bytes: node idle-memory.js
import { residentMemory } from "./measured-functions.ts";

await residentMemory();
console.log(await residentMemory());
