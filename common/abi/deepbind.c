// See deepbind.h. Apart from dlopen.c because a generation's options refer to it in every image,
// and dlopen belongs to the preload libraries alone.
#include "common/abi/deepbind.h"

bool hz_deepbind_kept;

const char *const hz_deepbind_words[] = {"drop", "keep", NULL};
