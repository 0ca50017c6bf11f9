// Sends back every message, and ends with its parent process: the cost of node:child_process alone.
process.on("message", (message) => void process.send?.(message));
process.on("disconnect", () => process.exit(0));
