"""Bazel's own compile commands of our C sources, as a compile_commands.json.

    bazel aquery 'mnemonic("CppCompile", ...)' --output=jsonproto | compile_commands.py DIRECTORY

prints the JSON on stdout, one entry a source file. DIRECTORY is where the commands run: Bazel's
execution root. Only what the front end of another compiler understands is kept.
"""

import json
import sys

WITH_VALUE = ("-I", "-iquote", "-isystem", "-D", "-U", "-include")
ROOMS = ("common/", "hz3/", "hz4/", "bench/", "third_party/", "tools/")


def front_end(arguments):
    """The options of a command that say what the source means."""
    kept = []
    rest = iter(arguments)
    for argument in rest:
        if argument in WITH_VALUE:
            kept += [argument, next(rest)]
        elif argument.startswith(WITH_VALUE) or argument.startswith("-std="):
            kept.append(argument)
    return [a for a in kept if not a.startswith(("-D__DATE__", "-D__TIME"))]


def source_of(arguments):
    """The file that a command compiles, or None."""
    for flag, value in zip(arguments, arguments[1:]):
        if flag == "-c":
            return value
    return None


def main():
    directory = sys.argv[1]
    entries = {}
    for action in json.load(sys.stdin).get("actions", []):
        arguments = action["arguments"]
        source = source_of(arguments)
        if source is None or not source.startswith(ROOMS) or not source.endswith(".c"):
            continue
        # The same file in several configurations: the shortest one is that of the command line.
        command = ["clang"] + front_end(arguments) + ["-w", "-c", source]
        if source not in entries or len(command) < len(entries[source]["arguments"]):
            entries[source] = {"directory": directory, "file": source, "arguments": command}
    json.dump([entries[source] for source in sorted(entries)], sys.stdout, indent=1)


if __name__ == "__main__":
    main()
