// The index of free runs against a plain array that says of each granule what it is.
#include "common/arena/free_index.h"

#include <algorithm>
#include <memory>
#include <random>
#include <set>
#include <vector>

#include <gtest/gtest.h>

namespace {

enum Granule : char { kHeld, kClean, kDirty, kBusy };

struct Model {
  explicit Model(uint64_t granules)
      : is(granules, kHeld), nodes(granules), bits(granules / 64 + 1), level0(granules / 64 + 1),
        level1(granules / 4096 + 1) {
    hz_free_tables tables = {nodes.data(), bits.data(), level0.data(), level1.data()};
    hz_free_index_init(&index, &tables);
    index.end = granules;
  }
  std::vector<Granule> is;
  std::vector<hz_free_node> nodes;
  std::vector<uint64_t> bits;
  std::vector<hz_set_words> level0, level1;
  hz_free_index index = {};

  bool free_at(uint64_t g) const { return is[g] == kClean || is[g] == kDirty; }
  uint64_t run_end(uint64_t g) const {
    while (g < is.size() && free_at(g))
      g++;
    return g;
  }
  // Every maximal free run of the array, by the array alone.
  std::vector<std::pair<uint64_t, uint64_t>> runs() const {
    std::vector<std::pair<uint64_t, uint64_t>> found;
    for (uint64_t g = 0; g < is.size();) {
      uint64_t end = run_end(g);
      if (end > g)
        found.push_back({g, end - g});
      g = std::max(end, g + 1);
    }
    return found;
  }
  uint64_t dirty_in(uint64_t g, uint64_t count) const {
    return uint64_t(std::count(is.begin() + long(g), is.begin() + long(g + count), kDirty));
  }
};

void expect_best_fit(const Model &m, hz_free_kind kind, uint64_t count) {
  uint64_t best = UINT64_MAX, best_length = UINT64_MAX;
  for (auto [g, length] : m.runs()) {
    bool warm = m.dirty_in(g, length) != 0;
    if (warm == (kind == HZ_FREE_WARM) && length >= count && length < best_length) {
      best = g;
      best_length = length;
    }
  }
  hz_free_found found;
  bool there = hz_free_find(&m.index, kind, count, 1, 0, &found);
  ASSERT_EQ(there, best != UINT64_MAX);
  if (!there)
    return;
  ASSERT_EQ(found.run, best);
  ASSERT_GE(found.start, best);
  ASSERT_LE(found.start + count, best + best_length);
  if (kind == HZ_FREE_WARM) {
    ASSERT_GT(m.dirty_in(found.start, count), 0u);
  }
}

TEST(FreeIndex, AgainstAnArray) {
  for (uint64_t seed = 1; seed <= 20; seed++) {
    std::mt19937_64 rng(seed);
    Model m(seed % 2 ? 300 : 5000);
    uint64_t granules = m.is.size();
    uint32_t now = uint32_t(0) - 2000; // the clock wraps on the way
    std::vector<uint64_t> busy;
    for (int step = 0; step < 4000; step++) {
      now += rng() % 3;
      uint64_t g = rng() % granules, count = 1 + rng() % (rng() % 4 ? 3 : 40);
      switch (rng() % 8) {
      case 0:
      case 1:
      case 2: { // give back what is held from g on
        uint64_t end = g;
        while (end < granules && end < g + count && m.is[end] == kHeld)
          end++;
        if (end == g)
          break;
        bool dirty = rng() % 3 != 0;
        hz_free_put(&m.index, g, end - g, dirty, now);
        std::fill(m.is.begin() + long(g), m.is.begin() + long(end), dirty ? kDirty : kClean);
        break;
      }
      case 3:
      case 4: { // best fit
        hz_free_kind kind = rng() % 2 ? HZ_FREE_WARM : HZ_FREE_COLD;
        expect_best_fit(m, kind, count);
        uint64_t align = uint64_t(1) << (rng() % 5), phase = rng() % 64;
        hz_free_found found;
        if (!hz_free_find(&m.index, kind, count, align, phase, &found))
          break;
        ASSERT_EQ((found.start + phase) % align, 0u);
        uint64_t dirty = m.dirty_in(found.start, count);
        ASSERT_EQ(hz_free_dirty_in(&m.index, found.start, count), dirty);
        ASSERT_EQ(hz_free_take(&m.index, found.run, found.start, count), dirty);
        for (uint64_t i = found.start; i < found.start + count; i++) {
          ASSERT_TRUE(m.free_at(i));
          m.is[i] = kHeld;
        }
        break;
      }
      case 5: { // neighbours
        uint64_t length = 0;
        if (m.free_at(g) && (g == 0 || !m.free_at(g - 1)))
          length = m.run_end(g) - g;
        if (length == 0 && m.free_at(g))
          break; // in the middle: not to be asked
        ASSERT_EQ(hz_free_run_at(&m.index, g), length);
        if (length != 0) {
          ASSERT_EQ(hz_free_run_below(&m.index, g + length), length);
        }
        break;
      }
      case 6: { // out for a purge, the oldest first
        uint32_t run = m.index.oldest[HZ_FREE_WARM];
        if (run == HZ_FREE_NIL)
          break;
        uint64_t gap = rng() % 10, most = 1 + rng() % 30, start, dirty;
        hz_free_stretch how = {gap, most, uint64_t(1) << rng() % 6, rng() % 64};
        uint64_t length = hz_free_take_dirty(&m.index, run, &how, &start, &dirty);
        ASSERT_EQ(m.dirty_in(start, length), dirty);
        ASSERT_LT(dirty, most + how.unit);
        ASSERT_GT(dirty, 0u);
        ASSERT_EQ(m.is[start], kDirty);
        ASSERT_EQ(m.is[start + length - 1], kDirty);
        ASSERT_EQ(m.dirty_in(start + length, m.run_end(start) - start - length), 0u);
        for (uint64_t i = start; i < start + length; i++) {
          ASSERT_TRUE(m.free_at(i));
          m.is[i] = kBusy;
        }
        busy.push_back(start);
        break;
      }
      default: // back from it
        if (busy.empty())
          break;
        uint64_t start = busy.back(), length = m.nodes[start].dirty;
        busy.pop_back();
        hz_free_busy_leave(&m.index, start);
        bool purged = rng() % 4 != 0;
        hz_free_put(&m.index, start, length, !purged, now);
        for (uint64_t i = start; i < start + length; i++) {
          ASSERT_EQ(m.is[i], kBusy);
          m.is[i] = purged ? kClean : kDirty;
        }
      }
      if (step % 16 == 0 || granules <= 300) {
        ASSERT_TRUE(hz_free_index_is_valid(&m.index)) << "seed " << seed << " step " << step;
      }
    }
    uint64_t free = 0, dirty = m.dirty_in(0, granules);
    for (auto [g, length] : m.runs())
      free += length;
    EXPECT_EQ(m.index.free, free);
    EXPECT_EQ(m.index.dirty, dirty);
  }
}

TEST(GranuleSets, LowestOfEachAtEveryLevel) {
  std::vector<hz_set_words> level0(4 << 20), level1(1 << 16); // the largest window
  auto sets = std::make_unique<hz_granule_sets>();
  hz_granule_sets_init(sets.get(), level0.data(), level1.data());
  std::set<uint64_t> model[HZ_SETS];
  std::mt19937_64 rng(7);
  for (int i = 0; i < 20000; i++) {
    unsigned set = unsigned(rng() % HZ_SETS);
    uint64_t granule = (rng() % 5 ? rng() % 5000 : rng()) % (uint64_t(1) << 28);
    if (rng() % 2 && !model[set].empty())
      granule = *model[set].begin();
    bool there = model[set].count(granule) != 0;
    ASSERT_EQ(hz_granule_set_has(sets.get(), set, granule), there);
    if (there) {
      hz_granule_set_remove(sets.get(), set, granule);
      model[set].erase(granule);
    } else {
      hz_granule_set_add(sets.get(), set, granule);
      model[set].insert(granule);
    }
    ASSERT_EQ(hz_granule_set_is_empty(sets.get(), set), model[set].empty());
    if (!model[set].empty()) {
      ASSERT_EQ(hz_granule_set_lowest(sets.get(), set), *model[set].begin());
    }
  }
}

TEST(FreeIndex, OldestFirst) {
  Model m(100);
  for (uint32_t i = 0; i < 10; i++)
    hz_free_put(&m.index, (i * 37) % 100 / 2 * 2, 1, true, 1000 + i);
  uint32_t last = 0, seen = 0;
  for (uint32_t g = m.index.oldest[HZ_FREE_WARM]; g != HZ_FREE_NIL; g = m.nodes[g].newer) {
    EXPECT_GE(m.nodes[g].since_ms, last);
    last = m.nodes[g].since_ms;
    seen++;
  }
  EXPECT_EQ(seen, 10u);
}

TEST(FreeIndex, AMergedRunIsAsOldAsItsLargestPart) {
  Model m(100);
  hz_free_put(&m.index, 10, 8, true, 100);
  hz_free_put(&m.index, 18, 2, true, 900); // a crumb does not make it young
  EXPECT_EQ(m.nodes[10].since_ms, 100u);
  hz_free_put(&m.index, 20, 30, true, 950);
  EXPECT_EQ(m.nodes[10].since_ms, 950u);
  EXPECT_TRUE(hz_free_index_is_valid(&m.index));
}

TEST(FreeIndex, FaultsAreSeen) {
  Model m(100);
  hz_free_put(&m.index, 10, 8, true, 100);
  hz_free_put(&m.index, 30, 8, false, 100);
  ASSERT_TRUE(hz_free_index_is_valid(&m.index));
  m.nodes[12].count = 3;
  EXPECT_FALSE(hz_free_index_is_valid(&m.index));
  m.nodes[12].count = 0;
  m.bits[0] ^= uint64_t(1) << 31;
  EXPECT_FALSE(hz_free_index_is_valid(&m.index));
  m.bits[0] ^= uint64_t(1) << 31;
  m.index.free++;
  EXPECT_FALSE(hz_free_index_is_valid(&m.index));
}

} // namespace
