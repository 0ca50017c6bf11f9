import assert from "node:assert/strict";
import { test } from "node:test";
import { answerFor, formatBillableUnits, type ErrorAnswer } from "../../src/answers.ts";
import {
  AppException,
  BodyError,
  CUDAOutOfMemoryException,
  DefinitionError,
  FieldException,
  GPUException,
  GPUOutOfMemoryException,
  InputValidationError,
  OutputValidationError,
  RequestCancelledException,
  RequestTimeoutException,
  StartupError,
} from "../../src/errors.ts";

const INTERNAL: ErrorAnswer = { status: 500, body: { detail: "Internal Server Error" }, unexpected: true };
const GPU: ErrorAnswer = { status: 503, body: { detail: "GPU error" }, unexpected: true };
const CUDA: ErrorAnswer = { status: 503, body: { detail: "CUDA error: out of memory" }, unexpected: true };

const meant = (status: number, detail: string): ErrorAnswer => ({
  status,
  body: { detail },
  unexpected: false,
});

const RAISED: readonly (readonly [what: string, error: unknown, answer: ErrorAnswer])[] = [
  ["AppException", new AppException("No more pictures"), meant(500, "No more pictures")],
  ["AppException with a status", new AppException("Teapot", 418), meant(418, "Teapot")],
  ["AppException of success", new AppException("Take it later", 202), meant(202, "Take it later")],
  ["AppException that names a GPU library", new AppException("no cuda", 400), meant(400, "no cuda")],
  ["a cancelled request", new RequestCancelledException(), meant(499, "Request cancelled by the client.")],
  ["a cancelled request with words", new RequestCancelledException("Gone"), meant(499, "Gone")],
  ["a timeout", new RequestTimeoutException(50), meant(504, "The request took longer than 50 ms.")],
  ["GPUException", new GPUException(), meant(503, "GPU error")],
  ["GPUException of its own", new GPUException("Fell off the bus", 500), meant(500, "Fell off the bus")],
  ["GPUOutOfMemoryException", new GPUOutOfMemoryException(), meant(503, "GPU error: out of memory")],
  ["CUDAOutOfMemoryException", new CUDAOutOfMemoryException(), meant(503, "CUDA error: out of memory")],
  ["its own status", new CUDAOutOfMemoryException("Full", 507), meant(507, "Full")],
  ["too large a body", new BodyError("BODY_TOO_LARGE"), meant(413, "Request body is too large")],
  ["an unreadable body", new BodyError("BODY_UNREADABLE"), meant(400, "There was an error parsing the body")],
  ["an Error", new Error("secret"), INTERNAL],
  ["an AggregateError", new AggregateError([new Error("secret")], "secret"), INTERNAL],
  ["a result that does not fit", new OutputValidationError("run", []), INTERNAL],
  ["a DefinitionError", new DefinitionError("SETTING_INVALID", "secret"), INTERNAL],
  ["a StartupError", new StartupError("SETUP_FAILED", "secret"), INTERNAL],
];

for (const [what, error, answer] of RAISED) {
  test(`${what} is answered with ${answer.status}`, () => assert.deepEqual(answerFor(error), answer));
}

test("FieldException has the form of a validation error", () => {
  assert.deepEqual(answerFor(new FieldException("prompt", "Too rude")), {
    status: 422,
    body: { detail: [{ loc: ["body", "prompt"], msg: "Too rude", type: "value_error" }] },
    unexpected: false,
  });
  const options = { statusCode: 400, type: "rude", billableUnits: 3 };
  assert.deepEqual(answerFor(new FieldException("prompt", "Too rude", options)), {
    status: 400,
    body: { detail: [{ loc: ["body", "prompt"], msg: "Too rude", type: "rude" }] },
    headers: { "x-fal-billable-units": "3" },
    unexpected: false,
  });
});

test("billable units: an integer stays as it is, other numbers and numeric text get 8 decimals", () => {
  const table: readonly (readonly [units: unknown, header: string])[] = [
    [7, "7"],
    [7.0, "7"],
    [-2, "-2"],
    [123_456_789_012, "123456789012"],
    [1e21, "1000000000000000000000"],
    [12n, "12"],
    ["7", "7.00000000"],
    ["0", "0.00000000"],
    [" 2.5 ", "2.50000000"],
    ["1e3", "1000.00000000"],
    ["1e21", "1000000000000000000000.00000000"],
    ["-1e21", "-1000000000000000000000.00000000"],
    [0.1, "0.10000000"],
    [1.23e-5, "0.00001230"],
    [1e-9, "0.00000000"],
    [1.999_999_999, "2.00000000"],
  ];
  for (const [units, header] of table) {
    const { headers } = answerFor(new FieldException("a", "b", { billableUnits: units as number }));
    assert.deepEqual(headers, { "x-fal-billable-units": header }, String(units));
    assert.equal(formatBillableUnits(units), header);
  }
});

test("falsy billable units are omitted", () => {
  for (const units of [0, -0, "", undefined, NaN]) {
    const answer = answerFor(new FieldException("a", "b", { billableUnits: units as number }));
    assert.equal(answer.status, 422);
    assert.equal(answer.headers, undefined);
  }
});

