/**
 * Run in the image that is built, once its packages are installed: trims the `node_modules` of the working directory.
 * `TRIM_PACKAGES=0` keeps every file.
 * @module
 */
import { trimPackages } from "./trim-packages.ts";

trimPackages("node_modules", process.env["TRIM_PACKAGES"] !== "0");
