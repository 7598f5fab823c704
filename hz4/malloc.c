// malloc, free and all their kin, with the hot paths of route.h inlined.
#define HZ_ABI hz4
#include "hz4/route.h"

#include "common/abi/abi.h"
