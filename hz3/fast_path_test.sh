#!/bin/sh
# The hot paths' instructions on success, counted up to the first return that the straight line reaches.
#   fast_path_test.sh LIBRARY MOST_MALLOC MOST_FREE MOST_SIZED_DELETE
set -u
library=$1
count() {
  start=$(nm -D "$library" | awk -v name="$1" '$3 == name { print "0x" $1 }')
  objdump -d --no-show-raw-insn --start-address="$start" --stop-address=$((start + 256)) "$library" |
    awk '$1 !~ /^[0-9a-f]+:$/ { next }
         { op = $2 }
         op ~ /^jmp/ { skip = 1 }
         !skip { n++ }
         op ~ /^ret/ { print n; exit }
         skip && op ~ /^nop/ { skip = 0 }
         skip && op ~ /^(cs|data16|xchg)/ { skip = 0 }'
}
case $(uname -m) in
x86_64) ;;
*)
  echo "counted on x86-64 only"
  exit 0
  ;;
esac
status=0
for pair in "malloc $2" "free $3" "_ZdlPvm $4"; do
  name=${pair% *} most=${pair#* }
  n=$(count "$name")
  echo "$name: $n instructions, $most allowed"
  [ -n "$n" ] && [ "$n" -le "$most" ] || status=1
done
exit $status
