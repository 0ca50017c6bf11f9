/** The table of this package's error codes. `docs/errors.md` lists the same codes, which a test checks. */

/** One row of the error table. */
export interface ErrorKind {
  /** The HTTP status a client gets; absent if the error never reaches a client. */
  readonly status?: number;
  /** The exit code of a process that ends with this error; absent if it ends no process. */
  readonly exitCode?: number;
  /** Its meaning, in one sentence. */
  readonly meaning: string;
}

/** Meaning, HTTP status and exit code of every error of this package, by code. */
export const ERRORS = {
  // Thrown when a class is defined or used: the code is wrong.
  LEGACY_DECORATORS: { exitCode: 1, meaning: "The decorators were compiled in the legacy form." },
  ROUTE_PATH_INVALID: { exitCode: 1, meaning: "A route's path cannot be served." },
  ROUTE_PATH_TAKEN: { exitCode: 1, meaning: "Two methods claim one path." },
  ROUTE_METHOD_REFUSED: { exitCode: 1, meaning: "A decorated method is private, static or has no name." },
  ROUTE_DECORATED_TWICE: { exitCode: 1, meaning: "One method carries two route decorators." },
  ROUTE_OPTION_INVALID: { exitCode: 1, meaning: "A route option has an invalid value." },
  ROUTES_MISSING: { exitCode: 1, meaning: "The class has no route to serve." },
  SCHEMA_INVALID: {
    exitCode: 1,
    meaning: "A schema does not compile, or a default does not match its schema.",
  },
  SCHEMA_NAME_TAKEN: { exitCode: 1, meaning: "Two different schemas carry one $id." },
  HEALTH_CHECK_TWICE: { exitCode: 1, meaning: "More than one endpoint is marked as the health check." },
  CONSTRUCTOR_ARGUMENTS: { exitCode: 1, meaning: "The class's constructor takes arguments." },
  SETTING_INVALID: { exitCode: 1, meaning: "A setting has an invalid value." },
  PLUGIN_TOO_LATE: {
    exitCode: 1,
    meaning: "A plugin or hook is registered after the routes that it is meant for were mounted.",
  },
  PLUGIN_CONFLICT: {
    exitCode: 1,
    meaning: "configure() registers a plugin for the whole server that the framework uses itself.",
  },
  SETTING_UNKNOWN: { exitCode: 1, meaning: "A static looks like a misspelt setting." },
  // Thrown when a server starts.
  PORT_UNAVAILABLE: { exitCode: 3, meaning: "The port is in use, or may not be opened." },
  SETUP_FAILED: { exitCode: 3, meaning: "configure(), setup() or lifespan() threw." },
  PLATFORM_FAILED: {
    exitCode: 3,
    meaning: "The self-hosted platform can't start, or can't do what it is asked to.",
  },
  // Thrown by the command line.
  USAGE: { exitCode: 1, meaning: "The command line has an invalid argument." },
  // Raised while a request is handled.
  APP_EXCEPTION: {
    status: 500,
    meaning: "The handler rejected the request with its own message and status.",
  },
  UNAUTHORIZED: { status: 401, meaning: "The caller sent no credentials, or invalid ones." },
  FORBIDDEN: { status: 403, meaning: "The caller is known, but may not do this." },
  AUTHENTICATION_UNAVAILABLE: {
    status: 503,
    meaning: "The keys that tokens are checked with can't be fetched at the moment.",
  },
  FIELD_EXCEPTION: { status: 422, meaning: "The handler rejected one field of the input." },
  REQUEST_CANCELLED: { status: 499, meaning: "The caller cancelled the request." },
  SERVER_STOPPED: { status: 503, meaning: "The server stopped before the request was done." },
  GPU_ERROR: { status: 503, meaning: "The GPU failed; the runner should be replaced." },
  GPU_OUT_OF_MEMORY: { status: 503, meaning: "The GPU is out of memory; the runner should be replaced." },
  CUDA_OUT_OF_MEMORY: { status: 503, meaning: "CUDA is out of memory; the runner should be replaced." },
  REQUEST_TIMEOUT: { status: 504, meaning: "The handler ran beyond the endpoint's timeout." },
  QUEUE_TIMEOUT: { status: 504, meaning: "The time was up before the handler could start." },
  STREAM_TIMEOUT: { status: 504, meaning: "The next item of a stream took longer than its timeout." },
  SESSION_TIMEOUT: { status: 504, meaning: "A realtime session had no input for too long." },
  QUEUE_FULL: { status: 429, meaning: "The queue is full." },
  OVERLOADED: {
    status: 429,
    meaning: "The server has too many requests, or too much data in memory; nothing was run.",
  },
  BATCH_LENGTH: { status: 500, meaning: "A batched handler returned more or fewer results than inputs." },
  BATCH_ITEM_ERRORS: { status: 500, meaning: "Some items of a batch failed; each has its own answer." },
  WORKER_DIED: { status: 500, meaning: "The worker process that ran the request ended." },
  INPUT_INVALID: { status: 422, meaning: "The body does not match the input schema." },
  BODY_UNREADABLE: {
    status: 400,
    meaning: "The body is not UTF-8, is nested too deeply, or is not valid multipart or form data.",
  },
  BODY_TOO_COMPLEX: { status: 413, meaning: "The body holds more values than the limit." },
  BODY_TOO_LARGE: { status: 413, meaning: "The body is larger than the limit." },
  BODY_TIMEOUT: { status: 408, meaning: "The body of an upload or a form arrived too slowly." },
  BODY_STORAGE_FULL: { status: 507, meaning: "The disk has no space for the files of a body." },
  OUTPUT_INVALID: { status: 500, meaning: "The handler's result does not match the output schema." },
  OUTPUT_UNSENDABLE: {
    status: 500,
    meaning: "The handler's result has a value that an answer cannot carry.",
  },
  // Thrown where a file is fetched or downloaded. A handler that lets one through answers with the status.
  FETCH_FAILED: { status: 500, meaning: "A file could not be fetched from a URL, or its URL is refused." },
  DOWNLOAD_FAILED: {
    status: 500,
    meaning: "A file or a repository could not be downloaded, verified or stored.",
  },
  MEDIA_UNREADABLE: {
    status: 500,
    meaning: "A file that the app created is not what its kind promises.",
  },
  STORAGE_FAILED: { status: 500, meaning: "A file of an answer could not be stored." },
  KV_FAILED: { status: 500, meaning: "A value could not be read from a KVStore, or not be stored in it." },
  // Thrown where an isolated function is defined or called. A handler that lets one through answers with the status.
  FUNCTION_OPTION_INVALID: {
    exitCode: 1,
    meaning: "An option of an isolated function is unknown, misplaced or invalid.",
  },
  USER_FUNCTION_FAILED: { status: 500, meaning: "The isolated function itself threw." },
  SERIALIZATION_FAILED: {
    status: 500,
    meaning: "A value, or the function itself, cannot be sent to another process.",
  },
  MISSING_DEPENDENCY: {
    status: 500,
    meaning: "The function imports a package that its environment does not have.",
  },
  BUNDLE_FAILED: { status: 500, meaning: "The function's module could not be bundled." },
  ENVIRONMENT_FAILED: { status: 500, meaning: "The function's environment could not be installed." },
  CONTAINER_UNAVAILABLE: {
    status: 500,
    meaning: "The function needs a container, and no container engine works here.",
  },
  FUNCTION_WORKER_DIED: { status: 500, meaning: "The process that ran the isolated function ended." },
  STARTUP_TIMEOUT: { status: 500, meaning: "The function's process took too long to start." },
  RUN_FAILED: { status: 500, meaning: "The platform ended the run of a function, or could not start it." },
  INTERNAL_FAILURE: { status: 500, meaning: "Something failed outside the function." },
  // Thrown where a container image is described or built.
  IMAGE_INVALID: { exitCode: 1, meaning: "A container image's Dockerfile or options are invalid." },
  BUILDER_MISSING: { exitCode: 1, meaning: "No program here can build container images." },
  BUILD_FAILED: { exitCode: 1, meaning: "The image could not be built or pushed." },
  // Thrown by the client of a control plane.
  PLATFORM_UNREACHABLE: {
    exitCode: 1,
    meaning: "The control plane could not be reached, or the connection broke.",
  },
  PLATFORM_REFUSED: { exitCode: 1, meaning: "The control plane answered with an error." },
  CREDENTIALS_MISSING: { exitCode: 1, meaning: "There is no key to send to the control plane." },
  CREDENTIALS_INVALID: {
    exitCode: 1,
    meaning: "The key is malformed, or the control plane does not know it.",
  },
  CONFIG_INVALID: { exitCode: 1, meaning: "The file with the profiles cannot be read or written." },
  UPLOAD_FAILED: { exitCode: 1, meaning: "Files of a deployment could not be read or uploaded." },
  DEPLOY_FAILED: { exitCode: 1, meaning: "The control plane could not build or register an app." },
} as const satisfies Record<string, ErrorKind>;

/** The code of an error of this package. */
export type ErrorCode = keyof typeof ERRORS;
