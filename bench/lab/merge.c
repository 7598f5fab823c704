/* merge: runs from several machines in one report, by machine. */
#include "bench/lab/commands.h"
#include "bench/lab/report.h"
#include "bench/lab/session.h"
#include "bench/lab/where.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char about[] = "Puts the runs in several folders into one report, by machine.\v"
                            "Writes merged.html into --out (or the folder one stands in); its path "
                            "is the last line printed.";

int command_merge(struct launcher *l, int argc, char **argv) {
  struct config config;
  (void)l;
  config_parse(&config, argc, argv, about, "DIR...");
  if (config.rest.n < 1)
    lab_refuse("merge takes the folders of one or more runs.");
  struct run_folder *runs = lab_zalloc(config.rest.n * sizeof *runs);
  for (size_t i = 0; i < config.rest.n; i++) {
    char *path = where_typed(config.rest.at[i]);
    run_folder_load(&runs[i], path);
    free(path);
  }
  char *folder = where_typed(config.out != NULL ? config.out : ".");
  if (!where_make(folder))
    lab_refuse("cannot make the folder %s: %s.", folder, strerror(errno));
  char *page = lab_format("%s/merged.html", folder);
  if (!report_write(page, runs, config.rest.n))
    lab_refuse("the report's page was not built with the lab.");
  for (size_t i = 1; i < config.rest.n; i++) {
    struct strings differences = {0};
    run_folder_differences(&runs[i], &runs[0], &differences);
    printf("%s against %s:\n", runs[i].path, runs[0].path);
    for (size_t d = 0; d < differences.n; d++)
      printf("  %s\n", differences.at[d]);
    strings_clear(&differences);
  }
  for (size_t i = 0; i < config.rest.n; i++)
    run_folder_clear(&runs[i]);
  free(runs);
  printf("%s\n", page);
  free(page);
  free(folder);
  return LAB_EXIT_OK;
}
