// Sends back every message, and ends with the process that started it: what node:child_process alone takes.
process.on("message", (message) => void process.send?.(message));
process.on("disconnect", () => process.exit(0));
