/**
 * Runs during a build, after the installation of the packages: trims the `node_modules` of the working directory and the
 * folders in its arguments. `TRIM_PACKAGES=0` keeps every file.
 * @module
 */
import { trimPackages } from "./trim-packages.ts";

for (const folder of ["node_modules", ...process.argv.slice(2)]) {
  trimPackages(folder, process.env["TRIM_PACKAGES"] !== "0");
}
