import { readAppFacts, type AppFacts } from "../../../build-context/app-facts.ts";
import { readFunctionFacts, type FunctionFacts } from "../../../build-context/function-facts.ts";
import { INSTALL_FLAGS, originFlags } from "../../../environments/install-plan.ts";

/** How a runner is made of the files of a revision. All paths are relative to the folder of the revision. */
export interface Recipe {
  /** The folder that the runner starts in. */
  readonly folder: string;
  readonly program: string;
  /** Arguments of the program, to which the address is added. */
  readonly arguments: readonly string[];
  /** The exact version of Node; undefined if any will do. */
  readonly nodeVersion: string | undefined;
  readonly installs: readonly Install[];
}

/** An installation of packages. */
export interface Install {
  /** The folder that npm runs in. */
  readonly folder: string;
  /** The files, and folders of files, that the packages are installed from. */
  readonly files: readonly string[];
  /** Files of `files` whose scripts npm must not run. */
  readonly withoutScripts: readonly string[];
  /** The arguments of npm, for one run after the other. */
  readonly commands: readonly (readonly string[])[];
  /** The folders that npm fills. */
  readonly modules: readonly string[];
}

/** The recipe in the Dockerfile of an image; undefined if it was not generated. */
export function recipeOf(image: Readonly<Record<string, unknown>>): Recipe | undefined {
  const dockerfile = image["dockerfile_str"];
  if (typeof dockerfile !== "string") return undefined;
  const app = readAppFacts(dockerfile);
  if (app !== undefined) return appRecipe(app);
  const definition = readFunctionFacts(dockerfile);
  return definition === undefined ? undefined : functionRecipe(definition);
}

function appRecipe(facts: AppFacts): Recipe {
  return {
    folder: facts.folder,
    program: `${facts.framework}/dist/cli/main.js`,
    arguments: ["run", facts.target, "--log-format", "json"],
    nodeVersion: facts.nodeVersion,
    installs: [
      {
        folder: "",
        files: facts.packageFiles,
        withoutScripts: facts.withoutScripts,
        commands: [["ci", "--omit=dev", ...facts.installFlags, "--no-audit", "--no-fund"]],
        modules: ["node_modules", ...facts.nestedModules],
      },
    ],
  };
}

function functionRecipe({ program, nodeVersion, installs }: FunctionFacts): Recipe {
  return {
    folder: "",
    program,
    arguments: [],
    nodeVersion,
    installs: installs.map(({ folder, hasLockfile, steps }) => ({
      folder,
      files: [`${folder}/package.json`, ...(hasLockfile ? [`${folder}/package-lock.json`] : [])],
      withoutScripts: [],
      commands: [
        ...(hasLockfile ? [["ci", ...INSTALL_FLAGS]] : []),
        ...steps.map((step) => [
          "install",
          ...INSTALL_FLAGS,
          ...originFlags(NEWEST_NPM, step),
          "--",
          ...step,
        ]),
      ],
      modules: [`${folder}/node_modules`],
    })),
  };
}

/** Selects the flags of the newest npm; older versions ignore unknown flags. */
const NEWEST_NPM = "12";
