// The same with request storage on, as in an app that calls currentRequest(): importing the module turns it on.
await import("servable/current");
await import("./servable.ts");
export {};
