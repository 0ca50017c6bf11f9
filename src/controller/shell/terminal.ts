import { accessSync, constants } from "node:fs";
import { delimiter, join } from "node:path";

/** A program to run, as `spawn` takes it. */
export interface ShellProgram {
  readonly command: string;
  readonly args: readonly string[];
  /** Its working directory. */
  readonly directory: string;
  readonly environment: Readonly<Record<string, string>>;
}

/**
 * Runs a program on a terminal, and connects this terminal with the standard input and output. File 3 has a line with the
 * number of rows and columns for each change of the size. It ends with the exit code of the program, and ends the program when
 * its own input has ended: then nobody is there any more.
 */
const PYTHON = `
import fcntl, os, pty, select, signal, struct, sys, termios
pid, terminal = pty.fork()
if pid == 0:
    try:
        os.execvp(sys.argv[1], sys.argv[1:])
    except OSError as error:
        print(f"{sys.argv[1]}: {error.strerror}", file=sys.stderr)
        os._exit(127)
sources = [0, 3, terminal]
sizes = b""
while True:
    for source in select.select(sources, [], [])[0]:
        try:
            data = os.read(source, 65536)
        except OSError:
            data = b""
        if source == terminal:
            if not data:
                status = os.waitpid(pid, 0)[1]
                sys.exit(os.WEXITSTATUS(status) if os.WIFEXITED(status) else 128 + os.WTERMSIG(status))
            while data:
                data = data[os.write(1, data):]
        elif not data:
            sources.remove(source)
            if source == 0:
                os.kill(pid, signal.SIGHUP)
        elif source == 0:
            while data:
                data = data[os.write(terminal, data):]
        else:
            *lines, sizes = (sizes + data).split(b"\\n")
            for line in lines:
                rows, columns = (int(number) for number in line.split())
                fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
`;

/** How a program gets a terminal. */
interface Terminal {
  /** The program that makes the terminal and runs the other one on it. */
  readonly program: ShellProgram;
  /** Whether file 3 takes the size. */
  readonly hasSizes: boolean;
}

/**
 * A program that runs another one on a terminal: Python, otherwise `script` of util-linux, whose terminal has a fixed size.
 * Undefined if this machine has neither. Node itself makes no terminals.
 */
export function onTerminal(program: ShellProgram, path: string | undefined): Terminal | undefined {
  const python = findProgram("python3", path);
  if (python !== undefined) {
    const args = ["-c", PYTHON, program.command, ...program.args];
    return { program: { ...program, command: python, args }, hasSizes: true };
  }
  const script = findProgram("script", path);
  if (script === undefined) return undefined;
  const line = [program.command, ...program.args].map(quoted).join(" ");
  const args = ["-q", "-e", "-f", "-c", line, "/dev/null"];
  return { program: { ...program, command: script, args }, hasSizes: false };
}

/** The path of a program; undefined if it is not in one of the folders. */
export function findProgram(name: string, path: string | undefined): string | undefined {
  for (const folder of (path ?? "").split(delimiter)) {
    const file = join(folder, name);
    try {
      if (folder !== "") accessSync(file, constants.X_OK);
      else continue;
      return file;
    } catch {
      // the next one
    }
  }
  return undefined;
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}
