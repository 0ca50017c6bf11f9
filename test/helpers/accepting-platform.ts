import { HostedRunStatus_State } from "../../src/platform/generated/controller_pb.ts";
import { ControlPlane } from "./control-plane.ts";
import { FileStore } from "./file-store.ts";

/** A control plane without apps, and its file store, for programs that deploy: every request succeeds. */
export class AcceptingPlatform implements AsyncDisposable {
  readonly #plane: ControlPlane;
  readonly #store: FileStore;

  private constructor(plane: ControlPlane, store: FileStore) {
    this.#plane = plane;
    this.#store = store;
  }

  static async start(): Promise<AcceptingPlatform> {
    const plane = await ControlPlane.start({
      grpc: {
        listAliases: () => ({}),
        *buildEnvironment() {
          yield { logs: [{ message: "#1 building with the default builder", level: 2, source: 1 }] };
          yield { status: { state: HostedRunStatus_State.SUCCESS } };
        },
        *registerApplication({ applicationName: name }) {
          const run = `https://fal.run/me/${name}`;
          const queue = `https://queue.fal.run/me/${name}`;
          const urls = {
            playground: `https://fal.ai/models/me/${name}`,
            run,
            queue,
            log: "https://fal.ai/logs",
          };
          yield { result: { applicationId: "7f1c2e34-0000-4000-8000-000000000000" }, serviceUrls: urls };
        },
      },
    });
    return new AcceptingPlatform(plane, await FileStore.start());
  }

  /** The files of the registered app, as paths in its build context. */
  get files(): readonly string[] {
    const requests = this.#plane.requestsOf("registerApplication");
    return requests.flatMap(({ files }) => files.map(({ relativePath }) => relativePath));
  }

  /** The variables with which programs use this platform. */
  get environment(): NodeJS.ProcessEnv {
    return { ...this.#plane.environment, FAL_REST_HOST: this.#store.url };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#store[Symbol.asyncDispose]();
    await this.#plane[Symbol.asyncDispose]();
  }
}
