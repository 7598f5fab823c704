// The table of classes. See shape.h.
#include "hz3/shape.h"

struct hz3_shape hz3_shape[HZ_CLASS_COUNT];
uint64_t hz3_reciprocal[HZ_CLASS_COUNT];

void hz3_shape_init(void) {
  for (unsigned cls = HZ_CLASS_FIRST; cls <= HZ_CLASS_LAST; cls++) {
    size_t bytes = hz_class_bytes(cls);
    struct hz3_shape *s = &hz3_shape[cls];
    size_t least = bytes <= 32 * HZ_KIB ? HZ3_BATCH_LEAST : HZ3_BATCH_LEAST_BIG;
    s->batch = (uint16_t)hz_clamp(HZ3_BATCH_BYTES / bytes, least, HZ3_BATCH_BLOCKS);
    s->capacity_max = (uint16_t)hz_max(hz_min(HZ3_BIN_BYTES / bytes, HZ3_BIN_MOST), 2u * s->batch);
    s->capacity_min = (uint16_t)hz_clamp(2 * HZ_KIB / bytes, 1, 8);
    s->span_blocks = hz_class_layout_table[cls].span_blocks;
    s->span_granules = hz_class_layout_table[cls].span_granules;
    hz3_reciprocal[cls] = UINT64_MAX / bytes + 1;
  }
}
