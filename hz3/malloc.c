// malloc, free and the rest of the C and C++ surface, with hz3's routes inlined.
#define HZ_ABI hz3
#include "hz3/route.h"
#include "hz3/stats.h"

#include "common/abi/abi.h"
