// The same servable with request storage, as in an app that calls currentRequest(): importing the module enables it.
await import("servable/current");
await import("./servable.ts");
export {};
