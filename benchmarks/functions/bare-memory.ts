// Prints the memory of an idle Node process, in bytes: node bare-memory.js
console.log(process.memoryUsage.rss());
