/**
 * A module that is loaded when it is first needed, once. Node resolves each `import()` anew, also of a module that is loaded:
 * where hooks such as those of tsx are registered, that takes longer than a small request.
 */
export function lateImport<Module>(load: () => Promise<Module>): () => Promise<Module> {
  let loading: Promise<Module> | undefined;
  return () => (loading ??= load());
}
