#include "hz4/shard.h"

unsigned hz4_shards = 1;

void hz4_shard_init(unsigned cpus) {
  while (hz4_shards < cpus && hz4_shards < HZ4_SHARDS_MAX)
    hz4_shards *= 2;
}
