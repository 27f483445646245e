import { flushCompileCache } from "node:module";
import { exitProcess } from "./libc.ts";

/**
 * From now on `process.exit(code)` ends the process as _exit(2) does, without taking its threads down first.
 * For programs whose threads hold kernel handles of the FFI library: Node frees a thread's event loop below such handles
 * and then dies of SIGSEGV, so that whoever started the program would see 139 and not what it had to say. The kernel
 * closes every descriptor by itself.
 */
export function exitWithoutTeardown(): void {
  process.once("exit", (code) => {
    flushCompileCache(); // the teardown would have done so
    exitProcess(code);
  });
}
