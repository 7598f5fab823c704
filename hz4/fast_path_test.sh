#!/bin/sh
# The instructions of the hot paths on success, ret included, of a library's malloc and free, operator
# new and sized delete:
#   fast_path_test.sh LIBRARY THREAD_MALLOC THREAD_FREE CPU_MALLOC CPU_FREE     (the most allowed)
#                             THREAD_NEW THREAD_DELETE CPU_NEW CPU_DELETE
# Per thread: the straight line to the first ret. Per CPU: the straight line to the jump that the low
# bit of the thread's word takes (test $0x1, ...; jne), and from there to a ret; a jump over what leaves
# for another function is taken.
set -u
if [ "$(uname -m)" != x86_64 ]; then
  echo "counted on x86-64 only"
  exit 0
fi
library=$1

lines() { # NAME: address, operation and operands of the function
  start=$(nm -D "$library" | awk -v name="$1" '$3 == name { print "0x" $1 }')
  objdump -d --no-show-raw-insn --start-address="$start" --stop-address=$((start + 400)) "$library" |
    awk '$1 ~ /^[0-9a-f]+:$/ { sub(":", "", $1); print }'
}
thread() { lines "$1" | awk '{ n++ } $2 ~ /^ret/ { print n; exit }'; }
cpu() {
  lines "$1" | awk '
    { all[NR] = $0; at[$1] = NR; op[NR] = $2; arg[NR] = $3 }
    END {
      for (i = 1; i < NR; i++)
        if (op[i] == "test" && arg[i] ~ /^\$0x1,/ && op[i + 1] == "jne")
          break
      n = i + 1
      for (j = at[arg[i + 1]]; j <= NR;) {
        n++
        if (op[j] ~ /^ret/) { print n; exit }
        for (k = j + 1; op[k] !~ /^(j|ret)/; k++)
          ;
        j = op[j] ~ /^j/ && op[k] == "jmp" ? at[arg[j]] : j + 1
      }
    }'
}
status=0
check() { # WHAT COUNT MOST
  echo "$1: $2 instructions, $3 allowed"
  [ -n "$2" ] && [ "$2" -le "$3" ] || status=1
}
check "malloc per thread" "$(thread malloc)" "$2"
check "free per thread" "$(thread free)" "$3"
check "malloc per CPU" "$(cpu malloc)" "$4"
check "free per CPU" "$(cpu free)" "$5"
check "new per thread" "$(thread _Znwm)" "$6"
check "sized delete per thread" "$(thread _ZdlPvm)" "$7"
check "new per CPU" "$(cpu _Znwm)" "$8"
check "sized delete per CPU" "$(cpu _ZdlPvm)" "$9"
exit $status
