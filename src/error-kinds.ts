/**
 * Every code of this package's errors, and what it means, in one table. `docs/errors.md` lists the same codes; a test
 * holds the two together.
 */

/** One row of the error table. */
export interface ErrorKind {
  /** The HTTP status a client gets; absent where the error never reaches one. */
  readonly status?: number;
  /** The exit code of a process that ends by this error; absent where it does not end one. */
  readonly exitCode?: number;
  /** What it means, in a sentence. */
  readonly meaning: string;
}

/** Code → meaning, HTTP status and exit code of every error of this package. */
export const ERRORS = {
  // Thrown when a class is defined or used: the code is wrong.
  LEGACY_DECORATORS: { exitCode: 1, meaning: "The decorators were compiled in the legacy form." },
  ROUTE_PATH_INVALID: { exitCode: 1, meaning: "A route's path cannot be served." },
  ROUTE_PATH_TAKEN: { exitCode: 1, meaning: "Two methods claim one path." },
  ROUTE_METHOD_REFUSED: { exitCode: 1, meaning: "A decorated method is private, static or has no name." },
  ROUTE_DECORATED_TWICE: { exitCode: 1, meaning: "One method carries two route decorators." },
  ROUTE_OPTION_INVALID: { exitCode: 1, meaning: "A route option has a value that makes no sense." },
  ROUTES_MISSING: { exitCode: 1, meaning: "The class has no route to serve." },
  SCHEMA_INVALID: {
    exitCode: 1,
    meaning: "A schema does not compile, or a default does not fit its schema.",
  },
  SCHEMA_NAME_TAKEN: { exitCode: 1, meaning: "Two different schemas carry one $id." },
  HEALTH_CHECK_TWICE: { exitCode: 1, meaning: "More than one endpoint is marked as the health check." },
  CONSTRUCTOR_ARGUMENTS: { exitCode: 1, meaning: "The class's constructor takes arguments." },
  SETTING_INVALID: { exitCode: 1, meaning: "A setting has a value that makes no sense." },
  SETTING_UNKNOWN: { exitCode: 1, meaning: "A static looks like a misspelt setting." },
  // Thrown when a server starts.
  PORT_UNAVAILABLE: { exitCode: 3, meaning: "The port is in use, or may not be opened." },
  SETUP_FAILED: { exitCode: 3, meaning: "setup() or lifespan() threw." },
  // Thrown by the command line.
  USAGE: { exitCode: 1, meaning: "The command line was given something it cannot use." },
  // Raised while a request is handled.
  APP_EXCEPTION: {
    status: 500,
    meaning: "The handler refused the request with a message and a status of its own.",
  },
  FIELD_EXCEPTION: { status: 422, meaning: "The handler refused one field of the input." },
  REQUEST_CANCELLED: { status: 499, meaning: "The caller cancelled the request." },
  SERVER_STOPPED: { status: 503, meaning: "The server stopped before the request was done." },
  GPU_ERROR: { status: 503, meaning: "The GPU failed; the runner should be replaced." },
  GPU_OUT_OF_MEMORY: { status: 503, meaning: "The GPU is out of memory; the runner should be replaced." },
  CUDA_OUT_OF_MEMORY: { status: 503, meaning: "CUDA is out of memory; the runner should be replaced." },
  REQUEST_TIMEOUT: { status: 504, meaning: "The handler ran beyond the endpoint's timeout." },
  QUEUE_TIMEOUT: { status: 504, meaning: "The time was up before the handler could start." },
  STREAM_TIMEOUT: { status: 504, meaning: "The next item of a stream took longer than its timeout." },
  SESSION_TIMEOUT: { status: 504, meaning: "A realtime session had no input for too long." },
  QUEUE_FULL: { status: 429, meaning: "As many requests wait already as may." },
  OVERLOADED: { status: 429, meaning: "There is too much to do, or too much in memory; nothing was run." },
  BATCH_LENGTH: { status: 500, meaning: "A batched handler returned more or fewer results than inputs." },
  BATCH_ITEM_ERRORS: { status: 500, meaning: "Some items of a batch failed; each has its own answer." },
  WORKER_DIED: { status: 500, meaning: "The worker process that ran the request ended." },
  INPUT_INVALID: { status: 422, meaning: "The body does not fit the input schema." },
  BODY_UNREADABLE: { status: 400, meaning: "The body is not UTF-8, or is nested too deeply." },
  BODY_TOO_COMPLEX: { status: 413, meaning: "The body holds more values than the limit." },
  BODY_TOO_LARGE: { status: 413, meaning: "The body is larger than the limit." },
  OUTPUT_INVALID: { status: 500, meaning: "The handler's result does not fit the output schema." },
  OUTPUT_UNSENDABLE: { status: 500, meaning: "The handler's result holds what an answer can't carry." },
  // Thrown where an isolated function is defined or called. A handler that lets one through answers with the status.
  FUNCTION_OPTION_INVALID: {
    exitCode: 1,
    meaning: "An option of an isolated function is unknown, out of place or has a value that makes no sense.",
  },
  USER_FUNCTION_FAILED: { status: 500, meaning: "The isolated function itself threw." },
  SERIALIZATION_FAILED: {
    status: 500,
    meaning: "A value, or the function itself, cannot travel to another process.",
  },
  MISSING_DEPENDENCY: {
    status: 500,
    meaning: "The function imports a package that its environment does not have.",
  },
  BUNDLE_FAILED: { status: 500, meaning: "The function's module could not be bundled." },
  ENVIRONMENT_FAILED: { status: 500, meaning: "The function's environment could not be installed." },
  CONTAINER_UNAVAILABLE: {
    status: 500,
    meaning: "The function wants a container, and nothing here can run one.",
  },
  FUNCTION_WORKER_DIED: { status: 500, meaning: "The process that ran the isolated function ended." },
  STARTUP_TIMEOUT: { status: 500, meaning: "The function's process took too long to start." },
  RUN_FAILED: { status: 500, meaning: "The platform ended the run of a function, or could not start it." },
  INTERNAL_FAILURE: { status: 500, meaning: "Something failed that is no fault of the function's." },
  // Thrown where a container image is described or built.
  IMAGE_INVALID: { exitCode: 1, meaning: "A container image's Dockerfile or options make no sense." },
  BUILDER_MISSING: { exitCode: 1, meaning: "Nothing here can build container images." },
  BUILD_FAILED: { exitCode: 1, meaning: "The image could not be built or pushed." },
  // Thrown by what talks to a control plane.
  PLATFORM_UNREACHABLE: { exitCode: 1, meaning: "The control plane could not be reached, or broke off." },
  PLATFORM_REFUSED: { exitCode: 1, meaning: "The control plane answered with an error." },
  CREDENTIALS_MISSING: { exitCode: 1, meaning: "There is no key to send to the control plane." },
  CREDENTIALS_INVALID: {
    exitCode: 1,
    meaning: "The key has not the form of one, or the control plane does not know it.",
  },
  CONFIG_INVALID: { exitCode: 1, meaning: "The file with the profiles cannot be read or written." },
  UPLOAD_FAILED: { exitCode: 1, meaning: "Files of a deployment could not be read or uploaded." },
  DEPLOY_FAILED: { exitCode: 1, meaning: "The control plane could not build or register an app." },
} as const satisfies Record<string, ErrorKind>;

/** The code of an error of this package. */
export type ErrorCode = keyof typeof ERRORS;
