// Prints how much memory a process of Node's has that does nothing, in bytes: node bare-memory.js
console.log(process.memoryUsage.rss());