test("billable units that are not numeric are an error of the app", () => {
  for (const units of ["many", " ", "7 units", Infinity, -Infinity, "Infinity", {}, [7], true, Symbol("7")]) {
    const answer = answerFor(new FieldException("a", "b", { billableUnits: units as number }));
    assert.deepEqual(answer, INTERNAL);
  }
});

test("a status outside HTTP's range is an error of the app", () => {
  for (const status of [0, 99, 199, 600, 1000, 404.5, NaN, Infinity, "404", null, {}]) {
    assert.deepEqual(answerFor(new AppException("a", status as number)), INTERNAL, String(status));
    const field = new FieldException("a", "b", { statusCode: status as number });
    assert.deepEqual(
      answerFor(field),
      status === null ? { ...answerFor(new FieldException("a", "b")) } : INTERNAL,
    );
  }
});

test("rejected input is answered with its issues, and is not billed", () => {
  const issues = [{ type: "missing", loc: ["body", "a"], msg: "Field required", input: {} }];
  assert.deepEqual(answerFor(new InputValidationError(issues)), {
    status: 422,
    body: { detail: issues },
    headers: { "x-fal-billable-units": "0" },
    unexpected: false,
  });
});

test("an error that reports CUDA out of memory requests another runner", () => {
  const messages = [
    "CUDA out of memory. Tried to allocate 20.00 MiB",
    "CUDA error: out of memory",
    "RuntimeError:\nCUDA failed:\nit is\nout of memory",
    "out of memory on device CUDA:0",
    "NVML_SUCCESS == r INTERNAL ASSERT FAILED at CUDACachingAllocator.cpp:830",
    "cuDNN failed with CUDNN_STATUS_INTERNAL_ERROR",
    "cuDNN error: CUDNN_STATUS_NOT_SUPPORTED. This error may appear if you passed in a non-contiguous input.",
  ];
  for (const message of messages) {
    assert.deepEqual(answerFor(new Error(message)), CUDA, message);
    assert.deepEqual(answerFor(message), CUDA, "thrown as a text");
  }
});

test("an error that names a GPU library, in any case, is a GPU error", () => {
  const words = ["cuda", "cudnn", "nvml", "nccl", "cublas", "cufft", "cusolver", "cusparse", "triton"];
  for (const word of words) {
    for (const shown of [word, word.toUpperCase(), word.charAt(0).toUpperCase() + word.slice(1)]) {
      for (const message of [
        shown,
        `${shown} failed`,
        `no ${shown}!`,
        `a/${shown}_x`,
        `(${shown})`,
        `x\n${shown}\ny`,
      ]) {
        assert.deepEqual(answerFor(new Error(message)), GPU, message);
      }
    }
  }
});

test("a GPU library's name is recognised at the start of a word or file name unless a lowercase letter follows it", () => {
  const messages = [
    "cudaErrorIllegalAddress: an illegal memory access was encountered",
    "ncclSystemError: System call (e.g. socket, malloc) failed",
    "libcudart.so.12: cannot open shared object file: No such file or directory",
    "/usr/lib/x86_64-linux-gnu/libcuda.so.1: file too short",
    "CUDNN_STATUS_EXECUTION_FAILED",
    "cublasLtMatmul failed with 14",
    "cublasSgemm",
    "CUBLAS_STATUS_ALLOC_FAILED",
    "nvmlInit_v2() failed: Driver/library version mismatch",
    "libnvidia or LibNVML could not be loaded",
    "nvrtc: error: failed to open libnvrtc-builtins.so.12.1",
    "NVRTC_ERROR_COMPILATION",
    "curandCreateGenerator",
    "CUSOLVER_STATUS_INTERNAL_ERROR",
    "cusparseSpMM, libcusparseLt.so.0",
    "cufftExecC2C",
    "cuptiActivityEnable",
    "no libcudnn_ops_infer.so.8",
    "cudart64_110.dll not found",
    "nvcuda.dll",
    "CUDAExecutionProvider is not available",
    "torch.cuda.OutOfMemoryError",
    "c10_cuda_check_implementation",
    "onnxruntime::CudaCall",
    "Cuda2",
    "cuda12",
    "a cuda-less machine",
    "«cuda»",
  ];
  for (const message of messages) assert.deepEqual(answerFor(new Error(message)), GPU, message);
});

test("a word that merely contains such a name, or continues it with lowercase letters, is not recognised", () => {
  const messages = [
    "barracuda",
    "Barracudas",
    "barraCUDA",
    "tritone",
    "tritonic",
    "Tritons",
    "cudaland",
    "Cudahy, Wisconsin",
    "cudartist",
    "librarycuda",
    "calibcuda",
    "3cuda",
    "écuda",
    "cudaé",
    "sencclave",
    "ncclave",
    "libcudaland",
    "out of memory",
    "libre",
    "liberty",
  ];
  for (const message of messages) assert.deepEqual(answerFor(new Error(message)), INTERNAL, message);
});

test("only the visible message of an error is searched: neither its cause nor its stack", () => {
  assert.deepEqual(answerFor(new Error("plain", { cause: new Error("cuda") })), INTERNAL);
  const error = new Error("plain");
  error.stack = "Error: plain\n    at cuda (file.ts)";
  assert.deepEqual(answerFor(error), INTERNAL);
});
