#!/bin/sh
# What a program calls all the time lies in one page: code that crosses into the next takes a quarter longer.
#   one_page_test.sh LIBRARY
set -u
nm -D -S "$1" | awk '
  function number(hex,   i, value) {
    value = 0
    for (i = 1; i <= length(hex); i++)
      value = value * 16 + index("0123456789abcdef", substr(hex, i, 1)) - 1
    return value
  }
  $4 ~ /^(malloc|free|_Znwm|_Znam|_ZdlPv|_ZdaPv|_ZdlPvm|_ZdaPvm)$/ {
    seen++
    start = number($1)
    last = start + number($2) - 1
    crosses = int(start / 4096) != int(last / 4096) || start % 512 != 0
    printf "%s: 0x%s, %d bytes%s\n", $4, $1, last - start + 1, crosses ? ": not at a multiple of 512, or longer" : ""
    bad += crosses || last - start >= 512
  }
  END { exit seen == 8 && bad == 0 ? 0 : 1 }'
