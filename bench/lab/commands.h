/* The subcommands. Each takes the launcher, which main forked while the process was small, and the
 * command line after the subcommand's name (argv[0] is what usage calls the program); each returns
 * the exit status.
 *
 * Thread rule: main's thread. */
#ifndef BENCH_LAB_COMMANDS_H
#define BENCH_LAB_COMMANDS_H

#include "bench/lab/launcher.h"

int command_full(struct launcher *l, int argc, char **argv);
int command_compare(struct launcher *l, int argc, char **argv);
int command_ab(struct launcher *l, int argc, char **argv);
int command_hang(struct launcher *l, int argc, char **argv);
int command_profile(struct launcher *l, int argc, char **argv);
int command_soak(struct launcher *l, int argc, char **argv);
int command_sweep(struct launcher *l, int argc, char **argv);
int command_merge(struct launcher *l, int argc, char **argv);

#endif
