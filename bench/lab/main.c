/* The lab's front door: one program, one subcommand each.
 *
 * Called as `lab compare …`, or under the name of a subcommand (bench/compare), as the Bazel
 * targets are. */
#include "bench/lab/commands.h"
#include "bench/lab/text.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

struct subcommand {
  const char *name;
  int (*run)(struct launcher *l, int argc, char **argv);
  const char *about;
};

static const struct subcommand subcommands[] = {
    {"compare", command_compare, "every allocator, same conditions, one verdict"},
    {"full", command_full, "the whole matrix; safe to leave alone for a night"},
    {"ab", command_ab, "B against A in paired rounds: GO, NO-GO or NEUTRAL, and a record"},
    {"hang", command_hang, "repeats a lane until it hangs, and says why"},
    {"profile", command_profile, "the busiest functions of each allocator, side by side"},
    {"soak", command_soak, "the same work for long: drift, variation, tail"},
    {"sweep", command_sweep, "a grid of sizes, threads and options, as a heat map"},
    {"merge", command_merge, "runs from several machines in one report"},
};
enum { SUBCOMMANDS = sizeof subcommands / sizeof subcommands[0] };

static const struct subcommand *find(const char *name) {
  for (int i = 0; i < SUBCOMMANDS; i++)
    if (strcmp(subcommands[i].name, name) == 0)
      return &subcommands[i];
  return NULL;
}

static int usage(FILE *out) {
  fputs("usage: lab SUBCOMMAND [OPTION...]; lab SUBCOMMAND --help says more\n", out);
  for (int i = 0; i < SUBCOMMANDS; i++)
    fprintf(out, "  %-10s %s\n", subcommands[i].name, subcommands[i].about);
  return out == stdout ? LAB_EXIT_OK : LAB_EXIT_REFUSED;
}

int main(int argc, char **argv) {
  struct launcher launcher;
  /* First of all, while this process is small: see launcher.h. */
  if (!launcher_start(&launcher))
    lab_refuse("cannot start the launcher: %s.", strerror(errno));
  const char *slash = strrchr(argv[0], '/');
  const struct subcommand *chosen = find(slash != NULL ? slash + 1 : argv[0]);
  if (chosen == NULL) {
    if (argc < 2)
      return usage(stderr);
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "help") == 0)
      return usage(stdout);
    chosen = find(argv[1]);
    if (chosen == NULL) {
      fprintf(stderr, "lab: no subcommand is called '%s'.\n", argv[1]);
      return usage(stderr);
    }
    argc--;
    argv++;
  }
  int status = chosen->run(&launcher, argc, argv);
  launcher_shutdown(&launcher);
  return status;
}
