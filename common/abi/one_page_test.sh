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
    bytes = number($2)
    misplaced = number($1) % 512 != 0 || bytes > 512
    printf "%s: 0x%s, %d bytes%s\n", $4, $1, bytes, misplaced ? ": not at a multiple of 512, or longer" : ""
    bad += misplaced
  }
  END { exit seen == 8 && bad == 0 ? 0 : 1 }'
