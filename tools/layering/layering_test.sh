#!/bin/sh
# The tree obeys the table; and a tree that does not is told so, include by include.
set -u
here=$PWD/tools/layering
failed=0

# The sources lie where the link among the runfiles points: no list of files can forget one.
tree=$(dirname "$(readlink -f WORKSPACE)")
sh "$here/check.sh" "$tree" "$here/table" || failed=1

bad=$TEST_TMPDIR/tree
mkdir -p "$bad/hz3" "$bad/hz4" "$bad/common/os" "$bad/common/base" "$bad/bench/workloads" \
  "$bad/archive/hz3"
echo 'int x;' >"$bad/common/base/units.h"
echo '#include <sys/mman.h>' >"$bad/common/os/os.h"
echo '#include "common/base/units.h"' >"$bad/hz4/span.h"
echo 'int w;' >"$bad/hz3/span.h"
echo 'int y;' >"$bad/archive/hz3/old.h"
sh "$here/check.sh" "$bad" "$here/table" || {
  echo "a tree that obeys the table was refused"
  exit 1
}

refuses() {
  file=$1
  line=$2
  wanted=$3
  echo "$line" >"$bad/$file"
  if said=$(sh "$here/check.sh" "$bad" "$here/table"); then
    echo "FAILED: $file with $line was accepted"
    failed=1
  else
    case $said in
    *"$wanted"*) echo "ok: $said" | head -n 1 ;;
    *)
      echo "FAILED: $file with $line should be refused for '$wanted', not: $said"
      failed=1
      ;;
    esac
  fi
  rm -f "$bad/$file"
}

refuses hz3/a.c '#include "hz4/span.h"' 'hz3 may not include "hz4/span.h"'
refuses common/base/a.h '# include "hz4/span.h"' 'common/base may not include "hz4/span.h"'
refuses common/base/a.h '#include "common/os/os.h"' 'common/base may not include "common/os/os.h"'
refuses bench/workloads/a.c '#include "hz4/span.h"' 'bench/workloads may not include'
refuses bench/workloads/a.c '#include "common/base/units.h"' 'bench/workloads may not include'
refuses hz3/a.c '#include "archive/hz3/old.h"' 'is no path from the top of the tree'
refuses hz3/a.c '#include "../hz4/span.h"' 'is no path from the top of the tree'
refuses hz3/a.c '#include <hz4/span.h>' 'is a header of this tree'
refuses hz3/a.c '#include <sys/mman.h>' '<sys/mman.h> is only for'
refuses hz3/a.c '#include <stdio.h>' '<stdio.h> is only for'
refuses hz4/b_test.cc '#include "hz3/span.h"' 'hz4 may not include'
refuses hz4/b_test.cc '#include "hz4/gone.h"' 'is no path from the top of the tree'
refuses hz4/a.c '#include "common/base/units.c"' 'is no header'
refuses hz4/a.c '#include NAME' 'must be written out'
mkdir -p "$bad/lost"
refuses lost/a.c 'int z;' 'no row of the table'
exit $failed
